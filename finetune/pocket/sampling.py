"""Samples answers from a policy folder, many prompts and many answers at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from finetune.pocket.corpus.example import Message


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled answer, and whether the model ended it by itself."""

    text: str
    ended: bool


class Sampler:
    """A policy and its tokenizer, ready to sample."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def sample(
        self, conversations: Sequence[Sequence[Message]], n: int, *, seed: int, temperature: float = 1.0
    ) -> list[list[Sample]]:
        """n answers to each conversation; conversations are batched by 16 so that memory stays small."""
        torch.manual_seed(seed)
        found: list[list[Sample]] = []
        for start in range(0, len(conversations), 16):
            found += self._batch(conversations[start : start + 16], n, temperature)
        return found

    @torch.inference_mode()
    def _batch(
        self, conversations: Sequence[Sequence[Message]], n: int, temperature: float
    ) -> list[list[Sample]]:
        prompts = [
            self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
            for messages in conversations
        ]
        # The end of a conversation matters most, so a long one loses its beginning.
        self.tokenizer.truncation_side = "left"
        inputs = self.tokenizer(
            prompts,
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=900,
            add_special_tokens=False,
        )
        output = self.model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            do_sample=temperature > 0,
            temperature=temperature or None,
            top_k=0,
            num_return_sequences=n,
            max_new_tokens=96,
        )
        new = output[:, inputs["input_ids"].shape[1] :]
        end = self.tokenizer.eos_token_id
        samples = [
            Sample(self.tokenizer.decode(row, skip_special_tokens=True), bool((row == end).any()))
            for row in new
        ]
        return [samples[place : place + n] for place in range(0, len(samples), n)]
