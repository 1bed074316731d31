"""What the client gets: OpenAI's shapes around the delivered candidates, and our own word about them."""

import time
from typing import Any

from gateway import parts
from gateway.exchange import Candidate
from gateway.strength.bound import bound_of
from gateway.textless import textless
from gateway.trip import Trip
from guards.verdict import Screening

Json = dict[str, Any]
# Of an engine's answer, fields that leave beside the choices; any other must hold no text.
ENVELOPE = ("created", "system_fingerprint", "service_tier")
OF_CHOICE = frozenset({"index", "message", "logprobs", "finish_reason", "token_ids", *parts.LABELS})
# What spells the prompt, which is the client's own unless something was cut out of it.
OF_PROMPT = frozenset({"prompt_logprobs", "prompt_token_ids"})


def choices_of(trip: Trip) -> list[Json]:
    """The choices to return: the winners, then refusals until there are as many as were asked for."""
    chosen = [_choice(trip, index) for index in range(len(trip.chosen))]
    return chosen + [
        refusal_choice(index, trip.refusal_text) for index in range(len(chosen), trip.ask.returned)
    ]


def refusal_choice(index: int, text: str) -> Json:
    """A choice that says the policy's refusal."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": "content_filter"}


def body_of(trip: Trip, choices: list[Json]) -> Json:
    """The whole chat completion."""
    told = trip.completion
    created = told.get("created")
    ours = {
        "id": f"chatcmpl-{trip.ask.id}",
        "object": "chat.completion",
        "created": created if isinstance(created, int) else int(time.time()),
        "model": trip.ask.alias,
        "choices": choices,
        "usage": usage_of(trip),
    }
    body = {
        name: ours.get(name, value)
        for name, value in told.items()
        if name in ours or name in ENVELOPE or may_leave(trip, name, value)
    }
    body |= {name: value for name, value in ours.items() if name not in told}
    if trip.ask.explain:
        body["alignment"] = explanation_of(trip)
    return body


def envelope_of(trip: Trip, kind: str) -> Json:
    """The outer fields, under the name that the client asked for."""
    kept = {name: trip.completion[name] for name in ENVELOPE if name in trip.completion}
    return {
        "id": f"chatcmpl-{trip.ask.id}",
        "object": kind,
        "created": int(time.time()),
        "model": trip.ask.alias,
        **kept,
    }


def usage_of(trip: Trip) -> Json:
    """Tokens spent on all candidates; the engine's own account where it gave one."""
    told = trip.completion.get("usage")
    if not told:
        return {
            "prompt_tokens": trip.usage.prompt,
            "completion_tokens": trip.usage.completion,
            "total_tokens": trip.usage.total,
        }
    return told if textless(told) else {name: each for name, each in told.items() if textless(each)}


def headers_of(trip: Trip) -> list[tuple[bytes, bytes]]:
    """The exchange in headers; the overhead is counted until now, which for a stream is its first byte."""
    headers = [
        (b"x-trimtab-exchange", trip.ask.id.encode()),
        (b"x-trimtab-version", trip.version.encode()),
        (b"x-trimtab-policy", trip.screen.policy.hash.encode()),
        (b"x-trimtab-strategy", trip.ask.strategy.encode()),
        (b"x-trimtab-overhead-ms", b"%.2f" % (trip.overhead_seconds * 1000)),
        *trip.allowance,
    ]
    if (reason := trip.withheld_for) is not None:
        headers.append((b"x-trimtab-withheld", reason.encode("ascii", "replace")))
    if trip.adjusted:
        headers.append((b"x-trimtab-adjusted", ", ".join(trip.adjusted).encode("ascii", "replace")))
    if trip.degraded:
        headers.append((b"x-trimtab-degraded", ", ".join(trip.degraded).encode("ascii", "replace")))
    return headers


def explanation_of(trip: Trip) -> Json:
    """Why this answer: rewards, verdicts, coverage, tokens and time; of withheld texts, verdicts only."""
    winners = trip.choice.winners if trip.choice else ()
    return {
        "exchange": trip.ask.id,
        "version": trip.version,
        "policy": trip.screen.policy.hash,
        "strategy": trip.ask.strategy,
        "n": trip.ask.samples,
        "action": trip.action.word,
        "why": trip.why,
        "kl_bound": bound_of(trip),
        "adjusted": trip.adjusted,
        "degraded": trip.degraded,
        "prompt": verdicts_of(trip.prompt),
        "candidates": [_candidate(each, each.index in winners) for each in trip.all_candidates],
        "coverage": trip.receipt.as_json(),
        "tokens": {"prompt": trip.usage.prompt, "completion": trip.usage.completion},
        "stage_seconds": {name: round(seconds, 6) for name, seconds in trip.stages.items()},
        "overhead_ms": round(trip.overhead_seconds * 1000, 2),
    }


def verdicts_of(screening: Screening | None) -> Json | None:
    """A screening without the text it was about."""
    if screening is None:
        return None
    return {
        "action": screening.action.word,
        "findings": [
            {
                "guard": finding.guard,
                "hazard": finding.hazard,
                "probability": round(finding.probability, 4),
                "action": finding.action.word,
                "part": finding.part,
            }
            for finding in screening.findings
        ],
        "failures": [
            {"guard": failure.guard, "reason": failure.reason, "action": failure.action.word}
            for failure in screening.failures
        ],
        "screened_bytes": screening.scanned_bytes,
    }


def _candidate(candidate: Candidate, chosen: bool) -> Json:
    return {
        "index": candidate.index,
        "reward": candidate.reward,
        **({"heads": dict(candidate.heads)} if candidate.heads else {}),
        **({} if candidate.certainty is None else {"certainty": candidate.certainty}),
        "chosen": chosen and candidate.safe,
        "safe": None if candidate.cut else candidate.safe,  # nobody will deliver half an answer, however safe
        "finish_reason": candidate.finish_reason,
        **({} if candidate.revision_of is None else {"revision_of": candidate.revision_of}),
        "verdicts": verdicts_of(candidate.screening),
    }


def _choice(trip: Trip, index: int) -> Json:
    candidate = trip.chosen[index]
    if not candidate.safe or candidate.screening is None:
        return refusal_choice(index, trip.refusal_text)
    told = trip.completion["choices"][candidate.index]
    if any(candidate.screening.redactions):
        choice = _redacted(told, candidate, candidate.screening)
    else:
        choice = {
            name: value for name, value in told.items() if name in OF_CHOICE or may_leave(trip, name, value)
        }
    choice["index"] = index
    if candidate.logprobs is None and "logprobs" in choice:
        choice["logprobs"] = None
    choice["finish_reason"] = candidate.finish_reason
    return choice


def _redacted(told: Json, candidate: Candidate, screening: Screening) -> Json:
    """The choice with what may be said of its message, and without whatever could spell what was cut."""
    safe = parts.put_back(candidate.message, parts.of_reply(candidate.message), screening.segments)
    message = {
        name: value if name in parts.OF_MESSAGE or not isinstance(value, list | dict) else None
        for name, value in safe.items()
    }
    choice = {name: value if name in parts.LABELS else None for name, value in told.items()}
    return {**choice, "message": message, "logprobs": None}


def may_leave(trip: Trip, name: str, value: Any) -> bool:
    """Whether a field that is none of OpenAI's may leave: it has no text, or that of a prompt as it was sent."""
    if value is None or isinstance(value, bool | int | float):
        return True
    if name in OF_PROMPT:
        return not trip.prompt_cut
    return trip.verbatim and textless(value)
