"""The model cards of the pocket policy and reward model, filled with what was measured."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

Figures = Mapping[str, Mapping[str, Any]]


def card(stem: str, figures: Figures, **facts: object) -> str:
    """The card of a model, from its text in `cards/`, its figures and the facts of its making."""
    text = (files("finetune.pocket") / "cards" / f"{stem}.md").read_text("utf-8")
    return text.format(table=table(figures), **facts)


def table(figures: Figures) -> str:
    """The figures as a Markdown table."""
    head = "| figure | value | 95 % interval | values |\n|---|---|---|---|"
    return "\n".join((head, *(_row(name, told) for name, told in figures.items())))


def _row(name: str, told: Mapping[str, Any]) -> str:
    interval = f"{told['low']:.3f} to {told['high']:.3f}" if "low" in told else ""
    return f"| {name} | {told['value']:.3f} | {interval} | {told.get('values', '')} |"
