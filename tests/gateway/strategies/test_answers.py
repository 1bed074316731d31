"""What an answer comes to: forms that mean the same compare as one, and prose as nothing."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Candidate
from gateway.strategies.answers import answer_of
from tests.gateway.strategies.candidates import candidate


def answer(text: str) -> str | None:
    return answer_of(candidate(0, text=text))


@pytest.mark.parametrize(
    "alike",
    [
        ("It is 42.", "6 × 7 = 42", r"So \boxed{42}", "First 7, then the answer is 42.", "42.0"),
        ("The answer is 1,250.50", "1250.5", "1 + 1249.5 = 1250.5"),
        ("0.5", "1/2", "50%", "That makes 50%."),
        ("−3", "-3", "The answer is: -3"),
        ('{"a": 1, "b": [2]}', '{"b":[2],"a":1}', '```json\n{"a": 1,\n "b": [2]}\n```'),
        ("The answer is Paris.", "answer: paris", r"\boxed{Paris}", "**Answer: Paris**"),
    ],
)
def test_forms_of_one_answer_compare(alike: tuple[str, ...]) -> None:
    assert {answer(text) for text in alike} == {answer(alike[0])}
    assert answer(alike[0]) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [("42", "43"), ('{"a": 1}', '{"a": 2}'), ("[1, 2]", "[2, 1]"), ("The answer is A", "The answer is B")],
)
def test_different_answers_differ(one: str, other: str) -> None:
    assert answer(one) != answer(other)


@pytest.mark.parametrize(
    "text", ["", "I would not say so.", "See section v2b of it", "{not json", "\\boxed{"]
)
def test_prose_has_none(text: str) -> None:
    assert answer(text) is None


def test_the_last_of_several_is_the_answer() -> None:
    assert answer("1 then 2 then 3") == answer("3")
    assert answer(r"\boxed{1} no, \boxed{\frac{2}{3}}") == answer(r"\boxed{\frac{2}{3}}")


def test_calls_compare_by_name_and_arguments() -> None:
    def calling(arguments: str) -> Candidate:
        call = {"function": {"name": "find", "arguments": arguments}}
        return Candidate(0, "", {"content": None, "tool_calls": [call]}, "tool_calls")

    assert answer_of(calling('{"a":1,"b":2}')) == answer_of(calling('{"b": 2, "a": 1}'))
    assert answer_of(calling('{"a":1}')) != answer_of(calling('{"a":2}'))
    assert answer_of(calling("no json")) is not None


@given(st.fractions(-(10**6), 10**6, max_denominator=10**6))
def test_a_number_is_its_value(value: Fraction) -> None:
    assert answer(f"It is {value}.") == f"= {value}"


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    assert answer(text) == answer(text)
