"""Versions' files in a store that every machine reaches, by their content: a shared path, S3, whatever fsspec knows.

    <store>/<digest>/<file> …       the files that decide what the version says
    <store>/<digest>/manifest.json  names and sizes, written last: without it the others are a write cut off

ArtifactsFailed     the store cannot be reached, is full, holds no such version, or holds other bytes than it should
"""

import json
import re
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
from fsspec.callbacks import Callback
from fsspec.implementations.local import LocalFileSystem

from gateway.artifacts.contents import digest_in, names_in
from gateway.errors import BadRequest

MANIFEST = "manifest.json"
DIGEST = re.compile(r"[0-9a-f]{64}")
DRAFT = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{32}")
DRAFT_SECONDS = 24 * 3600.0  # a draft that is older was left behind by a process that was killed


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
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # there may be keys in it
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
            if _is_whole(system, place, digest):
                return url
            system.makedirs(place, exist_ok=True)
            names = names_in(folder)
            for name in names:
                system.put_file(str(folder / name), f"{place}/{name}", callback=Cut(self.stopped))
            sizes = {name: (folder / name).stat().st_size for name in names}
            told = {"digest": digest, "files": names, "sizes": sizes}
            _write(system, f"{place}/{MANIFEST}", json.dumps(told).encode())
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
            brought = self._bring(digest, draft)
            if brought != set(names_in(draft)):
                raise ArtifactsFailed("its manifest names other files than a version is made of")
            if (found := digest_in(draft)) != digest:
                raise ArtifactsFailed(f"its files are other ones: their digest is {found[:12]}…")
            self._settle(draft, place)
        except Exception as error:  # as above; BadRequest where files are not even a version
            raise _failed(f"{url} cannot be fetched", error) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return place

    def _bring(self, digest: str, draft: Path) -> set[str]:
        """Get what the manifest names; its names."""
        system, root = self._opened()
        told = json.loads(system.cat_file(f"{root}/{digest}/{MANIFEST}"))
        for name in told["files"]:
            if Path(name).name != name:
                raise ArtifactsFailed(f"its manifest names a file elsewhere: {str(name)[:200]}")
            system.get_file(f"{root}/{digest}/{name}", str(draft / name), callback=Cut(self.stopped))
        return set(told["files"])

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
    _sweep(cache)
    return store


def _is_whole(system: Any, place: str, digest: str) -> bool:
    """Whether all is there that the manifest names: a disk that was full leaves an empty one, or files cut off."""
    try:
        told = json.loads(system.cat_file(f"{place}/{MANIFEST}"))
        sizes = {name: int(told["sizes"][name]) for name in told["files"]}
        there = {name: system.info(f"{place}/{name}")["size"] for name in sizes}
    except (FileNotFoundError, ValueError, TypeError, KeyError):  # none, or one that is not to be trusted
        return False
    return bool(sizes) and told.get("digest") == digest and there == sizes


def _write(system: Any, path: str, content: bytes) -> None:
    """Write a small file whole or not at all; a path's is written beside it first, object stores do so themselves."""
    if not isinstance(system, LocalFileSystem):
        system.pipe_file(path, content)
        return
    draft = f"{path}.{uuid4().hex}"
    try:
        system.pipe_file(draft, content)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _sweep(cache: Path) -> None:
    """Remove the drafts of processes that were killed while they fetched; what another fetches now is younger."""
    for draft in cache.glob(".*.*"):
        with suppress(OSError):  # another process was faster
            if DRAFT.fullmatch(draft.name) and time.time() - draft.stat().st_mtime > DRAFT_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)


def _failed(what: str, error: Exception) -> ArtifactsFailed:
    """The error in words; file systems' own are told by their kind where they say nothing."""
    told = error.message if isinstance(error, BadRequest) else str(error)
    return ArtifactsFailed(f"{what}: {told[:300] or type(error).__name__}")
