"""The kind webhook: what is sent, how it is signed, and that every field of the answer is checked."""

import hashlib
import hmac
import re
import time
from typing import Any

import pytest

from guards.services import Services
from guards.verdict import Action, Context, PolicyRefused, Segment
from tests.fakes.asked_guards import asking_screen
from tests.fakes.service import FakeService

CONFIG = {"service": "signing", "hazards": ["X.leak", "G.pii"], "located": ["G.pii"]}
HAZARDS = {"X.leak": {"action": "refuse", "threshold": 0.5}, "G.pii": {"action": "redact", "threshold": 0.5}}
FINE: dict[str, Any] = {"version": 1, "scores": {"X.leak": 0.1}}


async def test_the_service_is_told_what_the_contract_says(fake: FakeService, services: Services) -> None:
    fake.says = lambda path, body: FINE
    context = Context((("system", "Be kind."), ("user", "How?")))
    await asking_screen("webhook", CONFIG, services, HAZARDS).reply([Segment("So.", "reply")], context)
    [body] = fake.asked
    assert body.pop("id") == fake.headers[0]["x-trimtab-request"]
    assert body == {
        "version": 1,
        "guard": "asking",
        "hazards": ["X.leak", "G.pii"],
        "segment": {"where": "reply", "part": "content", "direction": "reply", "text": "So."},
        "context": {"turns": [{"role": "system", "text": "Be kind."}, {"role": "user", "text": "How?"}]},
    }


async def test_the_body_is_signed_with_the_time(fake: FakeService, services: Services) -> None:
    fake.says = lambda path, body: FINE
    await asking_screen("webhook", CONFIG, services, HAZARDS).prompt([Segment("a text", "prompt")])
    told = fake.headers[0]["x-trimtab-timestamp"]
    expected = hmac.new(b"shared with the service", f"{told}.".encode() + fake.bodies[0], hashlib.sha256)
    assert fake.headers[0]["x-trimtab-signature"] == f"v1={expected.hexdigest()}"
    assert abs(time.time() - int(told)) < 60
    assert b"shared" not in fake.bodies[0]


async def test_no_more_turns_are_told_than_the_policy_says(fake: FakeService, services: Services) -> None:
    fake.says = lambda path, body: FINE
    context = Context(tuple(("user", str(number)) for number in range(9)))
    for turns in (2, 0):
        config = CONFIG | {"history_turns": turns}
        await asking_screen("webhook", config, services, HAZARDS).reply([Segment("So.", "reply")], context)
    told = [[turn["text"] for turn in body["context"]["turns"]] for body in fake.asked]
    assert told == [["7", "8"], []]


async def test_what_it_locates_is_cut_out(fake: FakeService, services: Services) -> None:
    place = {"start": 2, "end": 5, "hazard": "G.pii", "label": "badge"}
    fake.says = lambda path, body: {"version": 1, "scores": {"G.pii": 0.9}, "spans": [place], "more": "later"}
    screening = await asking_screen("webhook", CONFIG, services, HAZARDS).prompt(
        [Segment("😀 A17 is in", "prompt")]
    )
    assert screening.text == "😀 [badge removed] is in"


async def test_what_it_does_not_locate_is_refused(fake: FakeService, services: Services) -> None:
    fake.says = lambda path, body: {"version": 1, "scores": {"X.leak": 0.9}}
    screening = await asking_screen("webhook", CONFIG, services, HAZARDS).prompt(
        [Segment("a text", "prompt")]
    )
    assert screening.action is Action.REFUSE


SPAN = {"start": 0, "end": 1, "hazard": "G.pii", "label": ""}


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ([], "answer must be a mapping"),
        ({}, "version is required"),
        ({"version": 2, "scores": {}}, "version must be 1"),
        ({"version": 1}, "scores is required"),
        ({"version": 1, "scores": {"X.leak": 1.1}}, "scores must be at most 1"),
        ({"version": 1, "scores": {"X.leak": "0.5"}}, "scores must be a number"),
        ({"version": 1, "scores": {"X.leak": True}}, "scores must be a number"),
        (b'{"version": 1, "scores": {"X.leak": NaN}}', "against the contract"),
        ({"version": 1, "scores": {"X.sentinel": 0.5}}, "a hazard that the policy does not name"),
        ({"version": 1, "scores": {}, "spans": [SPAN]}, "or did not score"),
        ({"version": 1, "scores": {"G.pii": 1}, "spans": [SPAN | {"end": 99}]}, "a span outside of the text"),
        (
            {"version": 1, "scores": {"G.pii": 1}, "spans": [SPAN | {"start": -1}]},
            r"spans\.0\.start must be at least 0",
        ),
        (
            {"version": 1, "scores": {"G.pii": 1}, "spans": [SPAN | {"label": 'a"b'}]},
            r"spans\.0\.label must match",
        ),
        (
            {"version": 1, "scores": {"G.pii": 1}, "spans": [SPAN | {"label": "x" * 61}]},
            "label must have at most 60",
        ),
        (503, "answered 503"),
        (b"sentinel", "not JSON"),
    ],
)
async def test_an_answer_against_the_contract_is_a_failure_that_quotes_nothing(
    fake: FakeService, services: Services, told: Any, says: str
) -> None:
    fake.says = lambda path, body: told
    screening = await asking_screen("webhook", CONFIG, services, HAZARDS).prompt(
        [Segment("a text", "prompt")]
    )
    [failure] = screening.failures
    assert not screening.verdicts
    assert re.search(says, failure.reason), failure.reason
    assert "sentinel" not in failure.reason


async def test_a_text_that_is_too_long_for_it_is_a_failure(fake: FakeService, services: Services) -> None:
    screen = asking_screen("webhook", CONFIG | {"most_chars": 10}, services, HAZARDS)
    screening = await screen.prompt([Segment("x" * 11, "prompt")])
    assert "most_chars" in screening.failures[0].reason
    assert not fake.asked


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"service": "guards"}, "has no signing_secret"),
        ({"located": ["X.other"]}, "must stand under hazards as well"),
        ({"hazards": []}, "at least 1"),
        ({"longest_chars": 5000}, "cannot redact in streamed replies"),
        ({"located": []}, "it yields no spans"),
    ],
)
async def test_a_webhook_that_cannot_work_is_refused(
    services: Services, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(PolicyRefused, match=says):
        asking_screen("webhook", CONFIG | more, services, HAZARDS)
