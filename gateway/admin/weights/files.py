"""A model's directory as a version of full weights: its configuration, its tensors, its tokenizer.

Only headers are read here, and bytes for the digest: the gateway has no use for the numbers themselves.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from gateway.errors import BadRequest

CONFIG, INDEX, WHOLE = "config.json", "model.safetensors.index.json", "model.safetensors"
# What decides, beside the weights, what a model says: text is made tokens of, and tokens text.
TOKENIZER = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as its file's header tells it."""

    shape: tuple[int, ...]
    dtype: str
    file: str


def holds_model(folder: Path) -> bool:
    """Whether a directory is meant as a whole model, and not as an adapter."""
    return (folder / CONFIG).is_file() and not (folder / "adapter_config.json").is_file()


def names_of_model(folder: Path) -> list[str]:
    """Everything that decides what the model says; raises BadRequest when there are no weights."""
    names = [CONFIG, *(name for name in TOKENIZER if (folder / name).is_file()), *shards_of(folder)]
    return [*names, INDEX] if (folder / INDEX).is_file() else names


def digest_of_model(folder: Path) -> str:
    """SHA-256 over names and bytes of everything that decides what the model says; raises BadRequest."""
    digest = hashlib.sha256()
    for name in names_of_model(folder):
        digest.update(f"\0{name}\0".encode())
        try:
            with (folder / name).open("rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        except OSError as error:
            raise BadRequest(f"path: {name} cannot be read there: {error.strerror}", param="path") from None
    return digest.hexdigest()


def shards_of(folder: Path) -> list[str]:
    """The files that hold the tensors, as the index names them; raises BadRequest when there are none."""
    if (folder / INDEX).is_file():
        placed = read_json(folder / INDEX).get("weight_map")
        if not isinstance(placed, Mapping) or not placed:
            raise BadRequest(f"path: {INDEX} names no tensors", param="path")
        names = sorted({str(name) for name in placed.values()})
        if odd := [name for name in names if Path(name).name != name]:
            raise BadRequest(f"path: {INDEX} names a file elsewhere: {odd[0][:200]}", param="path")
        return names
    if not (folder / WHOLE).is_file():
        raise BadRequest(f"path: there is neither {WHOLE} nor {INDEX}", param="path")
    return [WHOLE]


def tensors_of(folder: Path) -> dict[str, Tensor]:
    """Every tensor by its name, from the headers alone; raises BadRequest naming the file that is not whole."""
    found: dict[str, Tensor] = {}
    for name in shards_of(folder):
        try:
            with safe_open(folder / name, framework="numpy") as file:
                for tensor in file.keys():  # noqa: SIM118 - no mapping, though it has keys
                    told = file.get_slice(tensor)
                    found[tensor] = Tensor(tuple(told.get_shape()), str(told.get_dtype()), name)
        except (OSError, SafetensorError) as error:
            raise BadRequest(f"path: {name} cannot be read there: {error}", param="path") from None
    if (folder / INDEX).is_file():
        refuse_misplaced(found, read_json(folder / INDEX)["weight_map"])
    return found


def refuse_misplaced(found: Mapping[str, Tensor], placed: Mapping[str, str]) -> None:
    """Raises BadRequest unless each tensor lies where the index says."""
    for name, file in placed.items():
        if name not in found or found[name].file != file:
            raise BadRequest(f"path: {name[:200]} is not in {file}, where the index says it is", param="path")


def read_json(file: Path) -> dict[str, Any]:
    """A file's JSON object; raises BadRequest."""
    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise BadRequest(f"path: {file.name} cannot be read there: {error}", param="path") from None
    if not isinstance(document, dict):
        raise BadRequest(f"path: {file.name} is no JSON object", param="path")
    return document
