"""Versions from an artifact store: registered by path or URL, served by a machine that has none of the files."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from finetune.rollout.registry import GatewayRegistry
from gateway.artifacts.store import ArtifactStore
from gateway.settings import SettingsInvalid, load_settings
from tests.fakes.engine import FakeEngine, fake_engine
from tests.fakes.gateway import until
from tests.gateway.admin.conftest import House, open_house

pytestmark = pytest.mark.filterwarnings("error")


@contextmanager
def house_of(folder: Path, **changes: Any) -> Iterator[House]:
    engine: FakeEngine
    store = {"store": str(folder / "store"), "cache": str(folder / "cache")}
    with (
        fake_engine() as (engine, behind),
        open_house(folder, behind.url, engine, artifacts=store, **changes) as house,
    ):
        yield house


def register(house: House, path: str, name: str) -> Any:
    with house.http() as http:
        return http.post("/admin/versions", json={"path": path, "id": name})


def stage(house: House, name: str) -> Any:
    with house.http() as http:
        return http.post(f"/admin/versions/{name}/stage", json={})


def roll_out(house: House, name: str) -> None:
    with house.http() as http:
        told = {"alias": "assistant", "weights": {name: 1.0}, "cause": "test"}
        assert http.post("/admin/rollouts", json=told).status_code == 200


def test_engines_load_it_from_the_cache(tmp_path: Path) -> None:
    with house_of(tmp_path) as house:
        made = house.adapter("made")
        version = register(house, str(made), "v1").json()
        shutil.rmtree(made)
        assert stage(house, "v1").status_code == 200
        assert house.engine.adapters["v1"] == version["path"]
        assert Path(version["path"]).parent == tmp_path / "cache"
        assert version["lineage"]["artifact"].startswith(f"{tmp_path / 'store'}/")


def test_it_is_registered_by_its_url_too(tmp_path: Path) -> None:
    with house_of(tmp_path) as house:
        url = register(house, str(house.adapter("made")), "v1").json()["lineage"]["artifact"]
        shutil.rmtree(tmp_path / "cache")
        again = register(house, url, "v1")
        assert again.status_code == 201
        assert (tmp_path / "cache").is_dir()


def test_a_url_elsewhere_is_a_path_that_is_refused(tmp_path: Path) -> None:
    with house_of(tmp_path) as house:
        refused = register(house, "s3://another/bucket", "v1")
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "path"


def test_nobody_may_claim_an_artifact(tmp_path: Path) -> None:
    with house_of(tmp_path) as house, house.http() as http:
        told = {"path": str(house.adapter("made")), "id": "v1", "lineage": {"artifact": "s3://mine/all"}}
        assert http.post("/admin/versions", json=told).json()["lineage"]["artifact"].startswith(str(tmp_path))


def test_a_new_machine_gets_what_is_live_before_it_answers(tmp_path: Path) -> None:
    with house_of(tmp_path) as house:
        register(house, str(house.adapter("made")), "v1")
        stage(house, "v1")
        roll_out(house, "v1")
    shutil.rmtree(tmp_path / "cache")
    with house_of(tmp_path) as house:  # with an engine that was started anew, and knows nothing
        answer = house.ask()
        assert answer.status_code == 200
        assert answer.headers["x-trimtab-version"] == "v1"


def test_a_gateway_without_the_files_says_so_until_it_has_them(tmp_path: Path) -> None:
    with house_of(tmp_path) as house:
        register(house, str(house.adapter("made")), "v1")
        stage(house, "v1")
        roll_out(house, "v1")
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "store").rename(tmp_path / "away")
    with house_of(tmp_path) as house, house.http() as http:
        told = http.get("/admin/health").json()
        assert (told["status"], told["lacking"]) == ("degraded", ["v1"])
        assert http.get("/health").status_code == 200
        assert http.get("/health?ready=true").status_code == 503
        (tmp_path / "away").rename(tmp_path / "store")
        assert until(lambda: http.get("/health?ready=true").status_code == 200, seconds=20)
        assert http.get("/admin/health").json()["lacking"] == []


async def test_a_worker_elsewhere_sends_and_gets_versions(tmp_path: Path) -> None:
    with house_of(tmp_path) as house:
        async with house.admin() as admin:
            registry = GatewayRegistry(admin, ArtifactStore(str(tmp_path / "store"), tmp_path / "worker's"))
            made = house.adapter("made")
            await registry.register("v1", made, {"parent": "base"})
            shutil.rmtree(made)
            stage(house, "v1")
            roll_out(house, "v1")
            shutil.rmtree(tmp_path / "cache")  # which is the gateway's, and the worker does not see it
            live = await registry.live("assistant")
    assert live.adapter is not None
    assert live.adapter.parent == tmp_path / "worker's"


def test_a_store_that_is_away_is_told_and_leaves_the_others_serving(tmp_path: Path) -> None:
    with house_of(tmp_path) as house:
        register(house, str(house.adapter("made")), "v1")
        shutil.rmtree(tmp_path / "store")
        shutil.rmtree(tmp_path / "cache")
        refused = stage(house, "v1")
        assert (refused.status_code, refused.json()["error"]["code"]) == (502, "artifact_unavailable")
        assert house.ask().status_code == 200


def test_a_relative_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"artifacts\.cache: .*absolute"):
        load_settings(home=tmp_path, artifacts={"store": "/s", "cache": "here"})
