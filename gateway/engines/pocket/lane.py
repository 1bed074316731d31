"""The rows of one version in flight: their keys and values, one prefill for all choices of a prompt, one step
for all rows.

Row r's token at position p lives in column p of slot r; what lies beyond a row's own length is hidden by the
mask. So rows of any length join and leave between steps without moving the others.
"""

from collections.abc import Collection, Sequence
from itertools import groupby

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache

from gateway.engines.pocket.job import Drawn, Row
from gateway.engines.pocket.sampling import draw

COLUMNS = 64  # slots grow by so many tokens at least


class Slots(Cache):
    """Keys and values by slot, as [slots, heads, columns, head size] per layer."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.taken = 0
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._at: tuple[Tensor, Tensor] | None = None
        self._columns = 0

    def append(self, read: DynamicCache, copies: Tensor) -> None:
        """Take over a prefill's rows, each as many times as it has choices."""
        length, first = read.get_seq_length(), self.taken
        self.taken += int(copies.sum())
        if not self._keys:
            self._keys = [_nothing_like(layer.keys) for layer in read.layers]
            self._values = [_nothing_like(layer.values) for layer in read.layers]
        self._grow(self.taken, length)
        for i, layer in enumerate(read.layers):
            self._keys[i][first : self.taken, :, :length] = layer.keys.repeat_interleave(copies, 0)
            self._values[i][first : self.taken, :, :length] = layer.values.repeat_interleave(copies, 0)

    def aim(self, positions: Tensor, columns: int) -> None:
        """Say where the next token of each slot goes, and how many columns are in use then."""
        self._grow(self.taken, columns)
        self._at = (torch.arange(self.taken, device=positions.device), positions)
        self._columns = columns

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Called by the model's attention: store one token per row, return all that the rows remember."""
        assert self._at is not None
        rows, positions = self._at
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        keys[rows, :, positions] = key_states[:, :, 0]
        values[rows, :, positions] = value_states[:, :, 0]
        return keys[: self.taken, :, : self._columns], values[: self.taken, :, : self._columns]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return max(self._columns - 1, 0)

    def fill(self, holes: Sequence[int], movers: Sequence[int], taken: int) -> None:
        """Move the last slots into the holes, so that the first `taken` slots are the ones in use."""
        if holes:
            for stored in (*self._keys, *self._values):
                stored[list(holes)] = stored[list(movers)]
        self.taken = taken

    def _grow(self, slots: int, columns: int) -> None:
        have = self._keys[0].shape
        if slots <= have[0] and columns <= have[2]:
            return
        slots = have[0] if slots <= have[0] else max(slots, 2 * have[0])
        columns = have[2] if columns <= have[2] else max(columns + COLUMNS, 2 * have[2])
        self._keys = [_enlarged(stored, slots, columns) for stored in self._keys]
        self._values = [_enlarged(stored, slots, columns) for stored in self._values]


def _nothing_like(states: Tensor) -> Tensor:
    return states.new_zeros((0, states.shape[1], 0, states.shape[3]))


def _enlarged(stored: Tensor, slots: int, columns: int) -> Tensor:
    # Zeros and not whatever was there: a hidden NaN times a weight of zero is still NaN.
    larger = stored.new_zeros((slots, stored.shape[1], columns, stored.shape[3]))
    larger[: stored.shape[0], :, : stored.shape[2]] = stored
    return larger


class Lane:
    """Rows in flight on one version of the weights."""

    def __init__(self, net: PreTrainedModel, device: torch.device) -> None:
        self.rows: list[Row] = []
        self._net = net
        self._device = device
        self._slots = Slots()

    @torch.inference_mode()
    def admit(self, rows: Sequence[Row]) -> list[Drawn]:
        """Read each new job's prompt once, draw the first token of each of its choices."""
        groups = [(job, len(list(same))) for job, same in groupby(rows, key=lambda row: row.job)]
        copies = torch.tensor([count for _, count in groups], device=self._device)
        scores, read = self.read([job.prompt for job, _ in groups])
        drawn = draw(scores.repeat_interleave(copies, 0), rows)
        self._slots.append(read, copies)
        self.rows += rows
        return drawn

    @torch.inference_mode()
    def step(self) -> list[Drawn]:
        """Draw the next token of every row."""
        positions = [len(row.job.prompt) + len(row.tokens) - 1 for row in self.rows]
        return draw(self.advance([row.tokens[-1] for row in self.rows], positions), self.rows)

    @torch.inference_mode()
    def drop(self, leaving: Collection[Row]) -> None:
        """Forget rows; the last ones move into their places."""
        gone = set(leaving)
        taken = sum(row not in gone for row in self.rows)
        holes = [i for i, row in enumerate(self.rows[:taken]) if row in gone]
        movers = [i for i, row in enumerate(self.rows[taken:], taken) if row not in gone]
        for hole, mover in zip(holes, movers, strict=True):
            self.rows[hole] = self.rows[mover]
        self._slots.fill(holes, movers, taken)
        del self.rows[taken:]

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, DynamicCache]:
        """Scores after each prompt, and what the model remembers of it; shorter prompts are padded on the
        right, where causal attention never looks."""
        longest = max(len(prompt) for prompt in prompts)
        ids = torch.tensor(
            [[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts], device=self._device
        )
        ends = sorted({len(prompt) - 1 for prompt in prompts})
        cache = DynamicCache()
        wanted = torch.tensor(ends, device=self._device)
        out = self._net(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=wanted)
        places = [ends.index(len(prompt) - 1) for prompt in prompts]
        return out.logits[torch.arange(len(prompts)), places], cache

    def advance(self, tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Scores after one more token in every slot."""
        columns = max(positions) + 1
        at = torch.tensor(positions, device=self._device)
        self._slots.aim(at, columns)
        hidden = torch.arange(columns, device=self._device) > at[:, None]
        mask = torch.zeros(hidden.shape, dtype=self._net.dtype, device=self._device)
        mask.masked_fill_(hidden, torch.finfo(mask.dtype).min)
        out = self._net(
            input_ids=torch.tensor(tokens, device=self._device)[:, None],
            position_ids=at[:, None],
            attention_mask=mask[:, None, None],
            past_key_values=self._slots,
            use_cache=True,
        )
        return out.logits[:, -1]

    @torch.inference_mode()
    def agrees(self, tokens: Sequence[int]) -> bool:
        """Whether scores step by step through the slots equal those of one pass; only on an empty lane."""
        whole, _ = self.read([tokens])
        _, begun = self.read([tokens[:-2], tokens[:-1]])
        self._slots.append(begun, torch.tensor([1, 1], device=self._device))
        # Rows of different length, so that the mask and the places are tried too.
        self.advance([tokens[-2], tokens[-1]], [len(tokens) - 2, len(tokens) - 1])
        stepped = self.advance([tokens[-1], tokens[-1]], [len(tokens) - 1, len(tokens) - 1])
        return bool((whole - stepped).abs().max() <= 0.02 * whole.abs().max())
