"""Pairs from what people said, and from revisions."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from finetune.pairs.groups import group_of
from finetune.pairs.pair import Pair
from finetune.pairs.words import freed, overturned_in, word_pairs
from gateway.exchange import Exchange
from gateway.feedback.said import Feedback
from guards.verdict import Action
from tests.fakes.exchanges import candidate, exchange

SAFE = exchange("safe", "how?", candidate(0, "Badly.", -1.0), candidate(1, "Well.", 1.0))
HELD = replace(
    exchange("held", "how?", candidate(0, "Boil it.", 1.0, hazard="vcr")),
    answer="I cannot.",
    action=Action.REFUSE,
)


def word(kind: str, candidate: int | None = None, key: str = "k1", **told: Any) -> Feedback:
    """Somebody's word."""
    return Feedback(f"{kind}-{candidate}-{key}", "e", kind, key, "operator", candidate, **told)


def made(of: Exchange, *words: Feedback) -> list[Pair]:
    """The pairs that words give."""
    return word_pairs(of, freed(group_of(of), overturned_in(words)), words)


def texts(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.chosen, pair.rejected) for pair in pairs]


def test_an_edit_is_better_than_what_was_delivered() -> None:
    (pair,) = made(SAFE, word("edit", text="Very well."))
    assert (pair.chosen, pair.rejected, pair.provenance.source) == ("Very well.", "Well.", "edit")
    assert pair.provenance.labelled_by == "edit:edit-None-k1"


def test_an_edit_may_mend_a_candidate() -> None:
    assert texts(made(SAFE, word("edit", 0, text="Better."))) == [("Better.", "Badly.")]


def test_of_a_keys_edits_of_one_answer_the_latest_counts_however_they_name_it() -> None:
    early, late = (datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2))
    newer = word("edit", 1, text="Very well.", created_at=late)
    older = word("edit", None, text="Quite well.", created_at=early)
    assert texts(made(SAFE, newer, older)) == [("Very well.", "Well.")]


def test_edits_of_two_keys_count_both() -> None:
    both = made(SAFE, word("edit", text="Very well."), word("edit", 1, "k2", text="Quite well."))
    assert texts(both) == [("Very well.", "Well."), ("Quite well.", "Well.")]


def test_most_reviewers_decide() -> None:
    votes = [word("comparison", 1, f"k{i}", other=0) for i in range(2)]
    assert texts(made(SAFE, *votes, word("comparison", 0, "k9", other=1))) == [("Well.", "Badly.")]


def test_divided_reviewers_decide_nothing() -> None:
    assert made(SAFE, word("comparison", 1, "k1", other=0), word("comparison", 0, "k2", other=1)) == []


def test_a_liked_answer_is_better_than_a_disliked_one() -> None:
    thumbs = [word("thumb", 1, value=1.0), word("thumb", 0, value=-1.0)]
    (pair,) = made(SAFE, *thumbs)
    assert (pair.chosen, pair.rejected, pair.provenance.source) == ("Well.", "Badly.", "feedback")


def test_a_thumb_of_the_answer_is_of_what_was_delivered() -> None:
    assert texts(made(SAFE, word("thumb", None, value=1.0), word("thumb", 0, value=-1.0))) == [
        ("Well.", "Badly.")
    ]


def test_no_thumb_outvotes_a_guard() -> None:
    held = exchange("x", "how?", candidate(0, "Bomb.", 1.0, hazard="vcr"), candidate(1, "No.", 0.0))
    assert made(held, word("thumb", 0, value=1.0), word("thumb", 1, value=-1.0)) == []


def test_what_was_withheld_without_need_is_better_than_the_refusal() -> None:
    (pair,) = made(HELD, word("overturn", 0))
    assert (pair.chosen, pair.rejected) == ("Boil it.", "I cannot.")
    assert (pair.kind, pair.provenance.source) == ("helpfulness", "overturn")


def test_an_operator_may_bring_the_answer_that_a_refusal_should_have_been() -> None:
    assert texts(made(HELD, word("overturn", None, text="Gladly."))) == [("Gladly.", "I cannot.")]


def test_an_overturned_candidate_is_no_longer_withheld() -> None:
    group = freed(group_of(HELD), {0})
    assert not group.samples[0].withheld


def test_a_revision_is_better_than_what_it_revises() -> None:
    mended = replace(candidate(1, "Kindly.", 0.5), revision_of=0)
    revised = exchange("r", "how?", candidate(0, "Rudely.", None, hazard="hte"), mended)
    (pair,) = made(revised)
    assert (pair.chosen, pair.rejected, pair.provenance.source) == ("Kindly.", "Rudely.", "revision")


def test_a_revision_that_guards_withhold_teaches_nothing() -> None:
    mended = replace(candidate(1, "Still rude.", 0.5, hazard="hte"), revision_of=0)
    assert made(exchange("r", "how?", candidate(0, "Rude.", None, hazard="hte"), mended)) == []
