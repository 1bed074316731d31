"""Rows of a file as exchanges of one screening: texts, or what `trimtab guards score` has told of them, or both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.ledger.evidence import panel_id
from guards.scoring.rows import BadRow, Row, json_of, row_of
from guards.verdict import Action, Context, Segment, Where

NOBODY = ""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row: its evidence, and its texts where it has them."""

    id: str
    evidence: Mapping[str, Any]
    panel_id: str
    panel: Mapping[str, str]
    row: Row | None

    @property
    def context(self) -> Context:
        """The conversation that the row tells."""
        return Context() if self.row is None else self.row.context

    @property
    def cut(self) -> bool:
        """A file's texts are what they are."""
        return False

    def of_prompt(self) -> list[Segment]:
        """Each segment."""
        return [] if self.row is None else list(self.row.segments)

    def of_candidate(self, position: int) -> list[Segment]:
        """The same: a row is either a prompt or a reply."""
        return self.of_prompt()


def read_file_row(line: bytes, number: int, *, recorded: bool) -> FileRow:
    """The row of a line; raises BadRow. With `recorded`, it must say what was done with it."""
    told = json_of(line)
    if not isinstance(told, dict):
        raise BadRow("line", "must be an object")
    if "error" in told:
        raise BadRow("error", "this row could not be scored")
    if recorded and "action" not in told:
        raise BadRow("action", "is missing: nobody has screened this row; compare with --against a policy")
    row = row_of(told, number) if "text" in told or "messages" in told else None
    if row is None and "verdicts" not in told:
        raise BadRow("text", "give text, messages, or what `trimtab guards score` printed")
    try:
        said, panel = scored(told) if "verdicts" in told else bare(told)
        segments = told.get("segments") or []
        where: Where = row.segments[0].where if row is not None else segments[0][0]
        name = panel_id(panel) or NOBODY
        said["g"] = name
    except (KeyError, TypeError, ValueError, IndexError):
        raise BadRow("verdicts", "are not as `trimtab guards score` prints them") from None
    evidence = {
        "p": said if where == "prompt" else None,
        "c": [[said, None]] if where == "reply" else [],
        "w": 0,
    }
    return FileRow(str(told.get("id", number)), evidence, name, panel, row)


def bare(told: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The evidence of a row that nobody has screened."""
    return {"a": action_of(told), "s": None, "n": [], "b": [], "v": []}, {}


def scored(told: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The evidence of a row that was scored, and the guards that scored it."""
    names: dict[str, int] = {}
    panel: dict[str, str] = {}
    shares = [0] * len(told["segments"])
    verdicts = []
    for each in sorted(told["verdicts"], key=lambda verdict: int(verdict["segment"])):
        shares[each["segment"]] += 1
        panel[each["guard"]] = each["revision"]
        place = names.setdefault(each["guard"], len(names))
        verdicts.append([place, 0.0, each["scores"], [list(span.values()) for span in each["spans"]]])
    said = {"a": action_of(told), "s": [part for _, part in told["segments"]], "n": shares}
    found = [
        [one["guard"], one["hazard"], int(Action[one["action"].upper()]), one["part"]]
        for one in told["findings"]
    ]
    failed = [[one["guard"], int(Action[one["action"].upper()])] for one in told["failures"]]
    for one in told["failures"]:
        panel[one["guard"]] = one.get("revision")
    return {**said, "b": list(names), "v": verdicts, "d": found, "f": failed}, panel


def action_of(told: Mapping[str, Any]) -> int:
    """What was done with the row; nothing, where it does not say."""
    return int(Action[str(told.get("action", "allow")).upper()])
