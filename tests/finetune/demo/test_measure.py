"""The demo's sums."""

import pytest

from finetune.demo.measure import guarding, is_mixed, rewarding, swapping
from finetune.demo.sending import Sent
from finetune.demo.traffic import Answer
from finetune.exams.contract import Question


def sent(name: str, reward: float, *, flagged: bool = False) -> Sent:
    question = Question(name, ({"role": "user", "content": name},), "benign")
    hazards = ("vcr",) if flagged else ()
    return Sent(question, f"x-{name}", "text", refused=False, hazards=hazards, flagged=flagged, reward=reward)


def answer(text: str, *, version: str = "a", error: str | None = None, reason: str = "stop") -> Answer:
    return Answer(0, "p", False, 1.0, 2.0, version, text, reason, error)


RIGHT = {("a", "p"): "old", ("b", "p"): "new"}


def test_the_gain_is_told_in_sd_of_single_samples() -> None:
    once = [sent(str(i), reward) for i, reward in enumerate((-1.0, 0.0, 1.0))]
    often = [sent(str(i), reward) for i, reward in enumerate((1.0, 2.0, 3.0))]
    assert rewarding({1: once, 8: often}).gain == pytest.approx(2.0)


def test_flagged_exchanges_are_counted_with_their_hazards() -> None:
    told = guarding([sent("1", 0.0, flagged=True), sent("2", 0.0)])
    assert (told.flagged, told.by_hazard, told.flagged_rate) == (1, {"vcr": 1}, 0.5)


def test_a_prompt_sent_often_counts_as_one() -> None:
    few = [sent(str(i % 4), 0.0, flagged=bool(i % 2)) for i in range(400)]
    many = [sent(str(i), 0.0, flagged=bool(i % 2)) for i in range(400)]
    wide, narrow = guarding(few).flagged_rate_interval, guarding(many).flagged_rate_interval
    assert wide[1] - wide[0] > 3 * (narrow[1] - narrow[0])


def test_an_answer_in_another_versions_words_is_mixed() -> None:
    assert is_mixed(answer("old then new"), RIGHT)
    assert not is_mixed(answer("new", version="b"), RIGHT)


def test_what_a_guard_cut_says_nothing_of_versions() -> None:
    assert not is_mixed(answer("old th", reason="content_filter"), RIGHT)


def test_only_requests_in_flight_during_the_swap_count() -> None:
    answers = [answer("old"), answer("", error="APIConnectionError: gone")]
    assert swapping(answers, (0.0, 0.5), 0.1, RIGHT).requests_during == 0
    assert swapping(answers, (1.5, 3.0), 0.1, RIGHT).requests_during == 2


def test_a_failure_after_the_swap_counts_as_well() -> None:
    assert swapping([answer("", error="gone")], (0.0, 0.5), 0.1, RIGHT).failed == 1
