"""Versions' files in a store that every machine reaches, by their content: a shared path, S3, whatever fsspec knows.

    <store>/<digest>/<file> …       the files that decide what the version says
    <store>/<digest>/manifest.json  written last: without it the others are a write that was cut off

ArtifactsFailed     the store cannot be reached, is full, holds no such version, or holds other bytes than it should
"""

import json
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
from fsspec.callbacks import Callback

from gateway.artifacts.contents import digest_in, names_in
from gateway.errors import BadRequest

MANIFEST = "manifest.json"
DIGEST = re.compile(r"[0-9a-f]{64}")


class ArtifactsFailed(Exception):
    """What a store was asked for cannot be had."""


class Cut(Callback):  # type: ignore[misc]  # it has no types
    """Breaks a transfer off once `stopped` is set: threads cannot be cancelled, and models are large."""

    def __init__(self, stopped: threading.Event) -> None:
        super().__init__()
        self._stopped = stopped

    def relative_update(self, inc: int = 1) -> None:
        if self._stopped.is_set():
            raise ArtifactsFailed("it was broken off: this process shuts down")


@dataclass(frozen=True, slots=True)
class ArtifactStore:
    """One store, and the directory that its versions come to here; everything blocks, so ask it in a thread."""

    url: str
    cache: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def owns(self, path: str) -> bool:
        """Whether a path names something in this store: nothing else is ever fetched."""
        return path.startswith(f"{self.url}/")

    def keep(self, folder: Path) -> str:
        """Store a version's files; the URL they can be had by. What is there already is not sent again.

        Raises BadRequest when the folder holds no version, ArtifactsFailed.
        """
        digest = digest_in(folder)
        url = f"{self.url}/{digest}"
        system, root = self._opened()
        place = f"{root}/{digest}"
        try:
            if system.exists(f"{place}/{MANIFEST}"):
                return url
            system.makedirs(place, exist_ok=True)
            names = names_in(folder)
            for name in names:
                system.put_file(str(folder / name), f"{place}/{name}", callback=Cut(self.stopped))
            system.pipe_file(f"{place}/{MANIFEST}", json.dumps({"digest": digest, "files": names}).encode())
        except Exception as error:  # each file system has errors of its own
            raise _failed(f"{url} cannot be written", error) from error
        return url

    def fetch(self, url: str) -> Path:
        """Where a stored version lies here, brought first where it does not, and known to be whole."""
        digest = url.rpartition("/")[2]
        if not self.owns(url) or not DIGEST.fullmatch(digest):
            raise ArtifactsFailed(f"{url[:200]} is nothing that {self.url} holds")
        place = self.cache / digest
        if place.is_dir():
            return place
        draft = self.cache / f".{digest}.{uuid4().hex}"
        try:
            draft.mkdir(parents=True)
            self._bring(digest, draft)
            if (found := digest_in(draft)) != digest:
                raise ArtifactsFailed(f"its files are other ones: their digest is {found[:12]}…")
            self._settle(draft, place)
        except Exception as error:  # as above; BadRequest where files are not even a version
            raise _failed(f"{url} cannot be fetched", error) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return place

    def _bring(self, digest: str, draft: Path) -> None:
        system, root = self._opened()
        told = json.loads(system.cat_file(f"{root}/{digest}/{MANIFEST}"))
        for name in told["files"]:
            if Path(name).name != name:
                raise ArtifactsFailed(f"its manifest names a file elsewhere: {str(name)[:200]}")
            system.get_file(f"{root}/{digest}/{name}", str(draft / name), callback=Cut(self.stopped))

    @staticmethod
    def _settle(draft: Path, place: Path) -> None:
        """Put it in its place at once; another process may have been faster, with the same bytes."""
        try:
            draft.rename(place)
        except OSError:
            if not place.is_dir():
                raise

    def _opened(self) -> tuple[Any, str]:
        try:
            system, root = fsspec.core.url_to_fs(self.url, **self.options)
        except (ImportError, ValueError, OSError, TypeError) as error:
            raise _failed(f"artifacts.store {self.url} cannot be used", error) from error
        return system, str(root)


def open_store(url: str, cache: Path, options: Mapping[str, Any]) -> ArtifactStore:
    """The store of a URL; raises ArtifactsFailed when nothing here can read such a URL."""
    store = ArtifactStore(url, cache, options)
    store._opened()  # noqa: SLF001 - tells at the start which package is missing, and asks nobody
    return store


def _failed(what: str, error: Exception) -> ArtifactsFailed:
    """The error in words; file systems' own are told by their kind where they say nothing."""
    told = error.message if isinstance(error, BadRequest) else str(error)
    return ArtifactsFailed(f"{what}: {told[:300] or type(error).__name__}")
