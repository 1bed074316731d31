"""Measures the pocket models on held-out pairs and on the exam's prompts, every figure with its interval."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from finetune.exams.contract import Answer, ExamPlan
from finetune.exams.intervals import mean_of, wilson
from finetune.pocket.corpus import pairs
from finetune.pocket.corpus.example import Message
from finetune.pocket.kinds import KindReader
from finetune.pocket.reward import accuracy, reward_model, rewards_of
from finetune.train.policy import load_policy
from guards.garbled import garbled
from guards.refusal import RefusalJudge

Progress = Callable[[int, int, str], None]
Figure = dict[str, Any]  # value, low, high, values …
Holds = Callable[[Answer], bool]
ANSWERS = 8


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of a bundled prompt file."""

    id: str
    messages: tuple[Message, ...]
    kind: str
    hazard: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt with the policy's answers and their rewards."""

    prompt: Prompt
    samples: tuple[Answer, ...]
    rewards: tuple[float, ...]


def bundled(stem: str) -> tuple[Prompt, ...]:
    """The prompts of a bundled file: demo, exam or loop."""
    text = (files("finetune.pocket") / "prompts" / f"{stem}.jsonl").read_text("utf-8")
    rows = (json.loads(line) for line in text.splitlines())
    return tuple(Prompt(row["id"], tuple(row["messages"]), row["kind"], row["hazard"]) for row in rows)


def answer(
    policy: Path, reward: Path, prompts: Sequence[Prompt], *, seed: int, progress: Progress
) -> list[Answered]:
    """Eight answers to every prompt at temperature 1, each with its reward."""
    sampler, scorer = load_policy(str(policy), None, device="cpu"), reward_model(reward)
    plan, found = ExamPlan(samples=ANSWERS), list[Answered]()
    for start in range(0, len(prompts), 16):
        batch = prompts[start : start + 16]
        drawn = sampler.sample([prompt.messages for prompt in batch], plan, seed + start)
        for prompt, samples in zip(batch, drawn, strict=True):
            rewards = rewards_of(scorer, prompt.messages, [sample.text for sample in samples])
            found.append(Answered(prompt, tuple(samples), tuple(rewards)))
        progress(start + len(batch), len(prompts), "prompts answered")
    return found


def policy_figures(answered: Sequence[Answered], seed: int) -> dict[str, Figure]:
    """How often the policy complies, refuses, flatters, rambles and invents."""
    judge, reader = RefusalJudge(), KindReader(seed)

    def complies(sample: Answer) -> bool:
        return judge.complies(sample.text)

    def refuses(sample: Answer) -> bool:
        return judge.withholds(sample.text)

    def written(kind: str) -> Holds:
        return lambda sample: not refuses(sample) and reader.kind(sample.text) == kind

    unsafe = [a for a in answered if a.prompt.kind == "refusable"]
    harmless = [a for a in answered if a.prompt.kind in {"benign", "borderline"}]
    figures = {
        "unsafe_compliance": rate(unsafe, complies),
        "benign_refusal": rate(harmless, refuses),
        "ended_in_a_sentence": rate(answered, whole),
        "garbled": rate(answered, lambda sample: garbled(sample.text)),
    }
    for kind in ("benign", "borderline"):
        figures[f"benign_refusal.{kind}"] = rate([a for a in harmless if a.prompt.kind == kind], refuses)
    for kind in ("answer", "curt", "ramble", "flatter", "invent"):
        figures[f"benign_answers.{kind}"] = rate(harmless, written(kind))
    for hazard in sorted({a.prompt.hazard or "" for a in unsafe}):
        figures[f"unsafe_compliance.{hazard}"] = rate(
            [a for a in unsafe if a.prompt.hazard == hazard], complies
        )
    return figures


def rate(answered: Sequence[Answered], holds: Holds) -> Figure:
    """How often something holds of an answer, with the interval that prompts allow."""
    values = {a.prompt.id: [float(holds(sample)) for sample in a.samples] for a in answered}
    return asdict(mean_of(values))


def whole(sample: Answer) -> bool:
    """Whether the model ended the answer by itself, after a sentence."""
    return sample.ended and sample.text.rstrip().endswith((".", "!", "?"))


def reward_figures(reward: Path, answered: Sequence[Answered], *, seed: int, held: int) -> dict[str, Figure]:
    """Pairwise accuracy on held-out pairs, the rewards' spread, and what choosing the best of eight gains."""
    found = accuracy(reward_model(reward), pairs(seed, held, "heldout"))
    every = [value for a in answered for value in a.rewards]
    spread = pstdev(every)
    gains = {a.prompt.id: [(max(a.rewards) - fmean(a.rewards)) / spread] for a in answered}
    return {
        "pair_accuracy": _share(found.right, found.pairs),
        "pair_accuracy.length_matched": _share(found.matched_right, found.matched_pairs),
        "pair_accuracy.longer_chosen": {"value": found.longer_chosen, "values": found.pairs},
        "reward.mean": asdict(mean_of({a.prompt.id: a.rewards for a in answered})),
        "reward.sd": {"value": spread, "values": len(every)},
        "reward.gain_1_to_8_in_sd": asdict(mean_of(gains)),
        **{
            f"reward.gain_1_to_8_in_sd.{kind}": asdict(
                mean_of({a.prompt.id: gains[a.prompt.id] for a in answered if a.prompt.kind == kind})
            )
            for kind in sorted({a.prompt.kind for a in answered})
        },
    }


def _share(hits: int, trials: int) -> Figure:
    low, high = wilson(hits, trials)
    return {"value": hits / max(1, trials), "low": low, "high": high, "values": trials, "method": "Wilson"}
