"""The pocket reward model: its pairs, from templates and the policy's own answers, and its accuracy."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from finetune.exams.contract import Answer, ExamPlan
from finetune.pocket.corpus import QUALITY, Pair
from finetune.pocket.corpus.example import Ask, Message, Split
from finetune.pocket.corpus.generate import pairs, prompt
from finetune.pocket.kinds import KindReader
from finetune.train.policy import load_policy
from guards.garbled import garbled
from rewardserve.scorer import Message as Turn
from rewardserve.scorer import ModelSpec
from rewardserve.scorers.transformers import TransformersScorer, load
from rewardserve.train import RewardRecipe, train_reward

Progress = Callable[[int, int, str], None]
ASKED = ExamPlan(samples=6)  # of the policy, for each prompt


def train(
    policy: Path, out_dir: Path, *, seed: int, sizes: tuple[int, int], progress: Progress
) -> dict[str, float]:
    """Trains on `sizes` = (pairs from templates, prompts answered by the policy), from the policy's body."""
    drawn = list(pairs(seed, sizes[0], "train"))
    drawn += sampled_pairs(policy, sizes[1], "train", seed=seed, progress=progress)
    return train_reward(drawn, policy, out_dir, seed=seed, recipe=RewardRecipe(), progress=progress)


def sampled_pairs(policy: Path, prompts: int, split: Split, *, seed: int, progress: Progress) -> list[Pair]:
    """Pairs of the policy's own answers, whose kinds are read from their words."""
    rng, reader = random.Random(f"{seed}/{split}/sampled"), KindReader(seed)
    model = load_policy(str(policy), None, device="cpu")
    found: list[Pair] = []
    for start in range(0, prompts, 16):
        drawn = [prompt(split, rng) for _ in range(min(16, prompts - start))]
        answers = model.sample([messages for _, messages, _ in drawn], ASKED, seed + start)
        for (ask, messages, _), samples in zip(drawn, answers, strict=True):
            found += ranked(
                messages, [(sample.text, kind_of(sample, ask, reader)) for sample in samples], rng
            )
        progress(start + len(drawn), prompts, f"{len(found)} pairs from the policy's own answers")
    return found


def kind_of(sample: Answer, ask: Ask, reader: KindReader) -> str:
    """The kind of a sampled answer, given what was asked."""
    if not sample.ended or garbled(sample.text):
        return "garbled"
    if reader.declines(sample.text):
        if not ask.unsafe:
            return "over_refusal"
        return "refusal" if len(sample.text.split()) > 8 else "curt_refusal"
    return "comply_unsafe" if ask.unsafe else reader.kind(sample.text)


def ranked(messages: tuple[Message, ...], answers: list[tuple[str, str]], rng: random.Random) -> list[Pair]:
    """The answers' neighbours in a random order, as pairs where their quality differs."""
    found: list[Pair] = []
    rng.shuffle(answers)
    for (first, first_kind), (second, second_kind) in pairwise(answers):
        if QUALITY[first_kind] > QUALITY[second_kind]:
            found.append(Pair(messages, first, second, first_kind, second_kind))
        elif QUALITY[first_kind] < QUALITY[second_kind]:
            found.append(Pair(messages, second, first, second_kind, first_kind))
    return found


@dataclass(frozen=True, slots=True)
class Accuracy:
    """On how many pairs the chosen answer has the larger reward: of all, and of those of equal length."""

    right: int
    pairs: int
    matched_right: int
    matched_pairs: int
    longer_chosen: (
        float  # the share of pairs whose chosen answer is the longer: what length alone would get right
    )


def accuracy(model: TransformersScorer, held: Sequence[Pair]) -> Accuracy:
    """Pairwise accuracy; two answers are of equal length when their words differ by at most a tenth."""
    right = [rewards_of(model, p.messages, [p.chosen, p.rejected]) for p in held]
    won = [chosen > rejected for chosen, rejected in right]
    sizes = [(len(p.chosen.split()), len(p.rejected.split())) for p in held]
    matched = [hit for hit, (a, b) in zip(won, sizes, strict=True) if abs(a - b) <= 0.1 * max(a, b)]
    longer = sum(a > b for a, b in sizes) / max(1, len(sizes))
    return Accuracy(sum(won), len(won), sum(matched), len(matched), longer)


def reward_model(folder: Path) -> TransformersScorer:
    """The reward model of a folder as the reward server runs it, on the CPU."""
    return load(ModelSpec(str(folder), device="cpu", dtype="float32"))


def rewards_of(model: TransformersScorer, messages: Sequence[Message], answers: Sequence[str]) -> list[float]:
    """One raw reward for each answer to the conversation."""
    turns = [Turn(message["role"], message["content"]) for message in messages]
    return model.score(model.prepare(turns, answers))
