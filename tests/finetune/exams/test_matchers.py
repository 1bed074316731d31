"""What counts as right."""

import pytest

from finetune.exams.matchers import MATCHERS


@pytest.mark.parametrize(
    ("matcher", "text", "expected", "right"),
    [
        ("number", "So 3 + 4 = 7. The answer is 1,234.50", ["1234.5"], True),
        ("number", "Reasoning with 5 … #### 18", ["18"], True),
        ("number", "none", ["18"], False),
        ("contains", "It is New Delhi, I think.", ["new delhi"], True),
        ("contains", "It is Parisian.", ["Paris"], False),
        ("contains_all", "flour, eggs and milk", ["milk", "flour"], True),
        ("contains_all", "flour and eggs", ["milk", "flour"], False),
        ("exact", " Paris. ", ["paris"], True),
        ("exact", "Paris it is", ["paris"], False),
        ("pattern", "call 555-1234", [r"\d{3}-\d{4}"], True),
        ("choice", "The answer is (B).", ["B"], True),
        ("choice", "A or B", ["B"], False),
        ("words_at_most", "one two three", ["3"], True),
        ("words_at_most", "one two three four", ["3"], False),
        ("words_at_least", "one two", ["3"], False),
        ("lacks", "no such letter", ["q"], True),
        ("lacks", "a comma, here", [","], False),
        ("json", '```json\n{"a": 1}\n```', [""], True),
        ("json", "{a: 1}", [""], False),
    ],
)
def test_right_is_what_matches(matcher: str, text: str, expected: list[str], right: bool) -> None:
    assert MATCHERS[matcher](text, expected) is right
