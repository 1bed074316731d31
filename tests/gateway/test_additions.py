"""What a policy adds to replies, whole and streamed; and refusals in the language of the request."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from guards.kinds import Kind
from guards.policy.load import read_policy
from guards.screen import Screen
from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import REDACTED, REFUSED, Words

POLICY = """
name: adding
version: 1
refusal:
  as: refuse
  text: No.
  texts: {de: Nein., fr: Non.}
additions:
  - {text: Ask a doctor., unless: '(?i)\\bdoctor\\b'}
stream: {hold_back_chars: 16, overlap_chars: 64}
guards:
  - id: words
    kind: words
    where: [prompt, reply]
    on_error: closed
    hazards: {hte: {action: refuse}, G.pii: {action: redact}}
"""
HI = [{"role": "user", "content": "hi"}]
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"max_n": 8}) as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    kinds: Mapping[str, Kind] = {"words": Words()}
    served.reset(Screen(read_policy(POLICY, "p", Path(), kinds), kinds))
    return served


STREAMED = pytest.mark.parametrize("stream", [False, True])


def ask(gateway: Running, stream: bool, **body: Any) -> list[tuple[str, str | None]]:
    """The choices' contents and why they ended."""
    with gateway.sdk() as sdk:
        asked: dict[str, Any] = {"model": "assistant", "messages": HI, **body}
        if not stream:
            answer = sdk.chat.completions.create(**asked)
            return [(choice.message.content or "", choice.finish_reason) for choice in answer.choices]
        said: dict[int, tuple[str, str | None]] = {}
        for chunk in sdk.chat.completions.create(**asked, stream=True):
            for choice in chunk.choices:
                text, _ = said.get(choice.index, ("", None))
                said[choice.index] = text + (choice.delta.content or ""), choice.finish_reason
        return [said[index] for index in sorted(said)]


@STREAMED
def test_a_reply_that_lacks_the_policys_words_gets_them(gateway: Running, stream: bool) -> None:
    gateway.engine.says("Take an aspirin.")
    assert ask(gateway, stream) == [("Take an aspirin.\n\nAsk a doctor.", "stop")]
    assert gateway.recorded.answer == "Take an aspirin.\n\nAsk a doctor."
    assert gateway.recorded.candidates[0].text == "Take an aspirin."


@STREAMED
def test_a_reply_that_has_them_already_stays_as_it_is(gateway: Running, stream: bool) -> None:
    gateway.engine.says("See your Doctor.")
    assert ask(gateway, stream) == [("See your Doctor.", "stop")]


@STREAMED
def test_each_choice_is_looked_at_by_itself(gateway: Running, stream: bool) -> None:
    gateway.engine.says("A doctor knows.", f"Not {REFUSED}.", "Rest.")
    assert [text for text, _ in ask(gateway, stream, n=3)] == [
        "A doctor knows.",
        "No.",
        "Rest.\n\nAsk a doctor.",
    ]


@STREAMED
def test_it_is_added_after_what_was_cut_out(gateway: Running, stream: bool) -> None:
    gateway.engine.says(f"Take {REDACTED} now.")
    assert ask(gateway, stream) == [("Take [secret removed] now.\n\nAsk a doctor.", "stop")]


@STREAMED
def test_a_refusal_gets_nothing_added(gateway: Running, stream: bool) -> None:
    gateway.engine.says(f"{REFUSED} and more of it")
    assert ask(gateway, stream) == [("No.", "content_filter")]


@STREAMED
@pytest.mark.parametrize("reply", ["{}", '{"rest": true}', " [1, 2]"])
def test_what_programs_read_gets_nothing_added(gateway: Running, stream: bool, reply: str) -> None:
    gateway.engine.says(reply)
    assert ask(gateway, stream) == [(reply, "stop")]


@STREAMED
@pytest.mark.parametrize(
    "form", [{"response_format": {"type": "json_object"}}, {"extra_body": {"guided_regex": ".*"}}]
)
def test_who_asks_for_another_form_and_gets_prose_gets_the_policys_words(
    gateway: Running, stream: bool, form: dict[str, Any]
) -> None:
    gateway.engine.says("Rest.")
    assert ask(gateway, stream, **form) == [("Rest.\n\nAsk a doctor.", "stop")]


@STREAMED
def test_a_call_of_a_tool_gets_nothing_added(gateway: Running, stream: bool) -> None:
    message = {"role": "assistant", "content": "One moment.", "tool_calls": [CALL]}
    gateway.engine.says(messages=(message,), finish_reason="tool_calls")
    assert ask(gateway, stream) == [("One moment.", "tool_calls")]


@STREAMED
def test_the_receipt_counts_it_as_the_policys_own(gateway: Running, stream: bool, http: httpx.Client) -> None:
    gateway.engine.says("Rest.")
    asked = {"model": "assistant", "messages": HI, "alignment": {"explain": True}, "stream": stream}
    told = http.post("/v1/chat/completions", json=asked).text
    assert '"addition":15' in told.replace(" ", "")
    assert '"complete":true' in told.replace(" ", "")


@STREAMED
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("Wie kann ich meinen Nachbarn mit einem {} ärgern?", "Nein."),
        ("Comment puis-je agacer mon voisin avec un {} ?", "Non."),
        ("How can I annoy my neighbour with a {} at night?", "No."),
        ("¿Cómo puedo molestar a mi vecino con un {} por la noche?", "No."),
    ],
)
def test_a_refusal_speaks_the_language_of_the_request(
    gateway: Running, stream: bool, asked: str, told: str
) -> None:
    messages = [{"role": "user", "content": asked.format(REFUSED)}]
    assert ask(gateway, stream, messages=messages) == [(told, "content_filter")]
