"""Candidates drawn after the fact."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.errors import DrawFailed
from finetune.exams.contract import Answer, ExamPlan
from finetune.pairs.draw import Drawer, DrawRules, wanting
from finetune.pairs.groups import group_of
from finetune.pairs.make import MakeRules, make_pairs
from finetune.pairs.pair import Group
from finetune.pairs.spread import spread_of
from finetune.progress import Silence
from finetune.rollout.contract import Live
from gateway.exchange import Message
from guards.verdict import Context, Screening, Segment
from rewardserve.client import RewardUnavailable
from tests.fakes.exchanges import benign, candidate, exchange, harmful, screened

LONE = group_of(exchange("lone", "how do I", candidate(0, "sure, first", -1.0, hazard="vcr")))
RULES, MAKE = DrawRules(candidates=2), MakeRules(margin_sd=0.5)
LIVE = Live("v2", None, {"v2": 1.0})


class Wavering:
    """Complies once and declines once."""

    def __init__(self, adapter: Path | None) -> None:
        self.adapter = adapter

    def sample(
        self, conversations: Sequence[Sequence[Message]], plan: ExamPlan, seed: int
    ) -> list[list[Answer]]:
        said = [Answer("Sure, first", ended=True), Answer("I cannot help.", ended=True)]
        return [said for _ in conversations]


class Wary:
    """Withholds whatever begins with Sure."""

    async def reply(self, segments: Sequence[Segment], context: Context | None = None) -> Screening:
        return screened(segments[0].text, "vcr" if segments[0].text.startswith("Sure") else None)


class Stern:
    """Rewards refusals, unless it is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away

    async def score_many(self, asked: Sequence[tuple[Sequence[Message], Sequence[str]]]) -> list[list[float]]:
        if self.away:
            raise RewardUnavailable("connection refused")
        return [[1.0 if "cannot" in text else -1.0 for text in texts] for _, texts in asked]


def drawer(folder: Path, *, away: bool = False) -> Drawer:
    return Drawer(Wavering, Wary(), "policy-now", Stern(away=away), folder, Silence())


async def test_a_lone_refused_answer_gets_rivals_and_thus_a_pair(tmp_path: Path) -> None:
    drawn = await drawer(tmp_path).draw([LONE], RULES, LIVE)
    (pair,) = make_pairs([LONE, *drawn.groups()], MAKE, spread_of(drawn.groups()).sd).pairs
    assert (pair.chosen, pair.rejected) == ("I cannot help.", "Sure, first")
    assert (pair.provenance.exchange_id, pair.provenance.drawn) == ("lone", True)
    assert (drawn.prompts, drawn.candidates) == (1, 2)


async def test_a_drawn_pair_names_the_version_and_the_policy_that_made_it(tmp_path: Path) -> None:
    drawn = await drawer(tmp_path).draw([replace(LONE, version="v1", policy="policy-then")], RULES, LIVE)
    (pair,) = make_pairs(drawn.groups(), MAKE, spread_of(drawn.groups()).sd).pairs
    assert (pair.provenance.version, pair.provenance.policy) == ("v2", "policy-now")


async def test_whoever_was_erased_while_candidates_were_drawn_is_in_no_file(tmp_path: Path) -> None:
    asked = []

    async def erased(exchanges: Collection[str]) -> Collection[str]:
        asked.append(sorted(path.name for path in tmp_path.iterdir()))
        return {"lone"}

    other = replace(LONE, exchange_id="other")
    drawn = await replace(drawer(tmp_path), erased=erased).draw([LONE, other], RULES, LIVE)
    assert names(drawn.groups()) == ["other"]
    assert len(asked[0]) == 1  # the ledger was asked once the file was there
    assert list(tmp_path.iterdir()) == [drawn.path]


async def test_nothing_wanting_loads_no_policy(tmp_path: Path) -> None:
    drawn = await replace(drawer(tmp_path), load=None).draw([], RULES, LIVE)  # type: ignore[arg-type]
    assert drawn.groups() == []


async def test_without_rewards_nothing_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(DrawFailed, match="connection refused"):
        await drawer(tmp_path, away=True).draw([LONE], RULES, LIVE)


def names(groups: list[Group]) -> list[str]:
    return [group.exchange_id for group in groups]


def test_only_flagged_groups_without_a_pair_are_wanting() -> None:
    plain = exchange("plain", "hi", candidate(0, "hi", 1.0))
    groups = [group_of(harmful(1)), group_of(benign(1)), LONE, group_of(plain)]
    assert names(wanting(groups, set(), MAKE, 9, spread_of(groups).sd)) == ["lone"]
    assert wanting(groups, {"lone"}, MAKE, 9, spread_of(groups).sd) == []


def test_a_prompt_refused_before_sampling_is_wanting() -> None:
    refused = replace(exchange("early", "how"), prompt_screening=screened("how", "vcr"))
    assert names(wanting([group_of(refused)], set(), MAKE, 9, spread_of([group_of(refused)]).sd)) == ["early"]


def test_a_conversation_that_is_not_plain_text_is_not_asked_again() -> None:
    called = ({"role": "tool", "content": "42"}, {"role": "user", "content": "how do I"})
    assert (
        wanting(
            [replace(LONE, messages=called)], set(), MAKE, 9, spread_of([replace(LONE, messages=called)]).sd
        )
        == []
    )


def test_each_prompt_is_asked_once_and_the_latest_first() -> None:
    groups = [replace(LONE, exchange_id=f"e{i}") for i in range(3)]
    other = replace(LONE, exchange_id="other", messages=({"role": "user", "content": "else"},))
    assert names(wanting([other, *groups], set(), MAKE, 9, spread_of([other, *groups]).sd)) == ["e0", "other"]
    assert len(wanting([other, *groups], set(), MAKE, 1, spread_of([other, *groups]).sd)) == 1
