"""A constitution: the principles by which a policy mends its own answers, as a YAML file."""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetune.errors import ConstitutionInvalid

Principle = Annotated[str, Field(min_length=8, max_length=500)]


class Document(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")

    principles: Annotated[tuple[Principle, ...], Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class Constitution:
    """Principles, in the file's order."""

    principles: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The beginning of the SHA-256 over the principles: what provenance names."""
        return hashlib.sha256(json.dumps(self.principles).encode()).hexdigest()[:12]


def read_constitution(path: Path | None) -> Constitution:
    """A file's principles, or those that come with Trimtab; raises ConstitutionInvalid naming the field."""
    place = path or Path(str(files("finetune") / "pairs" / "constitution.yaml"))
    try:
        told = yaml.safe_load(place.read_text(encoding="utf-8"))
        return Constitution(Document.model_validate(told).principles)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConstitutionInvalid(f"the constitution {place} cannot be read: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ConstitutionInvalid(f"the constitution {place}: {wrong}") from None
