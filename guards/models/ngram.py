"""The pocket guard classifier: bags of n-grams through a small network, with numpy alone.

Two heads: one judges a prompt; the other judges a reply, given what the first makes of the prompt and of the
reply's own words. Weights: safetensors, two tables of half-precision rows (single in memory) and a few small layers.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from guards.models.grams import Indices, grams
from guards.verdict import GuardUnavailable

Floats = NDArray[np.float32]

WEIGHTS = "model.safetensors"
WINDOW_WORDS = 128
STRIDE_WORDS = 64
PART_DOUBT = 1.0  # logits that a part of a longer text must have beyond the whole
SIDE_SIZE = 3
SIDE_SCALE = 4.0
SIDE_LIMIT = 2.0


@dataclass(frozen=True, slots=True)
class Head:
    """A table of n-gram rows, a hidden layer, and one logit for each label; the table's last column is `unsafe`'s."""

    table: Floats
    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats
    slope: Floats
    shift: Floats

    def logits(self, buckets: Indices, side: Floats | None = None) -> Floats:
        """One logit a label for a bag of n-grams; `side` is what the hidden layer is told beside it."""
        rows = self.table.take(buckets & (len(self.table) - 1), axis=0)
        # A product with ones is a sum by the processor's best loop.
        bag: Floats = np.ones(len(buckets), np.float32) @ rows / np.float32(max(1, len(buckets)) ** 0.5)
        seen = bag[:-1] if side is None else np.concatenate([bag[:-1], side])
        hidden = np.maximum(self.hidden @ seen + self.hidden_bias, 0)
        logits: Floats = self.out @ hidden + self.out_bias
        logits[0] += bag[-1]
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

    def prompt_logits(self, text: str) -> Floats:
        """One logit for each of the prompt's labels: the whole text's, or a part's where that is worse."""
        return worst([self.prompt.logits(grams(part)) for part in parts(text)])

    def reply_logits(self, reply: str, prompt: Floats | None) -> Floats:
        """One logit for each of the reply's labels; `prompt` is what the request got, if it is known."""
        return worst([self.part_logits(grams(part), prompt) for part in parts(reply)])

    def part_logits(self, buckets: Indices, prompt: Floats | None) -> Floats:
        """The reply head's logits, told how unsafe the request is, and how unsafe the reply were as a request."""
        asked = 0.0 if prompt is None else float(prompt[0])
        said = float(self.prompt.logits(buckets)[0])
        return self.reply.logits(buckets, side_of(asked, said, known=prompt is not None))


def side_of(asked: float, said: float, *, known: bool) -> Floats:
    """The side inputs from two logits, kept within limits that training has seen."""
    return np.array([scaled(asked) if known else 0.0, scaled(said), float(known)], np.float32)


def scaled(logit: float) -> float:
    """A logit as a side input."""
    return max(-SIDE_LIMIT, min(SIDE_LIMIT, logit / SIDE_SCALE))


def parts(text: str) -> Iterator[str]:
    """The text itself, and if it is long its overlapping windows, so that padding hides nothing."""
    words = text.split()
    if len(words) <= WINDOW_WORDS * 1.5 and len(text) <= WINDOW_WORDS * 20:
        yield text
        return
    longest = WINDOW_WORDS * 12  # a window of one endless word is still a window
    yield text[: 16 * longest]
    for start in range(0, max(1, len(words) - STRIDE_WORDS), STRIDE_WORDS):
        window = " ".join(words[start : start + WINDOW_WORDS])
        for offset in range(0, len(window), longest):
            yield window[offset : offset + longest + longest // 2]


def worst(logits: list[Floats]) -> Floats:
    """The largest logits of all parts; parts of a longer text must say so more clearly than the whole."""
    whole = logits[0]
    if len(logits) == 1:
        return whole
    combined: Floats = np.maximum(whole, np.max(logits[1:], axis=0) - np.float32(PART_DOUBT))
    return combined


def load_ngram(folder: Path) -> NgramModel:
    """The model in a folder; GuardUnavailable when there is none, or none that can be read."""
    file = folder / WEIGHTS
    try:
        with safe_open(file, framework="numpy") as opened:
            told = json.loads(opened.metadata()["guard"])
            heads = {
                name: Head(
                    **{
                        part: opened.get_tensor(f"{name}.{part}").astype(np.float32)
                        for part in Head.__dataclass_fields__
                    }
                )
                for name in ("prompt", "reply")
            }
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise GuardUnavailable(f"{file}: no guard classifier: {type(error).__name__}") from error
    labels = {name: tuple(told[name]) for name in heads}
    return NgramModel(heads["prompt"], heads["reply"], labels["prompt"], labels["reply"], revision_of(folder))


def revision_of(folder: Path) -> str:
    """A hash of the weights."""
    try:
        return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    except OSError as error:
        raise GuardUnavailable(f"{folder / WEIGHTS}: cannot be read: {type(error).__name__}") from error
