"""From token ids to raw logits, whatever the padding: two kinds of classification head."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from rewardserve.scorers.checkpoint import Checkpoint

Ids = Sequence[int]
# How many tokens are read in the time that it takes to start a pass: where a pass is mostly launches, many.
OVERHEAD, OVERHEAD_OF_AN_ACCELERATOR = 32, 1024

# On a CPU a pass outgrows the caches long before it saturates the cores: four texts of 1800 tokens at a time took a
# sixth less than sixteen.
MOST_ON_A_CPU = 8_192


class Head(Protocol):
    """A model with its head."""

    causal: bool
    overhead: int  # of a pass, in tokens

    def score(self, texts: Sequence[Ids], segments: Sequence[Ids | None]) -> torch.Tensor:
        """The logits of each text, (texts, labels), in one padded forward pass."""
        ...


def head_of(checkpoint: Checkpoint) -> Head:
    """The way to run this model: decoders carry a token-wise linear `score`, encoders a head of their own."""
    if isinstance(getattr(checkpoint.model, "score", None), torch.nn.Linear):
        return LastTokenHead(checkpoint)
    return WholeModelHead(checkpoint)


class LastTokenHead:
    """A decoder scored at its last real token.

    transformers' own forward finds that token by comparing ids with the pad id, which cannot work for batches
    where the model names no pad token. We know each row's length, so we choose the token by the rule for
    a single row, and batches of any size and padding agree with it.
    """

    causal = True

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.device = checkpoint.device
        self.overhead = overhead_on(checkpoint.device)
        self.vocabulary = int(checkpoint.config.vocab_size)
        self.config = checkpoint.config
        self.body: Any = checkpoint.model.base_model
        self._score: Any = checkpoint.model.score
        self._pad: int | None = checkpoint.config.pad_token_id

    def score(self, texts: Sequence[Ids], segments: Sequence[Ids | None]) -> torch.Tensor:
        """The logits of each text; decoders have no segments."""
        ids, mask = padded(texts, max(self._pad or 0, 0), self.device)
        hidden = self.body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return self.logits(hidden, [self.pooled_token(text) for text in texts])

    def pooled_token(self, text: Ids) -> int:
        """Where the model was trained to be read: the last token that is not its pad token."""
        return next((place for place in range(len(text) - 1, -1, -1) if text[place] != self._pad), 0)

    def logits(self, hidden: torch.Tensor, places: Sequence[int]) -> torch.Tensor:
        """The head applied to one place of each row: (rows, labels)."""
        rows = torch.arange(len(places), device=hidden.device)
        pooled = hidden[rows, torch.tensor(places, device=hidden.device)]
        logits: torch.Tensor = self._score(pooled)
        return logits


class WholeModelHead:
    """An encoder, scored by its own forward pass; the attention mask hides the padding."""

    causal = False

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.device = checkpoint.device
        self.overhead = overhead_on(checkpoint.device)
        self._model: Any = checkpoint.model
        self._pad = int(checkpoint.config.pad_token_id or 0)

    def score(self, texts: Sequence[Ids], segments: Sequence[Ids | None]) -> torch.Tensor:
        """The logits of each text."""
        ids, mask = padded(texts, self._pad, self.device)
        inputs = {"input_ids": ids, "attention_mask": mask}
        known = [segment for segment in segments if segment is not None]
        if len(known) == len(texts):
            inputs["token_type_ids"] = padded(known, 0, self.device)[0]
        logits: torch.Tensor = self._model(**inputs).logits
        return logits


def overhead_on(device: torch.device) -> int:
    """What a pass costs before it has read anything, in tokens."""
    return OVERHEAD if device.type == "cpu" else OVERHEAD_OF_AN_ACCELERATOR


def most_on(device: torch.device, most: int) -> int:
    """The most tokens that one pass should hold."""
    return min(most, MOST_ON_A_CPU) if device.type == "cpu" else most


def in_order(logits: Sequence[torch.Tensor], passes: Sequence[Sequence[int]]) -> torch.Tensor:
    """The rows of several passes, put where they belong."""
    rows = torch.tensor([row for rows in passes for row in rows], device=logits[0].device)
    return torch.cat(list(logits))[rows.argsort()]


def padded(texts: Sequence[Ids], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, both (rows, longest), padded on the right."""
    longest = max(map(len, texts))
    ids = torch.full((len(texts), longest), pad, dtype=torch.long)
    mask = torch.zeros((len(texts), longest), dtype=torch.long)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text, dtype=torch.long)
        mask[row, : len(text)] = 1
    return ids.to(device), mask.to(device)
