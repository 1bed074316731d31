"""Rows of others' data, in each shape that TRL has."""

from typing import Any

import pytest

from finetune.recipes.rows import NoRow, RowRefused, RowsRefused, row_for, rows_for

ASK = [{"role": "user", "content": "How?"}]
YES, NO = ([{"role": "assistant", "content": text}] for text in ("So.", "No."))
PAIR = {"prompt": ASK, "chosen": YES, "rejected": NO}


@pytest.mark.parametrize(
    ("method", "row", "made"),
    [
        ("dpo", PAIR, PAIR),
        ("dpo", {"prompt": "How?", "chosen": "So.", "rejected": "No."}, PAIR),
        ("dpo", {"chosen": ASK + YES, "rejected": ASK + NO}, PAIR),
        ("dpo", PAIR | {"score": 3, "tools": None}, PAIR),
        ("kto", PAIR, PAIR),
        (
            "kto",
            {"prompt": "How?", "completion": "So.", "label": True},
            {"prompt": ASK, "completion": YES, "label": True},
        ),
        ("sft", {"prompt": "How?", "completion": "So."}, {"prompt": ASK, "chosen": YES}),
        ("sft", {"messages": ASK + YES}, {"prompt": ASK, "chosen": YES}),
        ("sft", PAIR, {"prompt": ASK, "chosen": YES}),
        ("grpo", {"prompt": "How?"}, {"prompt": ASK}),
        ("rloo", PAIR, {"prompt": ASK}),
    ],
)
def test_a_row_becomes_what_its_method_learns(method: str, row: Any, made: Any) -> None:
    assert row_for(method, row) == made


@pytest.mark.parametrize(
    ("method", "row", "told"),
    [
        ("dpo", {"prompt": "How?", "chosen": "So."}, "method dpo learns from prompt, chosen and rejected"),
        ("dpo", {"chosen": "So.", "rejected": "No."}, "method dpo learns from prompt"),
        ("dpo", {"chosen": YES, "rejected": NO}, "method dpo learns from prompt"),
        ("kto", {"prompt": "How?", "completion": "So."}, "learns from prompt, completion and label"),
        ("kto", {"prompt": "How?", "completion": "So.", "label": 1}, "label: must be true or false"),
        ("sft", {"messages": ASK + ASK}, "completion: must be one turn of the assistant"),
        ("sft", {"prompt": 7, "completion": "So."}, "prompt: must be a text or a list of turns"),
        (
            "sft",
            {"prompt": ["How?"], "completion": "So."},
            "prompt: a turn is an object with role and content",
        ),
        (
            "grpo",
            {"prompt": [{"role": "user", "content": [{"type": "text", "text": "How?"}]}]},
            "prompt: content must be a text",
        ),
        ("grpo", "How?", "a row is an object of columns"),
    ],
)
def test_a_row_that_cannot_be_learnt_names_its_column(method: str, row: Any, told: str) -> None:
    with pytest.raises(RowRefused, match=told):
        row_for(method, row)


def test_every_wrong_row_is_told_with_its_place() -> None:
    rows = [("line 1", {"prompt": 3}), ("line 2", {"prompt": "How?"}), ("line 5", NoRow("no JSON"))]
    with pytest.raises(RowsRefused) as refused:
        rows_for("grpo", rows)
    assert refused.value.first == ["line 1: prompt: must be a text or a list of turns", "line 5: no JSON"]
    assert refused.value.more == 0


def test_no_more_are_told_than_anybody_reads() -> None:
    with pytest.raises(RowsRefused) as refused:
        rows_for("grpo", [(f"line {number}", {}) for number in range(1000)])
    assert (len(refused.value.first), refused.value.more) == (10, 990)


def test_rows_of_two_shapes_do_not_go_together() -> None:
    rows = [("row 1", PAIR), ("row 2", {"prompt": "How?", "completion": "So.", "label": True})]
    with pytest.raises(
        RowsRefused, match="row 2: it has prompt, completion, label, and rows before it chosen"
    ):
        rows_for("kto", rows)


def test_what_kind_of_prompt_it_is_stays_known() -> None:
    (one, two) = rows_for("dpo", [("row 1", PAIR | {"kind": "safety"}), ("row 2", PAIR)])
    assert (one, two) == (PAIR | {"kind": "safety"}, PAIR)
