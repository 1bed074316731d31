"""Versions on their way into traffic and out again, through the typed client."""

import asyncio
import itertools

import pytest

from gateway.admin.client import AdminRefused
from gateway.admin.rollouts import TOOK_BACK
from tests.gateway.admin.conftest import in_time

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

NAMES = map("policy-{}".format, itertools.count())


@pytest.fixture
async def admin(house):
    async with house.admin() as client:
        yield client


@pytest.fixture(autouse=True)
async def base_again(house):
    """Each test finds the alias on the base model."""
    yield
    house.engine.says()
    house.engine.refuse_adapters, house.engine.held = None, False
    async with house.admin() as client:
        await client.roll_out("assistant", {"base": 1.0}, "the test is over")


async def staged(house, admin, **given):
    name = next(NAMES)
    await admin.register(house.adapter(name), name, **given)
    await admin.stage(name)
    return name


async def test_a_new_gateway_leads_its_alias_to_the_base_model(admin):
    [base, *_] = await admin.versions()
    assert (base.id, base.base, base.path, base.state) == ("base", "base", None, "staged")
    assert base.weights == {"assistant": 1.0}


async def test_a_version_without_a_name_is_named_by_its_content(house, admin):
    first = await admin.register(house.adapter("content a"))
    again = await admin.register(first.path)
    other = await admin.register(house.adapter("content b"))
    assert first == again
    assert first.id.startswith("version-")
    assert first.id != other.id


async def test_a_version_keeps_where_it_comes_from(house, admin):
    parent = await admin.register(house.adapter("parent"), "parent")
    child = await admin.register(house.adapter("child"), "child", parent.id, {"dataset": "abc"})
    assert (child.parent, child.lineage["dataset"]) == ("parent", "abc")


@pytest.mark.parametrize(
    ("path", "given", "field"),
    [
        ("nowhere", {}, "path"),
        ("content a", {"id": "../x"}, "id"),
        ("content a", {"id": "base"}, "id"),
        ("content a", {"parent": "nobody"}, "parent"),
    ],
)
async def test_what_is_no_version_is_refused_by_its_field(house, admin, path, given, field):
    with pytest.raises(AdminRefused) as refused:
        await admin.register(house.folder / "adapters" / path, **{"id": "unheard-of", **given})
    assert (refused.value.status, refused.value.param) == (400, field)


async def test_a_name_stands_for_one_content(house, admin):
    await admin.register(house.adapter("one"), "one")
    with pytest.raises(AdminRefused, match="a version never changes") as refused:
        await admin.register(house.adapter("two"), "one")
    assert refused.value.status == 409


async def test_a_staged_version_is_loaded_and_has_answered_and_gets_no_traffic(house, admin):
    name = await staged(house, admin)
    assert house.engine.adapters[name].endswith(name)
    assert house.engine.asked.body["model"] == name
    assert house.ask().headers["x-trimtab-version"] == "base"


async def test_staging_again_asks_again_and_loads_nothing(house, admin):
    name = await staged(house, admin)
    assert (await admin.stage(name)).probe == "stop"


@pytest.mark.parametrize(("how", "code"), [("load", "load_failed"), ("answer", "probe_failed")])
async def test_a_version_that_fails_to_stage_leaves_everything_as_it_was(house, admin, how, code):
    name = next(NAMES)
    folder = house.adapter(name)
    await admin.register(folder, name)
    before = await admin.rollouts()
    if how == "load":
        house.engine.refuse_adapters = "LoRA rank 16 is greater than max_lora_rank 8."
    else:
        house.engine.says(refuse=(500, {"error": {"message": "broken weights"}}))
    with pytest.raises(AdminRefused, match="was not staged") as refused:
        await admin.stage(name)
    assert (refused.value.status, refused.value.code) == (502, code)
    assert name not in house.engine.adapters
    assert await admin.rollouts() == before
    assert {each.id: each.state for each in await admin.versions()}[name] == "registered"


def refusals(caplog):
    """What the log says of changes that were refused."""
    return [record.fields for record in caplog.records if record.name == "trimtab.changes"]


async def test_a_version_that_was_not_staged_is_logged_with_the_step_and_the_engines_status(
    house, admin, caplog
):
    name = next(NAMES)
    await admin.register(house.adapter(name), name)
    house.engine.says(refuse=(500, {"error": {"message": "SENTINEL"}}))
    with pytest.raises(AdminRefused):
        await admin.stage(name)
    [line] = refusals(caplog)
    assert (line["route"], line["version"]) == ("/admin/versions/{version}/stage", name)
    assert (line["error"], line["upstream_status"]) == ("probe_failed", 500)
    assert "SENTINEL" not in str(line)


async def test_a_refused_rollout_is_logged_and_a_refused_look_is_not(house, admin, caplog):
    with pytest.raises(AdminRefused):
        await admin.roll_out("assistant", {"base": 1.0}, "a race", expected={"base": 0.5})
    with pytest.raises(AdminRefused):
        await admin.exchange("nowhere")
    [line] = refusals(caplog)
    assert (line["route"], line["status"], line["error"]) == ("/admin/rollouts", 409, "moved")
    assert line["key"].startswith("key-")


async def test_files_that_changed_since_are_not_staged(house, admin):
    name = next(NAMES)
    folder = house.adapter(name)
    await admin.register(folder, name)
    (folder / "adapter_model.safetensors").write_text("other weights")
    with pytest.raises(AdminRefused, match="have changed") as refused:
        await admin.stage(name)
    assert refused.value.status == 409
    assert name not in house.engine.adapters


async def test_a_rollout_moves_traffic_at_once_and_tells_why(house, admin):
    name = await staged(house, admin)
    moved = await admin.roll_out("assistant", {name: 1.0}, "passed the gate", {"exam": 0.9})
    assert (moved.before, moved.after) == ({"base": 1.0}, {name: 1.0})
    assert house.ask().headers["x-trimtab-version"] == name
    [latest, *_] = await admin.transitions("assistant")
    assert (latest["cause"], latest["evidence"], latest["kind"]) == (
        "passed the gate",
        {"exam": 0.9},
        "rollout",
    )
    assert latest["actor"].startswith("key-")


async def test_a_rollout_that_changes_nothing_is_no_transition(admin):
    before = await admin.transitions("assistant")
    await admin.roll_out("assistant", {"base": 1.0}, "again")
    assert await admin.transitions("assistant") == before


@pytest.mark.parametrize(
    "weights",
    [{}, {"base": 0.5}, {"base": 1.5, "x": -0.5}, {"nobody": 1.0}, {"base": 0.0}],
)
async def test_weights_that_cannot_be_in_force_change_nothing(house, admin, weights):
    with pytest.raises(AdminRefused) as refused:
        await admin.roll_out("assistant", weights, "a mistake")
    assert (refused.value.status, refused.value.param) == (400, "weights")
    assert house.ask().headers["x-trimtab-version"] == "base"


async def test_traffic_goes_to_nothing_that_was_not_staged(house, admin):
    name = next(NAMES)
    await admin.register(house.adapter(name), name)
    with pytest.raises(AdminRefused, match=f"not staged: {name}"):
        await admin.roll_out("assistant", {name: 1.0}, "in a hurry")


async def test_a_canary_gets_its_share(house, admin):
    name = await staged(house, admin)
    await admin.roll_out("assistant", {"base": 0.5, name: 0.5}, "canary")
    seen = {house.ask(f"question {number}").headers["x-trimtab-version"] for number in range(20)}
    assert seen == {"base", name}


async def test_each_rollback_undoes_one_rollout_more(house, admin):
    first, second = await staged(house, admin), await staged(house, admin)
    await admin.roll_out("other", {"base": 1.0}, "start")
    await admin.roll_out("other", {first: 1.0}, "better")
    await admin.roll_out("other", {second: 1.0}, "better still")
    assert (await admin.roll_back("other", "worse")).after == {first: 1.0}
    assert (await admin.roll_back("other", "worse too")).after == {"base": 1.0}
    with pytest.raises(AdminRefused, match="no earlier weights"):
        await admin.roll_back("other", "enough")


async def test_a_rollback_asked_for_once_more_undoes_nothing_more(house, admin):
    first, second = await staged(house, admin), await staged(house, admin)
    for name in ("base", first, second):
        await admin.roll_out("other", {name: 1.0}, "better")
    await admin.roll_back("other", "worse", expected={second: 1.0})
    with pytest.raises(AdminRefused) as refused:
        await admin.roll_back("other", "worse", expected={second: 1.0})
    assert (refused.value.code, refused.value.param) == ("moved", "expected")
    assert (await admin.rollouts())["other"] == {first: 1.0}


async def test_a_rollback_leads_past_what_was_taken_back(house, admin):
    good, bad = await staged(house, admin), await staged(house, admin)
    await admin.roll_out("third", {"base": 1.0}, "start")
    await admin.roll_out("third", {good: 1.0}, "better")
    for share in (0.01, 0.05, 0.25):
        await admin.roll_out("third", {good: 1 - share, bad: share}, "canary")
    await admin.roll_out("third", {good: 1.0}, "flagged", {TOOK_BACK: [bad]})
    assert (await admin.roll_back("third", "worse")).after == {"base": 1.0}


async def test_a_rollback_loads_again_what_was_retired(house, admin):
    old, new = await staged(house, admin), await staged(house, admin)
    await admin.roll_out("assistant", {old: 1.0}, "first")
    await admin.roll_out("assistant", {new: 1.0}, "second")
    await admin.retire(old)
    assert old not in house.engine.adapters
    await admin.roll_back("assistant", "second was worse")
    assert old in house.engine.adapters
    assert house.ask().headers["x-trimtab-version"] == old


async def to_be_loaded_first(house, admin, alias):
    """An alias whose rollback must load a version that was retired, and then waits for the engine's answer."""
    older, old, new = [await staged(house, admin) for _ in range(3)]
    for name in (older, old, new):
        await admin.roll_out(alias, {name: 1.0}, "better")
    await admin.retire(old)
    house.engine.says()
    house.engine.held = True
    return old


async def test_of_two_rollbacks_at_once_one_is_refused(house, admin):
    old = await to_be_loaded_first(house, admin, "fourth")
    both = [asyncio.create_task(admin.roll_back("fourth", "worse")) for _ in range(2)]
    await in_time(lambda: len(house.engine.requests) == 2)
    house.engine.held = False
    ends = await asyncio.gather(*both, return_exceptions=True)
    assert [end.code for end in ends if isinstance(end, AdminRefused)] == ["moved"]
    assert (await admin.rollouts())["fourth"] == {old: 1.0}


async def test_a_rollback_overrules_nobody_who_moved_the_alias_meanwhile(house, admin):
    await to_be_loaded_first(house, admin, "fifth")
    rolling_back = asyncio.create_task(admin.roll_back("fifth", "worse"))
    await in_time(lambda: house.engine.requests)
    await admin.roll_out("fifth", {"base": 1.0}, "a newer word")
    house.engine.held = False
    with pytest.raises(AdminRefused, match="somebody changed it meanwhile"):
        await rolling_back
    assert (await admin.rollouts())["fifth"] == {"base": 1.0}


async def test_a_rollback_undoes_a_canary_that_steps_on_meanwhile(house, admin):
    old, new = await staged(house, admin), await staged(house, admin)
    step = {"rollout": "ro-1"}
    await admin.roll_out("sixth", {old: 1.0}, "better")
    await admin.roll_out("sixth", {"base": 0.99, new: 0.01}, "canary", step)
    await admin.retire(old)
    house.engine.says()
    house.engine.held = True
    rolling_back = asyncio.create_task(admin.roll_back("sixth", "rude"))
    await in_time(lambda: house.engine.requests)
    await admin.roll_out("sixth", {"base": 0.95, new: 0.05}, "canary", step)
    house.engine.held = False
    assert (await rolling_back).after == {old: 1.0}


async def test_a_version_that_answers_for_an_alias_is_not_retired(house, admin):
    name = await staged(house, admin)
    await admin.roll_out("assistant", {"base": 0.9, name: 0.1}, "canary")
    with pytest.raises(AdminRefused, match="still answers for assistant") as refused:
        await admin.retire(name)
    assert refused.value.status == 409
    assert name in house.engine.adapters


async def test_the_base_model_is_not_retired(admin):
    await admin.roll_out("assistant", {"base": 1.0}, "as ever")
    with pytest.raises(AdminRefused, match="adapters rest on it"):
        await admin.retire("base")


async def test_retiring_waits_for_what_is_in_flight(house, admin):
    name = await staged(house, admin)
    lease = house.tools.router.lease(name)  # a request that began on it
    house.server.call(lease.__enter__)
    with pytest.raises(AdminRefused, match="1 are in flight") as refused:
        await admin.retire(name, timeout_seconds=0)
    assert refused.value.code == "in_flight"
    assert name in house.engine.adapters
    retiring = asyncio.create_task(admin.retire(name, timeout_seconds=60))
    await asyncio.sleep(0.2)
    assert not retiring.done()
    house.server.call(lambda: lease.__exit__(None, None, None))
    await retiring
    assert name not in house.engine.adapters


async def test_what_is_being_retired_takes_no_new_requests(house, admin):
    name = await staged(house, admin)
    assert house.ask(model=name).status_code == 200
    await admin.retire(name)
    assert house.ask(model=name).status_code == 404


async def test_retiring_twice_is_retiring_once(house, admin):
    name = await staged(house, admin)
    await admin.retire(name)
    await admin.retire(name)
    assert {each.id: each.state for each in await admin.versions()}[name] == "retired"


async def test_an_engine_that_restarted_gets_its_adapters_back(house, admin):
    name = await staged(house, admin)
    await admin.roll_out("assistant", {name: 1.0}, "in")
    house.engine.adapters.clear()
    await in_time(lambda: name in house.engine.adapters)
    assert house.ask().headers["x-trimtab-version"] == name
