"""How an exchange ends, given what is made of its parts."""

import pytest

from gateway.backtest.ending import Ending, ending
from gateway.backtest.past import Outcome
from guards.verdict import Action

PASS, FLAG, REFUSE = (Outcome(action) for action in (Action.ALLOW, Action.FLAG, Action.REFUSE))


@pytest.mark.parametrize(
    ("prompt", "candidates", "rewards", "chosen", "action"),
    [
        (PASS, [PASS], [None], 0, Action.ALLOW),
        (FLAG, [PASS], [None], 0, Action.FLAG),
        (REFUSE, [PASS], [None], 0, Action.REFUSE),
        (PASS, [REFUSE], [None], 0, Action.REFUSE),
        (PASS, [FLAG, PASS], [1.0, 2.0], 0, Action.FLAG),  # the winner stays
        (PASS, [REFUSE, FLAG, PASS], [3.0, 2.0, 1.0], 0, Action.FLAG),  # the best that is left
        (PASS, [REFUSE, FLAG, PASS], [None, None, None], 0, Action.FLAG),  # the first, without rewards
        (PASS, [PASS, REFUSE], [None, None], None, Action.ALLOW),  # refused then, and not now
        (None, [None], [None], None, Action.REFUSE),  # never screened, never delivered
    ],
)
def test_the_action_in_the_end(prompt, candidates, rewards, chosen, action) -> None:
    assert ending(prompt, candidates, rewards, chosen) == Ending(action)


def test_a_prompt_that_would_pass_now_has_no_answer() -> None:
    assert ending(PASS, [], [], None, refused_then=True) == Ending(Action.ALLOW, unanswered=True)
