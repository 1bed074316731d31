"""Thresholds change, and nothing else."""

import pytest

from guards.policy.extends import text_of
from guards.policy.load import policy_file
from guards.tuning.edit import EditRefused, Spot, edited

BLOCK = """\
name: p  # a name
version: 1
guards:
  - id: a
    hazards:
      vcr:
        action: flag   # no threshold
      hte: [{action: flag}, {action: refuse, threshold: .9}]  # two
    kind: patterns
"""


def test_of_the_default_policy_only_the_scalars_change() -> None:
    text = text_of(policy_file("default"))
    spots = {
        Spot("harmful-prompts", "G.unsafe", 0): 0.4321,
        Spot("harmful-replies", "G.unsafe", 1): 0.77,
        Spot("secrets", "G.secret", 0): 0.5,
    }
    made = edited(text, spots)
    differing = [
        (old, new) for old, new in zip(text.splitlines(), made.splitlines(), strict=True) if old != new
    ]
    assert differing == [
        (
            "      G.unsafe: {action: flag, threshold: 0.5}",
            "      G.unsafe: {action: flag, threshold: 0.4321}",
        ),
        (
            "      G.unsafe: [{action: flag, threshold: 0.5}, {action: refuse, threshold: 0.6}]",
            "      G.unsafe: [{action: flag, threshold: 0.5}, {action: refuse, threshold: 0.77}]",
        ),
    ]


def test_a_threshold_that_was_left_to_its_default_is_written() -> None:
    made = edited(BLOCK, {Spot("a", "vcr", 0): 0.3, Spot("a", "hte", 0): 0.2, Spot("a", "hte", 1): 0.8})
    assert "        action: flag\n        threshold: 0.3   # no threshold\n" in made
    assert "hte: [{action: flag, threshold: 0.2}, {action: refuse, threshold: 0.8}]  # two\n" in made


def test_what_another_policy_says_is_not_changed_here() -> None:
    with pytest.raises(EditRefused, match="from another policy"):
        edited("extends: default\nname: p\nversion: 1\n", {Spot("secrets", "G.secret", 0): 0.4})


def test_what_an_anchor_shares_is_not_changed() -> None:
    text = "guards:\n- {id: a, hazards: &h {vcr: {action: flag}}}\n- {id: b, hazards: *h}\n"
    with pytest.raises(EditRefused, match="anchor"):
        edited(text, {Spot("a", "vcr", 0): 0.4})
