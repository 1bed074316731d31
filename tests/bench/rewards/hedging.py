"""Over-optimisation on the pocket world, and what a fitted strength saves of it.

The pocket policy answers each prompt 64 times; the packaged reward model is the trusted one. Two proxies are trained
from the policy's body on 600 pairs of which a quarter is labelled the wrong way round:

    length     the quarter in which the better answer is shorter than the worse one by most: annotators who like length
    uniform    a quarter at random

Half of the prompts calibrate the strength; everything is told of the other half. Answers and scores are kept in
build/bench/hedging, as drawing them takes the most time.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from finetune.exams.contract import ExamPlan
from finetune.pocket.build import Folders
from finetune.pocket.corpus import Pair, pairs
from finetune.pocket.corpus.generate import prompt
from finetune.pocket.reward import reward_model, rewards_of
from finetune.train.policy import load_policy
from gateway.strength.answers import Floats, Ranked, ranked
from gateway.strength.curve import Source
from gateway.strength.fit import fitted_curve
from gateway.strength.law import earned, resampled
from gateway.strength.plot import draw
from rewardserve.train import RewardRecipe, train_reward
from tests.bench.figures import FOLDER, Figure

PROMPTS, SAMPLES, PAIRS, FLIPPED, SEED = 100, 64, 600, 0.25, 23
KEPT = FOLDER / "hedging"
Tell = Callable[[str], None]
Row = dict[str, Any]


def measure(tell: Tell) -> list[Figure]:
    """The gold reward of plain best-of-64, of the hedged n and of the oracle's, on the prompts held out."""
    torch.set_num_threads(1)
    KEPT.mkdir(parents=True, exist_ok=True)
    rows = answers(tell)
    biased = split(rows, scores("length", longest_flipped, rows, tell))
    uniform = split(rows, scores("uniform", any_flipped, rows, tell))
    return [*hedged(*biased, tell), lost_by_the_largest("uniform", uniform[1])]


def hedged(calibration: Sequence[Ranked], held_out: Sequence[Ranked], tell: Tell) -> list[Figure]:
    """What the strength that was fitted on the calibration prompts earns on the others."""
    source = Source(
        file="pocket", sha256="0" * 64, prompts=len(calibration), samples=SAMPLES * len(calibration)
    )
    curve = fitted_curve(calibration, source, "pocket")
    oracle = fitted_curve(held_out, source, "held out")
    draw(curve, FOLDER / "hedging-calibration.png")
    draw(oracle, FOLDER / "hedging-held-out.png")
    assert curve.n is not None
    assert oracle.n is not None
    tell(f"n* {curve.n.value:.2f} [{curve.n.low:.2f}, {curve.n.high:.2f}], the oracle's {oracle.n.value:.2f}")
    each = gold_by_n(held_out)
    gain = each.mean(axis=0) - each[:, 0].mean()
    share = gain[int(curve.n.value) - 1] / gain.max()
    away = curve.n.value / oracle.n.value - 1.0
    how = f"{len(held_out)} held-out prompts, {SAMPLES} answers each; n fitted on {len(calibration)} others"
    return [
        lost_by_the_largest("length", held_out),
        Figure("hedged_share_of_peak", float(share), "share", how, bar=0.99, at_most=False),
        Figure("hedged_n_away_from_oracle", abs(float(away)), "share", how, bar=0.25),
    ]


def lost_by_the_largest(name: str, prompts: Sequence[Ranked]) -> Figure:
    """How much of the peak's gain over the bare policy best-of-64 loses: a lower bound, where the mean is in `how`."""
    each = gold_by_n(prompts)
    peak = int(np.argmax(each.mean(axis=0)))
    gain = each[:, peak].mean() - each[:, 0].mean()
    lost = each[:, [peak]] - each[:, [-1]]
    low, high = np.quantile(resampled(lost), [0.025, 0.975]) / gain
    how = (
        f"{len(prompts)} prompts: {lost.mean() / gain:.3f} of the gain at n = {peak + 1} is lost at n = {SAMPLES}, "
        f"95 % interval [{low:.3f}, {high:.3f}] by bootstrap over prompts; {FLIPPED:.0%} of labels flipped, {name}"
    )
    bar = 0.05 if name == "length" else None
    return Figure(f"best_of_{SAMPLES}_loss_{name}", float(low), "share", how, bar=bar, at_most=False)


def gold_by_n(prompts: Sequence[Ranked]) -> Floats:
    """The gold reward of the best of n by the proxy, a row for each prompt, a column for each n from 1."""
    return np.array([[earned(each.gold, n) for n in range(1, SAMPLES + 1)] for each in prompts])


def split(rows: Sequence[Row], proxy: Sequence[Sequence[float]]) -> tuple[list[Ranked], list[Ranked]]:
    """The prompts to calibrate on, and the others."""
    found = [ranked(own, row["gold"]) for own, row in zip(proxy, rows, strict=True)]
    return found[::2], found[1::2]


def answers(tell: Tell) -> list[Row]:
    """Held-out prompts with the policy's own answers and their gold rewards; drawn where they are not kept."""
    file = KEPT / "answers.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    folders, chance = Folders.packaged(), random.Random("hedging/prompts")
    asked = [prompt("heldout", chance)[1] for _ in range(PROMPTS)]
    if len(rows) < PROMPTS:
        policy, gold = load_policy(str(folders.policy), None, device="cpu"), reward_model(folders.reward)
        for number, messages in islice(enumerate(asked), len(rows), None):
            drawn = policy.sample([messages], ExamPlan(samples=SAMPLES, max_tokens=96), number)[0]
            texts = [each.text for each in drawn]
            row = {"messages": list(messages), "texts": texts, "gold": rewards_of(gold, messages, texts)}
            rows.append(row)
            with file.open("a") as kept:
                kept.write(json.dumps(row) + "\n")
            tell(f"answers to {number + 1} of {PROMPTS} prompts")
    return rows[:PROMPTS]


def scores(
    name: str, flipped: Callable[[Sequence[Pair]], list[Pair]], rows: Sequence[Row], tell: Tell
) -> list[list[float]]:
    """The proxy's rewards of all answers; trained and asked where they are not kept."""
    file = KEPT / f"{name}.json"
    if file.exists():
        kept: list[list[float]] = json.loads(file.read_text())
        return kept
    tell(f"training the proxy of {PAIRS} pairs, a quarter flipped: {name}")
    out, recipe = KEPT / name, RewardRecipe(batch_pairs=16)
    train_reward(
        flipped(pairs(SEED, PAIRS, "train")), Folders.packaged().policy, out, seed=SEED, recipe=recipe
    )
    model = reward_model(out)
    found = [rewards_of(model, row["messages"], row["texts"]) for row in rows]
    file.write_text(json.dumps(found))
    return found


def longest_flipped(made: Sequence[Pair]) -> list[Pair]:
    """The quarter turned round whose worse answer has most words more than the better one."""
    more = [len(pair.rejected.split()) - len(pair.chosen.split()) for pair in made]
    wrong = set(sorted(range(len(made)), key=lambda place: -more[place])[: int(FLIPPED * len(made))])
    return [turned(pair) if place in wrong else pair for place, pair in enumerate(made)]


def any_flipped(made: Sequence[Pair]) -> list[Pair]:
    """Each turned round by chance."""
    chance = random.Random(SEED)
    return [turned(pair) if chance.random() < FLIPPED else pair for pair in made]


def turned(pair: Pair) -> Pair:
    """The pair with the wrong label."""
    return replace(pair, chosen=pair.rejected, rejected=pair.chosen)


def main() -> None:
    """Measure and print."""
    from tests.bench.figures import text_of

    print(text_of(measure(print)))  # noqa: T201


if __name__ == "__main__":
    main()
