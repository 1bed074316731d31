"""Holds a policy where training has no reason to move it: on what the base itself says to ordinary prompts.

Beside the method's own loss each step pays for KL(base ‖ policy) per token of such answers: learning without
forgetting (arXiv 1606.09282), with the base's whole distribution as the teacher. The prompts are those of the
dataset that ask for nothing harmful, so that no exam's are among them; the answers are the base's own samples, on
which forward KL tells of forgetting (arXiv 2509.04259). The reference is the same model with its adapter off.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from finetune.errors import PolicyFailed, TrainingFailed
from finetune.exams.asking import BATCH
from finetune.exams.contract import Answer, ExamPlan
from finetune.train.memory import let_go
from finetune.train.policy import LocalPolicy
from finetune.train.processes import together
from finetune.train.setup import Setup
from gateway.exchange import Message

PROMPTS, TOKENS = 384, 64  # at most, of the dataset and of an answer

Row = tuple[list[int], list[int]]  # a prompt's tokens, and its answer's


@dataclass(frozen=True, slots=True)
class Ballast:
    """Answers of the base, and what leaving them costs; `weight` is that of a nat per token in the loss."""

    rows: Sequence[Row]
    weight: float
    batch: int
    padding: int
    rng: random.Random

    def cost(self, model: Any, bare: Any) -> Any:
        """The weighted divergence on some of the answers; `bare` is what has the adapter to switch off."""
        ids, said = self._batch(model.device)
        mask = ids != -1
        ids = ids.masked_fill(~mask, self.padding)
        new = torch.log_softmax(model(ids, attention_mask=mask.long()).logits[:, :-1].float(), dim=-1)
        with torch.no_grad(), bare.disable_adapter():
            old = torch.log_softmax(bare(ids, attention_mask=mask.long()).logits[:, :-1].float(), dim=-1)
        nats = (old.exp() * (old - new)).sum(dim=-1)
        return self.weight * nats[said[:, 1:]].mean()

    def _batch(self, device: Any) -> tuple[Any, Any]:
        """Padded tokens, -1 where there are none, and which of them are an answer's."""
        some = self.rng.sample(self.rows, min(self.batch, len(self.rows)))
        longest = max(len(prompt) + len(answer) for prompt, answer in some)
        ids = torch.full((len(some), longest), -1)
        said = torch.zeros((len(some), longest), dtype=torch.bool)
        for row, (prompt, answer) in enumerate(some):
            ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
            said[row, len(prompt) : len(prompt) + len(answer)] = True
        return ids.to(device), said.to(device)


def ballasted(kind: type[Any], setup: Setup) -> type[Any]:
    """A trainer of TRL's that pays for leaving the base, where the recipe wants it to."""
    if not setup.recipe.ballast:
        return kind

    class Ballasted(kind):
        ballast: Ballast | None = None

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
            """The method's loss, and the ballast's."""
            found = super().compute_loss(model, inputs, return_outputs=return_outputs, **more)
            if self.ballast is None:
                self.ballast = ballast_of(
                    setup, self.accelerator.unwrap_model(self.model), self.processing_class
                )
            if not model.training or not self.ballast.rows:
                return found
            cost = self.ballast.cost(model, self.accelerator.unwrap_model(model)) / self._turns(more)
            return (found[0] + cost, *found[1:]) if return_outputs else found + cost

        def _turns(self, more: Mapping[str, Any]) -> int:
            """By what nobody else divides it: SFT's loss is of all the batches of a step, and added up as it is."""
            scaled = self.loss_is_scaled_for_ga is None and more.get("num_items_in_batch") is not None
            return int(self.current_gradient_accumulation_steps) if scaled else 1

    return Ballasted


def ballast_of(setup: Setup, model: Any, tokenizer: Any) -> Ballast:
    """What the base says to the dataset's ordinary prompts; the model is left as it was."""
    asked = ordinary(setup)
    if not asked:
        setup.watch.progress.advanced(
            0, 1, "ballast holds nothing: every prompt of the data is of kind safety"
        )
    training, policy = model.training, LocalPolicy(model.eval(), tokenizer)
    plan = ExamPlan(samples=1, max_tokens=TOKENS, seed=setup.recipe.seed)
    rows: list[Row] = []
    state = torch.get_rng_state()
    with model.disable_adapter():
        for start in range(0, len(asked), BATCH):
            if setup.watch.stop.is_set():
                raise TrainingFailed("training was stopped")
            some = asked[start : start + BATCH]
            for messages, told in zip(some, sampled(policy, some, plan, plan.seed + start), strict=True):
                rows += [
                    tokens_of(tokenizer, messages, each.text, setup.recipe.max_length)
                    for each in told
                    if each.text
                ]
            setup.watch.progress.advanced(
                min(start + BATCH, len(asked)), len(asked), "ballast: the base's answers"
            )
    torch.set_rng_state(state)
    model.train(training)
    rng = random.Random(f"{setup.recipe.seed}/{together(setup.recipe).process_index}")  # each process others
    return Ballast(rows, setup.recipe.ballast, max(1, setup.batch // 2), int(tokenizer.pad_token_id), rng)


def sampled(
    policy: LocalPolicy, conversations: Sequence[Sequence[Message]], plan: ExamPlan, seed: int
) -> list[list[Answer]]:
    """What a policy answers, to fewer conversations at once where there is too little memory; raises PolicyFailed."""
    try:
        return policy.sample(conversations, plan, seed)
    except PolicyFailed as error:
        if len(conversations) == 1 or not isinstance(error.__cause__, torch.OutOfMemoryError):
            raise
    let_go()
    half = len(conversations) // 2
    first = sampled(policy, conversations[:half], plan, seed)
    return first + sampled(policy, conversations[half:], plan, seed + half)


def ordinary(setup: Setup) -> list[list[Message]]:
    """The dataset's prompts that nothing says to ask for harm, each once, chosen by its own order."""
    lines = map(json.loads, setup.dataset.path.read_bytes().splitlines())
    asked = {json.dumps(line["prompt"]): line["prompt"] for line in lines if line.get("kind") != "safety"}
    return [*asked.values()][:PROMPTS]


def tokens_of(tokenizer: Any, messages: Sequence[Message], text: str, longest: int) -> Row:
    """A conversation and an answer as tokens; of a long one the beginning is left out."""
    asked = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    answer = tokenizer(text, add_special_tokens=False)["input_ids"][: longest - 1]
    prompt = tokenizer(asked, add_special_tokens=False)["input_ids"][-(longest - len(answer)) :]
    return prompt, answer
