"""Candidates as strategies see them."""

from typing import Any

from gateway.exchange import Candidate
from guards.verdict import Action, Screening


def candidate(
    index: int,
    reward: float | None = None,
    action: Action = Action.ALLOW,
    text: str | None = None,
    **more: Any,
) -> Candidate:
    said = f"candidate {index}" if text is None else text
    return Candidate(
        index, said, {"content": said}, "stop", screening=Screening(said, action), reward=reward, **more
    )


def saying(*texts: str) -> list[Candidate]:
    """Safe candidates with these texts and no rewards."""
    return [candidate(index, text=text) for index, text in enumerate(texts)]
