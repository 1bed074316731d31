"""What of a conversation is read with its last turn: what users asked before, and how it was answered. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from guards.verdict import Context

MOST_EXCHANGES = 3  # before the last turn; what is older was judged when it was new, and is forgotten
MOST_ASKED, MOST_ANSWERED, MOST_NOW = 1000, 2000, 2000  # characters of each that are read again
BESIDE = frozenset({"system", "developer"})  # roles that are no part of the talk


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked in one turn of a conversation, and what was answered."""

    asked: str
    answered: str = ""


def exchanges(context: Context) -> Iterator[Exchange]:
    """The conversation turn by turn; what a user says without an answer between is one turn."""
    asked: list[str] = []
    answered: list[str] = []
    speaking = True
    for role, text in context.turns:
        if role == "user":
            if not speaking:
                yield Exchange("\n".join(asked), "\n".join(answered))
                asked, answered = [], []
            asked.append(text)
        elif role == "assistant":
            answered.append(text)
        speaking = speaking if role in BESIDE else role == "user"
    if asked:
        yield Exchange("\n".join(asked), "\n".join(answered))


def before(context: Context) -> list[Exchange]:
    """The last exchanges before the last turn, shortened; what was asked at their ends counts."""
    earlier = list(exchanges(context))[:-1][-MOST_EXCHANGES:]
    return [Exchange(each.asked[-MOST_ASKED:], each.answered[:MOST_ANSWERED]) for each in earlier]


def last_turn(context: Context) -> str:
    """What the user says in the last turn, all messages and parts together."""
    turns = list(exchanges(context))
    return turns[-1].asked if turns else ""


def shortened(said: str) -> str:
    """The same, without the middle of much."""
    half = MOST_NOW // 2
    return said if len(said) <= MOST_NOW else f"{said[:half]}\n{said[-half:]}"


def opening(context: Context) -> str:
    """What the client has put into the assistant's mouth: a reply goes on from it."""
    role, text = context.turns[-1] if context.turns else ("", "")
    return text if role == "assistant" else ""
