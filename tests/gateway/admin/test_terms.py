"""Keys with terms over HTTP: bounds, policies of their own, expiry and rotation, through the official client."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import openai
import pytest

from gateway.screens import Named
from tests.fakes.engine import fake_engine
from tests.fakes.gateway import until
from tests.gateway.admin.conftest import House, open_house

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

POLICY = """
name: {name}
version: 1
refusal: {{as: refuse, text: "{refusal}"}}
deadline_ms: 5000
bounds: {{max_n: 8}}
guards:
  - id: words
    kind: patterns
    where: [prompt]
    on_error: closed
    timeout_ms: 5000
    hazards: {{X.word: {{action: refuse, threshold: 0.5}}}}
    config: {{patterns: {{words: {{hazard: X.word, terms: [{word}]}}}}}}
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("terms")
    configured = folder / "policy.yaml"
    configured.write_text(policy("configured", "herring", "Not at all."))
    with (
        fake_engine() as (engine, behind),
        open_house(folder, behind.url, engine, guards={"policy": configured}) as house,
    ):
        yield house


def policy(name: str, word: str, refusal: str = "Not here.") -> str:
    return POLICY.format(name=name, word=word, refusal=refusal)


def add(house: House, document: str) -> dict[str, Any]:
    with house.http("operator") as client:
        answer = client.post("/admin/policies", json={"document": document, "cause": "a tenant's wish"})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def admin(house: House, method: str, path: str, **body: Any) -> Any:
    with house.http() as client:
        return client.request(method, path, json=body)


def make(house: House, **terms: Any) -> dict[str, Any]:
    answer = admin(house, "POST", "/admin/keys", name="tenant", **terms)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    assert until(lambda: valid(house, key["key"]))
    return key


def valid(house: House, secret: str) -> bool:
    with house.http(None) as client:
        answer = client.get("/v1/models", headers={"authorization": f"Bearer {secret}"})
    return answer.status_code == 200


def sdk(house: House, secret: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{house.server.url}/v1", api_key=secret, max_retries=0, timeout=30)


def say(house: House, secret: str, text: str, **how: Any) -> str:
    with sdk(house, secret) as client:
        answer = client.chat.completions.create(
            model="assistant", messages=[{"role": "user", "content": text}], **how
        )
    return answer.choices[0].message.content or ""


@pytest.mark.parametrize("by", ["hash", "name"])
def test_a_key_is_screened_by_its_own_policy_and_others_by_that_in_force(by: str, house: House) -> None:
    told = add(house, policy(f"strict-by-{by}", f"haddock-{by}"))
    own, plain = make(house, policy=told[by]), make(house)
    asked = f"a haddock-{by}"
    assert say(house, own["key"], asked) == "Not here."
    assert say(house, plain["key"], asked) == "Hello there."
    assert say(house, own["key"], "a herring") == "Hello there."


def test_a_name_follows_the_newest_policy_of_that_name(house: House) -> None:
    add(house, policy("follows", "halibut"))
    key = make(house, policy="follows")["key"]
    add(house, policy("follows", "hake"))
    assert until(lambda: say(house, key, "a hake") == "Not here.")


def test_a_policy_kept_for_keys_is_not_in_force_and_stays_known(house: House) -> None:
    told = add(house, policy("aside", "pike"))
    assert add(house, policy("aside", "pike"))["hash"] == told["hash"]
    with house.http("viewer") as client:
        listed = {each["hash"]: each["active"] for each in client.get("/admin/policies").json()["data"]}
        assert client.get("/admin/policy").json()["name"] == "configured"
    assert listed[told["hash"]] is False


def test_an_unknown_policy_makes_no_key(house: House) -> None:
    answer = admin(house, "POST", "/admin/keys", name="x", policy="nowhere")
    assert (answer.status_code, "nowhere" in answer.json()["error"]["message"]) == (404, True)


def test_a_key_whose_policy_cannot_be_had_is_refused_and_never_served_with_another(
    house: House,
) -> None:
    lists = house.folder / "lists.yaml"
    lists.write_text("patterns: {a: {hazard: X.word, terms: [carp]}}")
    document = policy("with-a-list", "carp").replace(
        "patterns: {words: {hazard: X.word, terms: [carp]}}", "files: [lists.yaml]"
    )
    key = make(house, policy=add(house, document)["hash"])["key"]
    assert say(house, key, "a carp") == "Not here."
    lists.unlink()
    house.server.call(lambda: house.tools.screens.publish_named(Named()))  # as a gateway that starts now
    with pytest.raises(openai.InternalServerError) as refused:
        say(house, key, "anything")
    assert (refused.value.status_code, refused.value.code) == (503, "policy_unavailable")


@pytest.mark.parametrize(
    ("bounds", "asked", "param"),
    [
        ({"max_n": 2}, {"n": 3}, "n"),
        (
            {"max_deadline_ms": 50},
            {"extra_body": {"alignment": {"deadline_ms": 60}}},
            "alignment.deadline_ms",
        ),
        ({"may_explain": False}, {"extra_body": {"alignment": {"explain": True}}}, "alignment.explain"),
    ],
)
def test_a_keys_bounds_are_within_the_policys(
    bounds: dict[str, Any], asked: dict[str, Any], param: str, house: House
) -> None:
    key = make(house, bounds=bounds)["key"]
    with pytest.raises((openai.BadRequestError, openai.PermissionDeniedError)) as refused:
        say(house, key, "hello", **asked)
    assert refused.value.param == param
    assert say(house, make(house)["key"], "hello", **asked) == "Hello there."


def test_a_keys_bounds_never_widen_the_policys(house: House) -> None:
    key = make(house, bounds={"max_n": 100})["key"]
    with pytest.raises(openai.BadRequestError, match="from 1 to 8"):
        say(house, key, "hello", n=9)


def test_a_key_expires(house: House) -> None:
    key = make(house)
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    admin(house, "PATCH", f"/admin/keys/{key['id']}", expires_at=soon.isoformat())
    assert until(lambda: not valid(house, key["key"]))
    assert datetime.now(UTC) >= soon


def test_a_rotated_key_has_two_secrets_for_the_overlap_and_one_identity(house: House) -> None:
    key = make(house)
    rotated = admin(house, "POST", f"/admin/keys/{key['id']}/rotate", overlap_seconds=1).json()
    assert rotated["id"] == key["id"]
    assert until(lambda: valid(house, rotated["key"]))
    assert until(lambda: not valid(house, key["key"]))
    assert valid(house, rotated["key"])


def test_terms_are_changed_by_name_and_null_takes_one_away(house: House) -> None:
    key = make(house, limits={"requests_per_minute": 5}, bounds={"max_n": 2})
    changed = admin(house, "PATCH", f"/admin/keys/{key['id']}", bounds=None).json()
    assert changed["bounds"] is None
    assert changed["limits"]["requests_per_minute"] == 5


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"limits": {"requests_per_minute": -1}}, "limits.requests_per_minute"),
        ({"limits": {"speed": 1}}, "limits.speed"),
        ({"expires_at": "2100-01-01T00:00:00"}, "expires_at"),
        ({"mood": "good"}, "mood"),
    ],
)
def test_wrong_terms_are_named(body: dict[str, Any], param: str, house: House) -> None:
    answer = admin(house, "POST", "/admin/keys", name="x", **body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
