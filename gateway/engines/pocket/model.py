"""The policy model in this process: any Hugging Face causal language model, and its adapters.

A version is a copy of the model's modules that shares every weight its adapter leaves alone; adapted weights
are merged into tensors of their own. So versions never touch each other, and each is as fast as the base.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
from jinja2 import TemplateError
from peft import PeftModel
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from gateway.engines.pocket.adapters import check_adapter
from gateway.engines.pocket.errors import AdapterBroken, BadRequest, ContextTooLong, WeightsBroken
from gateway.engines.pocket.job import Version
from gateway.engines.pocket.lane import Lane
from gateway.engines.pocket.text import bytes_of

Message = Mapping[str, Any]
WITHOUT_A_LIMIT = 1_000_000  # a tokenizer or a configuration that knows no context writes a huge number


class UnsupportedModel(Exception):
    """The model cannot be decoded with the engine's cache."""


@dataclass(frozen=True, eq=False, slots=True)
class Weights:
    """One version's modules; compared by identity."""

    net: PreTrainedModel
    path: str


class PocketModel:
    """Weights, tokenizer and context of one base model."""

    def __init__(self, base: Weights, tokenizer: PreTrainedTokenizerBase, context: int | None = None) -> None:
        self.base = base
        self.tokenizer = tokenizer
        self.vocabulary = int(base.net.config.get_text_config().vocab_size)
        self.eos = _ids(base.net.generation_config.eos_token_id) | _ids(tokenizer.eos_token_id)
        self.context = min(_context(base.net), context or WITHOUT_A_LIMIT)
        self._shapes = {
            name: tuple(tensor.shape) for name, tensor in base.net.named_parameters(remove_duplicate=False)
        }
        self._prove()

    @classmethod
    def load(
        cls,
        source: Path | str,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        context: int | None = None,
        threads: int | None = None,
    ) -> "PocketModel":
        """From a directory, or by its name from the hub where that is reachable.

        `threads` is a setting of the whole process, and left alone if not given.
        """
        with _no_progress_bars():
            net = AutoModelForCausalLM.from_pretrained(source, dtype=getattr(torch, dtype)).to(device).eval()
        net.requires_grad_(requires_grad=False)
        if threads:
            torch.set_num_threads(threads)
        return cls(Weights(net, str(source)), AutoTokenizer.from_pretrained(source), context)

    def adapter(self, path: Path, *, name: str = "adapter", max_rank: int = 64) -> Weights:
        """A version made of the base and the LoRA adapter in a directory; the base is not touched."""
        tied = bool(self.base.net.config.get_text_config().tie_word_embeddings)
        check_adapter(name, path, self._shapes, tied=tied, max_rank=max_rank)
        try:
            merged = PeftModel.from_pretrained(_twin(self.base.net), str(path)).merge_and_unload(
                safe_merge=True
            )
        except (RuntimeError, ValueError, KeyError, TypeError, OSError) as error:
            raise AdapterBroken(f"{name} does not fit this model: {error}") from error
        return Weights(cast("PreTrainedModel", merged.eval()), str(path))

    def weights(self, path: Path) -> Weights:
        """Other weights of the same shapes, which are the base from now on; the tokenizer stays."""
        try:
            with _no_progress_bars():
                net = AutoModelForCausalLM.from_pretrained(path, dtype=self.base.net.dtype)
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise WeightsBroken(f"the weights in {path} cannot be read: {error}") from error
        shapes = {name: tuple(each.shape) for name, each in net.named_parameters(remove_duplicate=False)}
        if shapes != self._shapes:
            raise WeightsBroken(f"the weights in {path} are another model's")
        net.requires_grad_(requires_grad=False)
        self.base = Weights(net.to(self.base.net.device).eval(), str(path))
        return self.base

    def lane(self, version: Version) -> Lane:
        """An empty lane on a version."""
        assert isinstance(version, Weights)
        return Lane(version.net, version.net.device)

    def render(
        self,
        messages: Sequence[Message],
        *,
        go_on: bool = False,
        prompt: bool = True,
        template: Mapping[str, Any] = MappingProxyType({}),
    ) -> tuple[int, ...]:
        """A conversation as token ids, by the model's chat template, which is told what `template` holds.

        `go_on` leaves the last message open, to be continued.
        """
        if reserved := template.keys() & signature(self.tokenizer.apply_chat_template).parameters.keys():
            raise BadRequest(f"A chat template cannot be told {min(reserved)}.", param="chat_template_kwargs")
        try:
            ids = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                add_generation_prompt=prompt,
                continue_final_message=go_on,
                tokenize=True,
                return_dict=False,
                **template,
            )
        except (TemplateError, TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            raise BadRequest(
                f"The chat template refused these messages: {error}", param="messages"
            ) from error
        return tuple(ids)

    def encode(self, text: str, *, special: bool = True) -> tuple[int, ...]:
        """A text as token ids, with those that the tokenizer adds around every text, or without."""
        try:
            return tuple(self.tokenizer(text, add_special_tokens=special)["input_ids"])
        except (TypeError, ValueError) as error:
            raise BadRequest(f"The tokenizer refused this text: {error}", param="prompt") from error

    def text(self, tokens: Sequence[int]) -> str:
        """Token ids as text, without special tokens."""
        return self.tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def token(self, token: int) -> tuple[str, list[int]]:
        """One token as text and as UTF-8 bytes, for log probabilities."""
        shown = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
        return shown, bytes_of(str(self.tokenizer.convert_ids_to_tokens(token)), shown)

    def room(self, prompt: Sequence[int], wanted: int) -> int:
        """How many tokens an answer may have; raises unless that is at least `wanted`."""
        left = self.context - len(prompt)
        if left < max(wanted, 1):
            raise ContextTooLong(self.context, len(prompt), wanted)
        return left

    def _prove(self) -> None:
        """Refuse a model whose scores, token by token through our slots, differ from those of one pass."""
        if max(len(self.tokenizer), *(1 + token for token in self.eos)) > self.vocabulary:
            raise UnsupportedModel(f"the tokenizer knows more than the model's {self.vocabulary} tokens")
        tokens = [0, 1, 2, 3]
        lane = Lane(self.base.net, self.base.net.device)
        try:
            same = lane.agrees(tokens)
        except (
            RuntimeError,
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
            IndexError,
            NotImplementedError,
        ) as error:
            raise UnsupportedModel(
                f"{self.base.path} cannot be decoded step by step here: {error}"
            ) from error
        if not same:
            raise UnsupportedModel(f"{self.base.path} needs a cache of its own kind; serve it with vLLM")


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """A bar for two seconds of loading is noise in a server's log."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _ids(found: int | list[int] | None) -> frozenset[int]:
    return frozenset() if found is None else frozenset([found] if isinstance(found, int) else found)


def _context(net: PreTrainedModel) -> int:
    """The longest sequence that full attention can read; the engine's cache offers no other."""
    config = net.config.get_text_config()
    limits = [getattr(config, "max_position_embeddings", None)]
    kinds = getattr(config, "layer_types", None) or ["sliding_attention"]
    if any("full" not in kind for kind in kinds):
        limits.append(getattr(config, "sliding_window", None))
    return min((limit for limit in limits if limit), default=WITHOUT_A_LIMIT)


def _twin(net: nn.Module) -> nn.Module:
    """A copy of the modules over the same storage; its parameters can be replaced, the original stays."""
    shared: dict[int, object] = {
        id(weight): nn.Parameter(weight.data, requires_grad=False) for weight in net.parameters()
    }
    shared |= {id(buffer): buffer for buffer in net.buffers()}
    return copy.deepcopy(net, shared)
