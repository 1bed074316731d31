"""What a benchmark found, as people read it and as machines do."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FOLDER = Path("build/bench")
TOLD = (
    "trimtab",
    "uvicorn",
    "uvloop",
    "httptools",
    "fastapi",
    "orjson",
    "numpy",
    "google-re2",
    "aiohttp",
    "httpx",
)


@dataclass(frozen=True)
class Figure:
    """One measured value; `bar` is what it must reach, in the direction that `at_most` says."""

    name: str
    value: float
    unit: str
    how: str
    bar: float | None = None
    at_most: bool = True

    @property
    def holds(self) -> bool | None:
        """Whether the bar is reached; None where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar


def write(name: str, figures: Sequence[Figure], **more: Any) -> Path:
    """`build/bench/NAME.json`: every figure, its bar, how it was measured, and on what."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    told = {
        figure.name: {
            "value": round(figure.value, 4),
            "unit": figure.unit,
            "bar": figure.bar,
            "holds": figure.holds,
            "how": figure.how,
        }
        for figure in figures
    }
    path = FOLDER / f"{name}.json"
    path.write_text(
        json.dumps({"figures": told, "machine": machine(), "versions": versions(), **more}, indent=1) + "\n"
    )
    return path


def text_of(figures: Sequence[Figure]) -> str:
    """The figures in columns."""
    verdicts = {True: "holds", False: "MISSED", None: ""}
    rows = [
        (
            figure.name,
            f"{figure.value:,.2f} {figure.unit}",
            "" if figure.bar is None else f"{'≤' if figure.at_most else '≥'} {figure.bar:,g}",
            verdicts[figure.holds],
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def machine() -> dict[str, Any]:
    """The machine that the figures are of."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
    }


def versions() -> dict[str, str]:
    """The libraries on the way of a request."""
    found = {}
    for name in TOLD:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
