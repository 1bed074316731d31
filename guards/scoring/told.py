"""What guards made of a row, as one line of JSON; verdicts name their guard's fingerprint, to be used again."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from guards.scoring.rows import BadRow, Row
from guards.verdict import Screening, Verdict

Told = dict[str, Any]


def told(row: Row, screening: Screening) -> Told:
    """The screening of a row."""
    return {
        "id": row.id,
        "action": screening.action.word,
        "hazards": screening.hazards,
        "findings": [
            {
                "guard": one.guard,
                "hazard": one.hazard,
                "probability": one.probability,
                "action": one.action.word,
                "part": one.part,
            }
            for one in screening.findings
        ],
        "verdicts": verdicts_told(screening),
        "scores": screening.scores,
        "failures": [
            {
                "guard": one.guard,
                "revision": screening.panel.get(one.guard),
                "reason": one.reason,
                "action": one.action.word,
            }
            for one in screening.failures
        ],
        "segments": [[segment.where, segment.part] for segment in row.segments],
        "latency_ms": round(screening.latency_seconds * 1000, 3),
    }


def verdicts_told(screening: Screening) -> list[Told]:
    """Every verdict with the number of its segment."""
    numbers = [number for number, share in enumerate(screening.shares) for _ in range(share)]
    return [
        {
            "guard": verdict.guard,
            "revision": screening.panel.get(verdict.guard),
            "segment": number,
            "scores": dict(verdict.scores),
            "spans": spans_told(verdict),
        }
        for number, verdict in zip(numbers, screening.verdicts, strict=True)
    ]


def spans_told(verdict: Verdict) -> list[Told]:
    """Where a guard found something, in characters of the segment."""
    return [
        {"start": span.start, "end": span.end, "hazard": span.hazard, "label": span.label, "view": span.view}
        for span in verdict.spans
    ]


def told_badly(error: BadRow, number: int) -> Told:
    """A row that could not be read: which line, which field, what to do."""
    return {"id": error.row_id, "line": number, "error": {"field": error.field, "message": str(error)}}


def line_of(told: Mapping[str, Any]) -> bytes:
    """One line of JSON; what no UTF-8 holds is escaped."""
    try:
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return json.dumps(told).encode("ascii") + b"\n"
