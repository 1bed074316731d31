"""Models of entailment: read from a folder, asked in pairs, refused where none of their labels is entailment."""

from pathlib import Path

import pytest
from transformers import BertConfig, BertForSequenceClassification

from guards.detectors.grounding import Grounding, GroundingConfig
from guards.models.entailment import EntailmentModel, load_entailment
from guards.verdict import Context, GuardUnavailable, Segment
from tests.fakes.tiny_sentences import tiny_sentences


def tiny_entailment(folder: Path, *labels: str) -> Path:
    tiny_sentences(folder, ["roof", "needs", "panes"])  # for its tokenizer
    config = BertConfig(
        vocab_size=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=16,
        max_position_embeddings=64,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_each_premise_has_its_own_chance(tmp_path: Path) -> None:
    model = EntailmentModel(tiny_entailment(tmp_path, "CONTRADICTION", "NEUTRAL", "ENTAILMENT"))
    together = model.entailed(["the roof needs panes", "panes " * 500], "the roof")
    assert together[0] == pytest.approx(model.entailed(["the roof needs panes"], "the roof")[0], abs=1e-5)
    assert all(0 < each < 1 for each in together)
    assert model.entailed([], "the roof") == []


def test_a_model_without_entailment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GuardUnavailable, match="none of its labels"):
        load_entailment(tiny_entailment(tmp_path, "good", "bad"))


def test_a_policy_names_one(tmp_path: Path) -> None:
    folder = tiny_entailment(tmp_path / "nli", "not_entailment", "entailment")
    config = GroundingConfig.model_validate({"model": "nli"}, context={"folder": folder.parent})
    by, kind = Grounding().build("grounding", config), Grounding()
    verdict = by.check_now(
        Segment("The roof needs panes.", "reply"), Context((("tool", "The roof needs panes."),))
    )
    assert 0 < verdict.scores["G.ungrounded"] < 1
    assert len(kind.revision(config)) == 64
