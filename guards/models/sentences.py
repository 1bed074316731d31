"""Texts as vectors, by any model in sentence-transformers' format, with torch and transformers alone.

A folder holds a transformer and says in `modules.json` what follows it: pooling, dense layers, normalising. Weights are
read from safetensors alone, and no code that comes with a model is run.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guards.verdict import GuardUnavailable

try:
    import torch
    from huggingface_hub import snapshot_download
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar
except ImportError as missing:
    raise ImportError(
        "a sentence model needs torch and transformers: pip install 'trimtab[torch]'"
    ) from missing

Floats = NDArray[np.float32]
BATCH = 32
LONGEST_TOKENS = 512  # where the model's folder does not say
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
MEAN_LENGTH = "mean_sqrt_len"
# What `1_Pooling/config.json` may switch on, in the order in which the results stand beside each other.
POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": MEAN_LENGTH,
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
ACTIVATIONS = frozenset({"Identity", "Tanh", "ReLU", "GELU"})


class SentenceModel:
    """A model and what follows it, ready to be asked; not to be asked by two threads at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        modules = modules_of(folder)
        first = folder / modules[0]["path"]
        told = read_json(first / "sentence_bert_config.json")
        self.lower = bool(told.get("do_lower_case"))
        self.prefix = prefix_of(folder)
        self.tokenizer, self.model = transformer_in(first)
        longest = int(told.get("max_seq_length") or LONGEST_TOKENS)
        self.longest = min(longest, limit_of(self.model))
        self.steps = [step_of(module, folder) for module in modules[1:]]

    def embed(self, texts: Sequence[str]) -> Floats:
        """One vector for each text; longer ones are cut where the model's sight ends."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        found: list[Floats] = [np.empty(0, np.float32)] * len(texts)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            for place, vector in zip(batch, self._together([texts[at] for at in batch]), strict=True):
                found[place] = vector
        return np.stack(found) if found else np.empty((0, 0), np.float32)

    def _together(self, texts: Sequence[str]) -> Floats:
        said = [self.prefix + (text.lower() if self.lower else text) for text in texts]
        with torch.inference_mode():
            tokens = self.tokenizer(
                said, padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
            )
            states = self.model(**tokens).last_hidden_state.float()
            vectors = states
            for step in self.steps:
                vectors = step(vectors, tokens["attention_mask"])
            found: Floats = vectors.numpy().astype(np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def folder_of(name: str, beside: Path, *, confined: bool) -> Path:
    """Where a model lies: a folder, or what the hub calls so; GuardUnavailable where neither can be had."""
    if beside.is_dir():
        return beside
    if confined or name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise GuardUnavailable(f"{name}: there is no such folder")

    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES)))
    except (OSError, ValueError) as error:
        why = f"{name}: neither a folder nor a model that the hub gives us ({type(error).__name__})"
        raise GuardUnavailable(f"{why}; copy the model's folder here and name that") from error


@lru_cache(maxsize=4)
def load_sentences(folder: Path) -> SentenceModel:
    """The model in a folder; GuardUnavailable where it cannot be used."""
    try:
        return SentenceModel(folder)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise GuardUnavailable(f"{folder}: no sentence model that can be used: {error}") from error


@lru_cache(maxsize=4)
def revision_of(folder: Path) -> str:
    """A hash of everything in the folder that decides a vector."""
    digest = hashlib.sha256()
    for file in sorted(one for pattern in FILES for one in folder.rglob(pattern)):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def read_json(file: Path) -> dict[str, Any]:
    """The object in a file; an empty one where there is no file."""
    if not file.is_file():
        return {}
    told = json.loads(file.read_text("utf-8"))
    return told if isinstance(told, dict) else {}


def modules_of(folder: Path) -> list[dict[str, Any]]:
    """What the model consists of; a bare transformer is followed by the mean of its tokens."""
    file = folder / "modules.json"
    if file.is_file():
        modules: list[dict[str, Any]] = sorted(
            json.loads(file.read_text("utf-8")), key=lambda one: one["idx"]
        )
        if not modules or kind_of(modules[0]) != "Transformer":
            raise ValueError("its modules.json does not begin with a Transformer")
        return modules
    return [{"path": "", "type": "Transformer"}, {"path": "", "type": "Mean"}]


def kind_of(module: dict[str, Any]) -> str:
    """A module's type, without the package that it is in."""
    return str(module["type"]).rpartition(".")[2]


def prefix_of(folder: Path) -> str:
    """What the model wants before every text, where its folder names a default."""
    told = read_json(folder / "config_sentence_transformers.json")
    return str((told.get("prompts") or {}).get(told.get("default_prompt_name") or "", ""))


def transformer_in(folder: Path) -> tuple[Any, Any]:
    """The tokenizer and the model of a folder."""

    disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model = AutoModel.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, model.eval()


def limit_of(model: Any) -> int:
    """The most tokens that the model's positions reach."""
    limit = getattr(model.config, "max_position_embeddings", None)
    return int(limit) if isinstance(limit, int) and limit > 0 else LONGEST_TOKENS


def step_of(module: dict[str, Any], folder: Path) -> Any:
    """What a module does to vectors, as a function of them and of the attention mask."""
    kind, place = kind_of(module), folder / str(module["path"])
    if kind == "Pooling":
        return pooling_of(read_json(place / "config.json"))
    if kind == "Mean":
        return lambda states, mask: pooled(states, mask, ("mean",))
    if kind == "Normalize":
        return lambda vectors, _: vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    if kind == "Dense":
        return dense_of(place)
    raise ValueError(f"it has a module of type {kind}, which is not known here")


def pooling_of(told: dict[str, Any]) -> Any:
    """How the states of tokens become one vector."""
    named = told.get("pooling_mode")
    chosen = (
        (named,) if isinstance(named, str) else tuple(POOLINGS[name] for name in POOLINGS if told.get(name))
    )
    if unknown := set(chosen) - set(POOLINGS.values()):
        raise ValueError(f"it pools by {', '.join(sorted(unknown))}, which is not known here")
    return lambda states, mask: pooled(states, mask, chosen or ("mean",))


def pooled(states: Any, mask: Any, ways: Sequence[str]) -> Any:
    """One vector for each text; those of several ways stand beside each other."""

    weights = mask.unsqueeze(-1).to(states.dtype)
    count = weights.sum(1).clamp_min(1e-9)
    found = []
    for way in ways:
        if way == "cls":
            found.append(states[torch.arange(len(states)), mask.int().argmax(1)])
        elif way == "lasttoken":
            last = mask.shape[1] - 1 - mask.flip(1).int().argmax(1)
            found.append(states[torch.arange(len(states)), last])
        elif way == "max":
            found.append(states.masked_fill(weights == 0, float("-inf")).max(1).values)
        elif way == "weightedmean":
            rising = weights * torch.arange(1, states.shape[1] + 1).unsqueeze(-1)
            found.append((states * rising).sum(1) / rising.sum(1).clamp_min(1e-9))
        else:
            found.append((states * weights).sum(1) / (count.sqrt() if way == MEAN_LENGTH else count))
    return torch.cat(found, dim=1)


def dense_of(folder: Path) -> Any:
    """A dense layer after the pooling."""

    name = str(read_json(folder / "config.json").get("activation_function", "Identity")).rpartition(".")[2]
    if name not in ACTIVATIONS:
        raise ValueError(f"it has a dense layer with {name}, which is not known here")
    weights, activation = load_file(folder / "model.safetensors"), getattr(torch.nn, name)()
    matrix, bias = weights["linear.weight"].float(), weights.get("linear.bias")
    return lambda vectors, _: activation(
        torch.nn.functional.linear(vectors, matrix, None if bias is None else bias.float())
    )
