"""Trains the guard classifier: two heads over hashed n-grams.

Each head is trained once on everything, and before that once for each fold without the sources of that fold. What
those say of the sources that they have not seen calibrates the head, and tells the reply head how sure it may be
of requests: scores of rows that a model has learnt by heart would promise too much.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save as serialized
from torch import nn

from guards.apart import exhibits
from guards.exam_sets import asked_in_exams
from guards.lessons import (
    PROMPT_LABELS,
    REPLY_LABELS,
    Example,
    Written,
    gather,
    kept_apart,
    prompt_lessons,
    reply_lessons,
)
from guards.models.ngram import WEIGHTS, sides_of
from guards.nets import HeadNet, attack_terms, bag_of, judged
from guards.public_sets import found_sets, read_rows
from guards.report import unseen_figures, write_report
from guards.schooling import Floats, School, calibrated, rounds, school, shift_for

Progress = Callable[[int, int, str], None]

FORGOTTEN_REQUESTS = 0.15  # of the replies are shown without their request, as a guard may see them


@dataclass(frozen=True, slots=True)
class Recipe:
    """How both heads are made."""

    prompt_rows: int = 1 << 17
    reply_rows: int = 1 << 16
    width: int = 24
    hidden: int = 64
    epochs: int = 3
    fold_epochs: int = 1  # of the heads that only serve to calibrate
    batch: int = 256
    table_rate: float = 0.02
    layer_rate: float = 0.004
    dropped_grams: float = 0.4
    others: int = 12_000  # lessons beside those of attacks, where these are taught by themselves
    attacks_repeated: int = 10
    written: Written = field(default_factory=Written)


SHIPPED = Recipe()


def train(
    examples: Iterable[Example],
    out_dir: Path,
    *,
    seed: int,
    progress: Progress | None = None,
    extra: Path | None = None,
    recipe: Recipe = SHIPPED,
) -> dict[str, Any]:
    """Writes the weights and says what they were made from; `extra` is a folder with public data sets."""
    started, threads = time.monotonic(), torch.get_num_threads()
    tell = progress or (lambda *_: None)
    torch.set_num_threads(1)  # the work is many small steps; and one thread always adds up in one order
    try:
        sets = found_sets(extra)
        public = read_rows(extra, sets) if extra else ()
        rows = gather(examples, public, seed=seed, written=recipe.written)
        rows, left = kept_apart(rows, exhibits(asked_in_exams(extra)))
        prompts = school(prompt_lessons(rows))
        tell(1, 4, f"{len(prompts.bags):,} prompts")
        prompt, unseen = taught(prompts, recipe.prompt_rows, seed, recipe)
        replies = school(reply_lessons(rows))
        replies = with_sides(replies, prompt, dict(zip(prompts.texts, unseen[:, 0], strict=True)))
        tell(2, 4, f"{len(replies.bags):,} replies")
        reply, heard = taught(replies, recipe.reply_rows, seed, recipe)
        tell(3, 4, "weights")
        heads = {"prompt": (prompt, prompts, unseen), "reply": (reply, replies, heard)}
        more = attack_terms(
            prompt, prompts, seed, repeated=recipe.attacks_repeated, most_others=recipe.others
        )
        save(out_dir, heads, more)
    finally:
        torch.set_num_threads(threads)
    counts = {"prompts": len(prompts.bags), "replies": len(replies.bags)}
    made = {"seed": seed, **counts, "sets": [f"{one.name} ({one.licence})" for one in sets]}
    made["near_duplicates_left_out"] = dict(sorted(left.items()))
    write_report(out_dir, made, unseen_figures(prompts, unseen), extra)
    tell(4, 4, "figures")
    return made | {"seconds": round(time.monotonic() - started)}


def taught(lessons: School, rows: int, seed: int, recipe: Recipe) -> tuple[HeadNet, Floats]:
    """A head trained on all lessons, and each lesson's logits by a head that has not seen its source."""
    unseen = np.zeros(lessons.labels.shape, np.float32)
    short = replace(recipe, epochs=recipe.fold_epochs)
    for fold in sorted(set(lessons.folds.tolist())):
        apart = lessons.folds == fold
        if apart.all():
            break
        unseen[apart] = judged(learn(lessons.some(~apart), rows, seed, short), lessons.some(apart))
    return learn(lessons, rows, seed, recipe), unseen


def learn(lessons: School, rows: int, seed: int, recipe: Recipe) -> HeadNet:
    """One head, from nothing."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = HeadNet(rows, lessons.labels.shape[1], lessons.sides.shape[1], recipe.width, recipe.hidden)
    study(net, lessons, rounds(len(lessons.bags), recipe.epochs, recipe.batch, rng), rng, recipe)
    return net.eval()


def study(
    net: HeadNet,
    lessons: School,
    steps: Sequence[NDArray[np.int64]],
    rng: np.random.Generator,
    recipe: Recipe,
) -> None:
    """Takes the steps, the table's ever smaller."""
    table = torch.optim.SparseAdam([net.table.weight], lr=recipe.table_rate)
    layers = torch.optim.Adam([*net.hidden.parameters(), *net.out.parameters()], lr=recipe.layer_rate)
    net.train()
    for done, chosen in enumerate(steps):
        for group in table.param_groups:
            group["lr"] = recipe.table_rate * (1 - done / len(steps))
        loss = loss_on(net, lessons, chosen, rng, recipe)
        table.zero_grad()
        layers.zero_grad()
        loss.backward()
        table.step()
        layers.step()


def loss_on(
    net: HeadNet, lessons: School, chosen: NDArray[np.int64], rng: np.random.Generator, recipe: Recipe
) -> torch.Tensor:
    """Cross-entropy over all labels that are known, each bag with some of its n-grams dropped."""
    bags = [lessons.bags[at] for at in chosen]
    thinned = [bag[rng.random(len(bag)) > recipe.dropped_grams] if len(bag) > 3 else bag for bag in bags]
    sides = lessons.sides[chosen].copy()
    if sides.shape[1]:
        forgotten = rng.random(len(chosen)) < FORGOTTEN_REQUESTS
        sides[forgotten, 0] = sides[forgotten, 2] = 0
    logits = net(bag_of(thinned), torch.from_numpy(sides))
    weights = torch.from_numpy(lessons.weights[chosen])
    labels = torch.from_numpy(lessons.labels[chosen])
    summed = nn.functional.binary_cross_entropy_with_logits(logits, labels, weight=weights, reduction="sum")
    return summed / len(chosen)


def with_sides(replies: School, prompt: HeadNet, unseen: dict[str, Any]) -> School:
    """The replies with what their head is told beside the words: see `NgramModel.part_logits`."""
    said = judged(prompt, replies.alone(len(PROMPT_LABELS)))[:, 0]
    unknown = replies.asked_alone(known=unseen, labels=len(PROMPT_LABELS))
    others = dict(zip(unknown.texts, judged(prompt, unknown)[:, 0].tolist(), strict=True))
    sides = [
        sides_of(float(unseen.get(asked, others.get(asked, 0.0))), np.array([own]), known=bool(asked))
        for asked, own in zip(replies.asked, said, strict=True)
    ]
    return replies.beside(np.concatenate(sides))


def save(out_dir: Path, heads: dict[str, tuple[HeadNet, School, Floats]], more: Mapping[str, Any]) -> None:
    """The weights as `guards.models.ngram` reads them."""
    tensors: dict[str, Any] = dict(more)
    for name, (net, lessons, unseen) in heads.items():
        slope, shift = calibrated(unseen, lessons.labels, lessons.weights)
        shift[0] = min(shift[0], shift_for(lessons, unseen, slope[0]))
        if name == "prompt" and more:
            slope[-1], shift[-1] = 1, 0  # its column was learnt by itself
        parts = {
            "table": net.table.weight.detach().numpy().astype(np.float16),
            "hidden": net.hidden.weight.detach().numpy(),
            "hidden_bias": net.hidden.bias.detach().numpy(),
            "out": net.out.weight.detach().numpy(),
            "out_bias": net.out.bias.detach().numpy(),
            "slope": slope,
            "shift": shift,
        }
        tensors |= {f"{name}.{part}": np.ascontiguousarray(value) for part, value in parts.items()}
    out_dir.mkdir(parents=True, exist_ok=True)
    labels = json.dumps({"prompt": PROMPT_LABELS, "reply": REPLY_LABELS})
    (out_dir / WEIGHTS).write_bytes(serialized(tensors, metadata={"guard": labels}))
