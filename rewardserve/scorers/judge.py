"""Any instructed model behind an OpenAI-compatible engine as a reward model: by a rubric, or by comparing in pairs."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial as later
from itertools import combinations
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field

from rewardserve.bradley_terry import Comparison, strengths
from rewardserve.errors import BadInput, ModelUnusable, ScoringFailed, TooLong
from rewardserve.reward import Reward
from rewardserve.scorer import Message, ModelCard, ModelSpec
from rewardserve.scorers.engine import Engine, served_model, url_of
from rewardserve.scorers.judge_words import (
    CHOICE,
    RUBRIC,
    SCALE,
    fenced,
    first_wins,
    question,
    score_of,
    told,
)
from rewardserve.scorers.options import Options, options_of

log = logging.getLogger(__name__)
CHARACTERS_PER_TOKEN = 4  # about; the engine counts for itself, and this only bounds batches
LIKELIEST = 20  # the most that OpenAI's dialect tells of one place
PATH = "/v1/chat/completions"


class JudgeOptions(Options):
    """How a judge judges."""

    mode: Literal["rubric", "pairwise"] = "rubric"
    rubric: str = RUBRIC
    lowest: Annotated[int, Field(ge=0)] = 1
    highest: Annotated[int, Field(ge=1, le=99)] = 10
    least_coverage: Annotated[float, Field(gt=0, le=1)] = (
        0.5  # of the probability, by what could be an answer
    )
    all_pairs_up_to: Annotated[int, Field(ge=2)] = 5  # candidates; more are compared with anchors only
    anchors: Annotated[int, Field(ge=1)] = 2
    at_once: Annotated[int, Field(ge=1, le=256)] = 8  # questions that the engine is asked at the same time
    most_characters: Annotated[int, Field(ge=1)] = 100_000
    body: dict[str, Any] = Field(default_factory=dict)  # put over the request's own; null leaves a field out


@dataclass(slots=True)
class Panel:
    """One conversation with the candidates that compete, and what was found of them, once it was."""

    messages: Sequence[Message]
    candidates: Sequence[str]
    partial: bool
    rewards: list[float] | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One candidate of a panel."""

    panel: Panel = field(repr=False)
    place: int
    tokens: int


def load(spec: ModelSpec) -> "JudgeScorer":
    """The judge called `spec.model` on the engine at `spec.url`; raises ModelUnusable."""
    options = options_of(JudgeOptions, spec.options)
    if options.lowest >= options.highest:
        raise ModelUnusable("options.lowest: must be less than options.highest")
    engine = Engine(url_of(spec), spec, at_once=options.at_once)
    try:
        return JudgeScorer(engine, served_model(engine.models(), spec.model), spec, options)
    except ModelUnusable:
        engine.close()
        raise


class JudgeScorer:
    """A judge; in pairwise mode a candidate's reward holds among its own siblings only."""

    def __init__(
        self, engine: Engine, model: Mapping[str, Any], spec: ModelSpec, options: JudgeOptions
    ) -> None:
        self._engine = engine
        self._model = str(model["id"])
        self._options = options
        self.card = ModelCard(
            name=spec.served_name or self._model,
            architecture=f"judge ({options.mode})",
            parameters=0,  # the engine does not say
            max_tokens=spec.max_tokens or int(model.get("max_model_len") or 1_000_000),
            device="engine",
            dtype="engine's",
            prefix_sharing=False,
            input="chat",
        )

    def prepare(
        self, messages: Sequence[Message], candidates: Sequence[str], *, partial: bool = False
    ) -> list[Judged]:
        """The candidates as one panel; raises BadInput for what is too long, or has nothing to compare with."""
        if self._options.mode == "pairwise" and len(candidates) < 2:
            raise BadInput("a judge that compares needs two candidates", param="candidates")
        said = sum(len(message.content) for message in messages)
        for number, candidate in enumerate(candidates):
            if said + len(candidate) > self._options.most_characters:
                raise TooLong(
                    f"the conversation with this candidate is {said + len(candidate)} characters; the judge reads "
                    f"at most {self._options.most_characters}. Nothing is cut: send less",
                    param=f"candidates[{number}]",
                )
        panel = Panel(messages, candidates, partial)
        return [
            Judged(panel, place, 1 + (said + len(candidate)) // CHARACTERS_PER_TOKEN)
            for place, candidate in enumerate(candidates)
        ]

    def score(self, items: Sequence[Judged]) -> list[float]:
        """The reward of each item; a panel that a batch cuts in two is judged once, and whole."""
        if self._options.mode == "rubric":
            return self._by_rubric(items)
        return failing_alone([later(self._in_panel, item) for item in items])

    def _in_panel(self, item: Judged) -> float:
        if item.panel.rewards is None:
            item.panel.rewards = self._by_comparing(item.panel)
        return item.panel.rewards[item.place]

    def _by_rubric(self, items: Sequence[Judged]) -> list[float]:
        """The mean score of each; its doubt is the head `sd`."""
        options = self._options
        wanted = SCALE.format(lowest=options.lowest, highest=options.highest)
        bodies = []
        for item in items:
            parts = [told(item.panel.messages), fenced("answer", item.panel.candidates[item.place])]
            bodies.append(self._body(question(options.rubric, wanted, parts, partial=item.panel.partial)))
        answers = self._engine.ask_each(PATH, bodies)

        def reward(answer: Any) -> Reward:
            mean, doubt = score_of(heard(answer), options.lowest, options.highest, options.least_coverage)
            return Reward(mean, {"sd": doubt})

        return failing_alone([later(reward, answer) for answer in answers])

    def _by_comparing(self, panel: Panel) -> list[float]:
        """Bradley–Terry strengths from both orders of each pair; heads: chance of winning, and how order mattered."""
        options = self._options
        pairs = pairs_of(len(panel.candidates), options.all_pairs_up_to, options.anchors)
        both = [order for first, second in pairs for order in ((first, second), (second, first))]
        answers = self._engine.ask_each(PATH, [self._comparing(panel, *order) for order in both])
        chances = [first_wins(heard(answer), options.least_coverage) for answer in answers]
        orders = list(zip(chances[::2], chances[1::2], strict=True))
        compared = [
            Comparison(first, second, (ahead + 1 - behind) / 2)
            for (first, second), (ahead, behind) in zip(pairs, orders, strict=True)
        ]
        bias = fmean(abs(ahead + behind - 1) for ahead, behind in orders)
        wins = chances_of(len(panel.candidates), compared)
        strong = strengths(len(panel.candidates), compared)
        return [Reward(one, {"win": win, "order_bias": bias}) for one, win in zip(strong, wins, strict=True)]

    def _comparing(self, panel: Panel, first: int, second: int) -> dict[str, Any]:
        answers = zip(("answer_a", "answer_b"), (first, second), strict=True)
        parts = [told(panel.messages), *(fenced(tag, panel.candidates[place]) for tag, place in answers)]
        return self._body(question(self._options.rubric, CHOICE, parts, partial=panel.partial))

    def _body(self, messages: list[dict[str, str]]) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "temperature": 0,
            "max_tokens": 4,
            "logprobs": True,
            "top_logprobs": LIKELIEST,
        }
        return {name: value for name, value in (asked | self._options.body).items() if value is not None}

    def close(self) -> None:
        """Close every connection."""
        self._engine.close()


def heard(answer: Any) -> Any:
    """The answer; raises the ScoringFailed that stands in its place."""
    if isinstance(answer, ScoringFailed):
        raise answer
    return answer


def failing_alone(asked: Sequence[Callable[[], float]]) -> list[float]:
    """What each gives, and not a number where it fails: the batcher fails that caller alone. All failing is raised."""
    found: list[float] = []
    failed: list[ScoringFailed] = []
    for one in asked:
        try:
            found.append(one())
        except ScoringFailed as error:
            log.warning("the judge: %s", error.message)
            failed.append(error)
            found.append(math.nan)
    if failed and len(failed) == len(asked):
        raise failed[0]
    return found


def pairs_of(count: int, all_up_to: int, anchors: int) -> list[tuple[int, int]]:
    """Which candidates are compared: each with each while they are few, else each with the first `anchors`."""
    if count <= all_up_to:
        return list(combinations(range(count), 2))
    return [(anchor, other) for anchor in range(min(anchors, count)) for other in range(anchor + 1, count)]


def chances_of(count: int, compared: Sequence[Comparison]) -> list[float]:
    """How often each wins on average, against those it was compared with."""
    found: list[list[float]] = [[] for _ in range(count)]
    for one in compared:
        found[one.first].append(one.first_wins)
        found[one.second].append(1 - one.first_wins)
    return [fmean(chances) for chances in found]
