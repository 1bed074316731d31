"""Any Hugging Face sequence-classification reward model, in this process: raw logits, never a sigmoid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from jinja2 import TemplateError
from transformers.utils.logging import disable_progress_bar

from rewardserve.errors import BadInput, TooLong
from rewardserve.packing import Packing, pack
from rewardserve.render import Disarm, chat_of, pair_of, plain_of, turns_of
from rewardserve.scorer import Message, ModelCard, ModelSpec, Spent
from rewardserve.scorers.checkpoint import Checkpoint, load_checkpoint
from rewardserve.scorers.heads import Head, head_of, in_order, most_on
from rewardserve.scorers.prefix import PrefixSharing


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation with one candidate, as token ids."""

    ids: tuple[int, ...]
    segments: tuple[int, ...] | None  # token types, for models that read pairs
    conversation: int  # items with the same number probably begin alike
    shared: (
        int  # where the candidate begins, as far as can be told: what lies before it is the conversation's
    )

    @property
    def tokens(self) -> int:
        """Its length, special tokens included."""
        return len(self.ids)


def load(spec: ModelSpec) -> "TransformersScorer":
    """Load the model that `spec` names; raises ModelUnusable with what to do."""
    if spec.cpu_threads is not None:
        torch.set_num_threads(spec.cpu_threads)
    disable_progress_bar()  # of weights, which take seconds; downloads keep theirs
    return TransformersScorer(load_checkpoint(spec), spec)


class TransformersScorer:
    """A loaded reward model and its tokenizer."""

    def __init__(self, checkpoint: Checkpoint, spec: ModelSpec) -> None:
        self._tokenizer = checkpoint.tokenizer
        self._head: Head = head_of(checkpoint)
        self._reading = checkpoint.reading
        self._most = most_on(checkpoint.device, spec.batch_padded_tokens)
        self._sharing = PrefixSharing.proven(self._head, self._most) if spec.prefix_sharing else None
        self.spent = Spent(0, 0, 0)
        self._disarm = Disarm(special_tokens(checkpoint.tokenizer))
        self._system: Literal["keep", "drop"] = spec.system_messages
        self.card = ModelCard(
            name=name_of(spec),
            architecture=type(checkpoint.model).__name__,
            parameters=sum(p.numel() for p in checkpoint.model.parameters()),
            max_tokens=checkpoint.max_tokens,
            device=str(checkpoint.device),
            dtype=str(checkpoint.model.dtype).removeprefix("torch."),
            prefix_sharing=self._sharing is not None,
            input=self._input(),
            heads=tuple(checkpoint.reading.heads),
        )

    def _input(self) -> Literal["chat", "pair", "plain"]:
        if self._tokenizer.chat_template:
            return "chat"
        return "plain" if self._head.causal else "pair"

    def prepare(
        self, messages: Sequence[Message], candidates: Sequence[str], *, partial: bool = False
    ) -> list[Encoded]:
        """Render and tokenize; raises BadInput for what the template or the model cannot take."""
        turns = turns_of([Message(m.role, self._disarm(m.content)) for m in messages], system=self._system)
        conversation = hash(tuple(turns))
        encoded = []
        for number, candidate in enumerate(candidates):
            item = self._encode(turns, self._disarm(candidate), conversation, partial=partial)
            if item.tokens > self.card.max_tokens:
                raise TooLong(
                    f"the conversation with this candidate is {item.tokens} tokens; the reward model reads "
                    f"at most {self.card.max_tokens}. Nothing is cut: send less",
                    param=f"candidates[{number}]",
                )
            encoded.append(item)
        return encoded

    def _encode(self, turns: list[Message], candidate: str, conversation: int, *, partial: bool) -> Encoded:
        if self.card.input == "pair":
            out = self._tokenizer(*pair_of(turns, candidate))
            segments = out.get("token_type_ids")
            return Encoded(tuple(out["input_ids"]), tuple(segments) if segments else None, conversation, 0)
        chat = self.card.input == "chat"
        text = self._rendered(turns, candidate, partial=partial) if chat else spoken(turns, candidate)
        out = self._tokenizer(text, add_special_tokens=not chat)
        ids = tuple(out["input_ids"])
        if partial and not chat:
            ids = without_end(ids, self._tokenizer.eos_token_id)
        if not ids:
            raise BadInput("nothing is left of this conversation when it is rendered", param="messages")
        return Encoded(ids, None, conversation, beginning_of(out, text, candidate))

    def _rendered(self, turns: list[Message], candidate: str, *, partial: bool) -> str:
        """The text of a chat; a partial one is what its finished form begins with."""
        finished = self._templated(turns, candidate)
        if not partial:
            return finished
        begun = self._templated(turns, candidate, continue_final_message=True)
        if not finished.startswith(begun):
            raise BadInput(
                "the model's chat template cannot render a beginning of an answer: "
                "finished, it does not begin in the same way",
                param="partial",
            )
        return begun

    def _templated(self, turns: list[Message], candidate: str, **how: bool) -> str:
        try:
            text: str = self._tokenizer.apply_chat_template(chat_of(turns, candidate), tokenize=False, **how)
        except TemplateError as error:
            raise BadInput(
                f"the model's chat template refuses this conversation: {error}", param="messages"
            ) from error
        except ValueError as error:  # whose message holds the whole conversation
            raise BadInput(
                "the model's chat template leaves out or changes the candidate", param="messages"
            ) from error
        return text

    @torch.inference_mode()
    def score(self, items: Sequence[Encoded]) -> list[float]:
        """One raw reward per item: equal items once, and shared beginnings once where that is proven equal and pays."""
        groups = groups_of(dict.fromkeys(items))
        together = self._that_share(groups)
        shared = {item.conversation for group in together for item in group}
        alone = [item for group in groups for item in group if item.conversation not in shared]
        rewards: dict[Encoded, float] = {}
        packings: list[Packing] = []
        if self._sharing is not None and together:
            plan = self._sharing.plan([[item.ids for item in group] for group in together])
            packings += [packing for stage in plan for packing in (stage.before, stage.endings)]
            read = self._reading.rewards(self._sharing.score(plan))
            rewards.update(zip(chain.from_iterable(together), read, strict=True))
        if alone:
            packings.append(pack([item.tokens for item in alone], self._most, overhead=self._head.overhead))
            rewards.update(zip(alone, self._reading.rewards(self._plain(alone, packings[-1])), strict=True))
        self.spent = spent_on(items, packings)
        return [rewards[item] for item in items]

    def _that_share(self, groups: Sequence[list[Encoded]]) -> list[list[Encoded]]:
        """The groups whose beginnings are worth to be run first."""
        if self._sharing is None:
            return []
        saving = [group for group in groups if self._sharing.saved([item.ids for item in group])]
        return saving if self._sharing.pays([[item.ids for item in group] for group in saving]) else []

    def _plain(self, items: Sequence[Encoded], packing: Packing) -> torch.Tensor:
        """The logits of whole texts, those of like length together."""
        logits = [
            self._head.score([items[row].ids for row in rows], [items[row].segments for row in rows])
            for rows in packing.passes
        ]
        return in_order(logits, packing.passes)


def groups_of(items: Iterable[Encoded]) -> list[list[Encoded]]:
    """The items of each conversation, in order of first appearance."""
    groups: dict[int, list[Encoded]] = {}
    for item in items:
        groups.setdefault(item.conversation, []).append(item)
    return list(groups.values())


def spent_on(items: Sequence[Encoded], packings: Sequence[Packing]) -> Spent:
    """What scoring the items cost."""
    read = sum(packing.read for packing in packings)
    asked = sum(item.tokens for item in items)
    return Spent(read, sum(packing.padded for packing in packings), asked - read)


def spoken(turns: Sequence[Message], candidate: str) -> str:
    """A conversation as paragraphs, the candidate the last."""
    return plain_of([*turns, Message("assistant", candidate)])


def without_end(ids: tuple[int, ...], end: int | None) -> tuple[int, ...]:
    """The ids without the token that ends a text, if they end in it and hold more."""
    return ids[:-1] if len(ids) > 1 and ids[-1] == end else ids


def beginning_of(encoded: Any, text: str, candidate: str) -> int:
    """How many tokens lie before the candidate; 0 where that cannot be told."""
    said = candidate.strip()  # as templates may render it
    place = text.rfind(said)
    if not said or place <= 0 or not encoded.is_fast:
        return 0
    return int(encoded.char_to_token(place) or len(encoded["input_ids"]) - 1)


def special_tokens(tokenizer: Any) -> list[str]:
    """Every string that the tokenizer takes for a control token, the unnamed ones included."""
    added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return [*tokenizer.all_special_tokens, *added]


def name_of(spec: ModelSpec) -> str:
    """The name that requests may use: as configured, or the folder's, never its path."""
    if spec.served_name:
        return spec.served_name
    folder = Path(spec.model)
    return folder.resolve().name if folder.is_dir() else spec.model
