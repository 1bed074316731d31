"""What guards share while they judge, and how they learn that nobody waits any more."""

import pytest

from guards.text.views import views
from guards.verdict import GuardTimedOut
from guards.work import Readings, Work


def test_the_views_of_a_text_are_made_once_for_all_guards() -> None:
    readings = Readings()
    first, second = Work(readings), Work(readings)
    assert first.views("1gn0r3 this") is second.views("1gn0r3 this")


def test_one_guard_may_be_over_while_another_goes_on() -> None:
    readings = Readings()
    late, waiting = Work(readings), Work(readings)
    late.end(GuardTimedOut("over"))
    with pytest.raises(GuardTimedOut):
        late.views("hello")
    assert waiting.views("hello")


def test_the_making_of_views_ends_between_two_steps() -> None:
    asked = []

    def go_on() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise GuardTimedOut("over")

    with pytest.raises(GuardTimedOut):
        views("w\u00f6rd " * 10, go_on)
    assert len(asked) == 2
