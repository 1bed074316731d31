"""Whether full weights fit the base model that engines were started with, before any engine sees them.

An engine empties its weights before it reads new ones: what it then cannot read costs it its life. And a tensor that
is missing it only mentions in its log.
"""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.admin.weights.files import CONFIG, Tensor, read_json, tensors_of
from gateway.errors import Conflict

# What else configurations hold is about files, libraries and training, and not about how tensors are used.
SHAPING = (
    "architectures",
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "hidden_act",
    "rms_norm_eps",
    "layer_norm_eps",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "sliding_window",
    "tie_word_embeddings",
    "quantization_config",
)
# The bits of a number's exponent: all of them set mean NaN or infinity.
EXPONENTS: dict[str, tuple[type[Any], int]] = {
    "F64": (np.uint64, 0x7FF0_0000_0000_0000),
    "F32": (np.uint32, 0x7F80_0000),
    "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80),
}
SCAN_SECONDS = 120.0  # at most; then a sample of what is left is looked at
PIECE, SAMPLE = 1 << 22, 1 << 14  # numbers at once


def check_fits(folder: Path, base: Path, scan_seconds: float = SCAN_SECONDS) -> dict[str, Any]:
    """What was looked at; raises Conflict, or BadRequest, saying what does not fit."""
    refuse_other_architecture(read_json(folder / CONFIG), read_json(base / CONFIG))
    found = tensors_of(folder)
    refuse_other_tensors(found, tensors_of(base))
    scanned = refuse_broken_numbers(folder, found, scan_seconds)
    return {"tensors": len(found), "scanned": scanned}


def refuse_other_architecture(told: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """Raises Conflict when a configuration means another network than the base's."""
    for name in SHAPING:
        if told.get(name) != base.get(name):
            raise Conflict(
                f"{CONFIG}: {name} is {told.get(name)!r}, and the base model's {base.get(name)!r}",
                param="version",
                code="does_not_fit",
            )


def refuse_other_tensors(found: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> None:
    """Raises Conflict unless both have the same tensors, of the same shapes and types."""
    if missing := sorted(base.keys() - found.keys()):
        raise _unfit(f"{len(missing)} tensors are missing, such as {missing[0]}")
    if more := sorted(found.keys() - base.keys()):
        raise _unfit(f"{len(more)} tensors are not the base model's, such as {more[0][:200]}")
    for name, tensor in found.items():
        if tensor.shape != base[name].shape:
            raise _unfit(f"{name} has the shape {tensor.shape}, and the base model's {base[name].shape}")
        if tensor.dtype != base[name].dtype:
            raise _unfit(f"{name} is {tensor.dtype}, and the base model's {base[name].dtype}")


def refuse_broken_numbers(folder: Path, found: Mapping[str, Tensor], seconds: float) -> str:
    """Whether `all` numbers were looked at or a `sample`; raises Conflict at NaN or infinity."""
    deadline, extent = time.monotonic() + seconds, "all"
    for file in sorted({tensor.file for tensor in found.values()}):
        for name, numbers, exponent in numbers_of(folder / file):
            if time.monotonic() > deadline:
                extent = "sample"
            if broken(numbers, exponent, whole=extent == "all"):
                raise _unfit(f"{name} holds NaN or infinity")
    return extent


def numbers_of(file: Path) -> list[tuple[str, NDArray[Any], int]]:
    """A file's tensors of real numbers as unsigned integers of their size, mapped and not read."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(length))
    mapped = np.memmap(file, np.uint8, "r", 8 + length) if file.stat().st_size > 8 + length else None
    views = []
    for name, told in header.items():
        kind = EXPONENTS.get(told.get("dtype", ""))
        if kind is not None and mapped is not None:
            start, end = told["data_offsets"]
            piece = mapped[start : start + (end - start)]
            views.append((name, _aligned(piece, kind[0]), kind[1]))
    return views


def broken(numbers: NDArray[Any], exponent: int, *, whole: bool) -> bool:
    """Whether NaN or infinity is among the numbers, or among some that lie evenly between them."""
    if not whole and len(numbers) > SAMPLE:
        numbers = numbers[:: math.ceil(len(numbers) / SAMPLE)]
    mask = numbers.dtype.type(exponent)
    return any(
        bool(np.any((numbers[start : start + PIECE] & mask) == mask))
        for start in range(0, len(numbers), PIECE)
    )


def _aligned(piece: NDArray[Any], kind: type[Any]) -> NDArray[Any]:
    """The bytes as numbers; NumPy takes them from any place in a file."""
    return np.frombuffer(piece, kind) if len(piece) else np.empty(0, kind)


def _unfit(why: str) -> Conflict:
    return Conflict(why, param="version", code="does_not_fit")
