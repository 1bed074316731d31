"""The texts of recorded exchanges, as far as the ledger still has them, in the order in which guards read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import parts
from gateway.errors import BadRequest
from gateway.ledger.tables import CandidateRow, ExchangeRow
from guards.verdict import Context, Segment

AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Texts:
    """One exchange's: the conversation, and what each candidate said."""

    messages: Sequence[Mapping[str, Any]]
    said: Mapping[int, Mapping[str, Any]]  # by the candidates' positions
    cut: bool = False  # whether something was cut out of the prompt, which guards of the time have read

    @property
    def context(self) -> Context:
        """The conversation as guards see it."""
        return parts.turns({"messages": self.messages})

    def of_prompt(self) -> list[Segment]:
        """Each segment of the conversation; tools and parameters are not recorded."""
        try:
            found = parts.of_prompt({"messages": self.messages})
        except BadRequest:
            return []
        return [each.segment for each in found]

    def of_candidate(self, position: int) -> list[Segment]:
        """Each segment of a candidate."""
        try:
            found = parts.of_reply(self.said.get(position, {}))
        except parts.Unscannable:
            return []
        return [each.segment for each in found]


class Readable(Protocol):
    """An exchange's texts, wherever they come from."""

    @property
    def context(self) -> Context:
        """The conversation as guards see it."""
        ...

    @property
    def cut(self) -> bool:
        """Whether the prompt is not what guards of the time have read."""
        ...

    def of_prompt(self) -> list[Segment]:
        """Each segment of the conversation."""
        ...

    def of_candidate(self, position: int) -> list[Segment]:
        """Each segment of a candidate."""
        ...


def known_texts(said: Mapping[str, Any], found: Sequence[Segment], *, cut: bool) -> list[Segment | None]:
    """Each segment of the evidence with its text; None for one that was redacted, or is not the same segment."""
    if cut:
        return []
    redacted, known = set(said.get("r", ())), list[Segment | None]()
    for place, part in enumerate(said["s"]):
        same = place < len(found) and found[place].part == part and place not in redacted
        known.append(found[place] if same else None)
    return known


async def texts_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Texts]:
    """The texts of exchanges by their ids."""
    messages: dict[str, Any] = {}
    said: dict[str, dict[int, Any]] = {}
    for some in chunks(ids):
        prompts = select(ExchangeRow.id, ExchangeRow.messages).where(ExchangeRow.id.in_(some))
        messages |= {row[0]: row[1] for row in await connection.execute(prompts)}
        row = CandidateRow
        replies = select(row.exchange_id, row.position, row.message).where(row.exchange_id.in_(some))
        for exchange_id, position, message in await connection.execute(replies):
            said.setdefault(exchange_id, {})[position] = message
    return {one: Texts(each, said.get(one, {})) for one, each in messages.items()}


def chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    """As many at once as a statement takes."""
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
