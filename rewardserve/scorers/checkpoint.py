"""A reward model from disk or the hub, or a clear reason why it cannot be one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from rewardserve.errors import ModelUnusable
from rewardserve.scorer import ModelSpec
from rewardserve.scorers.reading import Reading, reading_of

# Tokenizers without a limit say 1e30.
NO_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model and what is needed to run it."""

    model: Any
    tokenizer: Any
    config: Any  # the text model's, where a larger configuration contains it
    device: torch.device
    reading: Reading
    max_tokens: int


def load_checkpoint(spec: ModelSpec) -> Checkpoint:
    """Load, check that this is a reward model, and move it to its device; raises ModelUnusable."""
    refuse_odd_folder(spec.model)
    device = device_of(spec.device, spec.worker)
    try:
        config = AutoConfig.from_pretrained(spec.model, trust_remote_code=spec.trust_remote_code)
        reading = reading_of(config, spec)
        tokenizer = AutoTokenizer.from_pretrained(spec.model, trust_remote_code=spec.trust_remote_code)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            spec.model,
            config=config,
            dtype=dtype_of(spec.dtype, device),
            trust_remote_code=spec.trust_remote_code,
            output_loading_info=True,
        )
        model.to(device)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelUnusable(f"{spec.model} cannot be loaded: {first_line(error)}") from error
    refuse_untrained(spec.model, report)
    if spec.chat_template is not None:
        tokenizer.chat_template = template_of(spec.chat_template)
    text_config = config.get_text_config()
    limit = limit_of(text_config, tokenizer, spec.max_tokens)
    return Checkpoint(model.eval(), tokenizer, text_config, device, reading, limit)


def refuse_odd_folder(model: str) -> None:
    """Refuse a path that is missing or holds no model, before anyone takes it for a name on the hub."""
    folder = Path(model)
    if not folder.is_dir():
        if folder.is_absolute() or model.startswith((".", "~")):
            raise ModelUnusable(
                f"there is no folder {model}; give another --model, "
                "or make the packaged one: trimtab pocket build"
            )
        return
    if (folder / "config.json").is_file():
        return
    if (folder / "adapter_config.json").is_file():
        raise ModelUnusable(f"{model} is a LoRA adapter; merge it into its base model first")
    raise ModelUnusable(f"{model} holds no model: config.json is missing")


def refuse_untrained(model: str, report: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose head transformers had to invent: it would score at random."""
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelUnusable(
            f"{model} is no reward model: {', '.join(missing[:3])} is missing from its weights "
            "and would be made of random numbers"
        )


def device_of(wish: str, worker: int = 0) -> torch.device:
    """The device asked for, or the best there is for `auto`; each worker has its own where there are several."""
    if wish in ("auto", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", worker % torch.cuda.device_count())
    if wish == "auto":
        return torch.device("cpu")
    try:
        device = torch.device(wish)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelUnusable(f"device {wish!r} cannot be used here: {first_line(error)}") from error
    return device


def dtype_of(wish: str, device: torch.device) -> str:
    """The precision to load in; `auto` is the checkpoint's own on an accelerator, and float32 on a CPU."""
    if wish == "auto" and device.type == "cpu":
        return "float32"
    return wish


def template_of(path: Path) -> str:
    """A chat template from a file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnusable(f"the chat template {path} cannot be read: {error}") from error


def limit_of(config: Any, tokenizer: Any, wish: int | None) -> int:
    """The most tokens that may be scored: what model and tokenizer can read, or less if asked for."""
    known = [getattr(config, "max_position_embeddings", None), getattr(tokenizer, "model_max_length", None)]
    able = min([int(limit) for limit in known if limit and 0 < limit < NO_LIMIT], default=NO_LIMIT)
    if wish is not None and wish > able:
        raise ModelUnusable(f"max_tokens {wish} is more than the model reads, {able}")
    return wish or able


def first_line(error: BaseException) -> str:
    """The first line of what a library said; the rest of it rarely helps."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
