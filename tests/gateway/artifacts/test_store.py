"""The artifact store: kept by content, brought whole or not at all, whatever the place is."""

import json
import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.artifacts.contents import digest_of
from gateway.artifacts.store import MANIFEST, ArtifactsFailed, ArtifactStore, open_store
from gateway.errors import BadRequest


def adapter(folder: Path, weights: str = "weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"r": 8}')
    (folder / "adapter_model.safetensors").write_text(weights)
    return folder


@pytest.fixture(params=["path", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    url = str(tmp_path / "store") if request.param == "path" else f"memory://{uuid4().hex}"
    return open_store(url, tmp_path / "cache", {})


def elsewhere(store: ArtifactStore, tmp_path: Path) -> ArtifactStore:
    """The same store as another machine sees it."""
    return open_store(store.url, tmp_path / "other cache", {})


def test_another_machine_gets_the_same_bytes(store: ArtifactStore, tmp_path: Path) -> None:
    made = adapter(tmp_path / "made")
    place = elsewhere(store, tmp_path).fetch(store.keep(made))
    assert digest_of(place) == digest_of(made)
    assert {each.name for each in place.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}


def test_what_is_there_is_not_sent_again(store: ArtifactStore, tmp_path: Path) -> None:
    made = adapter(tmp_path / "made")
    url = store.keep(made)
    system, root = store._opened()
    system.rm(f"{root}/{digest_of(made)}/adapter_model.safetensors")
    assert store.keep(made) == url
    assert not system.exists(f"{root}/{digest_of(made)}/adapter_model.safetensors")


def test_what_is_here_is_not_brought_again(store: ArtifactStore, tmp_path: Path) -> None:
    url = store.keep(adapter(tmp_path / "made"))
    there = elsewhere(store, tmp_path)
    place = there.fetch(url)
    system, root = store._opened()
    system.rm(root, recursive=True)
    assert there.fetch(url) == place


def test_a_write_that_was_cut_off_is_none(store: ArtifactStore, tmp_path: Path) -> None:
    made = adapter(tmp_path / "made")
    url = store.keep(made)
    system, root = store._opened()
    system.rm(f"{root}/{digest_of(made)}/{MANIFEST}")
    with pytest.raises(ArtifactsFailed, match="cannot be fetched"):
        elsewhere(store, tmp_path).fetch(url)
    store.keep(made)
    assert elsewhere(store, tmp_path).fetch(url).is_dir()


def test_other_bytes_than_the_name_says_are_not_served(store: ArtifactStore, tmp_path: Path) -> None:
    made = adapter(tmp_path / "made")
    url = store.keep(made)
    system, root = store._opened()
    system.pipe_file(f"{root}/{digest_of(made)}/adapter_model.safetensors", b"weightz")
    there = elsewhere(store, tmp_path)
    with pytest.raises(ArtifactsFailed, match="other ones"):
        there.fetch(url)
    assert list(there.cache.iterdir()) == []


def test_a_manifest_cannot_write_elsewhere(store: ArtifactStore, tmp_path: Path) -> None:
    made = adapter(tmp_path / "made")
    url = store.keep(made)
    system, root = store._opened()
    told = json.dumps({"files": ["../escaped"]}).encode()
    system.pipe_file(f"{root}/{digest_of(made)}/{MANIFEST}", told)
    with pytest.raises(ArtifactsFailed, match="elsewhere"):
        elsewhere(store, tmp_path).fetch(url)
    assert not (tmp_path / "other cache" / "escaped").exists()


def test_nothing_outside_of_the_store_is_fetched(store: ArtifactStore) -> None:
    for url in ("https://example.com/x", f"{store.url}/../secret", store.url, f"{store.url}/{'0' * 63}"):
        with pytest.raises(ArtifactsFailed, match="nothing that"):
            store.fetch(url)


def test_a_folder_without_a_version_is_refused(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequest, match=r"adapter_config\.json"):
        store.keep(tmp_path / "empty")


def test_a_transfer_ends_with_the_process(tmp_path: Path) -> None:
    store = open_store(f"memory://{uuid4().hex}", tmp_path / "cache", {})
    store.stopped.set()
    with pytest.raises(ArtifactsFailed, match="shuts down"):
        store.keep(adapter(tmp_path / "made"))


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = ArtifactStore(str(tmp_path / "file"), tmp_path / "cache")
    with pytest.raises(ArtifactsFailed, match="cannot be written"):
        store.keep(adapter(tmp_path / "made"))


def test_a_missing_package_is_told_at_the_start(tmp_path: Path) -> None:
    if shutil.which("hdfs"):
        pytest.skip("this machine has Hadoop")
    with pytest.raises(ArtifactsFailed, match=r"artifacts\.store"):
        open_store("nosuch://bucket", tmp_path / "cache", {})
