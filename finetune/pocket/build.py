"""Remakes the pocket world from one seed: corpus, policy, reward model, guard classifier, figures, cards."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gateway.engines.pocket
import guards
import rewardserve
from finetune.pocket import reward as rewards
from finetune.pocket.card import card
from finetune.pocket.corpus import Corpus, examples, generate
from finetune.pocket.figures import ANSWERS, answer, bundled, policy_figures, reward_figures
from finetune.pocket.policy import SHIPPED, TINY, Recipe, train_policy
from finetune.progress import Progress
from finetune.train.memory import memory_kept
from guards.lessons import Written

SEED = 7


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything is made; the full scale takes about half an hour on two cores."""

    examples: int = 90_000
    pairs: int = 9_000
    sampled_prompts: int = 160
    guard_examples: int = 12_000
    held_pairs: int = 2_000
    exam_prompts: int | None = None
    recipe: Recipe = SHIPPED
    written: Written = field(
        default_factory=Written
    )  # what the guard learns from beside the corpus and public sets


FULL = Scale()
MINIATURE = Scale(2_000, 400, 16, 1_500, 100, 16, TINY, Written(1_500, 300, 300, 200, 300, 200))


@dataclass(frozen=True, slots=True)
class Folders:
    """Where each model goes."""

    policy: Path
    reward: Path
    guard: Path

    @classmethod
    def packaged(cls) -> "Folders":
        """The folders that the wheel ships."""
        return cls(
            Path(str(gateway.engines.pocket.__file__)).parent / "policy",
            Path(str(rewardserve.__file__)).parent / "pocket",
            Path(str(guards.__file__)).parent / "models" / "pocket",
        )

    @classmethod
    def under(cls, out: Path) -> "Folders":
        """Folders of the same names under another one."""
        return cls(out / "policy", out / "reward", out / "guard")


def build(
    folders: Folders, progress: Progress, *, seed: int = SEED, scale: Scale = FULL, data: Path | None = None
) -> dict[str, Any]:
    """Makes all three models and measures them; returns the figures, which also land beside the weights."""
    began = time.monotonic()
    progress.began("corpus")
    corpus = generate(seed, scale.examples)
    progress.ended("corpus", f"{len(corpus.train):,} examples")
    with memory_kept():
        build_policy(corpus, folders, progress, seed, scale)
        build_reward(folders, progress, seed, scale)
    build_guard(folders, progress, seed, scale, data)
    figures = measure(folders, progress, seed, scale)
    figures["build_seconds"] = {"value": round(time.monotonic() - began, 1)}
    write_cards(folders, figures, seed, scale)
    return figures


def build_policy(corpus: Corpus, folders: Folders, progress: Progress, seed: int, scale: Scale) -> None:
    """The policy, from the corpus's training split."""
    progress.began("policy")
    told = train_policy(
        corpus.train, folders.policy, seed=seed, progress=progress.advanced, recipe=scale.recipe
    )
    progress.ended("policy", f"loss {told['loss']:.3f}, {told['parameters'] / 1e6:.1f} M parameters")


def build_reward(folders: Folders, progress: Progress, seed: int, scale: Scale) -> None:
    """The reward model, from the policy's body."""
    progress.began("reward")
    sizes = (scale.pairs, scale.sampled_prompts)
    told = rewards.train(folders.policy, folders.reward, seed=seed, sizes=sizes, progress=progress.advanced)
    progress.ended("reward", f"{told['pairs_right']:.1%} of the last training pairs right")


def build_guard(folders: Folders, progress: Progress, seed: int, scale: Scale, data: Path | None) -> None:
    """The guard classifier, from the corpus and such public sets as are found and may be used."""
    from guards.train import Recipe as GuardRecipe  # noqa: PLC0415 - needed for this step only
    from guards.train import train  # noqa: PLC0415

    progress.began("guard")
    told = train(
        examples(seed + 1, scale.guard_examples, "train"),
        folders.guard,
        seed=seed,
        progress=progress.advanced,
        extra=data,
        recipe=GuardRecipe(written=scale.written),
    )
    progress.ended("guard", json.dumps(told, default=str))


def measure(folders: Folders, progress: Progress, seed: int, scale: Scale) -> dict[str, Any]:
    """The policy's and the reward model's figures on the exam's prompts and on held-out pairs."""
    progress.began("figures")
    prompts = bundled("exam")
    if scale.exam_prompts is not None:
        prompts = prompts[:: len(prompts) // scale.exam_prompts]
    answered = answer(folders.policy, folders.reward, prompts, seed=seed, progress=progress.advanced)
    figures: dict[str, Any] = {
        "policy": policy_figures(answered, seed),
        "reward": reward_figures(folders.reward, answered, seed=seed, held=scale.held_pairs),
    }
    progress.ended("figures", f"{len(answered)} prompts, 8 answers each")
    return figures


def write_cards(folders: Folders, figures: Mapping[str, Any], seed: int, scale: Scale) -> None:
    """A model card and the figures as JSON beside each model's weights."""
    facts: dict[str, Any] = {"seed": seed, "examples": scale.examples, "pairs": scale.pairs}
    facts |= {"answers": ANSWERS, "prompts": figures["policy"]["ended_in_a_sentence"]["prompts"]}
    for folder, name in ((folders.policy, "policy"), (folders.reward, "reward")):
        told = figures[name]
        (folder / "figures.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        (folder / "MODEL_CARD.md").write_text(card(name, told, **facts), "utf-8")
