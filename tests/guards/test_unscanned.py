"""What a policy makes of parts that no guard reads."""

from pathlib import Path

import pytest

from guards.policy.load import GuardPolicy, load_policy, read_policy
from guards.screen import Screen
from guards.verdict import PolicyRefused, Segment
from tests.fakes.guards import REFUSED, Words

KINDS = {"words": Words()}
GUARDS = "guards: [{id: w, kind: words, where: [prompt], on_error: closed, hazards: {hte: {action: refuse}}}]"


def policy(unscanned: str) -> GuardPolicy:
    text = f"name: p\nversion: 1\nunscanned: {unscanned}\n{GUARDS}"
    return read_policy(text, "p.yaml", Path(), KINDS)


def test_the_bundled_policy_refuses_them() -> None:
    assert load_policy().document.unscanned.default == "refuse"


@pytest.mark.parametrize(
    ("unscanned", "action", "found"),
    [
        ("{}", "refuse", [("image", "refuse")]),
        ("{default: flag}", "flag", [("image", "flag")]),
        ("{default: allow}", "allow", []),
        ("{image: allow}", "allow", []),
        ("{default: allow, image: refuse}", "refuse", [("image", "refuse")]),
        ("{default: allow, audio: refuse}", "allow", []),
    ],
)
async def test_the_policy_says_what_they_mean(
    unscanned: str, action: str, found: list[tuple[str, str]]
) -> None:
    screening = await Screen(policy(unscanned), KINDS).prompt([Segment("hi", "prompt")], None, {"image": 2})
    assert screening.action.word == action
    assert [(one.part, one.action.word) for one in screening.findings] == found
    assert screening.unscanned == {"image": 2}


async def test_the_text_beside_them_is_screened_as_ever() -> None:
    screen = Screen(policy("{default: allow}"), KINDS)
    screening = await screen.prompt([Segment(REFUSED, "prompt")], None, {"image": 1})
    assert screening.hazards == ("hte",)


async def test_what_cannot_be_cut_out_of_a_sound_is_refused() -> None:
    said = GUARDS.replace("prompt", "reply").replace("hte: {action: refuse", "G.pii: {action: redact")
    screen = Screen(read_policy(f"name: p\nversion: 1\n{said}", "p.yaml", Path(), KINDS), KINDS)
    screening = await screen.reply([Segment("my s3cret", "reply", "transcript")])
    assert screening.withheld


@pytest.mark.parametrize(
    ("unscanned", "says"),
    [("{image: redact}", "unscanned.image"), ("{picture: allow}", "unscanned.picture: is no field")],
)
def test_a_word_that_is_none_is_refused_with_its_place(unscanned: str, says: str) -> None:
    with pytest.raises(PolicyRefused, match=says):
        policy(unscanned)


def test_another_word_is_another_policy() -> None:
    assert policy("{}").hash == policy("{default: refuse}").hash != policy("{default: flag}").hash
