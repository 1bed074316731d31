"""A guard model of some thousand weights, taught to answer as guard models do, of two minds about every text."""

from pathlib import Path
from typing import Any

from guards.models.wildguard import PROMPT

WORDS = ["How do I do it?", "Sure, first you take flour.", "Never mind.", "What is two and two?"]
UNSAFE_SHARE = 0.7
CHAT = {"unsafe": "\n\nunsafe\nS1,S10", "safe": "\n\nsafe"}
RAW = {
    "unsafe": "Harmful request: yes\nResponse refusal: no\nHarmful response: yes",
    "safe": "Harmful request: no\nResponse refusal: no\nHarmful response: no",
}
# As templates of models that read pictures do, it reads content in parts as well.
TEMPLATE = (
    "{{ '<|begin|>' }}"
    "{% for message in messages %}"
    "{{ '<|user|>' if message['role'] == 'user' else '<|assistant|>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{{ '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|system|>' }}{% endif %}"
)


def make_tiny_guard(folder: Path, steps: int = 120) -> Path:
    """Write model and tokenizer to the folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from finetune.pocket.tokenizer import learn

    tokenizer = learn([*WORDS, *CHAT.values(), *RAW.values(), PROMPT], 600)
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    teach(model, tokenizer, steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def teach(model: Any, tokenizer: Any, steps: int) -> None:
    """Lessons in both forms; only answers are learned."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    draws = torch.Generator().manual_seed(2)
    for step in range(steps):
        rows = [lesson(tokenizer, float(torch.rand((), generator=draws)), step + row) for row in range(8)]
        longest = max(len(ids) for ids, _ in rows)
        ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
        labels = torch.full_like(ids, -100)
        for row, (tokens, begins) in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            labels[row, begins : len(tokens)] = torch.tensor(tokens[begins:])
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def lesson(tokenizer: Any, draw: float, number: int) -> tuple[list[int], int]:
    """A prompt and its answer in tokens, and where the answer begins."""
    said = "unsafe" if draw < UNSAFE_SHARE else "safe"
    asked, replied = WORDS[number % 4], WORDS[number % 3]
    if number % 2:
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": replied}]
        prompt = tokenizer.apply_chat_template(
            turns[: 1 + number // 2 % 2], tokenize=False, add_generation_prompt=True
        )
        answer = CHAT[said]
    else:
        prompt, answer = PROMPT.format(prompt=asked, response=replied), RAW[said]
    head: list[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    tail: list[int] = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return [*head, *tail, tokenizer.eos_token_id], len(head)
