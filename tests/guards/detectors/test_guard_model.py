"""The kind guard_model: a policy that names a service and a family, asked over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from guards.policy.load import load_policy, read_policy
from guards.screen import Screen
from guards.services import Services
from guards.verdict import Action, Context, PolicyRefused, Segment
from tests.fakes.service import FakeService, completion, fake_service

POLICY = """
name: modelled
version: 1
deadline_ms: 20000
guards:
  - id: model
    kind: guard_model
    where: [prompt, reply]
    on_error: {on_error}
    timeout_ms: {patience_ms}
    hazards:
      G.unsafe: {{action: flag, threshold: 0.5}}
      vcr: {{action: refuse, threshold: 0.7}}
    config: {{service: guards, model: guard-8b, {config}}}
"""
SAFE = completion(["\n\n", {"safe": 0.9, "unsafe": 0.1}])
UNSAFE = completion(["\n\n", {"unsafe": 0.8, "safe": 0.2}, "\n", "S", "1"])


def judged(path: str, body: Any) -> Any:
    """Unsafe where the last message has the word."""
    return UNSAFE if "canary" in str(body["messages"][-1]) else SAFE


@pytest.fixture
async def fake() -> AsyncIterator[FakeService]:
    async with fake_service(judged) as running:
        yield running


@pytest.fixture
async def services(fake: FakeService) -> AsyncIterator[Services]:
    async with Services([fake.service()]) as found:
        yield found


def screen(
    services: Services,
    config: str = "family: llama_guard",
    on_error: str = "closed",
    patience_ms: int = 10_000,
) -> Screen:
    text = POLICY.format(config=config, on_error=on_error, patience_ms=patience_ms)
    return Screen(read_policy(text, "modelled.yaml", Path(), services=services))


async def test_what_the_model_calls_unsafe_is_refused_with_its_own_word_for_it(
    fake: FakeService, services: Services
) -> None:
    screening = await screen(services).prompt([Segment("a canary", "prompt")])
    assert screening.action is Action.REFUSE
    assert screening.hazards == ("vcr", "G.unsafe")
    [verdict] = screening.verdicts
    assert verdict.scores == {"G.unsafe": pytest.approx(0.8), "vcr": pytest.approx(0.8)}
    assert [(span.hazard, span.label, span.start, span.end) for span in verdict.spans] == [
        ("vcr", "S1", 0, 8)
    ]
    assert (fake.asked[0]["model"], fake.paths) == ("guard-8b", ["/chat/completions"])


async def test_what_it_calls_safe_passes(services: Services) -> None:
    screening = await screen(services).prompt([Segment("fine", "prompt")])
    assert (screening.action, screening.verdicts[0].scores) == (
        Action.ALLOW,
        {"G.unsafe": pytest.approx(0.1)},
    )


async def test_a_reply_is_judged_with_what_was_asked(fake: FakeService, services: Services) -> None:
    context = Context((("system", "Be kind."), ("user", "How?")))
    await screen(services).reply([Segment("a canary", "reply")], context)
    assert fake.asked[0]["messages"] == [
        {"role": "user", "content": "How?"},
        {"role": "assistant", "content": "a canary"},
    ]


async def test_nothing_hides_at_the_end_of_a_long_text(fake: FakeService, services: Services) -> None:
    text = "fine words " * 2000 + "canary"
    screening = await screen(services).prompt([Segment(text, "prompt")])
    assert screening.action is Action.REFUSE
    [span] = screening.verdicts[0].spans
    assert span.end == len(text)
    assert span.start > 0
    assert len(fake.asked) == 4


async def test_segments_are_asked_about_at_once(fake: FakeService, services: Services) -> None:
    fake.seconds = 0.05
    await screen(services).prompt([Segment(f"text {number}", "prompt") for number in range(8)])
    assert fake.most_waiting == 8


@pytest.mark.parametrize(("on_error", "action"), [("closed", Action.REFUSE), ("open", Action.FLAG)])
@pytest.mark.parametrize(
    "said",
    [completion(["I", " cannot", " judge"]), completion(["safe", "\n", "S1"]), 503, b"no", {"choices": []}],
)
async def test_no_verdict_is_a_failure_and_never_a_guess(
    fake: FakeService, services: Services, on_error: str, action: Action, said: Any
) -> None:
    fake.says = lambda path, body: said
    screening = await screen(services, on_error=on_error).prompt([Segment("sentinel words", "prompt")])
    assert (screening.action, screening.verdicts) == (action, ())
    assert "sentinel" not in screening.failures[0].reason


async def test_a_guard_that_is_late_leaves_the_engine(fake: FakeService, services: Services) -> None:
    fake.seconds = 60
    screening = await screen(services, patience_ms=100).prompt([Segment("fine", "prompt")])
    assert screening.failures[0].reason == "had not answered within 0.1 s"
    while not fake.abandoned:
        await asyncio.sleep(0.005)


async def test_a_turn_is_asked_about_once(fake: FakeService, services: Services) -> None:
    asking = screen(services)
    turns = (("user", "one"), ("assistant", "two"))
    parts = [Segment("one", "prompt"), Segment("two", "prompt", "assistant")]
    await asking.prompt(parts, Context(turns))
    await asking.prompt([*parts, Segment("three", "prompt")], Context((*turns, ("user", "three"))))
    assert len(fake.asked) == 3


async def test_a_failure_is_not_remembered(fake: FakeService, services: Services) -> None:
    asking, fake.says = screen(services), lambda path, body: 500
    assert (await asking.prompt([Segment("fine", "prompt")])).failures
    fake.says = judged
    assert not (await asking.prompt([Segment("fine", "prompt")])).failures


async def test_nothing_is_remembered_where_the_policy_says_so(fake: FakeService, services: Services) -> None:
    asking = screen(services, "family: llama_guard, remember_seconds: 0")
    for _ in range(2):
        await asking.prompt([Segment("fine", "prompt")])
    assert len(fake.asked) == 2


async def test_an_empty_text_is_not_asked_about(fake: FakeService, services: Services) -> None:
    assert not (await screen(services).prompt([Segment(" \n", "prompt")])).verdicts[0].scores
    assert not fake.asked


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("family: nobody", r"config\.family: must be"),
        (
            "family: llama_guard, mode: strict",
            "mode: no option of llama_guard; its options are categories, version",
        ),
        ("family: llama_guard, version: '9'", "version must be one of"),
        ("family: llama_guard, url: 'http://evil'", r"config\.url: is no field here"),
        ("family: llama_guard, service: other", r"config\.service: there is no service .* known are guards"),
        ("family: qwen3guard, window_chars: 3", r"config\.window_chars: must be at least 500"),
    ],
)
async def test_a_policy_that_cannot_work_is_refused(services: Services, config: str, says: str) -> None:
    config = config.replace("service: other", "model: x, service: other")
    text = POLICY.format(config=config, on_error="open", patience_ms=10).replace("model: guard-8b, ", "")
    text = text if "service: other" not in config else text.replace("service: guards, ", "")
    text = text if "model" in config else text.replace("service: guards", "model: m, service: guards")
    with pytest.raises(PolicyRefused, match=says):
        read_policy(text, "modelled.yaml", Path(), services=services)


def test_without_settings_no_service_is_known(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        POLICY.format(config="family: llama_guard", on_error="open", patience_ms=10)
    )
    with pytest.raises(PolicyRefused, match="none is configured"):
        load_policy(tmp_path / "p.yaml")


async def test_whoever_leaves_takes_the_call_along(fake: FakeService, services: Services) -> None:
    fake.seconds = 60
    asking = asyncio.create_task(
        screen(services).prompt([Segment("one", "prompt"), Segment("two", "prompt")])
    )
    while fake.waiting < 2:
        await asyncio.sleep(0.005)
    asking.cancel()
    while fake.abandoned < 2:
        await asyncio.sleep(0.005)
    assert asking.cancelled()
