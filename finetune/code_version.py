"""Which code made a version: the release, and a digest of the sources that are installed, for one release has many."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("finetune", "gateway", "guards", "rewardserve")
HERE = Path(__file__).parent.parent
SHOWN = 12  # characters


@cache
def code_version() -> str:
    """As lineage tells it; the sources are read once, when they are first asked for."""
    return f"trimtab {version('trimtab')}, sources {digest_of(HERE)}"


def digest_of(root: Path) -> str:
    """The beginning of a SHA-256 over names and bytes of every Python file of the packages below a folder."""
    digest = hashlib.sha256()
    files = (file for package in PACKAGES for file in (root / package).rglob("*.py"))
    for name, file in sorted((file.relative_to(root).as_posix(), file) for file in files):
        source = file.read_bytes()
        digest.update(f"\0{name}\0{len(source)}\0".encode())
        digest.update(source)
    return digest.hexdigest()[:SHOWN]
