"""Kinds of guard by name: loaded when they are needed, and no sooner."""

from importlib.metadata import EntryPoint

import pytest

from guards.detectors.patterns import Patterns
from guards.kinds import Installed, KindUnavailable
from guards.policy.load import read_policy
from guards.verdict import PolicyRefused, Segment

POLICY = """
name: small
version: 1
guards:
  - {id: one, kind: missing, where: [prompt], on_error: closed, hazards: {G.pii: {action: flag}}}
"""


def offered(**values: str) -> Installed:
    return Installed({name: EntryPoint(name, value, "trimtab.guards") for name, value in values.items()})


def test_a_kind_is_loaded_when_it_is_asked_for() -> None:
    kinds = offered(patterns="guards.detectors.patterns:Patterns", missing="no_such_library:Kind")
    assert isinstance(kinds["patterns"], Patterns)
    assert set(kinds) == {"patterns", "missing"}


def test_a_kind_whose_library_is_missing_says_so() -> None:
    with pytest.raises(KindUnavailable, match=r"'missing' cannot be loaded here.*no_such_library"):
        offered(missing="no_such_library:Kind")["missing"]


def test_a_policy_that_names_such_a_kind_is_refused_with_the_reason() -> None:
    with pytest.raises(PolicyRefused, match=r"small:5:15: guards\[0\]\.kind: .*cannot be loaded here"):
        read_policy(POLICY, "small", None, offered(missing="no_such_library:Kind"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("where", "part", "direction"),
    [
        ("prompt", "content", "prompt"),
        ("prompt", "tool_result", "tool_result"),
        ("prompt", "tool_arguments", "prompt"),  # what a turn of the past called is history
        ("reply", "reasoning", "reasoning"),
        ("reply", "tool_arguments", "tool_call"),
        ("reply", "tool_name", "tool_call"),
        ("reply", "refusal", "reply"),
    ],
)
def test_a_part_is_of_one_direction(where: str, part: str, direction: str) -> None:
    assert Segment("x", where, part).direction == direction  # type: ignore[arg-type]
