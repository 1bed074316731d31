"""A frozen set of answers tells whether the scorer has moved."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from rewardserve.batcher import Batcher, BatchLimits
from rewardserve.errors import ModelUnusable, ScoringFailed
from rewardserve.probe import Drift, document_of, drift, own_probes, probes_of, read_recorded, record
from rewardserve.probing import probing
from rewardserve.reward import Reward
from rewardserve.scorer import ModelSpec
from rewardserve.scorers import transformers
from rewardserve.watched import Watched
from tests.fakes.scorer import CARD, FakeScorer

ROOMY = replace(CARD, max_tokens=1000)


def fake(rule: Any = len) -> FakeScorer:
    return FakeScorer(rule, card=ROOMY)


def drift_of(before: FakeScorer, after: FakeScorer) -> Drift:
    recorded = record(before, own_probes())
    return drift(recorded, record(after, recorded.probes).values)


def test_the_same_scorer_has_not_moved() -> None:
    found = drift_of(fake(), fake())
    assert (found.largest, found.within(0.0), found.candidates) == (0.0, True, 48)


def test_one_answer_that_moved_is_named() -> None:
    moved = drift_of(fake(), fake(lambda text: len(text) + 500 * (text == "Canberra.")))
    assert moved.where == "capital, candidates[0], reward"
    assert not moved.within(0.05)


def test_deviations_do_not_depend_on_the_models_scale() -> None:
    small = drift_of(fake(), fake(lambda text: len(text) + 3))
    large = drift_of(fake(lambda text: 100 * len(text)), fake(lambda text: 100 * len(text) + 300))
    assert small.largest == pytest.approx(large.largest)


class Parted(FakeScorer):
    """Tells its parts; `gone` leaves one out."""

    gone = False

    def score(self, items: Sequence[Any]) -> list[float]:
        sizes = super().score(items)
        parts = [{"one": size} if self.gone else {"one": size, "two": 2.0} for size in sizes]
        return [Reward(number, heads) for number, heads in enumerate(parts)]


def test_parts_are_compared_rather_than_what_is_made_of_them() -> None:
    scorer = Parted(card=ROOMY)
    recorded = record(scorer, own_probes())
    assert drift(recorded, record(scorer, recorded.probes).values).largest == 0
    scorer.gone = True
    assert drift(recorded, record(scorer, recorded.probes).values).largest == float("inf")


def test_a_reward_that_is_no_number_cannot_be_recorded() -> None:
    with pytest.raises(ScoringFailed):
        record(fake(lambda _: float("nan")), own_probes())


def test_a_recording_comes_back_as_it_was(tmp_path: Path) -> None:
    made = record(fake(), own_probes())
    path = tmp_path / "probe.json"
    path.write_text(json.dumps(document_of(made)))
    assert read_recorded(path, "fake") == made


@pytest.mark.parametrize("change", [{"form": "x"}, {"model": "other"}, {"probes": [{"id": "a"}]}])
def test_a_wrong_recording_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "probe.json"
    path.write_text(json.dumps(document_of(record(fake(), own_probes())) | change))
    with pytest.raises(ModelUnusable):
        read_recorded(path, "fake")


def test_a_wrong_probe_names_its_line() -> None:
    with pytest.raises(ModelUnusable, match=r"mine\.jsonl, line 1"):
        probes_of('{"id": "a"}', "mine.jsonl")


def test_a_real_model_repeats_itself(tiny: Path) -> None:
    scorer = transformers.load(ModelSpec(str(tiny)))
    recorded = record(scorer, own_probes())
    assert drift(recorded, record(scorer, recorded.probes).values).within(1e-3)


async def test_a_server_probes_itself_at_once_and_again() -> None:
    scorer, heard = fake(), asyncio.Event()
    recorded = record(scorer, own_probes())
    seen: list[Drift] = []

    def tell(found: Drift) -> None:
        seen.append(found)
        if len(seen) == 2:
            heard.set()

    async with (
        Batcher([scorer], BatchLimits(), lambda _: None) as batcher,
        probing(scorer, batcher.score, recorded, 0.01, tell),
    ):
        await asyncio.wait_for(heard.wait(), 10)
    assert seen[0].largest == 0


async def test_probes_that_fail_are_tried_again() -> None:
    scorer, heard = fake(), asyncio.Event()
    recorded = record(scorer, own_probes())
    tries = 0

    async def score(items: Sequence[Any]) -> Sequence[float]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ScoringFailed("not now")
        return scorer.score(items)

    async with probing(scorer, score, recorded, 0.01, lambda _: heard.set()):
        await asyncio.wait_for(heard.wait(), 10)
    assert tries > 1


def test_metrics_tell_disagreement_and_drift() -> None:
    registry = CollectorRegistry()
    watched = Watched(registry)
    watched.watch(fake())
    assert "trimtab_reward_probe_deviation NaN" in generate_latest(registry).decode()
    watched.rewarded([1.0, Reward(1.0, {"members": 2.0}, spread=0.4)])
    watched.probed(Drift(0.25, "a", 3))
    text = generate_latest(registry).decode()
    assert "trimtab_reward_disagreement_count 1.0" in text
    assert "trimtab_reward_probe_deviation 0.25" in text
