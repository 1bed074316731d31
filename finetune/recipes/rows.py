"""Rows of others' data in the shapes of TRL, made those that training takes. Pure.

{"prompt", "chosen", "rejected"}    pairs; without a prompt, what both conversations begin with
{"prompt", "completion"}            answers to learn; or {"messages"}, of which the last is the answer
{"prompt", "completion", "label"}   answers that are good or bad by themselves
{"prompt"}                          prompts to answer, of online methods

A conversation is a list of {"role", "content"}; a plain text is one turn. "kind": "safety" says that a prompt asks for
harm, which ballast leaves out. Other columns are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.train.contract import ONLINE

Row = dict[str, Any]
MOST_TOLD = 10  # rows that cannot be learnt, each with its fault
NEEDED = {
    "dpo": "prompt, chosen and rejected",
    "sft": "prompt and completion (or chosen, or messages)",
    "kto": "prompt, completion and label, or prompt, chosen and rejected",
    "grpo": "prompt",
    "rloo": "prompt",
}


class RowRefused(ValueError):
    """A row that the method cannot learn; the message names the column."""


@dataclass(frozen=True, slots=True)
class NoRow:
    """What stands where a row should, and why it is none."""

    why: str


class RowsRefused(ValueError):
    """All rows that the method cannot learn: the first of them by place and column, and how many more there are."""

    def __init__(self, first: Sequence[str], more: int) -> None:
        super().__init__("; ".join(first))
        self.first = first
        self.more = more


def rows_for(method: str, rows: Iterable[tuple[str, Any]]) -> list[Row]:
    """Each row, which comes with its place, as training takes it; raises RowsRefused when all were looked at."""
    made: list[Row] = []
    faults: list[str] = []
    more = 0
    columns: frozenset[str] | None = None
    for place, row in rows:
        try:
            one = row_for(method, row)
            columns = columns or frozenset(one)
            if columns != frozenset(one):
                raise RowRefused(f"it has {', '.join(one)}, and rows before it {', '.join(sorted(columns))}")
        except RowRefused as error:
            if len(faults) < MOST_TOLD:
                faults.append(f"{place}: {error}")
            else:
                more += 1
        else:
            made.append(one | ({"kind": row["kind"]} if isinstance(row.get("kind"), str) else {}))
    if faults:
        raise RowsRefused(faults, more)
    return made


def row_for(method: str, row: Any) -> Row:
    """One row; raises RowRefused."""
    if isinstance(row, NoRow):
        raise RowRefused(row.why)
    if not isinstance(row, Mapping):
        raise RowRefused("a row is an object of columns")
    told = with_prompt({name: value for name, value in row.items() if value is not None})
    if "prompt" not in told:
        raise RowRefused(f"method {method} learns from {NEEDED[method]}")
    prompt = turns(told["prompt"], "prompt", "user")
    if method in ONLINE:
        return {"prompt": prompt}
    for columns in columns_of(method):
        if all(column in told for column in columns):
            return {"prompt": prompt} | {name_of(method, name): answer(told, name) for name in columns}
    raise RowRefused(f"method {method} learns from {NEEDED[method]}")


def columns_of(method: str) -> tuple[tuple[str, ...], ...]:
    """What a row may hold beside its prompt, the better known first."""
    pairs = ("chosen", "rejected")
    return {
        "dpo": (pairs,),
        "kto": (("completion", "label"), pairs),
        "sft": (("completion",), ("chosen",)),
    }[method]


def name_of(method: str, column: str) -> str:
    """Under which name training takes a column: an answer to learn is a chosen one."""
    return "chosen" if method == "sft" else column


def answer(row: Mapping[str, Any], column: str) -> Any:
    """An answer as turns, or whether it is a good one."""
    if column == "label":
        if not isinstance(row[column], bool):
            raise RowRefused("label: must be true or false")
        return row[column]
    said = turns(row[column], column, "assistant")
    if len(said) != 1 or said[0]["role"] != "assistant":
        raise RowRefused(f"{column}: must be one turn of the assistant")
    return said


def turns(value: Any, column: str, role: str) -> list[dict[str, str]]:
    """A conversation; a plain text is one turn of this role."""
    if isinstance(value, str):
        value = [{"role": role, "content": value}]
    if not isinstance(value, list) or not value:
        raise RowRefused(f"{column}: must be a text or a list of turns")
    for turn in value:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("role"), str):
            raise RowRefused(f"{column}: a turn is an object with role and content")
        if not isinstance(turn.get("content"), str):
            raise RowRefused(f"{column}: content must be a text")
    return [{"role": turn["role"], "content": turn["content"]} for turn in value]


def with_prompt(row: Row) -> Row:
    """The row with its prompt apart, where it stands within the conversations."""
    if "prompt" in row:
        return row
    if isinstance(talk := row.get("messages"), list) and len(talk) > 1:
        return row | {"prompt": talk[:-1], "completion": talk[-1:]}
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if isinstance(chosen, list) and isinstance(rejected, list):
        same = next((i for i, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), 0)
        if same:
            return row | {"prompt": chosen[:same], "chosen": chosen[same:], "rejected": rejected[same:]}
    return row
