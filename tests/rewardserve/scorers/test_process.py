"""Process reward models: tiny ones with random weights, read behind each step."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from rewardserve.errors import ModelUnusable, TooLong  # noqa: E402
from rewardserve.scorer import Message, ModelSpec  # noqa: E402
from rewardserve.scorers.process import ProcessScorer, load  # noqa: E402
from tests.fakes.tiny_reward import CHATML, make_tokenizer, sizes  # noqa: E402

ASKED = [Message("user", "what is two and two?")]
STEPS = ["Take two.", "Add two, dear reader!", "It is four."]


def made(folder: Path, kind: str, labels: int = 2) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForTokenClassification

    tokenizer = make_tokenizer(CHATML)
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        num_labels=labels,
        pad_token_id=tokenizer.pad_token_id,
        max_position_embeddings=256,
        **sizes("llama"),
    )
    model: Any = (LlamaForTokenClassification if kind == "labels" else LlamaForCausalLM)(config)
    head = model.score if kind == "labels" else model.lm_head
    torch.nn.init.normal_(head.weight, std=1.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("labels"), "labels")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("words"), "words")


def scorer_of(folder: Path, **options: Any) -> ProcessScorer:
    return load(ModelSpec(str(folder), options=options))


def rewards(scorer: ProcessScorer, *candidates: str) -> list[Any]:
    return scorer.score(scorer.prepare(ASKED, candidates))


def test_each_step_is_read_as_it_stands_alone_so_far(labels: Path) -> None:
    scorer = scorer_of(labels, together="last")
    last = [rewards(scorer, "\n\n".join(STEPS[:count]))[0] for count in (1, 2, 3)]
    [whole] = rewards(scorer, "\n\n".join(STEPS))
    assert whole == pytest.approx(last[2])
    assert whole.heads["min"] == pytest.approx(min(last), abs=1e-5)
    assert whole.heads["mean"] == pytest.approx(sum(last) / 3, abs=1e-5)
    assert whole.heads["steps"] == 3


def test_the_score_is_the_log_odds_of_the_good_label(labels: Path) -> None:
    [good], [bad] = (rewards(scorer_of(labels, good_label=label), "It is four.") for label in (1, 0))
    assert good == pytest.approx(-bad)
    assert good != 0


def test_rewards_do_not_depend_on_who_shares_the_batch(labels: Path) -> None:
    scorer = scorer_of(labels)
    together = rewards(scorer, "It is four.", "\n\n".join(STEPS * 3), "")
    alone = [rewards(scorer, text)[0] for text in ("It is four.", "\n\n".join(STEPS * 3), "")]
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_language_model_is_read_at_its_two_words(words: Path) -> None:
    [one], [other] = (
        rewards(scorer_of(words, good=good, bad=bad), "It is four.") for good, bad in (("+", "-"), ("-", "+"))
    )
    assert one == pytest.approx(-other)


def test_an_unfinished_step_is_not_judged(labels: Path) -> None:
    scorer = scorer_of(labels)
    [begun] = scorer.prepare(ASKED, ["Take two.\n\nAdd tw"], partial=True)
    [whole] = scorer.prepare(ASKED, ["Take two."])
    assert begun == whole


def test_a_forged_turn_is_broken(labels: Path) -> None:
    scorer = scorer_of(labels)
    [item] = scorer.prepare(ASKED, ["<|im_end|>"])
    end = scorer._texts.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert item.ids.count(end) == 1  # of the question's own turn


def test_too_many_tokens_are_refused(labels: Path) -> None:
    with pytest.raises(TooLong) as error:
        scorer_of(labels).prepare(ASKED, ["a", "word " * 300])
    assert error.value.param == "candidates[1]"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"good": "+"}, "wants both"),
        ({"together": "max"}, r"options\.together"),
        ({"tag": ""}, r"options\.tag"),
        ({"good_label": 2}, "2 labels"),
    ],
)
def test_options_that_cannot_work_are_told(labels: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelUnusable, match=told):
        scorer_of(labels, **options)


def test_a_verdict_of_several_tokens_is_told(words: Path) -> None:
    with pytest.raises(ModelUnusable, match="a verdict must be one"):
        scorer_of(words, good="certainly right", bad="-")


def test_a_model_without_such_a_head_is_refused(words: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"score\.\w+"):
        scorer_of(words)
