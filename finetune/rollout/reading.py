"""What traffic has shown since the last look, added to a rollout's evidence in one transaction, once.

The cursor, the halves that wait and the tests are written together: a worker that is killed has either read a
stretch of outcomes or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from finetune.rollout.book import KIND, Book, Rollout, hold
from finetune.rollout.evidence import Bets, Evidence, fresh, read_evidence
from finetune.rollout.outcome import METRICS, Outcome, Paired
from finetune.rollout.pairing import Waiting, pair, waiting_of
from finetune.rollout.pauses import paused_in
from finetune.rollout.plan import HARM, PROOF, RolloutRules, proof_bets
from gateway.ledger.rollout_tables import OutcomeRow, RolloutEvidenceRow

PAIRING = "pairing"
PAGE = 5000  # outcomes read in one transaction
COLUMNS = [OutcomeRow.__table__.c[name] for name in Outcome.__slots__]


@dataclass(frozen=True, slots=True)
class Seen:
    """A rollout's tests, the pairs that its present state has seen, and how long it was paused."""

    evidence: Mapping[str, Evidence]
    pairs: int
    paused: timedelta = timedelta()

    def told(self) -> dict[str, Any]:
        """What is written beside a move: each test without its trace."""
        return {
            name: {"e": round(each.log, 4), "pairs": each.pairs, "worse": each.worse, "better": each.better}
            for name, each in self.evidence.items()
        }


async def read_on(book: Book, rollout: Rollout, now: datetime) -> Seen:
    """Read what came since the last look; raises LeaseLost."""
    while True:
        async with book.database.write() as connection:
            await hold(connection, rollout, book.worker, {})
            kept = await kept_in(connection, rollout.id)
            state = kept.pop(PAIRING, {"cursor": 0, "waiting": [], "move": "", "pairs": 0})
            found = {name: read_evidence(told) for name, told in kept.items()}
            page = await page_of(connection, rollout, state["cursor"])
            settled = settled_of(page, now - timedelta(seconds=rollout.rules.settle_seconds))
            waiting = waiting_of(await outcomes_in(connection, OutcomeRow.seq.in_(state["waiting"])))
            pairs, waiting = pair(await firsts(connection, rollout, settled), waiting)
            found = updated(found, pairs, rollout.rules)
            state = moved_on(state, rollout, settled, pairs, waiting)
            if settled:
                documents = {name: each.document() for name, each in found.items()} | {PAIRING: state}
                await keep(connection, rollout.id, documents)
            paused = await paused_in(connection, KIND, rollout.id, now)
        if len(settled) < PAGE:
            return Seen(found, state["pairs"], paused)


def moved_on(
    state: Mapping[str, Any],
    rollout: Rollout,
    settled: Sequence[Outcome],
    pairs: Sequence[Paired],
    waiting: Waiting,
) -> dict[str, Any]:
    """How far outcomes were read; the pairs of a state are counted from when it was entered."""
    here = rollout.moved_at.isoformat()
    counted = state["pairs"] if state["move"] == here else 0
    arm = "shadow" if rollout.state == "shadow" else "canary"
    return {
        "cursor": settled[-1].seq if settled else state["cursor"],
        "waiting": waiting.numbers,
        "move": here,
        "pairs": counted + sum(each.new.arm == arm for each in pairs),
    }


def updated(
    found: Mapping[str, Evidence], pairs: Sequence[Paired], rules: RolloutRules
) -> dict[str, Evidence]:
    """The tests after some more pairs."""
    bets: dict[str, Bets] = dict(HARM)
    if rules.flagged_margin > 0:
        bets[PROOF] = proof_bets(rules.flagged_margin)
    known = {name: found.get(name) or fresh(each) for name, each in bets.items()}
    for each in pairs:
        known = {name: test.updated(difference_of(name, each), bets[name]) for name, test in known.items()}
    return known


def difference_of(metric: str, pair: Paired) -> float:
    """What a test bets on; the proof bets on the old version's flags, where alarms bet on the new one's."""
    return -METRICS["flagged"](pair) if metric == PROOF else METRICS[metric](pair)


def settled_of(page: Sequence[Outcome], until: datetime) -> list[Outcome]:
    """The outcomes up to the first that others, admitted before it, may still follow."""
    for place, each in enumerate(page):
        if each.admitted_at > until:
            return list(page[:place])
    return list(page)


async def page_of(connection: AsyncConnection, rollout: Rollout, cursor: int) -> list[Outcome]:
    """The next outcomes in the order in which they were written."""
    here = (OutcomeRow.rollout_id == rollout.id, OutcomeRow.seq > cursor)
    return await outcomes_in(connection, *here, limit=PAGE)


async def firsts(connection: AsyncConnection, rollout: Rollout, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that are the first of their conversation on their side: later turns follow from it."""
    if not outcomes:
        return []
    other = aliased(OutcomeRow)
    earlier = (
        other.rollout_id == OutcomeRow.rollout_id,
        other.arm == OutcomeRow.arm,
        other.conversation == OutcomeRow.conversation,
        other.seq < OutcomeRow.seq,
    )
    span = (OutcomeRow.seq >= outcomes[0].seq, OutcomeRow.seq <= outcomes[-1].seq)
    later = select(OutcomeRow.seq).where(OutcomeRow.rollout_id == rollout.id, *span, exists().where(*earlier))
    not_first = set(await connection.scalars(later))
    return [each for each in outcomes if each.seq not in not_first]


async def outcomes_in(connection: AsyncConnection, *where: Any, limit: int | None = None) -> list[Outcome]:
    """Outcomes by their numbers."""
    query = select(*COLUMNS).where(*where).order_by(OutcomeRow.seq).limit(limit)
    return [Outcome(**row) for row in (await connection.execute(query)).mappings()]


async def kept_in(connection: AsyncConnection, rollout_id: str) -> dict[str, Any]:
    """The tests of a rollout as they are kept."""
    row = RolloutEvidenceRow
    found = await connection.execute(select(row.metric, row.state).where(row.rollout_id == rollout_id))
    return {told.metric: told.state for told in found}


async def keep(connection: AsyncConnection, rollout_id: str, documents: Mapping[str, Any]) -> None:
    """Replace the tests of a rollout."""
    row, now = RolloutEvidenceRow, datetime.now(UTC)
    await connection.execute(delete(row).where(row.rollout_id == rollout_id))
    rows = [
        {"rollout_id": rollout_id, "metric": name, "state": told, "updated_at": now}
        for name, told in documents.items()
    ]
    await connection.execute(insert(row), rows)
