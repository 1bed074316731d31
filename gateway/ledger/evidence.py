"""What guards said of an exchange as one document: enough to decide it again under another policy, without a guard.

    {"p": SCREENING, "c": [[SCREENING, reward], …], "w": index of the candidate that won}

    SCREENING   "a" action, "g" id of the panel, "s" parts of the segments, "n" how many verdicts each segment has,
                "b" names of guards, "v" verdicts: [place in "b", seconds, scores, spans], the last two left off
                where there are none. And where there are any: "t" how many turns ago each segment was said,
                "f" failures: [guard, action], "d" findings: [guard, hazard, action, part], "r" which segments
                were redacted, "u" parts that nobody read

Actions are numbers, as `Action` counts them. No text of people is in it.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gateway.exchange import Exchange
from gateway.ledger import jsontext
from guards.verdict import Screening, Span, Verdict

Document = dict[str, Any]


def document_of(exchange: Exchange) -> Document:
    """The evidence of an exchange."""
    return {
        "p": screening_document(exchange.prompt_screening),
        "c": [[screening_document(each.screening), each.reward] for each in exchange.candidates],
        "w": exchange.chosen,
    }


def screening_document(screening: Screening | None) -> Document | None:
    """One screening's part of it."""
    if screening is None:
        return None
    places: dict[str, int] = {}
    verdicts = [verdict_document(each, places) for each in screening.verdicts]
    document: Document = {
        "a": int(screening.action),
        "g": panel_id(screening.panel),
        "s": screening.parts,
        "n": screening.shares,
        "b": list(places),
        "v": verdicts,
    }
    if screening.turns_ago:
        document["t"] = screening.turns_ago
    if screening.flagged:
        document["f"] = [[each.guard, int(each.action)] for each in screening.failures]
        document["d"] = [
            [each.guard, each.hazard, int(each.action), each.part] for each in screening.findings
        ]
    if any(screening.redactions):
        document["r"] = [place for place, cuts in enumerate(screening.redactions) if cuts]
    if screening.unscanned:
        document["u"] = dict(screening.unscanned)
    return document


def verdict_document(verdict: Verdict, places: dict[str, int]) -> list[Any]:
    """A verdict; most have nothing to say, and take hardly any room."""
    place = places.setdefault(verdict.guard, len(places))
    if verdict.spans:
        spans = [[one.start, one.end, one.hazard, one.label, one.view] for one in verdict.spans]
        return [place, verdict.latency_seconds, dict(verdict.scores), spans]
    if verdict.scores:
        return [place, verdict.latency_seconds, dict(verdict.scores)]
    return [place, verdict.latency_seconds]


def verdicts_of(document: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """The verdicts of a screening's document."""
    names = document["b"]
    return tuple(
        Verdict(
            names[place],
            rest[0] if rest else {},
            tuple(Span(*span) for span in rest[1]) if len(rest) > 1 else (),
            seconds,
        )
        for place, seconds, *rest in document["v"]
    )


def panel_id(panel: Mapping[str, str]) -> str | None:
    """What a panel is known by; none for a screening that no policy's guards made."""
    return id_of(tuple(panel.items())) if panel else None


@lru_cache(maxsize=1024)
def id_of(guards: tuple[tuple[str, str], ...]) -> str:
    """A hash of the guards and their fingerprints."""
    return hashlib.sha256(jsontext.dumps(guards)).hexdigest()[:16]
