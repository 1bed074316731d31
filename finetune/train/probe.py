"""How far a policy has gone from its reference, while it is trained: forward KL on a few answers of the training data.

Exact over the vocabulary, at each token of the answer. The reference's side is worked out once, before the first step,
when the policy is the reference: no second model lies in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from finetune.train.divergence import rows_of
from finetune.train.policy import LocalPolicy
from gateway.exchange import Message

ANSWERS = 8
MOST_NUMBERS = 1 << 24  # of the reference's: 64 MB


@dataclass(frozen=True, slots=True)
class Probe:
    """Answers as token ids, and the reference's log-probabilities of every token in each place of them."""

    ids: Sequence[Any]
    said: Sequence[Any]
    reference: Sequence[Any]

    def __call__(self, model: Any) -> float:
        """KL(reference ‖ model), nats a token."""
        nats = [
            (old.exp() * (old - new)).sum(dim=-1)
            for old, new in zip(self.reference, told(model, self.ids, self.said), strict=True)
        ]
        return float(torch.cat(nats).mean())


def probe_of(
    model: Any, tokenizer: Any, answers: Sequence[tuple[Sequence[Message], str]], most_tokens: int
) -> Probe | None:
    """A probe of a model that is its own reference still; None where there is nothing short enough to ask."""
    room = MOST_NUMBERS // model.config.vocab_size
    policy = LocalPolicy(model, tokenizer)
    ids: list[Any] = []
    said: list[Any] = []
    for messages, text in islice(answers, 4 * ANSWERS):
        row, answer = rows_of(policy, messages, [text])
        if answer.any() and row.shape[1] <= most_tokens and int(answer.sum()) <= room and len(ids) < ANSWERS:
            room -= int(answer.sum())
            ids.append(row)
            said.append(answer)
    return Probe(ids, said, told(model, ids, said)) if ids else None


@torch.no_grad()
def told(model: Any, ids: Sequence[Any], said: Sequence[Any]) -> list[Any]:
    """Log-probabilities of every token of the vocabulary, in each place of each answer; on the CPU."""
    training = model.training
    model.eval()
    try:
        return [
            torch.log_softmax(model(row, use_cache=False).logits[:, :-1].float(), dim=-1)[answer[:, 1:]].cpu()
            for row, answer in zip(ids, said, strict=True)
        ]
    finally:
        model.train(training)
