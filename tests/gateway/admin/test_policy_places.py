"""Kept policies: numbered, restored, and put at places: an alias, or beside all as a shadow."""

import time
from typing import Any

import pytest

from gateway.policies.shadow import WRITE_SECONDS
from tests.fakes.engine import fake_engine
from tests.fakes.gateway import until
from tests.fakes.held_ledger import HeldLedger
from tests.gateway.admin.conftest import House, open_house
from tests.gateway.admin.test_policies import CONFIGURED, POLICY


@pytest.fixture
def opened(tmp_path):
    """Opens gateways, one after the other, with the same home and the same configured policy."""
    (tmp_path / "policy.yaml").write_text(CONFIGURED)
    with fake_engine() as (engine, behind):
        yield lambda: open_house(tmp_path, behind.url, engine, guards={"policy": tmp_path / "policy.yaml"})


@pytest.fixture
def house(opened):
    with opened() as house:
        yield house


def call(house: House, method: str, path: str, role: str = "operator", **body: Any) -> Any:
    with house.http(role) as client:
        answer = client.request(method, path, json=body or None)
    assert answer.is_success, answer.text
    return answer.json()


def refused(house: House, method: str, path: str, **body: Any) -> tuple[int, str]:
    with house.http("operator") as client:
        answer = client.request(method, path, json=body)
    return answer.status_code, answer.json()["error"]["code"] or answer.json()["error"]["param"]


def keep(house: House, name: str, word: str) -> str:
    document = POLICY.format(name=name, word=word)
    return call(house, "POST", "/admin/policies", document=document, cause="to try")["hash"]


def choose(house: House, policy: object, **place: str) -> Any:
    return call(house, "POST", "/admin/policies/choose", policy=str(policy), cause="a test", **place)


def listed(house: House) -> list[Any]:
    return call(house, "GET", "/admin/policies", "viewer")["data"]


def answer_to(house: House, text: str) -> str:
    return house.ask(text).json()["choices"][0]["message"]["content"]


def test_policies_are_numbered_in_their_order_the_configured_one_first(house):
    keep(house, "second", "haddock")
    keep(house, "third", "hake")
    assert [(row["number"], row["name"]) for row in listed(house)] == [
        (3, "third"),
        (2, "second"),
        (1, "configured"),
    ]


def test_the_same_content_keeps_its_number(house):
    assert keep(house, "second", "haddock") == keep(house, "second", "haddock")
    assert len(listed(house)) == 2


@pytest.mark.parametrize("by", ["number", "hash", "short"])
def test_a_kept_policy_is_shown_as_it_was_written(house, by):
    digest = keep(house, "second", "haddock")
    reference = {"number": "2", "hash": digest, "short": digest[:12]}[by]
    told = call(house, "GET", f"/admin/policies/{reference}", "viewer")
    assert told["document"] == POLICY.format(name="second", word="haddock")
    assert (told["number"], told["hash"]) == (2, digest)


@pytest.mark.parametrize("reference", ["9", "abc", "0" * 64, "zzzzzzzzzz"])
def test_a_policy_that_is_not_kept_is_not_found(house, reference):
    assert refused(house, "POST", "/admin/policies/choose", policy=reference, cause="x") == (
        404,
        "policy_not_found",
    )


def test_any_policy_can_be_put_in_force_again_the_configured_one_too(opened):
    with opened() as house:
        choose(house, keep(house, "second", "haddock"))
        assert answer_to(house, "a haddock") == "Not here."
        choose(house, 1)
        assert answer_to(house, "a haddock") == "Hello there."
        assert answer_to(house, "a herring") == "Not here."
        choose(house, 2)
    with opened() as house:
        assert answer_to(house, "a haddock") == "Not here."


def test_what_a_kept_policy_extended_may_change_without_changing_it(house):
    base = house.folder / "base.yaml"
    base.write_text(POLICY.format(name="base", word="haddock"))
    own = "name: own\nversion: 1\nextends: base.yaml\n"
    digest = call(house, "POST", "/admin/policies", document=own, cause="x")["hash"]
    base.write_text(POLICY.format(name="base", word="hake"))
    choose(house, digest)
    assert answer_to(house, "a haddock") == "Not here."


def test_a_kept_policy_whose_lists_have_changed_is_not_put_in_force_as_if_it_were_the_same(house):
    (house.folder / "lists.yaml").write_text("patterns: {a: {hazard: X.word, terms: [haddock]}}")
    document = POLICY.format(name="own", word="haddock").replace(
        "patterns: {words: {hazard: X.word, terms: [haddock]}}", "files: [lists.yaml]"
    )
    digest = call(house, "POST", "/admin/policies", document=document, cause="x")["hash"]
    (house.folder / "lists.yaml").write_text("patterns: {a: {hazard: X.word, terms: [hake]}}")
    assert refused(house, "POST", "/admin/policies/choose", policy=digest, cause="x") == (
        400,
        "policy_changed",
    )


def test_a_policy_whose_cases_do_not_hold_is_refused_and_the_old_one_stays(house):
    document = POLICY.format(name="own", word="haddock") + "cases:\n  - {text: a hake, expect: refuse}\n"
    assert refused(house, "POST", "/admin/policy", document=document, cause="x") == (400, "policy_refused")
    assert answer_to(house, "a herring") == "Not here."


def test_an_alias_has_a_policy_of_its_own_and_others_have_not(house):
    choose(house, keep(house, "second", "haddock"), place="alias:assistant")
    assert answer_to(house, "a haddock") == "Not here."
    assert answer_to(house, "a herring") == "Hello there."
    assert listed(house)[0]["places"] == ["alias:assistant"]
    call(house, "POST", "/admin/policies/clear/alias:assistant", cause="done")
    assert answer_to(house, "a haddock") == "Hello there."


def test_a_key_with_a_policy_of_its_own_keeps_it_whatever_the_alias_has(house):
    digest = keep(house, "second", "haddock")
    choose(house, keep(house, "third", "hake"), place="alias:assistant")
    secret = call(house, "POST", "/admin/keys", "admin", name="own", policy=digest)["key"]
    body = {"model": "assistant", "messages": [{"role": "user", "content": "a haddock and a hake"}]}
    headers = {"authorization": f"Bearer {secret}"}

    def judged_by() -> str | None:
        with house.http(None) as client:
            answer = client.post("/v1/chat/completions", json=body, headers=headers)
        return answer.headers.get("x-trimtab-policy")

    assert until(lambda: judged_by() is not None, 10)  # once the gateway has heard of the key
    assert judged_by() == digest


def test_a_place_where_nothing_stands_cannot_be_cleared(house):
    assert refused(house, "POST", "/admin/policies/clear/shadow", cause="x") == (404, "policy_not_found")


@pytest.mark.parametrize("place", ["elsewhere", "alias:", ""])
def test_there_are_no_other_places(house, place):
    assert refused(house, "POST", "/admin/policies/choose", policy="1", place=place, cause="x")[0] == 400


def test_every_choice_is_written_down(house):
    digest = keep(house, "second", "haddock")
    choose(house, digest, place="shadow")
    [change, *_] = call(house, "GET", "/admin/transitions?kind=policy", "viewer")["data"]
    assert (change["subject"], change["after"], change["cause"]) == ("shadow", {"hash": digest}, "a test")


def shadow_of(house: House) -> Any:
    return call(house, "GET", "/admin/shadow", "viewer")


def test_a_shadow_judges_the_same_traffic_and_changes_nothing(house):
    digest = keep(house, "second", "haddock")
    choose(house, digest, place="shadow")
    answered = house.ask("a haddock")
    assert answered.json()["choices"][0]["message"]["content"] == "Hello there."
    assert until(lambda: shadow_of(house)["counts"], 10)
    told = shadow_of(house)
    assert told["policy"] == digest
    assert {(row["side"], row["acted"], row["would"], row["texts"]) for row in told["counts"]} == {
        ("prompt", "allow", "refuse", 1),
        ("reply", "allow", "allow", 1),
    }
    [differing] = told["differing"]
    assert differing["exchange_id"] == answered.headers["x-trimtab-exchange"]
    assert (differing["candidate"], differing["acted"], differing["would"]) == (-1, "allow", "refuse")
    assert differing["hazards"] == ["X.word"]


def test_a_shadow_adds_to_what_it_has_counted(house):
    choose(house, keep(house, "second", "haddock"), place="shadow")
    for count in (1, 2):
        house.ask("hello")
        assert until(lambda count=count: {row["texts"] for row in shadow_of(house)["counts"]} == {count}, 10)


def test_what_a_shadow_judged_is_not_lost_where_a_gateway_stops_while_it_is_written(opened, tmp_path):
    with opened() as house:
        choose(house, keep(house, "second", "haddock"), place="shadow")
        held = HeldLedger(tmp_path / "home" / "ledger.db")
        house.ask("a haddock")
        time.sleep(2 * WRITE_SECONDS)  # its writer waits for the lock by now
        held.let_go(1.0)
    with opened() as house:
        assert [row["texts"] for row in shadow_of(house)["counts"]] == [1, 1]
        assert len(shadow_of(house)["differing"]) == 1


def test_without_a_shadow_nothing_is_told(house):
    assert shadow_of(house) == {"policy": None}
