"""How close a pair's two answers lie in the policy's own hidden states: the length-normalised CHES score.

With h the last layer's hidden states over an answer's tokens, CHES is <sum h(chosen), sum h(rejected)> less the squared
norm of sum h(chosen); normalised, each sum is over the number of its tokens (Razin et al. 2024, arXiv 2410.08847).
Training on pairs with a high score lowers the likelihood of what was chosen.
"""

from collections.abc import Sequence
from typing import Any

import torch

from finetune.pairs.pair import Pair
from finetune.train.policy import LocalPolicy

LONGEST = 1024  # tokens of conversation and answer; longer ones lose their beginning


@torch.inference_mode()
def ches(policy: LocalPolicy, pairs: Sequence[Pair]) -> dict[str, float]:
    """Each pair's score by its id; higher is closer."""
    return {pair.id: score_of(policy, pair) for pair in pairs}


def score_of(policy: LocalPolicy, pair: Pair) -> float:
    """One pair's score."""
    chosen, rejected = (mean_state(policy, pair, text) for text in (pair.chosen, pair.rejected))
    return float(chosen @ rejected - chosen @ chosen)


def mean_state(policy: LocalPolicy, pair: Pair, answer: str) -> Any:
    """The mean of the last hidden states over an answer's tokens."""
    tokenizer = policy.tokenizer
    asked = tokenizer.apply_chat_template(
        [dict(message) for message in pair.messages], tokenize=False, add_generation_prompt=True
    )
    prompt = tokenizer(asked, add_special_tokens=False)["input_ids"]
    said = tokenizer(answer, add_special_tokens=False)["input_ids"] or [tokenizer.eos_token_id]
    ids = torch.tensor([[*prompt, *said][-LONGEST:]], device=policy.model.device)
    states = policy.model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
    return states[-min(len(said), LONGEST) :].float().mean(dim=0)
