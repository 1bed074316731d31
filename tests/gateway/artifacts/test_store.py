"""The artifact store: kept by content, brought whole or not at all, whatever the place is."""

import json
import os
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import ValidationError

from gateway.artifacts.contents import digest_of
from gateway.artifacts.settings import ArtifactSettings
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
    system.pipe_file(f"{root}/{digest_of(made)}/adapter_model.safetensors", b"WEIGHTS")  # of the same size
    assert store.keep(made) == url
    assert system.cat_file(f"{root}/{digest_of(made)}/adapter_model.safetensors") == b"WEIGHTS"


@pytest.mark.parametrize("name", [MANIFEST, "adapter_model.safetensors"])
@pytest.mark.parametrize("left", [b"", b"{", None])
def test_what_a_full_disk_cut_off_is_sent_again(
    store: ArtifactStore, tmp_path: Path, name: str, left: bytes | None
) -> None:
    made = adapter(tmp_path / "made")
    url = store.keep(made)
    system, root = store._opened()
    broken = f"{root}/{digest_of(made)}/{name}"
    system.rm(broken) if left is None else system.pipe_file(broken, left)
    store.keep(made)
    assert digest_of(elsewhere(store, tmp_path).fetch(url)) == digest_of(made)


def test_a_manifest_of_another_version_is_not_believed(store: ArtifactStore, tmp_path: Path) -> None:
    made, other = adapter(tmp_path / "made"), adapter(tmp_path / "other", "WEIGHTS")
    url = store.keep(made)
    system, root = store._opened()
    store.keep(other)
    system.copy(f"{root}/{digest_of(other)}/{MANIFEST}", f"{root}/{digest_of(made)}/{MANIFEST}")
    assert store.keep(made) == url
    assert json.loads(system.cat_file(f"{root}/{digest_of(made)}/{MANIFEST}"))["digest"] == digest_of(made)


def test_nothing_but_the_version_lies_in_a_path(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"), tmp_path / "cache", {})
    made = adapter(tmp_path / "made")
    place = Path(store.keep(made))
    assert {each.name for each in place.iterdir()} == {MANIFEST, *(each.name for each in made.iterdir())}


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


def test_a_manifest_with_more_than_a_version_is_refused(store: ArtifactStore, tmp_path: Path) -> None:
    made = adapter(tmp_path / "made")
    url = store.keep(made)
    system, root = store._opened()
    place = f"{root}/{digest_of(made)}"
    system.pipe_file(f"{place}/modeling.py", b"import os")  # no digest covers it
    told = {"files": ["adapter_config.json", "adapter_model.safetensors", "modeling.py"]}
    system.pipe_file(f"{place}/{MANIFEST}", json.dumps(told).encode())
    with pytest.raises(ArtifactsFailed, match="other files"):
        elsewhere(store, tmp_path).fetch(url)


def test_old_drafts_are_swept_and_young_ones_stay(tmp_path: Path) -> None:
    old, young = (tmp_path / "cache" / f".{name * 64}.{uuid4().hex}" for name in "ab")
    for each in (old, young):
        adapter(each)
    os.utime(old, (0, 0))
    open_store(str(tmp_path / "store"), tmp_path / "cache", {})
    assert [each.exists() for each in (old, young)] == [False, True]


def test_options_are_in_no_log(tmp_path: Path) -> None:
    assert "hush" not in repr(open_store(str(tmp_path / "store"), tmp_path / "cache", {"auto_mkdir": "hush"}))
    assert "hush" not in repr(ArtifactSettings(store="/store", options={"key": "hush"}))


@pytest.mark.parametrize("url", ["ftp://me:hush@host/x", "simplecache::ftp://me:hush@host/x"])
def test_a_password_in_a_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="must hold no password"):
        ArtifactSettings(store=url)


def test_a_container_before_a_host_is_no_password() -> None:
    url = "abfs://models@account.dfs.core.windows.net/trimtab"
    assert ArtifactSettings(store=url).store == url


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
