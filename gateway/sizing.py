"""How many candidates a prompt gets once it was screened: more where it is risky, if nobody asked for a number."""

from dataclasses import replace

from gateway.strategies.size import sized
from gateway.tools import Tools
from gateway.trip import Trip
from guards.verdict import Screening

# Of the gateway's own hazards, those that a worse answer follows from; the others are about a text's form.
RISKY = frozenset({"G.jailbreak", "G.prompt_injection", "G.unsafe"})


def size_by_risk(trip: Trip, tools: Tools) -> None:
    """Raise n by the prompt's risk, within the bounds and as far as the load lets it."""
    ask, usual = trip.ask, tools.settings.alignment
    if ask.selection.fixed or usual.n_at_risk is None or trip.prompt is None or trip.refused:
        return
    limits = replace(usual.sizing, most=ask.selection.most)
    n = sized(ask.selection.samples, ask.returned, tools.admission.load, risk_of(trip.prompt), limits)
    if n > ask.samples:
        trip.adjusted.append(f"n raised from {ask.samples} to {n} for the prompt's risk")
        trip.ask = replace(ask, samples=n)


def risk_of(screening: Screening) -> float:
    """The largest probability that a guard gave a hazard which an answer could make worse, 0 to 1."""
    return max(
        (
            probability
            for verdict in screening.verdicts
            for hazard, probability in verdict.scores.items()
            if hazard in RISKY or "." not in hazard  # MLCommons' have none
        ),
        default=0.0,
    )
