"""Sentence models in sentence-transformers' format: pooled as their folders say, refused where they cannot be read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from guards.models.sentences import SentenceModel, folder_of, load_sentences, revision_of
from guards.verdict import GuardUnavailable
from tests.fakes.tiny_sentences import tiny_sentences

WORDS = ["a", "b", "c", "d", "e", "f"]


def vectors_of(folder: Path) -> Any:
    """The vectors of the words themselves, before anything is pooled."""
    model = SentenceModel(folder)
    with torch.no_grad():
        tokens = model.tokenizer(["a b c"], return_tensors="pt")
        return model.model(**tokens).last_hidden_state[0].numpy()


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_mean_tokens": True}, lambda v: v.mean(0)),
        ({"pooling_mode_cls_token": True}, lambda v: v[0]),
        ({"pooling_mode_lasttoken": True}, lambda v: v[-1]),
        ({"pooling_mode_max_tokens": True}, lambda v: v.max(0)),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, lambda v: v.sum(0)),
        ({"pooling_mode_weightedmean_tokens": True}, lambda v: v[0] + 2 * v[1] + 3 * v[2]),
        ({"pooling_mode": "mean"}, lambda v: v.mean(0)),
        ({}, lambda v: v.mean(0)),
        (
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            lambda v: np.concatenate([v[0], v.mean(0)]),
        ),
    ],
)
def test_a_text_is_pooled_as_the_folder_says(pooling: dict[str, Any], expected: Any, tmp_path: Path) -> None:
    folder = tiny_sentences(tmp_path, WORDS, pooling)
    wanted = expected(vectors_of(folder))
    # Beside a longer text, so that padding would show.
    found = SentenceModel(folder).embed(["a b c", "a b c d e f"])[0]
    assert np.allclose(found, wanted / np.linalg.norm(wanted), atol=1e-5)


def test_every_text_has_its_own_vector_whatever_the_order(tmp_path: Path) -> None:
    model = SentenceModel(tiny_sentences(tmp_path, WORDS))
    texts = ["a b c d", "b", "c a", *["d e f"] * 40, "a"]
    together = model.embed(texts)
    assert np.allclose(together, [model.embed([text])[0] for text in texts], atol=1e-5)
    assert model.embed([]).shape == (0, 0)


def test_a_dense_layer_is_applied(tmp_path: Path) -> None:
    folder = tiny_sentences(tmp_path, WORDS, more=[("2_Dense", "Dense"), ("", "Normalize")])
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "config.json").write_text(
        '{"activation_function": "torch.nn.modules.activation.Tanh"}'
    )
    matrix = torch.randn(4, 64)
    save_file(
        {"linear.weight": matrix, "linear.bias": torch.ones(4)}, folder / "2_Dense" / "model.safetensors"
    )
    wanted = np.tanh(matrix.numpy() @ vectors_of(folder).mean(0) + 1)
    assert np.allclose(SentenceModel(folder).embed(["a b c"])[0], wanted / np.linalg.norm(wanted), atol=1e-5)


def test_a_default_prompt_stands_before_every_text(tmp_path: Path) -> None:
    folder = tiny_sentences(tmp_path, WORDS)
    plain = SentenceModel(folder).embed(["a b"])
    told = {"prompts": {"query": "a "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told))
    assert np.allclose(SentenceModel(folder).embed(["b"]), plain, atol=1e-6)


def test_a_text_is_cut_where_the_sight_ends(tmp_path: Path) -> None:
    model = SentenceModel(tiny_sentences(tmp_path, WORDS))
    assert np.allclose(model.embed(["a b " * 500]), model.embed(["a b " * 16]), atol=1e-5)


def test_a_bare_transformer_is_pooled_by_the_mean(tmp_path: Path) -> None:
    folder = tiny_sentences(tmp_path, WORDS)
    with_modules = SentenceModel(folder).embed(["a b"])
    (folder / "modules.json").unlink()
    assert np.allclose(SentenceModel(folder).embed(["a b"]), with_modules, atol=1e-6)


@pytest.mark.parametrize(
    ("pooling", "more", "said"),
    [
        ({"pooling_mode": "attention"}, [], "pools by attention"),
        ({}, [("2_LSTM", "LSTM")], "type LSTM"),
        ({}, [("2_Dense", "Dense")], "No such file"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(
    pooling: dict[str, Any], more: list[tuple[str, str]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(GuardUnavailable, match=said):
        load_sentences(tiny_sentences(tmp_path, WORDS, pooling, more))


@pytest.mark.parametrize("name", ["./nowhere", "a/b/c", "/nowhere"])
def test_a_folder_that_is_none_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(GuardUnavailable, match="no such folder"):
        folder_of(name, tmp_path / name, confined=False)


def test_a_confined_policy_fetches_nothing_from_the_hub(tmp_path: Path) -> None:
    with pytest.raises(GuardUnavailable, match="no such folder"):
        folder_of("some/model", tmp_path / "some" / "model", confined=True)


def test_other_weights_are_another_revision(tmp_path: Path) -> None:
    one = revision_of(tiny_sentences(tmp_path / "one", WORDS))
    assert one != revision_of(tiny_sentences(tmp_path / "two", [*WORDS, "g"]))
