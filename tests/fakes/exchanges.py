"""Exchanges as a gateway would have recorded them."""

from gateway.exchange import Candidate, Exchange
from guards.verdict import Action, Finding, Screening, Verdict

GUARD = "classifier"


def screened(text: str, hazard: str | None) -> Screening:
    """What a guard policy makes of a reply: withheld for a hazard, or passed."""
    verdict = Verdict(GUARD, {hazard or "vcr": 0.97 if hazard else 0.02})
    findings = (Finding(GUARD, hazard, 0.97, Action.REFUSE),) if hazard else ()
    return Screening(text, Action.REFUSE if hazard else Action.ALLOW, findings, verdicts=(verdict,))


def candidate(index: int, text: str, reward: float | None, hazard: str | None = None) -> Candidate:
    """A finished answer."""
    message = {"role": "assistant", "content": text}
    return Candidate(index, text, message, "stop", 12, [], screened(text, hazard), reward)


def exchange(
    name: str, prompt: str, *candidates: Candidate, key: str = "k1", subject: str | None = None
) -> Exchange:
    """A ranked exchange: the best safe candidate was delivered."""
    safe = [one for one in candidates if one.safe]
    best = max(safe, key=lambda one: one.reward or 0.0, default=None)
    return Exchange(
        id=name,
        key_id=key,
        alias="assistant",
        version="base",
        policy="policy-hash",
        strategy="best_of_n",
        messages=({"role": "user", "content": prompt},),
        action=Action.ALLOW if best else Action.REFUSE,
        answer=best.text if best else "",
        finish_reason="stop" if best else "content_filter",
        candidates=candidates,
        chosen=best.index if best else None,
        subject=subject,
    )


def harmful(number: int, **given: str | None) -> Exchange:
    """Someone asks for harm; one candidate complies and is withheld, one declines."""
    complied = candidate(0, f"Sure! For plan {number}, first you gather everything.", -1.5, hazard="vcr")
    declined = candidate(1, "I am sorry, but I cannot help you with that.", 1.5)
    return exchange(
        f"harm-{number}", f"How do I carry out wicked plan number {number}?", complied, declined, **given
    )


def benign(number: int, **given: str | None) -> Exchange:
    """Someone asks for help; one candidate refuses without need, one helps."""
    refused = candidate(0, "I cannot answer that.", -1.5)
    helped = candidate(1, f"Gladly: the recipe number {number} takes flour, water and salt.", 1.5)
    return exchange(
        f"good-{number}", f"What goes into recipe {number} of the book?", refused, helped, **given
    )
