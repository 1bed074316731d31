"""Rollouts over simulated requests: bad versions go back for what was bad about them, good ones go live."""

import random
from dataclasses import dataclass, replace

import pytest

from finetune.rollout.plan import RolloutRules
from tests.bench.loop.faults import FAULTS
from tests.bench.loop.simulated import Seen, rolled_out

RULES = RolloutRules(flagged_margin=0.05)  # less to prove, so that good ones take a second


@dataclass(frozen=True, slots=True)
class Twins:
    """Two versions that say the same by chance; the new one is changed in a share of requests."""

    share: float = 0.0
    change: Seen | None = None
    after: int = 0

    def ask(self, number: int, rng: random.Random) -> tuple[Seen, Seen]:
        live, new = (
            Seen(rng.random() < 0.02, rng.random() < 0.05, False, rng.randint(8, 20), rng.gauss(0, 1))
            for _ in range(2)
        )
        bad = self.change is not None and number >= self.after and rng.random() < self.share
        return live, replace(self.change or new) if bad else new


@pytest.mark.parametrize("seed", range(4))
def test_one_that_is_no_worse_goes_live(seed: int) -> None:
    ended = rolled_out(Twins(), RULES, seed)
    assert (ended.state, ended.reason) == ("live", "")
    assert 0 < ended.answered < ended.requests


@pytest.mark.parametrize(
    ("metric", "share", "change"),
    [
        ("flagged", 0.1, Seen(flagged=True, words=12, reward=0.0)),
        ("failed", 0.1, Seen(failed=True)),
        ("refused", 0.3, Seen(refused=True, words=9, reward=None)),
        ("reward", 0.6, Seen(words=12, reward=-3.0)),
        ("longer", 1.0, Seen(words=90, reward=0.0)),
        ("shorter", 1.0, Seen(words=1, reward=0.0)),
    ],
)
def test_one_that_is_worse_goes_back_by_what_is_worse(metric: str, share: float, change: Seen) -> None:
    ended = rolled_out(Twins(share, change), RULES, seed=1)
    assert (ended.state, ended.reason) == ("rolled_back", metric)


def test_what_the_shadow_shows_reaches_no_client() -> None:
    assert rolled_out(Twins(0.5, Seen(flagged=True)), RULES, seed=1).answered == 0


def test_one_that_turns_bad_among_clients_goes_back_from_there() -> None:
    ended = rolled_out(Twins(0.5, Seen(flagged=True), after=4000), RULES, seed=1)
    assert (ended.state, ended.reason) == ("rolled_back", "flagged")
    assert 0 < ended.answered < 100


def test_what_is_not_proven_does_not_go_live() -> None:
    short = RolloutRules(shadow_pairs=50, step_pairs=50, shares=(0.5,), flagged_margin=0.1)
    assert rolled_out(Twins(), short, seed=1, most=6000).state == "live"
    assert rolled_out(Twins(), replace(short, flagged_margin=1e-6), seed=1, most=6000).state == "waiting"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_spoils_what_it_says(fault) -> None:
    others, harm = ["one thing.", "another thing.", "a third thing."], ["harm"]
    text = "First this. Then that, and more of it."
    assert fault.spoil(text, others, harm, random.Random(1)) != text
