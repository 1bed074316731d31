"""What a gateway, and a worker beside it, are told of the artifact store: the section `artifacts`."""

import re
from pathlib import Path
from typing import Annotated

from fsspec.utils import get_protocol
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue


def _checked_store(url: str) -> str:
    """The store without a slash at its end; only places that can be written."""
    if "://" not in url and not Path(url).is_absolute():
        raise ValueError("must be an absolute path, or a URL such as s3://bucket/prefix")
    if re.search(r"://[^/@]*:[^/@]*@", url):  # it would stand in lineages, logs and answers
        raise ValueError("must hold no password; the file system's own environment takes it")
    if get_protocol(url) in ("http", "https", "data", "github", "git"):
        raise ValueError("must be a place that can be written: a path, s3://, gs://, az:// …")
    return url.rstrip("/")


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be absolute: engines load versions from there")
    return path


class ArtifactSettings(BaseModel):
    """A store by its fsspec URL; without one, versions stay where they were made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Annotated[str, AfterValidator(_checked_store)] | None = None
    cache: Annotated[Path, AfterValidator(_absolute)] | None = None  # None: `versions` in the home directory
    # Of the file system; keys come from its own environment, as AWS_*.
    options: dict[str, JsonValue] = Field(default={}, repr=False)
