"""Tool calls in streams: their arguments flow as they pass the guards, and come to what they would be unstreamed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guards.policy.load import read_policy
from guards.screen import Screen
from tests.fakes.engine import sse
from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import FLAGGED, REDACTED, REFUSED

Json = dict[str, Any]
HI = [{"role": "user", "content": "hi"}]
LONG = "one harmless word after the other, " * 4


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


def call(position: int = 0, arguments: str = "", name: str = "", **told: Any) -> Json:
    said = {"name": name} if name else {}
    return {"index": position, **told, "function": {**said, "arguments": arguments}}


def frames(*deltas: Json, end: str | None = "tool_calls") -> tuple[bytes, ...]:
    told = [sse({"choices": [{"index": 0, "delta": each, "finish_reason": None}]}) for each in deltas]
    last = [sse({"choices": [{"index": 0, "delta": {}, "finish_reason": end}]})] if end else []
    return (*told, *last, b"data: [DONE]\n\n")


def pieces(position: int, arguments: str, length: int = 4, name: str = "send") -> Iterator[Json]:
    yield {"tool_calls": [call(position, name=name, id=f"call-{position}", type="function")]}
    for start in range(0, len(arguments), length):
        yield {"tool_calls": [call(position, arguments[start : start + length])]}


def ask(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("/v1/chat/completions", json={"model": "assistant", "messages": HI, **body})


def heard(http: httpx.Client, *told: bytes, gateway: Running) -> tuple[dict[int, Json], str, str]:
    """What a client has of each call in the end, how the choice ended, and all that was sent."""
    gateway.engine.says(frames=told, between_chunks=0.001)
    answer = ask(http, stream=True)
    calls: dict[int, Json] = {}
    finish = ""
    for line in answer.text.split("\n\n"):
        if not line.startswith("data: {") or '"error"' in line:
            continue
        [choice] = json.loads(line.removeprefix("data: "))["choices"]
        finish = choice["finish_reason"] or finish
        for each in choice["delta"].get("tool_calls") or ():
            known = calls.setdefault(each["index"], {"name": "", "arguments": ""})
            for field, text in each["function"].items():
                known[field] += text
    return calls, finish, answer.text


def test_arguments_leave_while_the_engine_still_speaks(gateway: Running, http: httpx.Client) -> None:
    told = frames(*pieces(0, json.dumps({"text": LONG})), end=None)[:-1]
    gateway.engine.says(frames=told, stall_after=len(told) - 1)
    with http.stream(
        "POST", "/v1/chat/completions", json={"model": "assistant", "messages": HI, "stream": True}
    ) as answer:
        first = next(answer.iter_text())
    assert '"name":"send"' in first


@pytest.mark.parametrize("length", [1, 4, 1000])
def test_a_refused_word_in_the_middle_ends_the_choice(
    length: int, gateway: Running, http: httpx.Client
) -> None:
    arguments = json.dumps({"text": f"{LONG}the {REFUSED} sings {LONG}"})
    calls, finish, sent = heard(http, *frames(*pieces(0, arguments, length)), gateway=gateway)
    assert finish == "content_filter"
    assert REFUSED[:3] not in sent
    assert length == 1000 or calls[0]["arguments"].startswith('{"text": "one harmless')
    assert gateway.recorded.flagged


def test_a_refused_name_never_leaves(gateway: Running, http: httpx.Client) -> None:
    told = frames(*pieces(0, json.dumps({"text": LONG}), name=REFUSED))
    calls, finish, sent = heard(http, *told, gateway=gateway)
    assert (calls, finish) == ({}, "content_filter")
    assert REFUSED not in sent


def test_what_can_be_cut_out_of_arguments_is(gateway: Running, http: httpx.Client) -> None:
    arguments = json.dumps({"text": f"{LONG}{REDACTED} {LONG}"})
    calls, finish, sent = heard(http, *frames(*pieces(0, arguments)), gateway=gateway)
    assert json.loads(calls[0]["arguments"]) == {"text": f"{LONG}[secret removed] {LONG}"}
    assert finish == "tool_calls"
    assert REDACTED[:3] not in sent


CARDS = """
name: cards
version: 1
guards:
  - {id: cards, kind: patterns, where: [reply], on_error: closed, hazards: {G.pii: {action: redact}},
     config: {sets: [personal]}}
"""


def test_a_cut_that_would_break_json_withholds_the_call_and_shows_nothing_of_it(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.reset(Screen(read_policy(CARDS, "cards.yaml", Path())))
    arguments = f'{{"text": "{LONG * 2}", "card": 4111111111111111, "more": "{LONG * 4}"}}'
    calls, finish, sent = heard(http, *frames(*pieces(0, arguments)), gateway=gateway)
    assert finish == plainly(http, arguments, gateway=gateway)["finish_reason"] == "content_filter"
    assert calls[0]["arguments"].startswith('{"text": "one harmless')
    assert "4111" not in sent
    assert "removed" not in sent


def plainly(http: httpx.Client, *arguments: str, gateway: Running) -> Json:
    """The same choice, unstreamed."""
    calls = [
        {"id": f"call-{n}", "type": "function", "function": {"name": "send", "arguments": each}}
        for n, each in enumerate(arguments)
    ]
    gateway.engine.says(
        messages=({"role": "assistant", "content": None, "tool_calls": calls},), finish_reason="tool_calls"
    )
    choice: Json = ask(http).json()["choices"][0]
    return choice


def test_a_call_ends_before_the_next_begins(gateway: Running, http: httpx.Client) -> None:
    told = frames(*pieces(0, '{"a": 1}'), *pieces(1, '{"b": 2}'))
    _, _, sent = heard(http, *told, gateway=gateway)
    assert sent.index("1}") < sent.index("call-1")


def test_a_call_that_goes_on_after_the_next_has_begun_is_not_delivered(
    gateway: Running, http: httpx.Client
) -> None:
    """Its first part has left as a whole; what would follow could not be read together with it."""
    told = frames(*pieces(0, '{"a": '), *pieces(1, '{"b": 2}'), {"tool_calls": [call(0, f"{REFUSED}")]})
    _, finish, sent = heard(http, *told, gateway=gateway)
    assert "no guard reads" in sent
    assert (finish, REFUSED in sent, "[DONE]" in sent) == ("", False, False)


def test_content_leaves_whole_before_the_calls(gateway: Running, http: httpx.Client) -> None:
    told = frames({"content": "Let me see."}, *pieces(0, '{"a": 1}'))
    _, _, sent = heard(http, *told, gateway=gateway)
    assert sent.index("Let me see.") < sent.index("call-0")


@pytest.mark.parametrize("at", range(1, len(REDACTED)))
def test_a_secret_on_both_sides_of_a_call_is_not_put_together(
    at: int, gateway: Running, http: httpx.Client
) -> None:
    told = frames({"content": REDACTED[:at]}, *pieces(0, '{"a": 1}'), {"content": REDACTED[at:] + LONG})
    _, finish, sent = heard(http, *told, gateway=gateway)
    assert finish == "content_filter"
    assert LONG not in sent


def test_a_flag_in_arguments_is_kept(gateway: Running, http: httpx.Client) -> None:
    arguments = json.dumps({"text": f"{LONG}{FLAGGED}{LONG}"})
    calls, _, _ = heard(http, *frames(*pieces(0, arguments)), gateway=gateway)
    assert calls[0]["arguments"] == arguments
    assert gateway.recorded.flagged
    assert gateway.recorded.candidates[0].message["tool_calls"][0] == {
        "id": "call-0",
        "type": "function",
        "function": {"name": "send", "arguments": arguments},
    }


def test_the_receipt_counts_names_ids_and_arguments(gateway: Running, http: httpx.Client) -> None:
    arguments = json.dumps({"text": LONG})
    gateway.engine.says(frames=frames(*pieces(0, arguments), *pieces(1, "{}")))
    answer = ask(http, stream=True, alignment={"explain": True})
    told = [json.loads(each[6:]) for each in answer.text.split("\n\n") if "alignment" in each]
    coverage = told[0]["alignment"]["coverage"]
    assert coverage["parts"] == {
        "tool_name": 2 * len("send" + "call-0"),
        "tool_arguments": len(arguments) + 2,
    }
    assert coverage["complete"]
    assert coverage["screened_bytes"] == coverage["delivered_bytes"]


WORDS = st.sampled_from(
    [REFUSED, REDACTED, FLAGGED, "s3c", '"', "\\", " ", "世界", "a longer stretch of words ", "1"]
)
TEXTS = st.lists(WORDS, max_size=8).map("".join)
ARGUMENTS = TEXTS.map(lambda text: json.dumps({"text": text}, ensure_ascii=False)) | TEXTS


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ARGUMENTS, min_size=1, max_size=3), st.integers(1, 40))
def test_streamed_calls_come_to_what_they_are_unstreamed(
    gateway: Running, http: httpx.Client, arguments: list[str], length: int
) -> None:
    plain = plainly(http, *arguments, gateway=gateway)
    deltas = [each for n, said in enumerate(arguments) for each in pieces(n, said, length)]
    calls, finish, sent = heard(http, *frames(*deltas), gateway=gateway)
    assert finish == plain["finish_reason"]
    assert REFUSED not in sent
    assert REDACTED not in sent or any(said.count(REDACTED) > 1 for said in arguments)
    if finish == "tool_calls":
        assert [each["arguments"] for _, each in sorted(calls.items())] == [
            each["function"]["arguments"] for each in plain["message"]["tool_calls"]
        ]


def test_a_refused_id_never_leaves(gateway: Running, http: httpx.Client) -> None:
    said = pieces(0, json.dumps({"text": LONG}))
    first = next(said)
    first["tool_calls"][0]["id"] = REFUSED
    told = frames(first, *said)
    calls, finish, sent = heard(http, *told, gateway=gateway)
    assert (calls, finish) == ({}, "content_filter")
    assert REFUSED not in sent
