"""A policy model in this process, the base or any version: what exams, draws and the pocket build ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from finetune.errors import PolicyFailed, reason
from finetune.exams.contract import Answer, ExamPlan
from finetune.train.memory import let_go
from finetune.train.quiet import quiet
from gateway.admin.weights.files import holds_model
from gateway.exchange import Message


@dataclass(frozen=True, slots=True)
class LocalPolicy:
    """A model and its tokenizer, ready to sample."""

    model: Any
    tokenizer: Any

    @torch.inference_mode()
    def sample(
        self, conversations: Sequence[Sequence[Message]], plan: ExamPlan, seed: int
    ) -> list[list[Answer]]:
        """`plan.samples` answers to each conversation, all in one batch; the same seed says the same.

        Raises PolicyFailed, for example when the device has too little memory.
        """
        torch.manual_seed(seed)
        try:
            return self._sampled(conversations, plan)
        except RuntimeError as error:
            raise PolicyFailed(f"the policy cannot be asked: {reason(error)}") from error

    def _sampled(self, conversations: Sequence[Sequence[Message]], plan: ExamPlan) -> list[list[Answer]]:
        inputs = self._prompts(conversations, plan)
        output = self.model.generate(
            **inputs,
            max_new_tokens=plan.max_tokens,
            num_return_sequences=plan.samples,
            do_sample=plan.temperature > 0,
            temperature=plan.temperature or None,
            top_p=1.0,
            top_k=0 if plan.temperature > 0 else None,  # transformers grumbles at it where nothing is drawn
            pad_token_id=self.tokenizer.pad_token_id,
        )
        answers = [self._answer(row) for row in output[:, inputs["input_ids"].shape[1] :].tolist()]
        return [answers[i : i + plan.samples] for i in range(0, len(answers), plan.samples)]

    @torch.inference_mode()
    def certainty(self, messages: Sequence[Message], tokens: int) -> list[float]:
        """The log-probability of each token of the likeliest answer, greedily; raises PolicyFailed."""
        try:
            told = self.model.generate(
                **self._prompts([messages], ExamPlan(max_tokens=tokens)),
                max_new_tokens=tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
                output_logits=True,
                return_dict_in_generate=True,
            )
        except RuntimeError as error:
            raise PolicyFailed(f"the policy cannot be asked: {reason(error)}") from error
        return [float(torch.log_softmax(each[0].float(), dim=-1).max()) for each in told.logits]

    def _prompts(self, conversations: Sequence[Sequence[Message]], plan: ExamPlan) -> Any:
        """Left-padded prompts; a long conversation loses its beginning, since its end matters most."""
        texts = [
            self.tokenizer.apply_chat_template(
                [dict(m) for m in messages], tokenize=False, add_generation_prompt=True
            )
            for messages in conversations
        ]
        self.tokenizer.padding_side = self.tokenizer.truncation_side = "left"
        room = getattr(self.model.config, "max_position_embeddings", 4096) - plan.max_tokens
        inputs = self.tokenizer(
            texts,
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=room,
            add_special_tokens=False,
        )
        return {name: inputs[name].to(self.model.device) for name in ("input_ids", "attention_mask")}

    def _answer(self, ids: list[int]) -> Answer:
        ends = self.model.generation_config.eos_token_id
        stops = set(ends if isinstance(ends, list) else [ends])
        length = next((i for i, each in enumerate(ids) if each in stops), None)
        text = self.tokenizer.decode(ids[:length], skip_special_tokens=True)
        return Answer(text.strip(), ended=length is not None)


def load_policy(base: str, version: Path | None, *, device: Literal["auto", "cpu"] = "auto") -> LocalPolicy:
    """The base model on the best device here or on the CPU, an adapter on top, or a whole model in its place.

    Raises OSError or ValueError.
    """
    let_go()  # what was loaded before this may lie there still
    adapter = version
    if version is not None and holds_model(version):
        base, adapter = str(version), None
    cuda = device == "auto" and torch.cuda.is_available()
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(base)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16 if cuda else torch.float32)
        if adapter is not None:
            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LocalPolicy(model.to("cuda" if cuda else "cpu").eval(), tokenizer)
