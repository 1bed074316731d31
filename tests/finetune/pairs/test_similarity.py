"""How alike texts are."""

from hypothesis import given
from hypothesis import strategies as st

from finetune.pairs.similarity import clusters, jaccard, shingles

TEXTS = st.text(alphabet="ab ", max_size=12)


def test_case_and_punctuation_do_not_tell_texts_apart() -> None:
    assert shingles("How, do I cook?") == shingles("how do i COOK")


def test_order_tells_texts_apart() -> None:
    assert jaccard(shingles("dog bites man"), shingles("man bites dog")) < 0.5


def test_a_near_duplicate_joins_the_first_it_repeats() -> None:
    long = "please tell me in plain words how one bakes a good loaf of rye bread at home"
    assert clusters([long, "what is the capital of France", long + " today"], 0.8) == [0, 1, 0]


@given(TEXTS, TEXTS)
def test_likeness_is_symmetric_and_full_only_for_equal_shingles(one: str, other: str) -> None:
    found = jaccard(shingles(one), shingles(other))
    assert found == jaccard(shingles(other), shingles(one))
    assert (found == 1.0) == (shingles(one) == shingles(other))


@given(st.lists(TEXTS, max_size=20))
def test_every_member_is_like_its_leader_and_leaders_lead_themselves(texts: list[str]) -> None:
    leaders = clusters(texts, 0.8)
    for text, leader in zip(texts, leaders, strict=True):
        assert leaders[leader] == leader
        assert jaccard(shingles(text), shingles(texts[leader])) >= 0.8


@given(st.lists(TEXTS, max_size=20))
def test_equal_texts_share_a_cluster(texts: list[str]) -> None:
    leaders = clusters([*texts, *texts], 0.8)
    assert leaders[: len(texts)] == leaders[len(texts) :]
