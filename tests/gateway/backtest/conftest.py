"""A ledger with exchanges that a policy really screened."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.exchange import Candidate, Exchange
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.privacy import scrubbed
from guards.policy.load import load_policy
from guards.screen import Screen
from guards.verdict import Action, Context, Segment

POLICY = """
name: then
version: 1
guards:
  - id: words
    kind: patterns
    where: [prompt, reply]
    on_error: closed
    hazards:
      X.mild: {action: flag, threshold: 0.5}
      X.bad: {action: refuse, threshold: 0.5}
      X.name: {action: redact, threshold: 0.5}
    config:
      patterns:
        mild: {hazard: X.mild, terms: [grumpy], probability: 0.6}
        bad: {hazard: X.bad, terms: [forbidden], probability: 0.9}
        name: {hazard: X.name, terms: [Blue Heron], probability: 0.9}
"""
TEXTS = (
    ("a fine day", "indeed"),
    ("a grumpy day", "indeed"),
    ("forbidden", None),
    ("a fine day", "a grumpy reply"),
    ("the Blue Heron", "indeed"),
    ("a fine day", "forbidden"),
)


@pytest.fixture
def policies(tmp_path: Path):
    """Writes policies; gives the path of one."""

    def written(name: str, text: str = POLICY) -> str:
        (tmp_path / f"{name}.yaml").write_text(text)
        return str(tmp_path / f"{name}.yaml")

    return written


async def exchange_of(name: str, asked: str, answer: str | None, screen: Screen) -> Exchange:
    """An exchange as the gateway would record it."""
    context = Context((("user", asked),))
    prompt = await screen.prompt([Segment(asked, "prompt")], context)
    candidates = ()
    if not prompt.withheld and answer is not None:
        screening = await screen.reply([Segment(answer, "reply")], context)
        candidates = (
            Candidate(0, answer, {"role": "assistant", "content": answer}, "stop", screening=screening),
        )
    safe = any(candidate.safe for candidate in candidates)
    actions = [prompt.action, *(each.screening.action for each in candidates)]
    exchange = Exchange(
        id=name,
        key_id="key",
        alias="assistant",
        version="base",
        policy=screen.policy.hash,
        strategy="single",
        messages=({"role": "user", "content": asked},),
        action=max((Action.ALLOW if safe else Action.REFUSE), *actions),
        answer=answer or "",
        finish_reason="stop",
        prompt_screening=prompt,
        candidates=candidates,
        chosen=0 if safe else None,
    )
    return scrubbed(exchange) if exchange.flagged else replace(exchange)


@pytest.fixture
async def ledger(tmp_path: Path, policies) -> str:
    """The URL of a ledger with one exchange for each of the texts."""
    screen, url = Screen(load_policy(policies("then"))), f"sqlite:///{tmp_path / 'ledger.db'}"
    async with Database(url) as database:
        made = [await exchange_of(f"x{place}", *texts, screen) for place, texts in enumerate(TEXTS)]
        await Intake(database).take(made)
    return url
