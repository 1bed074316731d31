"""What choosing costs and brings: shared prefixes, batches, early stops, early cuts, blocks, hedging, an outage.

    python -m tests.bench.rewards [--only NAME …] [--json]

All of it lands in build/bench/rewards.json; a measure that is asked for alone replaces its own figures there. What
needs vLLM finds it by TRIMTAB_TEST_VLLM, the Python of an environment that has it (.ci/vllm makes one).
"""

import argparse
import importlib
import json
from typing import Any

from rich.console import Console

from tests.bench.figures import FOLDER, Figure, text_of, write

MEASURES = ("prefix", "batching", "adaptive", "rejection", "blockwise", "hedging", "ensembles", "outage")
say = Console(stderr=True)


def main() -> None:
    """Run the measures and write what they found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    figures = known()
    for name in asked.only:
        say.print(f"[bold]{name}[/bold]")
        measure = importlib.import_module(f"tests.bench.rewards.{name}").measure
        figures |= {figure.name: figure for figure in measure(say.print)}
        path = write(
            "rewards", list(figures.values())
        )  # after each: a run that is broken off keeps what it has
    print(path.read_text() if asked.json else f"{text_of(list(figures.values()))}\n\n{path}")  # noqa: T201


def known() -> dict[str, Figure]:
    """The figures of earlier runs."""
    path = FOLDER / "rewards.json"
    if not path.exists():
        return {}
    told = json.loads(path.read_text())["figures"]
    return {name: figure_of(name, each) for name, each in told.items()}


def figure_of(name: str, told: dict[str, Any]) -> Figure:
    """A figure as it was written; which way its bar is meant shows in whether it holds."""
    value, bar = told["value"], told["bar"]
    at_most = bar is None or (value <= bar) == told["holds"]
    return Figure(name, value, told["unit"], told["how"], bar, at_most)


if __name__ == "__main__":
    main()
