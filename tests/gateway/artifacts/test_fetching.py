"""Fetching: what is absent comes, once at a time, and a machine that cannot have it is quiet about it."""

import asyncio
import logging
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from gateway.admin.versions import Version
from gateway.artifacts.fetching import Fetching
from gateway.artifacts.store import ArtifactStore, open_store
from tests.gateway.artifacts.test_store import adapter


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(str(tmp_path / "store"), tmp_path / "cache", {})


def version(store: ArtifactStore, url: str, cache: Path | None = None) -> Version:
    """As a ledger has it."""
    place = (cache or store.cache) / url.rpartition("/")[2]
    return Version("v1", "b", str(place), None, {"artifact": url}, "staged", datetime.now(UTC))


async def test_what_is_absent_comes(store: ArtifactStore, tmp_path: Path) -> None:
    fetching, told = Fetching(store), version(store, store.keep(adapter(tmp_path / "made")))
    assert fetching.those_here([told]) == []
    assert fetching.lacking == {"v1"}
    await fetching.tried()
    assert fetching.those_here([told]) == [told]
    assert fetching.lacking == set()


async def test_a_cache_elsewhere_is_told_once(
    store: ArtifactStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetching = Fetching(store, retry=0.2)
    told = version(store, store.keep(adapter(tmp_path / "made")), tmp_path / "another cache")
    began = 0
    with caplog.at_level(logging.WARNING):
        for _ in range(30):
            assert fetching.those_here([told]) == []
            began += len(fetching._coming)
            await fetching.tried()
            await asyncio.sleep(0.01)
    assert began < 5  # in 0.3 s and a little
    assert caplog.text.count("give gateways the same artifacts.cache") == 1


async def test_an_emptied_cache_is_filled_again(store: ArtifactStore, tmp_path: Path) -> None:
    made = adapter(tmp_path / "made")
    fetching, told = Fetching(store, look=0.0), version(store, store.keep(made))
    await fetching.bring(told)
    assert fetching.those_here([told]) == [told]
    shutil.rmtree(store.cache)
    assert fetching.those_here([told]) == [told]  # engines have it
    assert fetching.lacking == {"v1"}
    await fetching.tried()
    assert told.directory is not None
    assert told.directory.is_dir()


class Slow(MemoryFileSystem):  # type: ignore[misc]  # it has no types
    """A store that takes its time."""

    protocol = "slow"
    store = MemoryFileSystem.store
    pseudo_dirs = MemoryFileSystem.pseudo_dirs

    def cat_file(self, path: str, *_: object, **__: object) -> bytes:
        time.sleep(1.0)
        raise FileNotFoundError(path)


async def test_a_start_does_not_wait_for_ever(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fsspec.register_implementation("slow", Slow, clobber=True)
    store = open_store(f"slow://{uuid4().hex}", tmp_path / "cache", {})
    fetching = Fetching(store)
    fetching.those_here([version(store, f"{store.url}/{'a' * 64}")])
    began = time.monotonic()
    await fetching.tried(0.1)
    assert time.monotonic() - began < 0.8
    assert "still on their way here: v1" in caplog.text
    await fetching.close()
