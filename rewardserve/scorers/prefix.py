"""Candidates of one conversation begin alike: run the shared beginning once, then only the endings.

Used only on a model that is proven, when it is loaded, to give the same logits this way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any, Self

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from rewardserve.packing import Packing, pack
from rewardserve.scorers.heads import Head, Ids, LastTokenHead, in_order, padded

# Below this gain two steps cost more than they save. The gain is in tokens, plainly read over shared.
LEAST_GAIN = 1.3
PROOF_TOKENS, PROOF_ENDINGS = (24, 17), (3, 9, 6)
# Rotary scalings whose frequencies depend on how long the sequence is, so that a split pass differs.
LENGTH_DEPENDENT = {"dynamic", "longrope"}


class Begun(DynamicLayer):
    """A layer of the cache that holds each beginning once, and forgets what the rows behind them add.

    Beginnings are put before their rows for the one layer that is being run, so that a pass of n rows holds n copies of
    one layer's beginnings at a time, not of every layer's. (A packed row with a mask that hides the texts from each
    other needs no copy at all; on a CPU it was no faster: 0.57 to 0.61 s against 0.57 s for 16 texts of 1500 + 300.)
    """

    rows: torch.Tensor  # which beginning each row of the pass has

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        assert layer.keys is not None
        assert layer.values is not None
        self.lazy_initialization(layer.keys, layer.values)
        self.keys, self.values = layer.keys, layer.values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_more: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Each row's beginning and its own, as attention wants them; nothing is kept."""
        return behind(self.keys, self.rows, key_states), behind(self.values, self.rows, value_states)


def behind(beginnings: torch.Tensor, rows: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Each row's own states behind those of its beginning: (rows, heads, tokens, width)."""
    only_one = beginnings.shape[0] == 1
    before = beginnings.expand(len(rows), -1, -1, -1) if only_one else beginnings[rows]
    return torch.cat([before, own], dim=-2)


@dataclass(frozen=True, slots=True)
class Stage:
    """Conversations whose beginnings are run in one pass, and the passes of all that follows them."""

    beginnings: tuple[Ids, ...]
    texts: tuple[Ids, ...]
    whose: tuple[int, ...]  # the beginning of each text
    numbers: tuple[int, ...]  # the place of each text in the answer
    endings: Packing

    @property
    def before(self) -> Packing:
        """The beginnings as one pass."""
        return Packing(tuple(map(len, self.beginnings)), (tuple(range(len(self.beginnings))),))


@dataclass(frozen=True, slots=True)
class PrefixSharing:
    """The two-step way to score texts that begin alike: beginnings, then endings behind them."""

    head: LastTokenHead
    most: int = 16_384  # tokens in one pass, the beginning counted for each of its rows

    @classmethod
    def proven(cls, head: Head, most: int = 16_384) -> Self | None:
        """This way of scoring for a model on which it equals the plain one, else None."""
        if not isinstance(head, LastTokenHead) or rope_type(head.config) in LENGTH_DEPENDENT:
            return None
        sharing = cls(head, most)
        return sharing if sharing.equals_plain() else None

    @torch.inference_mode()
    def equals_plain(self) -> bool:
        """Whether made-up texts get the same logits both ways, within the precision of the weights."""
        groups = [made_up_texts(self.head.vocabulary, tokens) for tokens in PROOF_TOKENS]
        texts = [text for group in groups for text in group]
        plain = self.head.score(texts, [None] * len(texts)).float()
        try:
            shared = self.score(self.plan(groups)).float()
        except (TypeError, AttributeError, NotImplementedError, CannotShare):
            return False
        # float32 agrees to 1e-6 of the largest logit, bfloat16 to 1e-2; a wrong cache is off by far more.
        tolerance = min(1000 * torch.finfo(self.head.body.dtype).eps, 0.06) * max(
            1.0, float(plain.abs().max())
        )
        return bool((plain - shared).abs().max() <= tolerance)

    def shared(self, texts: Sequence[Ids]) -> int:
        """How long the texts' common beginning is, such that every text is read in its ending."""
        return min(shared_length(texts), *(self.head.pooled_token(text) for text in texts), len(texts[0]))

    def saved(self, texts: Sequence[Ids]) -> int:
        """How many tokens need no reading if the texts' beginning is run once; 0 where that does not pay."""
        saved = (len(texts) - 1) * self.shared(texts) if len(texts) > 1 else 0
        whole = sum(map(len, texts))
        return saved if whole >= LEAST_GAIN * (whole - saved) else 0

    def pays(self, groups: Sequence[Sequence[Ids]]) -> bool:
        """Whether what all of them save is worth one pass more."""
        return sum(map(self.saved, groups)) > self.head.overhead

    def plan(self, groups: Sequence[Sequence[Ids]]) -> list[Stage]:
        """Which beginnings are run together, and which endings: those of like length, whatever the conversation."""
        shared = [self.shared(texts) for texts in groups]
        firsts = [0, *accumulate(map(len, groups))]
        together = pack(shared, self.most, overhead=self.head.overhead)
        return [self._stage(groups, shared, firsts, numbers) for numbers in together.passes]

    def _stage(
        self,
        groups: Sequence[Sequence[Ids]],
        shared: Sequence[int],
        firsts: Sequence[int],
        chosen: Sequence[int],
    ) -> Stage:
        own = [(whose, at, text) for whose, at in enumerate(chosen) for text in groups[at]]
        endings = [len(text) - shared[at] for _, at, text in own]
        return Stage(
            beginnings=tuple(groups[at][0][: shared[at]] for at in chosen),
            texts=tuple(text for _, _, text in own),
            whose=tuple(whose for whose, _, _ in own),
            numbers=tuple(firsts[at] + place for at in chosen for place in range(len(groups[at]))),
            endings=pack(
                endings, self.most, before=max(shared[at] for at in chosen), overhead=self.head.overhead
            ),
        )

    def score(self, plan: Sequence[Stage]) -> torch.Tensor:
        """The logits of each text, in the order of the groups that were planned for."""
        logits = [in_order(list(self._run(stage)), stage.endings.passes) for stage in plan]
        return in_order(logits, [stage.numbers for stage in plan])

    def _run(self, stage: Stage) -> Iterator[torch.Tensor]:
        """The logits of one pass of endings after the other."""
        ids, seen = padded(stage.beginnings, 0, self.head.device)
        cache = self._cache(ids, seen) if ids.shape[1] else None
        whose = torch.tensor(stage.whose, device=ids.device)
        lengths = seen.sum(dim=1)
        for numbers in stage.endings.passes:
            rows = whose[torch.tensor(numbers, device=ids.device)]
            for layer in cache.layers if cache is not None else ():
                layer.rows = rows
            texts = [stage.texts[number] for number in numbers]
            yield self._endings(texts, lengths[rows], seen[rows], cache)

    def _endings(
        self, texts: Sequence[Ids], before: torch.Tensor, seen: torch.Tensor, cache: Any
    ) -> torch.Tensor:
        """The logits of texts whose first tokens, `before` of each, are in the cache."""
        begun: list[int] = before.tolist()
        own = [text[first:] for text, first in zip(texts, begun, strict=True)]
        ids, mask = padded(own, 0, self.head.device)
        hidden = self.head.body(
            input_ids=ids,
            attention_mask=torch.cat([seen, mask], dim=1),
            position_ids=before[:, None] + torch.arange(ids.shape[1], device=ids.device),
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
        places = [self.head.pooled_token(text) - first for text, first in zip(texts, begun, strict=True)]
        return self.head.logits(hidden, places)

    def _cache(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        cache = self.head.body(input_ids=ids, attention_mask=mask, use_cache=True).past_key_values
        layers = cache.layers if isinstance(cache, DynamicCache) else ()
        # A sliding window or a recurrent state forgets; only a cache that keeps everything can be shared.
        if not layers or any(type(layer) is not DynamicLayer for layer in layers):
            raise CannotShare
        cache.layers = [Begun(layer) for layer in layers]
        return cache


class CannotShare(Exception):
    """The model's cache does not keep every token."""


def shared_length(texts: Sequence[Ids]) -> int:
    """How many tokens all texts begin with in common, leaving each at least one of its own."""
    # What the first and the last in alphabetical order share, all between them share.
    outermost = zip(min(map(tuple, texts)), max(map(tuple, texts)), strict=False)
    same = sum(1 for _ in takewhile(lambda two: two[0] == two[1], outermost))
    return min(same, min(map(len, texts)) - 1)


def made_up_texts(vocabulary: int, tokens: int) -> list[list[int]]:
    """Texts of unlike length whose first tokens are alike, spread over the vocabulary, for the proof at loading."""
    step = max(1, vocabulary // 97)
    beginning = [(tokens + place * step) % vocabulary for place in range(tokens)]
    return [
        beginning + [(11 * row + place * step) % vocabulary for place in range(1, ending + 1)]
        for row, ending in enumerate(PROOF_ENDINGS, start=1)
    ]


def rope_type(config: Any) -> str:
    """The kind of rotary scaling, `default` where there is none."""
    parameters = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    return str(parameters.get("rope_type", "default"))
