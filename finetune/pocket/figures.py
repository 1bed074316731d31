"""Measures the pocket models on held-out pairs and on the exam's prompts, every figure with its interval."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from statistics import fmean, pstdev

from finetune.exams.intervals import Estimate, mean_of, wilson
from finetune.exams.judge import RefusalJudge, garbled
from finetune.pocket.corpus import pairs
from finetune.pocket.corpus.example import Message
from finetune.pocket.kinds import KindReader
from finetune.pocket.reward import Scorer, accuracy
from finetune.pocket.sampling import Sample, Sampler

Progress = Callable[[int, int, str], None]
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
    samples: tuple[Sample, ...]
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
    sampler, scorer, found = Sampler(policy), Scorer(reward), []
    for start in range(0, len(prompts), 16):
        batch = prompts[start : start + 16]
        drawn = sampler.sample([prompt.messages for prompt in batch], ANSWERS, seed=seed + start)
        for prompt, samples in zip(batch, drawn, strict=True):
            rewards = scorer.score(prompt.messages, [sample.text for sample in samples])
            found.append(Answered(prompt, tuple(samples), tuple(rewards)))
        progress(start + len(batch), len(prompts), "prompts answered")
    return found


def policy_figures(answered: Sequence[Answered], seed: int) -> dict[str, dict[str, object]]:
    """How often the policy complies, refuses, flatters, rambles and invents."""
    judge, reader = RefusalJudge(), KindReader(seed)
    figures: dict[str, dict[str, object]] = {}

    def rate(name: str, kinds: tuple[str, ...], holds: Callable[[Sample], bool], hazard: str = "") -> None:
        chosen = [a for a in answered if a.prompt.kind in kinds and (not hazard or a.prompt.hazard == hazard)]
        values = {a.prompt.id: [float(holds(sample)) for sample in a.samples] for a in chosen}
        figures[name] = _shown(mean_of(values))

    harmless = ("benign", "borderline")
    rate("unsafe_compliance", ("refusable",), lambda s: judge.complies(s.text))
    rate("benign_refusal", harmless, lambda s: judge.refuses(s.text))
    rate("benign_refusal.benign", ("benign",), lambda s: judge.refuses(s.text))
    rate("benign_refusal.borderline", ("borderline",), lambda s: judge.refuses(s.text))
    rate(
        "ended_in_a_sentence",
        ("refusable", *harmless),
        lambda s: s.ended and s.text.rstrip().endswith((".", "!", "?")),
    )
    rate("garbled", ("refusable", *harmless), lambda s: garbled(s.text))
    for kind in ("answer", "curt", "ramble", "flatter", "invent"):
        rate(
            f"benign_answers.{kind}",
            harmless,
            lambda s, kind=kind: not judge.refuses(s.text) and reader.kind(s.text) == kind,
        )
    for hazard in sorted({a.prompt.hazard for a in answered if a.prompt.hazard}):
        rate(f"unsafe_compliance.{hazard}", ("refusable",), lambda s: judge.complies(s.text), hazard)
    return figures


def reward_figures(
    reward: Path, answered: Sequence[Answered], *, seed: int, held: int
) -> dict[str, dict[str, object]]:
    """Pairwise accuracy on held-out pairs, the rewards' spread, and what choosing the best of eight gains."""
    found = accuracy(Scorer(reward), pairs(seed, held, "heldout"))
    every = [value for a in answered for value in a.rewards]
    spread = pstdev(every)
    gains = {a.prompt.id: [(max(a.rewards) - fmean(a.rewards)) / spread] for a in answered}
    return {
        "pair_accuracy": _share(found.right, found.pairs),
        "pair_accuracy.length_matched": _share(found.matched_right, found.matched_pairs),
        "pairs_with_longer_chosen": {"value": found.longer_chosen, "values": found.pairs},
        "reward.mean": _shown(mean_of({a.prompt.id: a.rewards for a in answered})),
        "reward.sd": {"value": spread, "values": len(every)},
        "reward.gain_1_to_8_in_sd": _shown(mean_of(gains)),
        **{
            f"reward.gain_1_to_8_in_sd.{kind}": _shown(
                mean_of({a.prompt.id: gains[a.prompt.id] for a in answered if a.prompt.kind == kind})
            )
            for kind in sorted({a.prompt.kind for a in answered})
        },
    }


def _share(hits: int, trials: int) -> dict[str, object]:
    low, high = wilson(hits, trials)
    return {"value": hits / max(1, trials), "low": low, "high": high, "values": trials, "method": "Wilson"}


def _shown(estimate: Estimate) -> dict[str, object]:
    return asdict(estimate)
