"""How far a version's policy leaves the base model's: forward KL per token, on what the base itself says.

It predicts forgetting better than any one test of knowledge does.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from finetune.errors import PolicyFailed, reason
from finetune.exams.contract import ExamPlan
from finetune.train.policy import LocalPolicy, load_policy
from finetune.train.quiet import quiet
from gateway.admin.weights.files import holds_model
from gateway.exchange import Message

BATCH = 16  # conversations together
Model = Callable[[Any], Any]


def divergence(
    base: str, version: Path, conversations: Sequence[Sequence[Message]], plan: ExamPlan
) -> list[list[float]]:
    """KL(base ‖ version) at each token of the base's sampled answers, in nats, by conversation; raises PolicyFailed."""
    policy = load_policy(base, None)
    try:
        model = compared(version, policy)
        found: list[list[float]] = []
        for start in range(0, len(conversations), BATCH):
            some = conversations[start : start + BATCH]
            answers = policy.sample(some, plan, plan.seed + start)
            for messages, said in zip(some, answers, strict=True):
                texts = [each.text for each in said if each.text]
                found.append(between(policy.model, model, *rows_of(policy, messages, texts)) if texts else [])
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise PolicyFailed(f"the version cannot be compared with its base: {reason(error)}") from error
    return found


def compared(version: Path, policy: LocalPolicy) -> Any:
    """The version's model beside the base's; an adapter is not merged, so that no rounding is taken for divergence."""
    like = policy.model
    name = str(version) if holds_model(version) else like.name_or_path
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(name, dtype=like.dtype).to(like.device)
        adapted = model if holds_model(version) else PeftModel.from_pretrained(model, str(version))
    return adapted.eval()


def rows_of(policy: LocalPolicy, messages: Sequence[Message], texts: Sequence[str]) -> tuple[Any, Any]:
    """The conversation with each answer as padded token ids, and which of them are the answer's."""
    tokenizer = policy.tokenizer
    asked = tokenizer.apply_chat_template(
        [dict(m) for m in messages], tokenize=False, add_generation_prompt=True
    )
    prompt = tokenizer(asked, add_special_tokens=False)["input_ids"]
    answers = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    room = getattr(policy.model.config, "max_position_embeddings", 4096) - max(map(len, answers))
    prompt = prompt[-room:]
    longest = len(prompt) + max(map(len, answers))
    ids = torch.full((len(answers), longest), int(tokenizer.pad_token_id or 0))
    said = torch.zeros((len(answers), longest), dtype=torch.bool)
    for row, answer in enumerate(answers):
        whole = torch.tensor([*prompt, *answer])
        ids[row, : len(whole)] = whole
        said[row, len(prompt) : len(whole)] = True
    return ids.to(policy.model.device), said.to(policy.model.device)


@torch.inference_mode()
def between(base: Model, version: Model, ids: Any, said: Any) -> list[float]:
    """The divergence at each token that was said; padding stands on the right, where nothing looks back at it."""
    old, new = (torch.log_softmax(model(ids).logits[:, :-1].float(), dim=-1) for model in (base, version))
    each = (old.exp() * (old - new)).sum(dim=-1)
    values: list[float] = each[said[:, 1:]].tolist()
    return values
