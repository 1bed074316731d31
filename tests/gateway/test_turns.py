"""The age of a conversation's messages, and what may be read together with its last turn."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway import parts
from gateway.turns import MOST_EARLIER, ages


def said(*roles: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": f"{number} {role}"} for number, role in enumerate(roles)]


def test_what_follows_the_users_last_word_is_new_and_what_went_before_is_old() -> None:
    roles = ("system", "user", "assistant", "user", "user", "assistant", "tool", "assistant")
    assert ages(said(*roles)) == [0, 1, 1, 0, 0, 0, 0, 0]


def test_a_role_that_nobody_knows_is_a_users() -> None:
    assert ages(said("User", "assistant", "USER")) == [1, 1, 0]


@given(st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), min_size=1))
def test_the_last_message_is_new_and_nothing_grows_younger_towards_the_beginning(roles: list[str]) -> None:
    found = [age for age, role in zip(ages(said(*roles)), roles, strict=True) if role != "system"]
    assert sorted(found, reverse=True) == found
    assert not found or found[-1] == 0


def test_a_new_text_knows_what_the_same_side_said_before() -> None:
    content = [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]
    messages = [*said("user", "assistant"), {"role": "user", "content": content}, *said("tool")]
    segments = [part.segment for part in parts.of_prompt({"messages": messages})]
    assert [(one.text, one.turns_ago, one.earlier) for one in segments] == [
        ("0 user", 1, ()),
        ("1 assistant", 1, ()),
        ("c", 0, ("0 user",)),
        ("d", 0, ("0 user", "c")),
        ("0 tool", 0, ()),
    ]


def test_no_more_is_kept_than_is_read() -> None:
    segments = [part.segment for part in parts.of_prompt({"messages": said(*["user"] * 50)})]
    assert max(len(one.earlier) for one in segments) == MOST_EARLIER
