"""Any exchange at all, for properties; and small ones, for stories."""

from datetime import UTC, datetime

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from gateway.exchange import Candidate, Exchange, Usage
from guards.verdict import Action, Failure, Finding, Redaction, Screening, Span, Verdict

# Exchanges are large to draw; a few of them say as much as a hundred.
few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),  # shrinking one takes minutes
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # NUL and lone surrogates among it
PLAIN = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
PROBABILITY = st.floats(0, 1)
ACTIONS = st.sampled_from(Action)
COUNT = st.integers(0, 2**31 - 1)


def json_of(text):
    leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | text
    leaves = leaves.filter(lambda leaf: leaf not in (float("inf"), float("-inf")))
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | maps(text, inner), max_leaves=4)


def maps(text, values):
    return st.dictionaries(text, values, max_size=3)


def tuples_of(values):
    return st.lists(values, max_size=2).map(tuple)


def screenings(text):
    spans = st.builds(Span, COUNT, COUNT, PLAIN, PLAIN, PLAIN)
    verdicts = st.builds(Verdict, PLAIN, maps(PLAIN, PROBABILITY), tuples_of(spans), PROBABILITY)
    return st.builds(
        Screening,
        text=text,
        action=ACTIONS,
        findings=tuples_of(st.builds(Finding, PLAIN, PLAIN, PROBABILITY, ACTIONS, PLAIN)),
        failures=tuples_of(st.builds(Failure, PLAIN, PLAIN, ACTIONS)),
        verdicts=tuples_of(verdicts),
        scanned_bytes=COUNT,
        latency_seconds=PROBABILITY,
        redactions=tuples_of(tuples_of(st.builds(Redaction, COUNT, COUNT, text))),
        unscanned=st.dictionaries(PLAIN, COUNT, max_size=2),
        parts=tuples_of(PLAIN),
        turns_ago=tuples_of(COUNT),
        shares=tuples_of(COUNT),
        panel=st.dictionaries(PLAIN, PLAIN, max_size=2),
    )


def exchanges(text=PLAIN, ids=PLAIN):
    candidates = st.builds(
        Candidate,
        index=COUNT,
        text=text,
        message=maps(text, json_of(text)),
        finish_reason=PLAIN,
        tokens=COUNT,
        logprobs=json_of(text),
        screening=st.none() | screenings(text),
        reward=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    )
    moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    return st.builds(
        Exchange,
        id=ids,
        **dict.fromkeys(("key_id", "alias", "version", "policy", "strategy", "finish_reason", "why"), PLAIN),
        messages=tuples_of(maps(text, json_of(text))),
        action=ACTIONS,
        answer=text,
        prompt_screening=st.none() | screenings(text),
        candidates=tuples_of(candidates),
        chosen=st.none() | COUNT,
        degraded=tuples_of(PLAIN),
        usage=st.builds(Usage, COUNT, COUNT),
        stage_seconds=maps(PLAIN, PROBABILITY),
        subject=st.none() | text,
        streamed=st.booleans(),
        error=st.none() | text,
        created_at=moments,
    )


def exchange(name: str, *, flagged: bool = True, text: str = "Hello", **given: object) -> Exchange:
    """A small exchange; a flagged one was found violent."""
    finding = Finding("words", "vcr", 0.9, Action.FLAG)
    screening = Screening(text, Action.FLAG, (finding,)) if flagged else Screening(text)
    fields = {
        "id": name,
        "key_id": "key",
        "alias": "assistant",
        "version": "base",
        "policy": "hash",
        "strategy": "single",
        "messages": ({"role": "user", "content": text},),
        "action": screening.action,
        "answer": "Good day.",
        "finish_reason": "stop",
        "prompt_screening": screening,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Exchange(**(fields | given))
