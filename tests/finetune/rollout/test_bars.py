"""Where each test of a rollout decides by itself."""

import pytest

from finetune.rollout.bars import bar_of, bar_told
from finetune.rollout.evidence import Evidence
from finetune.rollout.machine import alarmed, proven
from finetune.rollout.plan import HARM, PROOF, RolloutRules, Weights

RULES = RolloutRules()
LOST = {name: Evidence((-1000.0,)) for name in HARM}  # all of their wealth


def at(log: float) -> Evidence:
    return Evidence((log,), highest=log)


@pytest.mark.parametrize("test", HARM)
def test_at_its_bar_a_test_rolls_back_alone_and_below_it_does_not(test: str) -> None:
    bar = bar_of(test, RULES)
    assert bar is not None
    assert alarmed(LOST | {test: at(bar.log + 1e-9)}, RULES) is not None
    assert alarmed(LOST | {test: at(bar.log - 1e-9)}, RULES) is None


def test_at_its_bar_the_proof_lets_a_version_go_live() -> None:
    bar = bar_of(PROOF, RULES)
    assert bar is not None
    assert proven({PROOF: at(bar.log)}, RULES)
    assert not proven({PROOF: at(bar.log - 1e-9)}, RULES)
    assert bar.told == "20, lets it go live"


def test_what_has_no_weight_decides_nothing() -> None:
    bar = bar_of("reward", RolloutRules(weights=Weights(reward=0)))
    assert bar_told(bar) == "decides nothing: its weight is 0"
