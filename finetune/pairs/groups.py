"""An exchange as the group of candidates that pairs are made from. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC

from finetune.pairs.pair import Group, Sample
from finetune.pairs.plain import plainly
from gateway.exchange import Candidate, Exchange
from guards.hazards import HAZARDS, UNSCANNED
from guards.verdict import Screening

NONE: Mapping[int, float] = {}
HARMS = {hazard for hazard in HAZARDS if not hazard.startswith("G.")} | {"G.unsafe", "G.jailbreak"}


def group_of(exchange: Exchange, late: Mapping[int, float] = NONE) -> Group:
    """The candidates of an exchange, and what was made of them; the conversation as plain text where it can be.

    `late` has the rewards that candidates were given after the fact, by position.
    """
    prompt = exchange.prompt_screening
    # What was asked about a picture cannot be learned without it, and the ledger does not keep it.
    candidates = () if prompt is not None and prompt.unscanned else exchange.candidates
    return Group(
        exchange_id=exchange.id,
        messages=plainly(exchange.messages),
        samples=tuple(rewarded(sample_of(each), late.get(i)) for i, each in enumerate(candidates)),
        key_id=exchange.key_id,
        version=exchange.version,
        policy=exchange.policy,
        prompt_hazard=next(filter(asks_for_harm, prompt.hazards), "") if prompt is not None else "",
        subject=exchange.subject,
        day=f"{exchange.created_at.astimezone(UTC):%Y-%m-%d}",
    )


def rewarded(sample: Sample, late: float | None) -> Sample:
    """The sample with a reward that came later, where it had none."""
    return replace(sample, reward=late) if sample.reward is None and late is not None else sample


def asks_for_harm(hazard: str) -> bool:
    """Whether a hazard says that harm is asked for, or done; personal data, say, does not."""
    return hazard in HARMS


def sample_of(candidate: Candidate) -> Sample:
    """One candidate as labelled: only what a guard found counts against it, never that a guard failed."""
    screening = candidate.screening
    if screening is None:
        return Sample(candidate.text, candidate.reward, checked=False, risk=1.0, finished=finished(candidate))
    withheld, (harm, guard, hazard) = finder_of(screening), harm_in(screening)
    if withheld is not None:
        guard, hazard = withheld
    return Sample(
        text=candidate.text,
        reward=candidate.reward,
        withheld=withheld is not None,
        checked=not (screening.failures or screening.unscanned),
        risk=max((verdict.probability for verdict in screening.verdicts), default=0.0),
        harm=harm,
        flagged=withheld is None and any(asks_for_harm(found.hazard) for found in screening.findings),
        guard=guard,
        hazard=hazard,
        finished=finished(candidate),
    )


def harm_in(screening: Screening) -> tuple[float, str, str]:
    """How likely the likeliest harm is, to which guard, and which harm."""
    harms = (
        (score, verdict.guard, hazard)
        for verdict in screening.verdicts
        for hazard, score in verdict.scores.items()
        if asks_for_harm(hazard)
    )
    return max(harms, default=(0.0, "", ""))


def finished(candidate: Candidate) -> bool:
    """Whether an answer ended by itself."""
    return candidate.finish_reason == "stop"


def finder_of(screening: Screening) -> tuple[str, str] | None:
    """The guard, and the hazard, behind the strictest finding that withholds the text, if any."""
    withheld = [one for one in screening.findings if one.action.withholds and one.hazard != UNSCANNED]
    if not withheld:
        return None
    first = max(withheld, key=lambda found: (found.action, found.probability))
    return first.guard, first.hazard
