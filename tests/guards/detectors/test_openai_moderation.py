"""The kind openai_moderation: categories as hazards, and long texts in parts."""

from typing import Any

import pytest

from guards.services import Services
from guards.verdict import Segment
from tests.fakes.asked_guards import asking_screen
from tests.fakes.service import FakeService

CONFIG = {"service": "guards"}


def result(flagged: tuple[str, ...] = (), **scores: float) -> dict[str, Any]:
    named = {name.replace("__", "/").replace("_", "-"): score for name, score in scores.items()}
    return {
        "flagged": bool(flagged),
        "categories": {name: name in flagged for name in named},
        "category_scores": named,
    }


async def test_categories_are_hazards(fake: FakeService, services: Services) -> None:
    told = result(("violence",), violence=0.9, violence__graphic=0.2, sexual__minors=0.1, self_harm=0.3)
    fake.says = lambda path, body: {"results": [told]}
    screening = await asking_screen("openai_moderation", CONFIG, services).prompt(
        [Segment("a text", "prompt")]
    )
    [verdict] = screening.verdicts
    assert verdict.scores == {"G.unsafe": 0.9, "vcr": 0.9, "cse": 0.1, "ssh": 0.3}
    assert [(span.hazard, span.label) for span in verdict.spans] == [("vcr", "violence")]
    assert (fake.paths, fake.asked) == (
        ["/moderations"],
        [{"model": "omni-moderation-latest", "input": ["a text"]}],
    )


async def test_a_long_text_is_judged_whole(fake: FakeService, services: Services) -> None:
    fake.says = lambda path, body: {
        "results": [result(hate=0.8 if "canary" in text else 0.1) for text in body["input"]]
    }
    text = "fine words " * 100 + "canary"
    config = CONFIG | {"window_chars": 500, "overlap_chars": 50}
    screening = await asking_screen("openai_moderation", config, services).prompt([Segment(text, "prompt")])
    assert screening.verdicts[0].scores["hte"] == 0.8
    assert len(fake.asked[0]["input"]) == 3


async def test_a_category_that_is_new_is_unsafe_and_no_more(fake: FakeService, services: Services) -> None:
    fake.says = lambda path, body: {"results": [result(("spying",), spying=0.7)]}
    screening = await asking_screen("openai_moderation", CONFIG, services).prompt(
        [Segment("a text", "prompt")]
    )
    assert screening.verdicts[0].scores == {"G.unsafe": 0.7}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"results": []},
        {"results": [{}]},
        {"results": [result()]},
        {"results": [result(hate=1.5)]},
        {"results": [result(hate=0.5), result(hate=0.5)]},
        {"results": [{"category_scores": {"hate": "much"}}]},
        {"results": [{"category_scores": ["hate"]}]},
        b'{"results": [{"category_scores": {"hate": NaN}}]}',
        429,
    ],
)
async def test_nonsense_is_a_failure(fake: FakeService, services: Services, told: Any) -> None:
    fake.says = lambda path, body: told
    screening = await asking_screen("openai_moderation", CONFIG, services).prompt(
        [Segment("a text", "prompt")]
    )
    assert screening.failures
    assert not screening.verdicts


async def test_half_a_character_is_replaced_in_what_is_sent(fake: FakeService, services: Services) -> None:
    fake.says = lambda path, body: {"results": [result(hate=0.1)]}
    await asking_screen("openai_moderation", CONFIG, services).prompt([Segment("a\ud800b", "prompt")])
    assert fake.asked[0]["input"] == ["a\ufffdb"]
