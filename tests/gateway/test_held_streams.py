"""Guards that can only judge a whole text: a stream waits for them, and says what would be said without."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.policy.load import read_policy
from guards.screen import Screen
from guards.verdict import Segment
from tests.gateway.test_stream_properties import LENGTHS, plain, streamed

POLICY = """
name: forms
version: 1
stream: {{hold_back_chars: 16, overlap_chars: 64}}
guards:
  - id: form
    kind: {kind}
    where: [reply]
    on_error: closed
    hazards: {{"*": {{action: {action}, threshold: 0.6}}}}
    config: {config}
"""
JSON = "{json: true}"
SENTENCES = st.lists(
    st.sampled_from(
        [
            '{"a": 1}',
            "[1, 2, 3]",
            "Please send me the report tomorrow.",
            "Bitte schicken Sie mir morgen den Bericht.",
            "**Bold** words.",
            " ",
            "a\nb\nc",
        ]
    ),
    max_size=8,
).map(" ".join)


def screen(kind: str, config: str, action: str = "refuse") -> Screen:
    return Screen(read_policy(POLICY.format(kind=kind, config=config, action=action), "forms.yaml", Path()))


SCREENS = [
    screen(kind, config, action)
    for action in ("refuse", "flag")
    for kind, config in (
        ("format", JSON),
        ("format", "{without: [markdown]}"),
        ("format", "{json: true, hold: false}"),
        ("length", "{max_chars: 90, min_words: 4}"),
        ("language", "{allowed: [en]}"),
        ("language", "{denied: [de]}"),
    )
]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SCREENS), SENTENCES, LENGTHS)
def test_a_stream_comes_to_the_verdict_of_the_whole(under: Screen, text: str, lengths: list[int]) -> None:
    told, end = plain([text], under)[0]
    said, ends, trip = streamed([text], lengths, under)
    assert ends == {0: end}
    assert said == [told] or end == "content_filter"
    assert trip.candidates[0].screening is not None
    assert bool(trip.candidates[0].screening.findings) == (not verdict_of(under, text))


def verdict_of(under: Screen, text: str) -> bool:
    """Whether the text passes, judged by itself."""
    segments = [Segment(text, "reply")] if text else []
    return not asyncio.run(under.reply(segments)).findings


@pytest.mark.parametrize("text", ['{"a": [1, 2, 3], "b": "a longer value"}', '{"a": [1, 2, 3], "b": broken}'])
def test_of_json_nothing_leaves_before_its_end(text: str) -> None:
    said, ends, _ = streamed([text], [3], screen("format", JSON))
    good = text.endswith('"}')
    assert said == [text if good else screen("format", JSON).policy.refusal.text]
    assert ends == {0: "stop" if good else "content_filter"}


def test_json_that_need_not_be_held_leaves_and_is_refused_at_its_end() -> None:
    text = '{"a": [1, 2, 3], "b": "a longer value", "c": broken}'
    said, ends, _ = streamed([text], [3], screen("format", "{json: true, hold: false}"))
    assert ends == {0: "content_filter"}
    assert text.startswith(said[0])
    assert said[0]
