"""Whether a judge is the reward server that ranked candidates."""

from dataclasses import replace

import pytest

from finetune.exams.ranker import rankers_among
from tests.fakes.scorer import CARD, FakeScorer
from tests.rewardserve.test_app import served

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "judge", [NOWHERE, f"{NOWHERE}/", "http://LOCALHOST:9", "http://ada:secret@127.0.0.1:9"]
)
async def test_an_address_is_known_however_it_is_spelt(judge: str) -> None:
    assert await rankers_among({judge, "wording", "guard:classifier"}, {NOWHERE}) == {judge}


async def test_the_same_model_elsewhere_is_no_other_judge() -> None:
    with served(FakeScorer()) as ranker, served(FakeScorer()) as judge:
        assert await rankers_among({judge.url}, {ranker.url}) == {judge.url}


async def test_another_model_is_another_judge() -> None:
    with served(FakeScorer()) as ranker, served(FakeScorer(card=replace(CARD, name="other"))) as judge:
        assert await rankers_among({judge.url}, {ranker.url}) == set()


async def test_servers_that_tell_no_model_are_known_by_their_addresses_alone() -> None:
    assert await rankers_among({"http://127.0.0.1:1"}, {NOWHERE}) == set()
