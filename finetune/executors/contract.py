"""Which executor trains, as the settings tell it; the training is the same in all of them (finetune/train/trainer.py).

A third party adds one by the entry point group `trimtab.executors`: a factory that takes its own section's other
settings as keywords and gives an Executor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from finetune.progress import Progress
from finetune.train.contract import Job, Recipe, Trained

AtLeastOne = Annotated[int, Field(ge=1)]


class Executor(Protocol):
    """Does one training, wherever."""

    def refuses(self, recipe: Recipe) -> str | None:
        """Why this recipe cannot be trained so; None when it can. Asked before anything starts."""
        ...

    async def learn(self, job: Job, progress: Progress) -> Trained:
        """Do it; raises TrainingFailed. Cancelling stops every process of it; its checkpoints stay."""
        ...


@dataclass(frozen=True, slots=True)
class Local:
    """In this process, on one device."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Literal["local"] = "local"


@dataclass(frozen=True, slots=True)
class Accelerate:
    """In several processes of this machine, one to each GPU, by `accelerate launch`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Literal["accelerate"] = "accelerate"
    processes: AtLeastOne = 1
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    fsdp: bool = False  # the weights in shards over all processes, instead of whole in each
    config: Path | None = (
        None  # accelerate's own file, for what is not told here: several machines, DeepSpeed …
    )


@dataclass(frozen=True, slots=True)
class Ray:
    """By Ray Train on a cluster; files lie where all of its machines see them."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Literal["ray"] = "ray"
    # `local` starts one here; `auto`, HOST:PORT and ray:// join one; http:// submits a job to its dashboard.
    address: str = "local"
    workers: AtLeastOne = 1
    gpus_per_worker: Annotated[float, Field(ge=0)] = 0.0
    cpus_per_worker: Annotated[float, Field(gt=0)] = 1.0


@dataclass(frozen=True, slots=True)
class Other:
    """One of another package, with what it is told."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


KINDS: Mapping[str, type[Local | Accelerate | Ray]] = {"local": Local, "accelerate": Accelerate, "ray": Ray}


def _named(told: Any) -> Any:
    """`ray` is short for `{kind: ray}`; what this package does not know is another's."""
    section = {"kind": told} if isinstance(told, str) else told
    if isinstance(section, Mapping) and isinstance(section.get("kind"), str) and section["kind"] not in KINDS:
        return Other(section["kind"], {name: each for name, each in section.items() if name != "kind"})
    return section


def _kind(told: Any) -> str:
    kind = told.get("kind") if isinstance(told, Mapping) else getattr(told, "kind", None)
    return str(kind) if kind in KINDS else "other"


Where = Annotated[
    Annotated[Local, Tag("local")]
    | Annotated[Accelerate, Tag("accelerate")]
    | Annotated[Ray, Tag("ray")]
    | Annotated[Other, Tag("other")],
    Discriminator(_kind),
    BeforeValidator(_named),
]
