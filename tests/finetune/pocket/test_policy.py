"""The policy's training, in miniature, and the tokenizer it makes."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from finetune.exams.contract import ExamPlan  # noqa: E402
from finetune.pocket.corpus import examples  # noqa: E402
from finetune.pocket.policy import TINY, bucketed, drills, encode, pace, train_policy  # noqa: E402
from finetune.train.policy import LocalPolicy, load_policy  # noqa: E402

SAID = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("policy")
    train_policy(examples(1, 150, "train"), out, seed=1, progress=lambda *_: None, recipe=TINY)
    return out


@pytest.fixture(scope="module")
def sampler(folder: Path) -> LocalPolicy:
    return load_policy(str(folder), None)


def test_the_folder_holds_safetensors_and_a_chat_template(folder):
    assert (folder / "model.safetensors").exists()
    assert (folder / "chat_template.jinja").exists()


def test_the_same_seed_samples_the_same_answers(sampler):
    first, second = (sampler.sample([SAID], ExamPlan(samples=3), 4) for _ in range(2))
    assert first == second


def test_a_system_turn_is_rendered_and_the_answer_is_opened(sampler):
    text = sampler.tokenizer.apply_chat_template(
        [{"role": "system", "content": "Be kind."}, *SAID], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|begin|><|system|>Be kind.<|end|><|user|>Hi<|end|><|assistant|>"


def test_any_text_survives_the_tokenizer(sampler):
    text = "Grüße, 你好 \U0001f600 1234\n\tend"
    assert sampler.tokenizer.decode(sampler.tokenizer(text)["input_ids"]) == text


def test_replies_weigh_more_than_prompts(sampler):
    ids, weights = encode(sampler.tokenizer, examples(1, 1, "train")[0])
    assert ids[-1] == sampler.tokenizer.eos_token_id
    assert weights[0] < 1.0
    assert weights[-1] == 1.0


def test_every_row_is_in_one_batch_and_padding_weighs_nothing():
    rows = [([7] * size, [1.0] * size) for size in range(1, 60)]
    batches = list(bucketed(rows, 64, 2))
    assert sum(int(weights.sum()) for _, weights in batches) == sum(range(1, 60))


def test_drills_ask_for_what_was_said(sampler):
    ids, weights = drills(sampler.tokenizer, 1, 5)[0]
    said = len(ids) // 2 - 2
    assert ids[2 : 2 + said] == ids[-1 - said : -1]
    assert sum(weights) == said + 1


def test_the_pace_rises_and_falls():
    paces = [pace(step, 100, 0.1) for step in range(100)]
    assert max(paces) == 1.0
    assert paces[0] < 0.2
    assert paces[-1] < 0.05
