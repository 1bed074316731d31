"""Candidates of one conversation begin alike: run the shared beginning once, then only the endings.

Used only on a model that is proven, when it is loaded, to give the same logits this way.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol, Self

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from rewardserve.scorers.heads import Head, Ids, LastTokenHead, padded

# Below this gain two passes cost more than they save. The gain is padded tokens, naive over shared.
LEAST_GAIN = 1.3
PROOF_TOKENS, PROOF_ENDINGS = 24, (3, 9, 6)
# Rotary scalings whose frequencies depend on how long the sequence is, so that a split pass differs.
LENGTH_DEPENDENT = {"dynamic", "longrope"}


class InConversation(Protocol):
    """Anything that says to which conversation it belongs."""

    @property
    def conversation(self) -> Hashable:
        """Equal for items that probably begin alike."""
        ...


def groups_of(items: Sequence[InConversation]) -> list[list[int]]:
    """The row numbers of each conversation, in order of first appearance."""
    groups: dict[Hashable, list[int]] = {}
    for row, item in enumerate(items):
        groups.setdefault(item.conversation, []).append(row)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class PrefixSharing:
    """The two-pass way to score texts that begin alike."""

    head: LastTokenHead

    @classmethod
    def proven(cls, head: Head) -> Self | None:
        """This way of scoring for a model on which it equals the plain one, else None."""
        if not isinstance(head, LastTokenHead) or rope_type(head.config) in LENGTH_DEPENDENT:
            return None
        sharing = cls(head)
        return sharing if sharing.equals_plain() else None

    @torch.inference_mode()
    def equals_plain(self) -> bool:
        """Whether made-up texts get the same logits both ways, within the precision of the weights."""
        texts = made_up_texts(self.head.vocabulary)
        plain = self.head.score(texts, [None] * len(texts)).float()
        try:
            shared = self.score(texts).float()
        except (TypeError, AttributeError, NotImplementedError, CannotShare):
            return False
        # float32 agrees to 1e-6 of the largest logit, bfloat16 to 1e-2; a wrong cache is off by far more.
        tolerance = min(1000 * torch.finfo(self.head.body.dtype).eps, 0.06) * max(
            1.0, float(plain.abs().max())
        )
        return bool((plain - shared).abs().max() <= tolerance)

    def pays(self, texts: Sequence[Ids]) -> bool:
        """Whether two passes over less text beat one over more."""
        if len(texts) < 2:
            return False
        shared, longest = shared_length(texts), max(map(len, texts))
        return len(texts) * longest >= LEAST_GAIN * (shared + len(texts) * (longest - shared))

    def score(self, texts: Sequence[Ids]) -> torch.Tensor:
        """One logit per text: the beginning once, its cache expanded to every row, then the endings."""
        shared = self._places_after(texts, shared_length(texts))
        cache = self._beginning(texts[0][:shared])
        cache.batch_repeat_interleave(len(texts))
        ids, mask = padded([text[shared:] for text in texts], 0, self.head.device)
        seen = torch.ones((len(texts), shared), dtype=mask.dtype, device=mask.device)
        positions = torch.arange(shared, shared + ids.shape[1], device=ids.device)
        hidden = self.head.body(
            input_ids=ids,
            attention_mask=torch.cat([seen, mask], dim=1),
            position_ids=positions.expand(len(texts), -1),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return self.head.logits(hidden, [self.head.pooled_token(text) - shared for text in texts])

    def _places_after(self, texts: Sequence[Ids], shared: int) -> int:
        """The shared length, cut so that every text's pooled token is in its ending."""
        return min(shared, *(self.head.pooled_token(text) for text in texts))

    def _beginning(self, text: Ids) -> Any:
        ids = torch.tensor([text], device=self.head.device)
        cache = self.head.body(input_ids=ids, use_cache=True).past_key_values
        layers = cache.layers if isinstance(cache, DynamicCache) else ()
        # A sliding window or a recurrent state forgets; only a cache that keeps everything can be shared.
        if not layers or any(type(layer) is not DynamicLayer for layer in layers):
            raise CannotShare
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
