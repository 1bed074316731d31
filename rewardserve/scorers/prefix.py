"""Candidates of one conversation begin alike: run the shared beginning once, then only the endings.

Used only on a model that is proven, when it is loaded, to give the same logits this way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Self

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from rewardserve.packing import Packing, pack
from rewardserve.scorers.heads import Head, Ids, LastTokenHead, in_order, padded

# Below this gain two steps cost more than they save. The gain is padded tokens, naive over shared.
LEAST_GAIN = 1.3
PROOF_TOKENS, PROOF_ENDINGS = 24, (3, 9, 6)
# Rotary scalings whose frequencies depend on how long the sequence is, so that a split pass differs.
LENGTH_DEPENDENT = {"dynamic", "longrope"}


class Begun(DynamicLayer):
    """A layer of the cache that holds what all rows begin with, once, and forgets what each of them adds.

    Rows are put behind it for the one layer that is being run, so that a pass of n rows holds n copies of one layer's
    beginning at a time, not of every layer's. (A packed row with a mask that hides the texts from each other needs no
    copy at all; on a CPU it was no faster: 0.57 to 0.61 s against 0.57 s for 16 texts of 1500 + 300 tokens.)
    """

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        assert layer.keys is not None
        assert layer.values is not None
        self.lazy_initialization(layer.keys, layer.values)
        self.keys, self.values = layer.keys, layer.values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_more: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The beginning and each row's own, as attention wants them; nothing is kept."""
        return behind(self.keys, key_states), behind(self.values, value_states)


def behind(beginning: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Each row's own states behind the one beginning: (rows, heads, tokens, width)."""
    return torch.cat([beginning.expand(own.shape[0], -1, -1, -1), own], dim=-2)


@dataclass(frozen=True, slots=True)
class PrefixSharing:
    """The two-step way to score texts that begin alike."""

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
        texts = made_up_texts(self.head.vocabulary)
        plain = self.head.score(texts, [None] * len(texts)).float()
        try:
            shared = self.score(texts, self.packing(texts)).float()
        except (TypeError, AttributeError, NotImplementedError, CannotShare):
            return False
        # float32 agrees to 1e-6 of the largest logit, bfloat16 to 1e-2; a wrong cache is off by far more.
        tolerance = min(1000 * torch.finfo(self.head.body.dtype).eps, 0.06) * max(
            1.0, float(plain.abs().max())
        )
        return bool((plain - shared).abs().max() <= tolerance)

    def packing(self, texts: Sequence[Ids]) -> Packing:
        """How the texts would be run: their beginning once, then their endings in as many passes as are cheapest."""
        # Every text's pooled token has to be in its ending.
        shared = min(shared_length(texts), *(self.head.pooled_token(text) for text in texts), len(texts[0]))
        endings = [len(text) - shared for text in texts]
        return pack(endings, self.most, before=shared, overhead=self.head.overhead)

    def pays(self, texts: Sequence[Ids]) -> bool:
        """Whether two steps over less text beat one over more."""
        if len(texts) < 2:
            return False
        plain = pack([len(text) for text in texts], self.most, overhead=self.head.overhead)
        return plain.padded >= LEAST_GAIN * self.packing(texts).padded

    def score(self, texts: Sequence[Ids], packing: Packing) -> torch.Tensor:
        """The logits of each text: the beginning once, then the endings behind it."""
        cache = self._beginning(texts[0][: packing.before]) if packing.before else None
        logits = [
            self._endings([texts[row] for row in rows], packing.before, cache) for rows in packing.passes
        ]
        return in_order(logits, packing.passes)

    def _endings(self, texts: Sequence[Ids], shared: int, cache: Any) -> torch.Tensor:
        """The logits of texts whose first `shared` tokens are in the cache."""
        ids, mask = padded([text[shared:] for text in texts], 0, self.head.device)
        seen = torch.ones((len(texts), shared), dtype=mask.dtype, device=mask.device)
        positions = torch.arange(shared, shared + ids.shape[1], device=ids.device)
        hidden = self.head.body(
            input_ids=ids,
            attention_mask=torch.cat([seen, mask], dim=1),
            position_ids=positions.expand(len(texts), -1),
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
        return self.head.logits(hidden, [self.head.pooled_token(text) - shared for text in texts])

    def _beginning(self, text: Ids) -> Any:
        ids = torch.tensor([text], device=self.head.device)
        cache = self.head.body(input_ids=ids, use_cache=True).past_key_values
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


def made_up_texts(vocabulary: int) -> list[list[int]]:
    """Texts of unlike length that begin alike, spread over the vocabulary, for the proof at loading."""
    step = max(1, vocabulary // 97)
    beginning = [(7 + place * step) % vocabulary for place in range(PROOF_TOKENS)]
    return [
        beginning + [(11 * row + place * step) % vocabulary for place in range(1, ending + 1)]
        for row, ending in enumerate(PROOF_ENDINGS, start=1)
    ]


def rope_type(config: Any) -> str:
    """The kind of rotary scaling, `default` where there is none."""
    parameters = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    return str(parameters.get("rope_type", "default"))
