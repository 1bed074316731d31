"""The operator's own copy of the first keys: a file that only they can read; the ledger holds hashes.

CredentialsUnreadable   the file is there and is not what we wrote
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


class CredentialsUnreadable(Exception):
    """The credentials file is there and is not what we wrote."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the gateway listens, and the keys that `trimtab up` made for the person who ran it."""

    base_url: str
    api_key: str
    admin_url: str
    admin_key: str

    def save(self, home: Path) -> Path:
        """Write `home/credentials.json`, readable by its owner alone from the moment it exists."""
        path = location(home)
        draft = path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(self), file, indent=2)
        draft.replace(path)
        return path

    @classmethod
    def load(cls, home: Path) -> "Credentials | None":
        """The saved credentials, or None when there are none yet."""
        path = location(home)
        if not path.exists():
            return None
        try:
            return cls(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise CredentialsUnreadable(
                f"{path} is damaged ({error}); remove it and new keys are made"
            ) from None


def location(home: Path) -> Path:
    """Where credentials are kept."""
    return home / "credentials.json"
