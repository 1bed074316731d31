"""The pocket guard classifier: bags of n-grams through a small network, with numpy alone.

Two heads: one judges a prompt; the other judges a reply, given what the first makes of the prompt and of the
reply's own words. Weights: safetensors, two tables of half-precision rows (single in memory) and a few small layers.

A text's n-grams are summed by blocks of sixteen words, once; every window of it is a sum of blocks.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from guards.models.grams import BLOCK_WORDS, Chunk, Indices, chunks, opening
from guards.verdict import GuardUnavailable

Floats = NDArray[np.float32]
Bags = tuple[Floats, Floats]  # sums of rows, and how many they are

WEIGHTS = "model.safetensors"
SIDE_SIZE = 3
SIDE_SCALE = 4.0
SIDE_LIMIT = 2.0
NOTHING = Chunk(np.empty(0, np.int64), np.empty(0, np.int16), 1)
NO_DOUBT = np.float32(0)
PARTS = ("table", "hidden", "hidden_bias", "out", "out_bias", "slope", "shift")  # of a head, as stored
FEWEST_BLOCKS = 3  # of a text that is looked at in windows, too


@dataclass(frozen=True, slots=True)
class Window:
    """Parts of a text: so many blocks, one every so many; and the logits that they must have beyond the whole."""

    blocks: int
    stride: int
    doubt: np.float32


# A long part is as good as a text; a short one is what else stands around it, and there are many.
LONG, SHORT = (
    Window(128 // BLOCK_WORDS, 64 // BLOCK_WORDS, np.float32(1)),
    Window(32 // BLOCK_WORDS, 1, np.float32(0.5)),
)
WINDOW_WORDS, STRIDE_WORDS = LONG.blocks * BLOCK_WORDS, LONG.stride * BLOCK_WORDS


@dataclass(frozen=True, slots=True)
class Head:
    """A table of n-gram rows, a hidden layer, and one logit for each label.

    The table's last column goes straight to `unsafe`. Where there are `attack` terms, its first goes straight to
    the last label, prompt injection: they say how much of the hidden layer's logit counts, and what is added.
    """

    table: Floats
    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats
    slope: Floats
    shift: Floats
    attack: tuple[float, float] | None = None

    def rows(self, buckets: Indices) -> Floats:
        """The rows of some n-grams."""
        return self.table.take(buckets & (len(self.table) - 1), axis=0)

    def sums(self, found: list[Chunk]) -> Bags:
        """For each block of a text the sum of its rows, and how many they are."""
        made = [summed(self.table, chunk) for chunk in found]
        if len(made) == 1:
            return made[0]
        return np.concatenate([one for one, _ in made]), np.concatenate([sizes for _, sizes in made])

    def logits(self, sums: Floats, sizes: Floats, sides: Floats | None = None) -> Floats:
        """A row of logits, one a label, for each bag; `sides` is what the hidden layer is told beside it."""
        bags = sums / np.sqrt(np.maximum(sizes, 1))[:, None]
        told = bags[:, 1:-1] if self.attack else bags[:, :-1]
        if sides is not None:
            told = np.concatenate([told, sides], axis=1)
        hidden = np.maximum(told @ self.hidden.T + self.hidden_bias, 0)
        logits: Floats = hidden @ self.out.T + self.out_bias
        logits[:, 0] += bags[:, -1]
        if self.attack:
            logits[:, -1] = (
                logits[:, -1] * np.float32(self.attack[0]) + bags[:, 0] + np.float32(self.attack[1])
            )
        return logits

    def probabilities(self, logits: Floats) -> Floats:
        """Logits as calibrated probabilities."""
        calm = np.maximum(
            np.minimum(self.slope * logits + self.shift, 30), -30
        )  # np.clip takes twice as long
        chances: Floats = (1 / (1 + np.exp(-calm))).astype(np.float32)
        return chances


@dataclass(frozen=True, slots=True)
class NgramModel:
    """Both heads, and the labels that each has."""

    prompt: Head
    reply: Head
    prompt_labels: tuple[str, ...]
    reply_labels: tuple[str, ...]
    revision: str
    # What it made of the requests judged last, by digest: their replies are judged in the light of it.
    requests: OrderedDict[bytes, Floats] = field(default_factory=OrderedDict, compare=False, repr=False)

    def prompt_logits(self, text: str, go_on: Callable[[], None] = lambda: None) -> Floats:
        """One logit for each of the prompt's labels: the whole text's, or a part's where that is clearly worse."""
        blocks = self.prompt.sums(read(text, go_on))
        bags, doubts = stacked(windows(*blocks, (LONG, SHORT)))
        found: Floats = (self.prompt.logits(*bags) - doubts).max(axis=0)
        return found

    def reply_logits(
        self, reply: str, prompt: Floats | None, go_on: Callable[[], None] = lambda: None
    ) -> Floats:
        """One logit for each of the reply's labels; `prompt` is what the request got, if it is known."""
        found = read(reply, go_on)
        own = [self.prompt.logits(*bags)[:, 0] for bags, _ in windows(*self.prompt.sums(found), (LONG,))]
        asked = 0.0 if prompt is None else float(prompt[0])
        judged: list[Floats] = []
        for said, (bags, doubt) in zip(own, windows(*self.reply.sums(found), (LONG,)), strict=True):
            sides = sides_of(asked, said, known=prompt is not None)
            begun = bags if judged else self.begun(reply, *bags)
            judged.append(self.reply.logits(*begun, sides) - doubt)
        return worst(judged)

    def begun(self, reply: str, sums: Floats, sizes: Floats) -> Bags:
        """The whole reply's bag with its beginning, which no part of it has."""
        first = opening(reply)
        return sums + self.reply.rows(first).sum(axis=0), sizes + np.float32(len(first))


def read(text: str, go_on: Callable[[], None]) -> list[Chunk]:
    """The text's n-grams; `go_on` is asked now and then, and may raise."""
    found = []
    for chunk in chunks(text):
        go_on()
        found.append(chunk)
    return found or [NOTHING]


def summed(table: Floats, chunk: Chunk) -> Bags:
    """The sum of each block's rows, and their number: every block has some, for it has a word."""
    rows, last = chunk.buckets, len(table) - 1
    if chunk.size == 1:
        return table.take(rows & last, axis=0).sum(axis=0)[None], np.array([len(rows)], np.float32)
    order = chunk.blocks.argsort(kind="stable")
    sizes = np.bincount(chunk.blocks)
    sums = np.add.reduceat(table.take(rows[order] & last, axis=0), sizes.cumsum() - sizes, axis=0)
    return sums, sizes.astype(np.float32)


def windows(sums: Floats, sizes: Floats, kinds: tuple[Window, ...]) -> Iterator[tuple[Bags, np.float32]]:
    """The whole text as one bag, then its windows of each kind, and what they must have beyond the whole."""
    yield (sums.sum(axis=0)[None], sizes.sum()[None]), NO_DOUBT
    blocks = len(sizes)
    if blocks < FEWEST_BLOCKS:
        return
    upto, counted = running(sums), running(sizes)
    for kind in kinds:
        if blocks > kind.blocks:
            starts = np.arange(0, blocks - kind.blocks + kind.stride, kind.stride)
            ends = np.minimum(starts + kind.blocks, blocks)
            yield (upto[ends] - upto[starts], counted[ends] - counted[starts]), kind.doubt


def stacked(found: Iterator[tuple[Bags, np.float32]]) -> tuple[Bags, Floats]:
    """All bags in one, so that one product does for them, and the doubt of each."""
    sums, sizes, doubts = [], [], []
    for (sum_, size), doubt in found:
        sums.append(sum_)
        sizes.append(size)
        doubts.append(np.full((len(size), 1), doubt))
    if len(sums) == 1:
        return (sums[0], sizes[0]), doubts[0]
    return (np.concatenate(sums), np.concatenate(sizes)), np.concatenate(doubts)


def running(values: Floats) -> Floats:
    """Sums up to each place, from nothing to everything."""
    found = np.zeros((len(values) + 1, *values.shape[1:]), np.float32)
    np.cumsum(values, axis=0, out=found[1:])
    return found


def sides_of(asked: float, said: Floats, *, known: bool) -> Floats:
    """The side inputs from logits, kept within limits that training has seen: a row for each of those said."""
    sides = np.empty((len(said), SIDE_SIZE), np.float32)
    sides[:, 0] = scaled(np.array([asked], np.float32)) if known else 0
    sides[:, 1] = scaled(said)
    sides[:, 2] = known
    return sides


def scaled(logits: Floats) -> Floats:
    """Logits as side inputs."""
    calm: Floats = np.minimum(np.maximum(logits / np.float32(SIDE_SCALE), -SIDE_LIMIT), SIDE_LIMIT)
    return calm


def worst(logits: list[Floats]) -> Floats:
    """The largest logit of each label, over the whole and all parts."""
    if len(logits) == 1:
        only: Floats = logits[0][0]
        return only
    found: Floats = np.concatenate(logits).max(axis=0)
    return found


def load_ngram(folder: Path) -> NgramModel:
    """The model in a folder; GuardUnavailable when there is none, or none that can be read."""
    file = folder / WEIGHTS
    try:
        with safe_open(file, framework="numpy") as opened:
            told = json.loads(opened.metadata()["guard"])
            stored = {key: opened.get_tensor(key).astype(np.float32) for key in opened.keys()}  # noqa: SIM118
        heads = {name: head_of(name, stored) for name in ("prompt", "reply")}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise GuardUnavailable(f"{file}: no guard classifier: {type(error).__name__}") from error
    labels = {name: tuple(told[name]) for name in heads}
    return NgramModel(heads["prompt"], heads["reply"], labels["prompt"], labels["reply"], revision_of(folder))


def head_of(name: str, stored: Mapping[str, Floats]) -> Head:
    """One head from what is stored of it."""
    parts: dict[str, Any] = {part: stored[f"{name}.{part}"] for part in PARTS}
    head = Head(**parts)
    if f"{name}.attack" not in stored:
        return head
    column = stored[f"{name}.attack_column"][:, None]
    table = np.concatenate([column, head.table], axis=1)
    counts, added = stored[f"{name}.attack"].tolist()
    return replace(head, table=table, attack=(counts, added))


def revision_of(folder: Path) -> str:
    """A hash of the weights."""
    try:
        return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    except OSError as error:
        raise GuardUnavailable(f"{folder / WEIGHTS}: cannot be read: {type(error).__name__}") from error
