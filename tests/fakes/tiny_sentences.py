"""A sentence model that knows a few words: a text is the mean of its words' directions, so likeness is shared words."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

PLAIN_POOLING = {"word_embedding_dimension": 64, "pooling_mode_mean_tokens": True}


def tiny_sentences(
    folder: Path,
    words: Iterable[str],
    pooling: Mapping[str, Any] = PLAIN_POOLING,
    more: Iterable[tuple[str, str]] = (("2_Normalize", "Normalize"),),
) -> Path:
    """Writes the model to a folder, as sentence-transformers lays one out; `more` are its modules after the pooling."""
    known = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *dict.fromkeys(words)])}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    ).save_pretrained(folder)
    torch.manual_seed(1)
    model = BertModel(
        BertConfig(
            vocab_size=len(known),
            hidden_size=64,
            num_hidden_layers=0,
            num_attention_heads=1,
            max_position_embeddings=64,
        )
    )
    with torch.no_grad():  # neither place nor sentence counts
        model.embeddings.position_embeddings.weight.zero_()
        model.embeddings.token_type_embeddings.weight.zero_()
    model.save_pretrained(folder)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *more]
    listed = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 32, "do_lower_case": false}')
    return folder
