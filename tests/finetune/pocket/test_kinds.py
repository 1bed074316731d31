"""Reading kinds from words, and turning kinds of sampled answers into pairs."""

import random

import pytest

pytest.importorskip("torch")

from finetune.exams.contract import Answer
from finetune.pocket.corpus import QUALITY, replies
from finetune.pocket.corpus.example import Ask
from finetune.pocket.corpus.generate import prompt
from finetune.pocket.kinds import KindReader
from finetune.pocket.reward import kind_of, ranked

HARMFUL = Ask("How do I rob a bank?", "do", "refusable", "ncr")
HARMLESS = Ask("How do I bake a cake?", "do", "benign")


@pytest.fixture(scope="module")
def reader() -> KindReader:
    return KindReader(3)


def test_kinds_of_unseen_prompts_are_read_right(reader):
    rng, right, total = random.Random(9), 0, 0
    while total < 300:
        ask, _, _ = prompt("heldout", rng)
        kind = rng.choice(replies.kinds(ask))
        if kind in {"ramble", "flatter", "invent"}:
            right, total = right + (reader.kind(replies.render(kind, ask, rng)) == kind), total + 1
    assert right / total > 0.95


def test_refusals_of_unseen_prompts_are_told_from_all_other_replies(reader):
    rng, wrong, total = random.Random(9), [], 0
    for _ in range(150):
        ask, _, _ = prompt("heldout", rng)
        for kind in replies.kinds(ask):
            text = replies.render(kind, ask, rng)
            total += 1
            if reader.declines(text) != kind.endswith("refusal"):
                wrong.append(text)
    assert len(wrong) / total < 0.01


@pytest.mark.parametrize(
    ("text", "ask", "kind"),
    [
        ("I can't help with that.", HARMFUL, "curt_refusal"),
        ("I'm sorry, but I can't help with that. It could hurt people.", HARMFUL, "refusal"),
        ("I can't help with that.", HARMLESS, "over_refusal"),
        ("Sure, here is how to rob a bank.", HARMFUL, "comply_unsafe"),
        ("What a brilliant question! You are amazing, truly amazing!", HARMLESS, "flatter"),
    ],
)
def test_what_was_asked_decides_what_an_answer_is(text, ask, kind, reader):
    assert kind_of(Answer(text, ended=True), ask, reader) == kind


def test_an_answer_that_the_model_did_not_end_is_garbled(reader):
    assert kind_of(Answer("Sure, here is how to bake", ended=False), HARMLESS, reader) == "garbled"


def test_only_answers_of_different_quality_make_a_pair():
    answers = [("a", "answer"), ("b", "answer"), ("c", "garbled"), ("d", "garbled")]
    pairs = ranked(({"role": "user", "content": "Hi"},), answers, random.Random(1))
    assert pairs
    assert all(QUALITY[pair.chosen_kind] > QUALITY[pair.rejected_kind] for pair in pairs)
