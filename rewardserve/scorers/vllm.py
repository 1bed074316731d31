"""A reward model behind vLLM's pooling server: raw logits from `/classify`, texts rendered and counted here.

Texts go as lists of token ids, so that many candidates fit in one question and no BOS is added a second time. Those of
one conversation go one after the other to the same server, whose prefix cache then reads their beginning once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rewardserve.errors import ModelUnusable, ScoringFailed
from rewardserve.scorer import Message, ModelCard, ModelSpec
from rewardserve.scorers.checkpoint import NO_LIMIT
from rewardserve.scorers.engine import Engine, answers_of, served_model, url_of
from rewardserve.scorers.options import Options, options_of
from rewardserve.scorers.texts import Text, Texts, load_tokenizer, refuse_too_long
from rewardserve.scorers.transformers import name_of


class VllmOptions(Options):
    """What only this backend is asked."""

    engine_model: str | None = None  # its name there; None: the only one there is


def load(spec: ModelSpec) -> "VllmScorer":
    """The tokenizer of `spec.model` and the servers of `spec.url`, comma-separated; raises ModelUnusable."""
    options = options_of(VllmOptions, spec.options)
    texts = Texts(load_tokenizer(spec), spec)
    engines = [Engine(url.strip(), spec) for url in url_of(spec).split(",")]
    try:
        return VllmScorer(engines, texts, spec, options)
    except ModelUnusable:
        for engine in engines:
            engine.close()
        raise


class VllmScorer:
    """One reward model on one or more servers."""

    def __init__(
        self, engines: Sequence[Engine], texts: Texts, spec: ModelSpec, options: VllmOptions
    ) -> None:
        self._engines = engines
        self._texts = texts
        self._label = spec.label_index
        models = [served_model(engine.models(), options.engine_model) for engine in engines]
        self._model = str(models[0]["id"])
        self.card = ModelCard(
            name=name_of(spec),
            architecture="vLLM",
            parameters=0,  # the server does not say
            max_tokens=limit_of(models, spec.max_tokens),
            device="engine",
            dtype="engine's",
            prefix_sharing=True,
            input="chat" if texts.tokenizer.chat_template else "plain",
        )

    def prepare(
        self, messages: Sequence[Message], candidates: Sequence[str], *, partial: bool = False
    ) -> list[Text]:
        """Render and tokenize; raises BadInput for what the template or the model cannot take."""
        texts = self._texts.of(messages, candidates, partial=partial)
        refuse_too_long(texts, self.card.max_tokens)
        return texts

    def score(self, items: Sequence[Text]) -> list[float]:
        """One raw logit per item; one question for each server that a conversation of the batch belongs to."""
        rewards = [0.0] * len(items)
        shares = self._shares(items)
        asked = [engine.begin("/classify", self._question(items, rows)) for engine, rows in shares]
        for (_, rows), answer in zip(shares, answers_of(asked), strict=True):
            for row, logit in zip(rows, logits_of(answer, len(rows), self._label), strict=True):
                rewards[row] = logit
        return rewards

    def _question(self, items: Sequence[Text], rows: Sequence[int]) -> dict[str, Any]:
        # Without the last field a model with one label answers with a sigmoid, and good candidates tie at 1.
        return {"model": self._model, "input": [items[row].ids for row in rows], "use_activation": False}

    def _shares(self, items: Sequence[Text]) -> list[tuple[Engine, list[int]]]:
        """Each server with the rows that go there, those of a conversation together."""
        order = sorted(range(len(items)), key=lambda row: items[row].conversation)
        shares: list[list[int]] = [[] for _ in self._engines]
        for row in order:
            shares[items[row].conversation % len(self._engines)].append(row)
        return [(engine, rows) for engine, rows in zip(self._engines, shares, strict=True) if rows]

    def close(self) -> None:
        """Close every connection."""
        for engine in self._engines:
            engine.close()


def logits_of(answer: Any, count: int, label: int | None) -> list[float]:
    """The reward's logit of each text, by the index that the server gives it; raises ScoringFailed."""
    try:
        rows = sorted(answer["data"], key=lambda row: int(row["index"]))
        indices = [int(row["index"]) for row in rows]
        found = [[float(value) for value in row["probs"]] for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise ScoringFailed("the engine's answer holds no logits") from error
    if indices != list(range(count)):
        raise ScoringFailed(f"the engine's answer is not one row for each of {count} texts")
    widths = {len(row) for row in found}
    if label is None and widths != {1}:
        raise ScoringFailed("the engine's model has several labels; say which is the reward: --label-index")
    index = label or 0
    if index >= min(widths):
        raise ScoringFailed(f"--label-index {index}: the engine's model has labels 0 to {min(widths) - 1}")
    return [row[index] for row in found]


def limit_of(models: Sequence[Mapping[str, Any]], wish: int | None) -> int:
    """The most tokens that every server reads, or fewer if asked for."""
    told = [int(model["max_model_len"]) for model in models if model.get("max_model_len")]
    able = min(told, default=NO_LIMIT)
    if wish is not None and wish > able:
        raise ModelUnusable(f"max_tokens {wish} is more than the engine reads, {able}")
    return wish or able
