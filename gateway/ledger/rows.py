"""An exchange as rows of the ledger's tables, and rows as the exchange they came from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from gateway.exchange import LONGEST_SUBJECT, Candidate, Exchange, Usage
from gateway.ledger import jsontext
from gateway.ledger.evidence import document_of, panel_id, verdicts_of
from gateway.ledger.tables import PROMPT, CandidateRow, ExchangeRow, FindingRow, VerdictRow
from guards.verdict import Action, Failure, Finding, Redaction, Screening, Span, Verdict

Row = dict[str, Any]
# Fields of an exchange that are columns of the same name.
SAME: tuple[str, ...] = (
    "id",
    "key_id",
    "alias",
    "version",
    "policy",
    "strategy",
    "answer",
    "finish_reason",
    "chosen",
    "why",
)
SAME += ("streamed", "error", "learn", "created_at")
same_of = attrgetter(*SAME)


@dataclass(slots=True)
class Rows:
    """What exchanges become: a list of column values for each table."""

    exchanges: list[Row] = field(default_factory=list)
    candidates: list[Row] = field(default_factory=list)
    findings: list[Row] = field(default_factory=list)
    evidence: list[Row] = field(default_factory=list)
    panels: dict[str, Mapping[str, str]] = field(default_factory=dict)  # by their ids


def rows_of(exchanges: Iterable[Exchange]) -> Rows:
    """The rows of some exchanges, in order."""
    rows = Rows()
    for exchange in exchanges:
        rows.exchanges.append(_exchange_row(exchange))
        rows.evidence.append(_evidence_row(exchange))
        _add_screening(rows, exchange.id, PROMPT, exchange.prompt_screening)
        for position, candidate in enumerate(exchange.candidates):
            rows.candidates.append(_candidate_row(exchange.id, position, candidate))
            _add_screening(rows, exchange.id, position, candidate.screening)
    return rows


def _exchange_row(exchange: Exchange) -> Row:
    return {
        **dict(zip(SAME, same_of(exchange), strict=True)),
        # A longer one, as journals from before it was bounded may hold, must not keep the exchange out.
        "subject": exchange.subject and exchange.subject[:LONGEST_SUBJECT],
        "flagged": exchange.flagged,
        "messages": list(exchange.messages),
        "action": exchange.action.word,
        "degraded": list(exchange.degraded),
        "prompt_screening": _screening_json(exchange.prompt_screening, None),
        "prompt_tokens": exchange.usage.prompt,
        "completion_tokens": exchange.usage.completion,
        "stage_seconds": dict(exchange.stage_seconds),
        "recorded_at": datetime.now(UTC),
    }


def _candidate_row(exchange_id: str, position: int, candidate: Candidate) -> Row:
    return {
        "index": candidate.index,
        "text": candidate.text,
        "finish_reason": candidate.finish_reason,
        "tokens": candidate.tokens,
        "logprobs": candidate.logprobs,
        "reward": candidate.reward,
        "revision_of": candidate.revision_of,
        "exchange_id": exchange_id,
        "position": position,
        "message": dict(candidate.message),
        "screening": _screening_json(candidate.screening, candidate.text),
    }


def _screening_json(screening: Screening | None, screened: str | None) -> Row | None:
    """A screening without what has tables of its own, and without text that stands beside it."""
    if screening is None:
        return None
    return {
        "action": screening.action.word,
        "text": None if screening.text == screened else screening.text,
        "failures": [[failure.guard, failure.reason, failure.action.word] for failure in screening.failures],
        "scanned_bytes": screening.scanned_bytes,
        "latency_seconds": screening.latency_seconds,
        "redactions": [[[cut.start, cut.end, cut.text] for cut in cuts] for cuts in screening.redactions],
        "unscanned": dict(screening.unscanned),
    }


def _evidence_row(exchange: Exchange) -> Row:
    return {
        "exchange_id": exchange.id,
        "created_at": exchange.created_at,
        "document": jsontext.dumps_text(document_of(exchange)),
    }


def _add_screening(rows: Rows, exchange_id: str, candidate: int, screening: Screening | None) -> None:
    if screening is None:
        return
    if screening.panel:
        rows.panels.setdefault(panel_id(screening.panel) or "", screening.panel)
    for position, finding in enumerate(screening.findings):
        place = {"exchange_id": exchange_id, "candidate": candidate, "position": position}
        rows.findings.append(place | _finding_row(finding))


def _finding_row(finding: Finding) -> Row:
    return {
        "guard": finding.guard,
        "hazard": finding.hazard,
        "probability": finding.probability,
        "action": finding.action.word,
        "part": finding.part,
    }


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of one exchange, as a query brought them, each list in order of position."""

    exchange: ExchangeRow
    candidates: Sequence[CandidateRow]
    verdicts: Sequence[VerdictRow]  # only of one that was stored before there was evidence
    findings: Sequence[FindingRow]
    evidence: Mapping[str, Any] | None = None
    panels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def exchange_of(found: Found) -> Exchange:
    """The exchange that these rows were made from."""
    row = found.exchange
    return Exchange(
        id=row.id,
        key_id=row.key_id,
        alias=row.alias,
        version=row.version,
        policy=row.policy,
        strategy=row.strategy,
        messages=tuple(row.messages),
        action=action_of(row.action),
        answer=row.answer,
        finish_reason=row.finish_reason,
        prompt_screening=_screening(found, PROMPT, row.prompt_screening, ""),
        candidates=tuple(_candidate(found, candidate) for candidate in found.candidates),
        chosen=row.chosen,
        why=row.why,
        degraded=tuple(row.degraded),
        usage=Usage(row.prompt_tokens, row.completion_tokens),
        stage_seconds=row.stage_seconds,
        subject=row.subject,
        streamed=row.streamed,
        error=row.error,
        learn=row.learn is not False,
        created_at=row.created_at,
    )


def _candidate(found: Found, row: CandidateRow) -> Candidate:
    return Candidate(
        index=row.index,
        text=row.text,
        message=row.message,
        finish_reason=row.finish_reason,
        tokens=row.tokens,
        logprobs=row.logprobs,
        screening=_screening(found, row.position, row.screening, row.text),
        reward=row.reward,
        revision_of=row.revision_of,
    )


def _screening(found: Found, candidate: int, kept: Mapping[str, Any] | None, text: str) -> Screening | None:
    if kept is None:
        return None
    said = _said(found, candidate)
    return Screening(
        text=text if kept["text"] is None else kept["text"],
        action=action_of(kept["action"]),
        findings=tuple(_finding(row) for row in found.findings if row.candidate == candidate),
        failures=tuple(Failure(guard, reason, action_of(word)) for guard, reason, word in kept["failures"]),
        verdicts=verdicts_of(said) if said else _verdicts(found, candidate, kept),
        scanned_bytes=kept["scanned_bytes"],
        latency_seconds=kept["latency_seconds"],
        redactions=tuple(tuple(Redaction(*cut) for cut in cuts) for cuts in kept["redactions"]),
        unscanned=kept.get("unscanned", {}),  # rows written before there was any have none
        parts=tuple(said["s"]) if said else (),
        turns_ago=tuple(said.get("t", ())) if said else (),
        shares=tuple(said["n"]) if said else (),
        panel=found.panels.get(said["g"] or "", {}) if said else {},
    )


def _said(found: Found, candidate: int) -> Mapping[str, Any] | None:
    """What the evidence holds of a screening."""
    if found.evidence is None:
        return None
    said: Mapping[str, Any] | None = (
        found.evidence["p"] if candidate == PROMPT else found.evidence["c"][candidate][0]
    )
    return said


def _verdicts(found: Found, candidate: int, kept: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """All of them in their order; those of guards that had nothing to say stand in the screening."""
    told = {row.position: _verdict(row) for row in found.verdicts if row.candidate == candidate}
    for position, guard, latency in kept.get("silent", ()):  # older rows have none: each verdict had its own
        told[position] = Verdict(guard, {}, (), latency)
    return tuple(told[position] for position in sorted(told))


def _verdict(row: VerdictRow) -> Verdict:
    return Verdict(row.guard, row.scores, tuple(Span(*span) for span in row.spans), row.latency_seconds)


def _finding(row: FindingRow) -> Finding:
    return Finding(row.guard, row.hazard, row.probability, action_of(row.action), row.part)


def action_of(word: str) -> Action:
    """The action that the ledger spells so."""
    return Action[word.upper()]
