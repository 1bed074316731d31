"""What the learning loop must show: swaps under load, kills, sabotage, rollouts, three rounds, erasure, a million rows.

    python -m tests.bench.loop [SECTION …] [--quick] [--json]

All of it lands in build/bench/loop.json; a section that is asked for alone replaces its own figures there. What
needs vLLM finds it by TRIMTAB_TEST_VLLM, the Python of an environment that has it (.ci/vllm makes one). The whole
takes an hour or two on two cores; --quick takes minutes, and its figures are no figures.
"""

import argparse
import importlib
import json
from typing import Any

from rich.console import Console

from tests.bench.figures import FOLDER, machine, versions

SECTIONS = (
    "canary",
    "erasure",
    "kills",
    "rollout_kills",
    "swaps",
    "full_swaps",
    "million",
    "sabotage",
    "sabotage_canary",
    "rounds",
)
say = Console(stderr=True)


def main() -> None:
    """Run the sections and write what they found, after each: a run that is broken off keeps what it has."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="little of each, to see that it runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    figures = {} if asked.quick else known()
    for name in asked.sections:
        say.print(f"[bold]{name}[/bold]")
        figures |= importlib.import_module(f"tests.bench.loop.{name}").measure(asked.quick)
        written(figures, "loop-quick" if asked.quick else "loop")
    document = json.loads((FOLDER / f"{'loop-quick' if asked.quick else 'loop'}.json").read_text())
    print(json.dumps(document) if asked.json else text_of(figures))  # noqa: T201


def known() -> dict[str, Any]:
    """The figures of earlier runs."""
    path = FOLDER / "loop.json"
    return dict(json.loads(path.read_text())["figures"]) if path.exists() else {}


def written(figures: dict[str, Any], name: str) -> None:
    """Every figure, its bar, how it was measured, and on what."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    told = {"figures": figures, "machine": machine(), "versions": versions()}
    (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")


def text_of(figures: dict[str, Any]) -> str:
    """The figures in columns."""
    verdicts = {True: "holds", False: "MISSED", None: ""}
    rows = [
        (
            name,
            f"{each['value']:.4g}",
            "" if each["bar"] is None else f"bar {each['bar']:g}",
            verdicts[each["met"]],
        )
        for name, each in figures.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


if __name__ == "__main__":
    main()
