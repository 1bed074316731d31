"""The fake reward model keeps the promises of a Scorer."""

import threading

import pytest

from rewardserve.errors import TooLong
from rewardserve.scorer import Message, Scorer
from tests.fakes.scorer import FakeItem, FakeScorer


def test_it_is_a_scorer() -> None:
    scorer: Scorer[FakeItem] = FakeScorer()
    assert scorer.score(scorer.prepare([Message("user", "hi")], ["abc", "a"])) == [3.0, 1.0]


def test_it_marks_what_is_partial() -> None:
    assert [item.text for item in FakeScorer().prepare([], ["abc"], partial=True)] == ["abc…"]


def test_it_remembers_its_batches() -> None:
    scorer = FakeScorer()
    scorer.score(scorer.prepare([], ["a", "b"]))
    assert scorer.batches == [["a", "b"]]


def test_it_refuses_what_is_too_long() -> None:
    with pytest.raises(TooLong):
        FakeScorer().prepare([], ["word " * 101])


def test_it_waits_while_it_is_held() -> None:
    scorer = FakeScorer()
    scorer.hold()
    thread = threading.Thread(target=scorer.score, args=([FakeItem("a", 1)],))
    thread.start()
    assert scorer.busy.wait(5)
    assert thread.is_alive()
    scorer.free.set()
    thread.join(5)
    assert not thread.is_alive()
