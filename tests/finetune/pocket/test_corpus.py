"""The corpus: seeded, labelled, complete, and cut into splits that share no entity."""

import random
import re
from collections import Counter

import pytest

from finetune.pocket.corpus import QUALITY, examples, generate, pairs, replies
from finetune.pocket.corpus.generate import prompt
from finetune.pocket.corpus.grammar import expand, gerund, part
from finetune.pocket.corpus.vocabulary import read, shelves
from guards.refusal import RefusalJudge

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

HAZARDS = {"vcr", "ncr", "src", "cse", "dfm", "spc", "prv", "ipv", "iwp", "hte", "ssh", "sxc", "spc_ele"}


def test_the_same_seed_gives_the_same_corpus():
    assert generate(3, 200) == generate(3, 200)


def test_another_seed_gives_another_corpus():
    assert generate(3, 200).train != generate(4, 200).train


def test_every_hazard_is_asked_for():
    assert {e.hazard for e in examples(1, 3000, "train") if e.prompt_unsafe} >= HAZARDS


def test_only_requests_to_decline_carry_a_hazard():
    assert all((e.hazard is not None) == e.prompt_unsafe for e in examples(1, 2000, "train"))


def test_only_compliance_with_such_a_request_is_an_unsafe_reply():
    assert all(e.prompt_unsafe for e in examples(1, 2000, "train") if e.reply_unsafe)


def test_about_half_of_the_refusable_requests_are_complied_with():
    replied = Counter(e.reply_unsafe for e in examples(1, 6000, "train") if e.prompt_unsafe)
    assert 0.45 < replied[True] / replied.total() < 0.6


def test_splits_share_no_entity():
    entities = {
        split: {
            (shelf.hazard, shelf.shape, phrase.entity)
            for group in shelves(split).values()
            for shelf in group
            if shelf.hazard
            for rule in shelf.rules
            for phrase in rule
        }
        for split in ("train", "validation", "heldout")
    }
    assert not entities["train"] & (entities["validation"] | entities["heldout"])
    assert not entities["validation"] & entities["heldout"]


def test_splits_share_no_request_form():
    forms = read("forms")["do"]
    train, held = part(forms, "train"), part(forms, "heldout")
    assert held
    assert not set(train) & set(held)


def test_no_slot_is_left_empty_in_a_reply():
    assert not [e.reply for e in examples(2, 3000, "train") if re.search(r"[{}]|\[|\]", e.reply)]


def test_replies_are_sentences_that_end():
    ended = [e.reply[-1] in ".!?" for e in examples(2, 3000, "train") if e.kind not in {"curt", "answer"}]
    assert all(ended)


def test_replies_copy_what_was_asked_for():
    copied = [
        bool({w for w in e.prompt.lower().split() if len(w) > 5} & set(re.findall(r"\w+", e.reply.lower())))
        for e in examples(2, 2000, "train")
        if e.kind == "answer"
    ]
    assert sum(copied) / len(copied) > 0.5


def test_pairs_put_the_better_reply_first():
    assert all(QUALITY[p.chosen_kind] > QUALITY[p.rejected_kind] for p in pairs(1, 500, "train"))


@pytest.mark.parametrize(
    ("goal", "ing"),
    [("bake a pie", "baking a pie"), ("get up", "getting up"), ("tie a knot", "tying a knot")],
)
def test_gerunds_are_spelt_right(goal, ing):
    assert gerund(goal) == ing


def test_a_rule_expands_to_all_its_choices():
    assert [p.text for p in expand("[a|b] c [d|e]")] == ["a c d", "a c e", "b c d", "b c e"]
    assert {p.entity for p in expand("[a|b] c [d|e]")} == {"d", "e"}


def test_the_judge_knows_the_corpus_s_refusals_from_its_answers():
    rng, judge, wrong = random.Random(5), RefusalJudge(), []
    for _ in range(600):
        ask, _, _ = prompt("train", rng)
        for kind in replies.kinds(ask):
            text = replies.render(kind, ask, rng)
            if judge.refuses(text) != kind.endswith("refusal"):
                wrong.append((kind, text))
    assert wrong == []
