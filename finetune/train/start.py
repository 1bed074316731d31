"""What a training starts from and is held to: the bare base model, or the version that is live.

TRL takes the reference from what it is given: with a new LoRA the model below it, with a trained one a frozen copy of
it, and with full weights the model as it is before the first step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from finetune.errors import TrainingFailed, reason
from finetune.train.contract import Recipe
from finetune.train.processes import by_the_first
from finetune.train.setup import Setup
from gateway.admin.weights.files import holds_model


def started(setup: Setup) -> dict[str, Any]:
    """The model, its tokenizer and its LoRA as TRL's trainers take them; raises TrainingFailed."""
    if setup.recipe.device == "cuda" and not setup.cuda:
        raise TrainingFailed("recipe.device is 'cuda', but there is no CUDA device here")
    job, full = setup.job, setup.recipe.weights == "full"
    # Adam's small steps are lost in bfloat16: weights that are trained themselves are kept whole.
    dtype = torch.bfloat16 if setup.cuda and not full else torch.float32
    model, lora = from_full(setup, dtype) if full else from_base(setup, dtype)
    with blaming(job.base):
        tokenizer = AutoTokenizer.from_pretrained(job.base)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return {"model": model, "processing_class": tokenizer} | lora


def from_base(setup: Setup, dtype: torch.dtype) -> tuple[Any, dict[str, Any]]:
    """The base model with a new LoRA over it, or with that of the version to start from."""
    job = setup.job
    if job.start is not None and holds_model(job.start):
        told = "the live version has full weights, and adapters rest on the base's"
        raise TrainingFailed(f"recipe.anchor is 'last', but {told}: set anchor base, or weights full")
    with blaming(job.base):
        model = loaded(job.base, dtype)
    if job.start is None:
        return model, {"peft_config": adapter_config(setup.recipe)}
    adapted = with_adapter(model, job.start)
    rank = adapted.peft_config["default"].r
    if rank != setup.recipe.rank:
        told = f"recipe.rank is {setup.recipe.rank}, and that of the live version {rank}"
        raise TrainingFailed(f"{told}: with anchor last they must be the same")
    return adapted, {}


def from_full(setup: Setup, dtype: torch.dtype) -> tuple[Any, dict[str, Any]]:
    """A model whose every weight is trained."""
    start = setup.job.start
    if start is None:
        with blaming(setup.job.base):
            return loaded(setup.job.base, dtype), {}
    if holds_model(start):
        return loaded(str(start), dtype), {}
    # TRL's online trainers load the reference by the model's name: it must lie somewhere.
    place = setup.folder / "start"
    by_the_first(setup.recipe, lambda: merged(setup.job.base, start, dtype, place))
    return loaded(str(place), dtype), {}


def merged(base: str, adapter: Path, dtype: torch.dtype, place: Path) -> None:
    """Write the base with an adapter in its weights."""
    with_adapter(loaded(base, dtype), adapter).merge_and_unload().save_pretrained(place)


def with_adapter(model: Any, adapter: Path) -> Any:
    """The model with an adapter that goes on learning; raises TrainingFailed where it is none."""
    try:
        return PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise TrainingFailed(f"{adapter} cannot be started from: {reason(error)}") from error


@contextmanager
def blaming(base: str) -> Iterator[None]:
    """What cannot be loaded is told with the field that named it; raises TrainingFailed."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        told = f"recipe.base: {base} cannot be loaded as a model: {reason(error)}"
        raise TrainingFailed(
            f"{told}; give a model's directory, or its name on the Hugging Face hub"
        ) from error


def loaded(name: str, dtype: torch.dtype) -> Any:
    """A model by its directory or hub name."""
    return AutoModelForCausalLM.from_pretrained(name, dtype=dtype)


def adapter_config(recipe: Recipe) -> LoraConfig:
    """Plain LoRA on every linear layer but the head: what every engine serves."""
    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
