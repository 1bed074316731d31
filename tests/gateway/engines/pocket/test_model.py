from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    BloomForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from gateway.engines.pocket.cli import PACKAGED
from gateway.engines.pocket.errors import AdapterBroken, BadRequest, ContextTooLong
from gateway.engines.pocket.model import PocketModel, UnsupportedModel
from tests.fakes.decoding import generate
from tests.fakes.tiny_adapter import make_tiny_adapter

ASKED = [[{"role": "user", "content": text}] for text in ("How do I do it?", "flour", "Sure! First you take")]


def weights(model: PocketModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.base.net.state_dict().items()}


def scores(net: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = net(input_ids=torch.tensor([[1, 9, 30, 5]])).logits
    return found


def test_greedy_answers_are_those_of_transformers(model: PocketModel) -> None:
    said = generate(model, ASKED, max_tokens=30, temperature=0.0)
    for messages, texts in zip(ASKED, said, strict=True):
        ids = torch.tensor([model.render(messages)])
        out = model.base.net.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=30
        )
        assert texts == [
            model.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).rstrip("\ufffd")
        ]


def test_a_seed_repeats_all_answers_and_another_changes_them(model: PocketModel) -> None:
    first, again, other = (generate(model, ASKED, n=3, max_tokens=12, seed=seed) for seed in (4, 4, 90))
    assert first == again
    assert first != other
    assert len({text for texts in first for text in texts}) == 9


def test_an_adapter_scores_as_peft_scores(
    model: PocketModel, policy: Path, adapters: dict[str, Path]
) -> None:
    base = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32)
    wanted = scores(PeftModel.from_pretrained(base, adapters["one"]).eval())
    assert torch.allclose(scores(model.adapter(adapters["one"]).net), wanted, atol=1e-4)
    assert not torch.allclose(scores(model.base.net), wanted, atol=1e-2)


def test_an_adapter_leaves_the_base_and_other_adapters_alone(
    model: PocketModel, adapters: dict[str, Path]
) -> None:
    before = weights(model)
    one = model.adapter(adapters["one"])
    alone = scores(one.net)
    model.adapter(adapters["two"])
    assert torch.equal(scores(one.net), alone)
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(model).items())


def test_what_an_adapter_leaves_alone_is_shared(model: PocketModel, adapters: dict[str, Path]) -> None:
    adapted = model.adapter(adapters["one"]).net.state_dict()
    base = model.base.net.state_dict()
    own = {name.split(".")[-2] for name in base if adapted[name].data_ptr() != base[name].data_ptr()}
    assert own == {"q_proj", "v_proj", "o_proj"}


def test_an_adapter_of_numbers_that_are_none_is_refused(
    model: PocketModel, adapters: dict[str, Path], tmp_path: Path
) -> None:
    tensors = load_file(adapters["one"] / "adapter_model.safetensors")
    save_file(
        {name: tensor * torch.nan for name, tensor in tensors.items()}, tmp_path / "adapter_model.safetensors"
    )
    (tmp_path / "adapter_config.json").write_text((adapters["one"] / "adapter_config.json").read_text())
    before = weights(model)
    with pytest.raises(AdapterBroken, match="NaN"):
        model.adapter(tmp_path)
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(model).items())


@pytest.mark.parametrize(
    "changes", [{"use_rslora": True}, {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 9}}]
)
def test_scaling_is_read_from_the_adapters_configuration(
    model: PocketModel, policy: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    make_tiny_adapter(policy, tmp_path, **changes)
    base = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32)
    wanted = scores(PeftModel.from_pretrained(base, tmp_path).eval())
    assert torch.allclose(scores(model.adapter(tmp_path).net), wanted, atol=1e-4)


def test_answers_of_an_adapter_are_asked_for_by_its_directory(
    model: PocketModel, adapters: dict[str, Path]
) -> None:
    plain, one = (
        generate(model, ASKED, max_tokens=8, temperature=0.0, adapter=path)
        for path in (None, adapters["one"])
    )
    assert plain != one


def test_an_open_message_is_continued(model: PocketModel) -> None:
    messages = [*ASKED[0], {"role": "assistant", "content": "Sure! First"}]
    whole = model.render(messages, prompt=False)
    assert model.text(model.render(messages, prompt=False, go_on=True)).endswith("Sure! First")
    assert whole[-1] in model.eos


def test_messages_that_the_template_refuses_are_a_bad_request(model: PocketModel) -> None:
    with pytest.raises(BadRequest, match="template"):
        model.render([{"content": "no role"}], go_on=True)


def test_a_prompt_as_long_as_the_context_is_refused(model: PocketModel) -> None:
    assert model.room([0] * 200, 56) == 56
    with pytest.raises(ContextTooLong, match="maximum context length is 256 tokens"):
        model.room([0] * 200, 57)
    with pytest.raises(ContextTooLong):
        model.room([0] * 256, 0)


def test_a_short_context_can_be_asked_for_and_a_longer_one_not(policy: Path) -> None:
    assert [PocketModel.load(policy, context=context).context for context in (100, 1000)] == [100, 256]


def test_a_sliding_window_bounds_the_context(model: PocketModel, policy: Path, tmp_path: Path) -> None:
    sizes = {"vocab_size": 400, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    config = MistralConfig(**sizes, num_attention_heads=2, num_key_value_heads=1, sliding_window=24)
    MistralForCausalLM(config).save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    assert PocketModel.load(tmp_path).context == 24


def test_a_model_with_a_cache_of_its_own_kind_is_refused_at_the_start(
    model: PocketModel, tmp_path: Path
) -> None:
    BloomForCausalLM(BloomConfig(vocab_size=400, hidden_size=32, n_layer=1, n_head=2)).save_pretrained(
        tmp_path
    )
    model.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModel):
        PocketModel.load(tmp_path)


@pytest.mark.skipif(not (PACKAGED / "config.json").exists(), reason="not built: trimtab pocket build")
def test_the_packaged_policy_answers_in_words() -> None:
    ((said,),) = generate(PocketModel.load(PACKAGED), ASKED[:1], max_tokens=40, temperature=0.0)
    assert len(said.split()) > 2
    assert said.isprintable()


def test_bytes_of_a_token_are_told(model: PocketModel) -> None:
    half, *_, last = model.tokenizer("é you")["input_ids"]
    assert model.token(half)[1] == [0xC3]
    assert model.token(last) == (" you", list(b" you"))
