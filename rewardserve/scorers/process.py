"""A process reward model, in this process: each step of an answer is scored, and the steps become one reward.

Two kinds. A head that labels tokens (TRL's PRMTrainer, Qwen's Math-PRM family) is read at the tag behind each step. A
language model that says good or bad (Math-Shepherd, Wang et al. 2024) is read at the same place, as the log-odds of
its two words. Either way a step's score is raw log-odds, never a probability.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForTokenClassification

from rewardserve.errors import ModelUnusable, TooLong
from rewardserve.render import chat_of, plain_of
from rewardserve.reward import Reward
from rewardserve.scorer import Message, ModelCard, ModelSpec
from rewardserve.scorers.checkpoint import (
    device_of,
    dtype_of,
    first_line,
    limit_of,
    refuse_odd_folder,
    refuse_untrained,
)
from rewardserve.scorers.heads import padded
from rewardserve.scorers.options import Options, options_of
from rewardserve.scorers.texts import Texts, load_tokenizer
from rewardserve.scorers.transformers import name_of

TOGETHER: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "mean": fmean,
    "last": lambda steps: steps[-1],
}


class ProcessOptions(Options):
    """How steps are found, marked, read and put together."""

    separator: str = "\n\n"  # between the steps of an answer
    tag: str = "\n"  # put behind each step: the place that is read
    together: Literal["min", "mean", "last"] = "min"
    good_label: int = 1  # of the token labels: the one that means a right step
    good: str | None = None  # for language models: the word behind a right step …
    bad: str | None = None  # … and behind a wrong one


@dataclass(frozen=True, slots=True)
class Stepped:
    """A conversation with one candidate as token ids, and the places behind its steps."""

    ids: tuple[int, ...]
    places: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Its length."""
        return len(self.ids)


def load(spec: ModelSpec) -> "ProcessScorer":
    """Load the model that `spec` names; raises ModelUnusable."""
    options = options_of(ProcessOptions, spec.options)
    if (options.good is None) != (options.bad is None):
        raise ModelUnusable("options.good and options.bad: a language model wants both, token labels neither")
    refuse_odd_folder(spec.model)
    if spec.cpu_threads is not None:
        torch.set_num_threads(spec.cpu_threads)
    device = device_of(spec.device)
    texts = Texts(load_tokenizer(spec), spec)
    kind = AutoModelForTokenClassification if options.good is None else AutoModelForCausalLM
    try:
        config = AutoConfig.from_pretrained(spec.model, trust_remote_code=spec.trust_remote_code)
        model, report = kind.from_pretrained(
            spec.model,
            config=config,
            dtype=dtype_of(spec.dtype, device),
            trust_remote_code=spec.trust_remote_code,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelUnusable(f"{spec.model} cannot be loaded: {first_line(error)}") from error
    refuse_untrained(spec.model, report)
    return ProcessScorer(model.to(device).eval(), texts, spec, options)


class ProcessScorer:
    """A loaded process reward model; the heads of a reward tell the other ways of putting its steps together."""

    def __init__(self, model: Any, texts: Texts, spec: ModelSpec, options: ProcessOptions) -> None:
        self._model = model
        self._texts = texts
        self._options = options
        self._good, self._bad = self._columns(int(model.config.get_text_config().num_labels))
        self._tag = self._tokens(options.tag)
        if not self._tag:
            raise ModelUnusable("options.tag: it is no token, so there is no place to read a step at")
        self.card = ModelCard(
            name=name_of(spec),
            architecture=type(model).__name__,
            parameters=sum(p.numel() for p in model.parameters()),
            max_tokens=limit_of(model.config.get_text_config(), texts.tokenizer, spec.max_tokens),
            device=str(model.device),
            dtype=str(model.dtype).removeprefix("torch."),
            prefix_sharing=False,
            input="chat" if texts.tokenizer.chat_template else "plain",
        )

    def _columns(self, labels: int) -> tuple[int, int | None]:
        """Which columns of the logits are read; with one label alone its logit is the score."""
        if self._options.good is not None:
            return self._word(self._options.good), self._word(self._options.bad or "")
        if labels == 1:
            return 0, None
        if labels != 2 or self._options.good_label not in (0, 1):
            raise ModelUnusable(
                f"a process reward model labels a token right or wrong; this has {labels} labels"
            )
        return self._options.good_label, 1 - self._options.good_label

    def _word(self, word: str) -> int:
        ids = self._tokens(word)
        if len(ids) != 1:
            raise ModelUnusable(
                f"options: {word!r} is {len(ids)} tokens of this model; a verdict must be one"
            )
        return ids[0]

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._texts.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def prepare(
        self, messages: Sequence[Message], candidates: Sequence[str], *, partial: bool = False
    ) -> list[Stepped]:
        """The question, then each step with the tag behind it; raises BadInput. Only whole steps of a partial one."""
        asked = self._asked(messages)
        items = [
            stepped(
                asked, [self._tokens(step) for step in self._steps(candidate, partial=partial)], self._tag
            )
            for candidate in candidates
        ]
        for number, item in enumerate(items):
            if item.tokens > self.card.max_tokens:
                raise TooLong(
                    f"the conversation with this candidate is {item.tokens} tokens; the reward model reads "
                    f"at most {self.card.max_tokens}. Nothing is cut: send less",
                    param=f"candidates[{number}]",
                )
        return items

    def _asked(self, messages: Sequence[Message]) -> list[int]:
        turns = self._texts.turns(messages)
        if self._texts.tokenizer.chat_template:
            chat = chat_of(turns, "")[:-1]
            return self._tokens(self._texts.render(chat, add_generation_prompt=True))
        ids: list[int] = self._texts.tokenizer(plain_of(turns) + "\n\n")["input_ids"]
        return ids

    def _steps(self, candidate: str, *, partial: bool) -> list[str]:
        """The steps that say anything; an answer without any is one empty step."""
        steps = self._texts.disarmed(candidate).split(self._options.separator)
        if partial and len(steps) > 1:
            steps.pop()
        return [step.strip() for step in steps if step.strip()] or [""]

    @torch.inference_mode()
    def score(self, items: Sequence[Stepped]) -> list[float]:
        """One reward per item: its steps' log-odds, put together."""
        pad = self._model.config.get_text_config().pad_token_id or 0
        ids, mask = padded([item.ids for item in items], pad, self._model.device)
        logits = self._model(input_ids=ids, attention_mask=mask).logits
        return [self._reward(logits[row], item) for row, item in enumerate(items)]

    def _reward(self, logits: torch.Tensor, item: Stepped) -> Reward:
        read = logits[list(item.places)].float()
        scores = read[:, self._good] - (0.0 if self._bad is None else read[:, self._bad])
        steps: list[float] = scores.tolist()
        heads = {name: combine(steps) for name, combine in TOGETHER.items()}
        return Reward(heads[self._options.together], heads | {"steps": float(len(steps))})


def stepped(asked: Sequence[int], steps: Sequence[Sequence[int]], tag: Sequence[int]) -> Stepped:
    """The question and the steps in a row; the place of a step is the last token of the tag behind it."""
    ids, places = list(asked), []
    for step in steps:
        ids += [*step, *tag]
        places.append(len(ids) - 1)
    return Stepped(tuple(ids), tuple(places))
