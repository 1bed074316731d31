"""The classifier guard: a trained model's probabilities for a prompt, or for a reply to one."""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationInfo, field_validator, model_validator

from guards.detectors.history import Exchange, before, last_turn, opening, shortened
from guards.kinds import Reach
from guards.models.grams import normal
from guards.models.ngram import NgramModel, load_ngram
from guards.policy.beside import beside
from guards.policy.strict import Strict
from guards.text.sieve import Sieve
from guards.text.view import View
from guards.vault import ID_LETTERS, LETTERS
from guards.verdict import Context, GuardUnavailable, Segment, Verdict, Where
from guards.work import Work

Floats = NDArray[np.float32]

BUNDLED = Path(__file__).parent.parent / "models" / "pocket"
# Logits that a derived view must have beyond the text itself: decoding makes garbage, too.
DISGUISE_DOUBT = np.float32(0.25)
HISTORY_DOUBT = np.float32(1)  # logits that a text read on from earlier ones must have beyond the text itself
BAD, REFUSED = 0.5, 0.1  # a request at least so likely unsafe; an answer to it that is less likely so
NONE = np.float32(0)
# The placeholder of a hidden value, of any template that has its label before its letters.
HIDDEN = re.compile(
    rf"\W?(?:\b[A-Z][A-Z0-9-]{{0,60}}[-:_])?(?<![A-Za-z])[{LETTERS}]{{{ID_LETTERS}}}(?![A-Za-z])[\])}}>\u203a]?"
)
STAND_IN = " anna@example.org"  # what is read in its place: it says as little as the value itself
ID_SIEVE = Sieve(rf"[{LETTERS}]{{{ID_LETTERS}}}")
LONGEST_LABEL = 60
FEW_WORDS_DOUBT = {0: np.float32(16), 1: np.float32(2)}  # by the spaces in the text
REMEMBERED_REQUESTS = 1024


class ClassifierConfig(Strict):
    """Which model judges: a folder beside the policy, or the pocket model that comes with the package."""

    model: Path | None = None

    @field_validator("model")
    @classmethod
    def beside_policy(cls, model: Path | None, info: ValidationInfo) -> Path | None:
        """Reads a relative name from the policy's folder."""
        return None if model is None else beside(model, info)

    @model_validator(mode="after")
    def readable(self) -> Self:
        """Refuses a folder without a model, so that the fault shows at load."""
        try:
            loaded(self.folder)
        except GuardUnavailable as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def folder(self) -> Path:
        """Where the model lies."""
        return self.model or BUNDLED


class Classifier:
    """The kind `classifier`."""

    config = ClassifierConfig

    def hazards(self, config: ClassifierConfig, where: Where) -> frozenset[str]:
        """The labels of the model's head for that side."""
        model = loaded(config.folder)
        return frozenset(model.prompt_labels if where == "prompt" else model.reply_labels)

    def located(self, config: ClassifierConfig) -> frozenset[str]:
        """None: it judges a text as a whole."""
        return frozenset()

    def reach(self, config: ClassifierConfig, hazards: frozenset[str]) -> Reach:
        """It judges whatever it is given."""
        return Reach()

    def revision(self, config: ClassifierConfig) -> str:
        """A hash of the weights."""
        return loaded(config.folder).revision

    def build(self, name: str, config: ClassifierConfig) -> "ClassifierGuard":
        """The guard with its model."""
        return ClassifierGuard(name, loaded(config.folder))


class ClassifierGuard:
    """Judges the text as a reader would see it, and its other views with some doubt."""

    def __init__(self, name: str, model: NgramModel) -> None:
        self.name = name
        self.model = model
        self._settled: OrderedDict[bytes, bool] = OrderedDict()  # exchanges of before, by digest

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment; for a reply, in the light of the last request of the conversation."""
        return self.check_now(segment, context)

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        """The segment's own, the request's where a reply is judged, and what was said before."""
        asked = (asked_for(segment, context),) if segment.where == "reply" else ()
        return (segment.text, *asked, *said_before(segment, context), *choices_before(segment))

    def weighs(self, segment: Segment, context: Context) -> int:
        """The segment's length, and those of the request and of what was said before where not remembered."""
        others = (asked_for(segment, context), *said_before(segment, context))
        known = self.model.requests
        fresh = (text for text in others if text and context.digest_of(text) not in known)
        return len(segment.text) + sum(map(len, fresh)) + sum(map(len, choices_before(segment)))

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        """The verdict, computed here and now; a tool's name alone does no harm, and none was learnt from."""
        if segment.part == "tool_name":
            return Verdict(self.name, {})
        if texts := choices_before(segment):
            return self.judge_read_on(segment, "\n".join((*texts, segment.text)), context)
        if not said_before(segment, context):
            return self.judge(segment.text, segment.where, asked_for(segment, context), context)
        return self.judge_in_turn(segment, context)

    def judge_read_on(self, segment: Segment, text: str, context: Context) -> Verdict:
        """The verdict on a reply that goes on from another one, of which a reader may make one text."""
        alone = replace(segment, earlier=())
        verdicts = [self.check_now(each, context) for each in (alone, replace(alone, text=text))]
        own, joint = (each.scores for each in verdicts)
        scores = {label: max(own.get(label, 0.0), doubted(score)) for label, score in joint.items()}
        return Verdict(self.name, scores, (), sum(each.latency_seconds for each in verdicts))

    def judge_in_turn(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a text together with what was said before it, where that makes it worse."""
        started, model = time.perf_counter(), self.model
        asked = self.together(shortened(last_turn(context)), context)
        if segment.where == "prompt":
            head, labels = model.prompt, model.prompt_labels
            logits = np.maximum(self.remembered(segment.text, context), asked - HISTORY_DOUBT)
        else:
            head, labels = model.reply, model.reply_labels
            told = np.maximum(self.remembered(asked_for(segment, context), context), asked - HISTORY_DOUBT)
            logits = self.reply_logits(segment.text, told, context)
            if begun := opening(context):
                logits = np.maximum(
                    logits, self.reply_logits(begun + segment.text, told, context) - HISTORY_DOUBT
                )
        scores = dict(zip(labels, map(float, head.probabilities(logits)), strict=True))
        return Verdict(self.name, scores, (), time.perf_counter() - started)

    def together(self, now: str, context: Context) -> Floats:
        """The prompt head's logits of the last turn read on from the earlier ones that still matter."""
        earlier = [each.asked for each in before(context) if not self.is_settled(each, context)]
        return self.remembered("\n".join((*earlier, now)), context)

    def is_settled(self, exchange: Exchange, context: Context) -> bool:
        """Whether a bad request was refused: it was judged when it came, and must not weigh for ever."""
        logits = self.remembered(exchange.asked, context)
        if float(self.model.prompt.probabilities(logits)[0]) < BAD or not exchange.answered:
            return False
        key = context.digest_of(exchange.asked) + context.digest_of(exchange.answered)
        known = self._settled.get(key)
        if known is None:
            answer = self.reply_logits(exchange.answered, logits, context)
            known = float(self.model.reply.probabilities(answer)[0]) < REFUSED
            self._settled[key] = known
            if len(self._settled) > REMEMBERED_REQUESTS:
                self._settled.popitem(last=False)
        return known

    def judge(self, text: str, where: Where, asked: str = "", context: Context | None = None) -> Verdict:
        """A probability for each label of the side's head."""
        started, context = time.perf_counter(), context or Context()
        if not text.strip():
            return Verdict(self.name, {}, (), time.perf_counter() - started)
        if where == "prompt":
            head, labels, logits = self.model.prompt, self.model.prompt_labels, self.remembered(text, context)
        else:
            head, labels = self.model.reply, self.model.reply_labels
            told = self.remembered(asked, context) if asked.strip() else None
            logits = self.reply_logits(text, told, context)
        scores = dict(zip(labels, map(float, head.probabilities(logits)), strict=True))
        return Verdict(self.name, scores, (), time.perf_counter() - started)

    def prompt_logits(self, text: str, work: Work) -> Floats:
        """The prompt head's logits over all views."""
        return strongest(text, lambda view: self.model.prompt_logits(view, work.go_on) - doubt_of(view), work)

    def reply_logits(self, text: str, prompt: Floats | None, context: Context) -> Floats:
        """The reply head's logits over all views, told what the request got where there is one."""
        work = context.work
        return strongest(text, lambda view: self.model.reply_logits(view, prompt, work.go_on), work)

    def remembered(self, asked: str, context: Context) -> Floats:
        """The logits of a request, kept by its digest alone: its reply, piece by piece, asks for them again."""
        key, requests = context.digest_of(asked), self.model.requests
        known = requests.get(key)
        if known is None:
            known = requests[key] = self.prompt_logits(asked, context.work)
            if len(requests) > REMEMBERED_REQUESTS:
                requests.popitem(last=False)
        return known


def doubt_of(text: str) -> np.float32:
    """Logits that a word or two must have beyond other texts: a label asks for nothing, and none was learnt from."""
    return FEW_WORDS_DOUBT.get(normal(text).count(b" "), NONE) if len(text) < LONGEST_LABEL else NONE


def readings(found: list[View]) -> list[View]:
    """The views that are worth a judgement: first what a reader sees, then what was encoded or disguised."""
    shown = [view for view in found if view.path == "raw>visible"] or found[:1]
    return shown + [view for view in found if view.path not in {"raw", "raw>visible"}]


def strongest(text: str, judge: Callable[[str], Floats], work: Work) -> Floats:
    """What a reader sees, raised by any other view that is clearly worse."""
    logits: list[Floats] = []
    for place, view in enumerate(readings(work.views(spoken_out(text)))):
        work.go_on()
        found = judge(view.text)
        logits.append(found - DISGUISE_DOUBT if place else found)
    combined: Floats = logits[0] if len(logits) == 1 else np.max(logits, axis=0)
    return combined


def spoken_out(text: str) -> str:
    """The text with an ordinary value in place of each placeholder, whose letters are drawn by lot and mean nothing."""
    return HIDDEN.sub(STAND_IN, text) if ID_SIEVE.passes(text) else text


def asked_for(segment: Segment, context: Context) -> str:
    """The request that a segment answers; none for a segment of the prompt."""
    return context.request if segment.where == "reply" else ""


def said_before(segment: Segment, context: Context) -> tuple[str, ...]:
    """What is read together with a segment: nothing where its conversation has but this one text."""
    if segment.where == "prompt" and (segment.turns_ago or segment.part != "content" or not context.turns):
        return ()
    earlier = [text for each in before(context) for text in (each.asked, each.answered)]
    now, begun = last_turn(context), opening(context) if segment.where == "reply" else ""
    alone = now in {segment.text, context.request}
    return () if alone and not earlier and not begun else (*earlier, shortened(now), begun)


def choices_before(segment: Segment) -> tuple[str, ...]:
    """What of a reply stands before a segment of it and is read together with it, each without the middle of much."""
    return tuple(map(shortened, segment.earlier)) if segment.where == "reply" else ()


def doubted(probability: float) -> float:
    """The probability with a logit of doubt."""
    return probability / (probability + (1 - probability) * math.exp(float(HISTORY_DOUBT)))


@lru_cache(maxsize=4)
def loaded(folder: Path) -> NgramModel:
    """The model of a folder, shared by all guards that use it."""
    return load_ngram(folder)
