"""Whatever a guard model answers, it is an opinion within bounds, or unreadable; nothing else, and never a crash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from guards.models.answer import Answer, Step, Unreadable
from guards.models.conversation import Sight, windows
from guards.models.families import FAMILIES, made
from guards.models.neutral import neutral, sendable
from guards.verdict import Context, Segment
from tests.fakes.reading import conversation

PIECES = [
    *(
        "safe",
        "unsafe",
        "Safety: ",
        "Safe",
        "Unsafe",
        "\n",
        "Categories: ",
        "None",
        "Violent",
        "Refusal: Yes",
    ),
    *("Yes", "No", "<score>", " yes ", "</score>", "<think>", "</think>", "Harmful request: ", "yes", "no"),
    *(
        '{"User Safety": "',
        '"}',
        '"Response Safety": "',
        "Prompt harm: ",
        "harmful",
        "VIOLATION",
        "S1",
        ",",
        " ",
    ),
]
TEXTS = some.lists(some.sampled_from(PIECES) | some.text(max_size=5), max_size=8).map("".join)
STEPS = some.lists(
    some.builds(
        Step,
        some.sampled_from(PIECES),
        some.dictionaries(some.sampled_from(PIECES), some.floats(-30, 0), min_size=1, max_size=5),
    ),
    max_size=6,
).map(tuple)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("side", ["prompt", "reply"])
@settings(max_examples=100, deadline=None)
@given(text=TEXTS, steps=STEPS)
def test_nothing_is_made_of_nonsense(family: str, side: str, text: str, steps: tuple[Step, ...]) -> None:
    asked = made(family, {"policy": "p"} if family == "gpt_oss_safeguard" else {})
    [question, *_] = asked.questions(conversation(side))  # type: ignore[arg-type]
    try:
        opinion = asked.read(question, Answer(text, steps))
    except Unreadable:
        return
    assert opinion.scores.keys() <= asked.hazards(side)  # type: ignore[arg-type]
    assert all(0 <= score <= 1 for score in opinion.scores.values())


@settings(max_examples=200, deadline=None)
@given(text=some.text(max_size=300) | TEXTS, window=some.integers(2, 50), overlap=some.integers(0, 1))
def test_windows_of_any_text_hold_all_of_it(text: str, window: int, overlap: int) -> None:
    found = list(windows(Segment(text, "prompt"), Context(), Sight(window, overlap, 0)))
    shown = [text[one.start : one.end] for one in found]
    assert shown[0] + "".join(each[overlap:] for each in shown[1:]) == text
    assert [one.conversation.judged.text for one in found] == [neutral(each) for each in shown]


@settings(max_examples=200, deadline=None)
@given(text=some.text(some.characters(), max_size=100))
def test_what_is_sent_is_as_long_and_can_be_sent(text: str) -> None:
    assert len(sendable(text)) == len(text)
    sendable(text).encode()
