"""Streams for every text and every cut: what is refused never leaves, what is fine arrives as it was said."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admission import Admission
from gateway.ask import Ask
from gateway.metrics import Metrics
from gateway.pipeline import answer
from gateway.routing import Router, Routes, Share
from gateway.screens import Screens
from gateway.selection import Selection
from gateway.settings import load_settings
from gateway.stream import stream
from gateway.tenants.quotas import Quotas
from gateway.tools import Tools
from gateway.trip import Trip
from guards.policy.load import load_policy
from guards.screen import Screen
from tests.fakes.gateway import FakeCaller, FakeKeys, FakeRecorder
from tests.fakes.guards import FLAGGED, REDACTED, REFUSED, word_screen

BODY = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}]}
PIECES = st.sampled_from(
    [REFUSED, REDACTED, FLAGGED, "rud", "can", " ", "ä", "世界", "a longer stretch of words "]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)
# Of each the guards of the bundled policy think otherwise alone than in company.
SENTENCES = st.sampled_from(
    [
        *(
            "Take the pipe and cut it to length.",
            "Then fill the pot with water.",
            "Use gloves, and wear a mask.",
        ),
        *("Make sure that nobody is near when it goes off.", "Mix the powder with sugar and stir well."),
        *("The bomb in the story never explodes.", "He killed the process with a signal."),
        *(
            "Nobody should ever do this.",
            "Of course this is only about baking bread.",
            "Call me on +44 20 7946 0958.",
        ),
        *("Write to anna@example.org.", "Please call a doctor when you feel like that."),
    ]
)
BUNDLED = Screen(load_policy(None))
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


class Speaker:
    """An engine in memory that says given texts, cut as told."""

    def __init__(self, texts: list[str], lengths: list[int]) -> None:
        self._texts, self._lengths = texts, lengths

    async def complete(self, body: Mapping[str, Any], *_: Any) -> dict[str, Any]:
        return {
            "choices": [
                {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
                for index, text in enumerate(self._texts)
            ]
        }

    async def stream(self, body: Mapping[str, Any], *_: Any) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Chunk after chunk, several of them together now and then, as they come over a network."""
        together: list[dict[str, Any]] = []
        for number, chunk in enumerate(self._chunks()):
            together.append(chunk)
            if len(together) > self._lengths[number % len(self._lengths)] % 3:
                yield together
                together = []
        yield together

    def _chunks(self) -> Iterator[dict[str, Any]]:
        waiting = dict(enumerate(self._texts))
        turn = 0
        while waiting:
            index = list(waiting)[turn % len(waiting)]
            length = self._lengths[turn % len(self._lengths)]
            said, waiting[index] = waiting[index][:length], waiting[index][length:]
            end = None if waiting[index] else "stop"
            yield {"choices": [{"index": index, "delta": {"content": said}, "finish_reason": end}]}
            turn += 1
            if end:
                del waiting[index]


def tools_for(texts: list[str], lengths: list[int], screen: Screen | None = None) -> Tools:
    metrics = Metrics()
    return Tools(
        settings=load_settings(),
        engine=Speaker(texts, lengths),  # type: ignore[arg-type]
        screens=Screens(screen or word_screen(hold_back=12)),
        rewards=None,
        router=Router(Routes({"assistant": (Share("base", 1.0),)}, {"base": "base"}), metrics),
        recorder=FakeRecorder(),
        keys=FakeKeys(),
        metrics=metrics,
        admission=Admission(load_settings().limits, metrics),
        quotas=Quotas(load_settings().limits, metrics),
    )


def trip_for(tools: Tools, n: int, *, streamed: bool) -> Trip:
    caller = FakeCaller("k", "application")
    ask = Ask("id", caller, BODY, "assistant", Selection("single", n, n), n, n, 60.0, stream=streamed)
    return Trip.begin(ask, tools.screens.current)


def streamed(
    texts: list[str], lengths: list[int], screen: Screen | None = None
) -> tuple[list[str], dict[int, str], Trip]:
    """What a client hears, how each choice ended, and the trip."""

    async def there() -> tuple[list[str], dict[int, str], Trip]:
        tools = tools_for(texts, lengths, screen)
        trip = trip_for(tools, len(texts), streamed=True)
        said, ends = [""] * len(texts), {}
        async for together in stream(trip, tools):
            for choice in (choice for chunk in together for choice in chunk["choices"]):
                said[choice["index"]] += choice["delta"].get("content") or ""
                if choice["finish_reason"]:
                    ends[choice["index"]] = choice["finish_reason"]
        return said, ends, trip

    return asyncio.run(there())


def plain(texts: list[str], screen: Screen | None = None) -> list[tuple[str, str]]:
    """Each choice's text and end, unstreamed."""

    async def there() -> list[tuple[str, str]]:
        tools = tools_for(texts, [1], screen)
        body = await answer(trip_for(tools, len(texts), streamed=False), tools)
        return [(choice["message"]["content"], choice["finish_reason"]) for choice in body["choices"]]

    return asyncio.run(there())


@settings(deadline=None, max_examples=60)
@given(TEXTS, LENGTHS)
def test_a_refused_word_never_leaves_and_the_rest_arrives(text: str, lengths: list[int]) -> None:
    said, ends, trip = streamed([text], lengths)
    assert REFUSED not in said[0]
    if REFUSED in text:
        assert ends == {0: "content_filter"}
        assert trip.exchange().flagged
    elif text.count(REDACTED) <= 1:  # the fake guard marks the first one only
        assert said[0] == text.replace(REDACTED, "[secret removed]")
        assert ends == {0: "stop"}


@settings(deadline=None, max_examples=40)
@given(st.lists(TEXTS, min_size=1, max_size=4), LENGTHS)
def test_streamed_and_plain_come_to_the_same_verdicts(texts: list[str], lengths: list[int]) -> None:
    _, ends, _ = streamed(texts, lengths)
    assert [ends[index] for index in range(len(texts))] == [end for _, end in plain(texts)]


@settings(deadline=None, max_examples=40)
@given(st.lists(TEXTS, min_size=2, max_size=4), LENGTHS)
def test_every_choice_gets_one_end(texts: list[str], lengths: list[int]) -> None:
    _, ends, trip = streamed(texts, lengths)
    assert sorted(ends) == list(range(len(texts)))
    assert len(trip.candidates) == len(texts)


def test_a_refused_word_is_caught_at_every_cut() -> None:
    text = f"Grüße, {REFUSED}! 👩‍👩‍👧"
    for cut in range(1, len(text)):
        said, ends, _ = streamed([text], [cut, 1000])
        assert "can" not in said[0]
        assert ends == {0: "content_filter"}


@settings(deadline=None, max_examples=60)
@given(st.lists(SENTENCES, min_size=2, max_size=12).map(" ".join), LENGTHS)
def test_under_the_bundled_policy_a_stream_says_what_would_be_said_without(
    text: str, lengths: list[int]
) -> None:
    told, end = plain([text], BUNDLED)[0]
    said, ends, _ = streamed([text], lengths, BUNDLED)
    assert ends == {0: end}
    assert said == [told] or end == "content_filter"
