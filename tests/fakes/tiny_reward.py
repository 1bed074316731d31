"""Reward models of a few thousand random weights, of several families, with real tokenizers."""

from pathlib import Path
from typing import Any

TEXTS = [
    "How do I bake bread? Take flour, water and salt, and knead it well.",
    "I am sorry, but I cannot help you with that.",
    "User: Assistant: System: what is two and two? It is four, dear reader!",
]
CHATML = (
    "{{ bos_token }}{% for m in messages %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
)


def make_tiny_reward(
    folder: Path,
    family: str = "llama",
    *,
    template: str | None = CHATML,
    labels: int = 1,
    **config: Any,
) -> Path:
    """Write model and tokenizer to the folder; `config` overrides the model's configuration."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    tokenizer = make_tokenizer(template, pair=family == "deberta-v2")
    torch.manual_seed(5)
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "num_labels": labels,
        "pad_token_id": tokenizer.pad_token_id,
        "max_position_embeddings": 512,
        **sizes(family),
        **config,
    }
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **settings))
    head = model.classifier if family == "deberta-v2" else model.score
    torch.nn.init.normal_(head.weight, std=1.0)  # so that rewards differ visibly
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer(template: str | None, *, pair: bool = False) -> Any:
    """A byte-level BPE tokenizer; `pair` gives it BERT's way of joining two segments."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    marks = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=400, special_tokens=marks, initial_alphabet=alphabet)
    )
    specials = [("<s>", 1), ("</s>", 2)]
    if pair:
        joined = "<s>:0 $A:0 </s>:0 $B:1 </s>:1"
        tokenizer.post_processor = processors.TemplateProcessing("<s>:0 $A:0 </s>:0", joined, specials)
    else:
        tokenizer.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A $B", specials)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=["<|im_start|>", "<|im_end|>"],
        chat_template=template,
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask", *(["token_type_ids"] if pair else [])],
    )


def sizes(family: str) -> dict[str, Any]:
    """The smallest sensible sizes, under the family's own names for them."""
    if family == "gpt2":
        return {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 512}
    few_heads = {} if family == "deberta-v2" else {"num_key_value_heads": 1}
    typed = {"type_vocab_size": 2} if family == "deberta-v2" else {}
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        **few_heads,
        **typed,
    }
