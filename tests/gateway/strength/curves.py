"""Strength curves on disk."""

from pathlib import Path

from gateway.strength.curve import Cap, Curve, Source


def curve(folder: Path, **caps: float) -> Path:
    """A file with these caps, each with an interval around it."""
    source = Source(file="rows.jsonl", sha256="0" * 64, prompts=10, samples=640)
    made = {name: Cap(value=value, low=value / 2, high=value * 2) for name, value in caps.items()}
    path = folder / "curve.json"
    path.write_text(
        Curve(alias="assistant", method="by hand", source=source, largest_n=64, **made).model_dump_json()  # type: ignore[arg-type]
    )
    return path
