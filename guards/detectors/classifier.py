"""The classifier guard: a trained model's probabilities for a prompt, or for a reply to one."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationInfo, field_validator, model_validator

from guards.kinds import Reach
from guards.models.ngram import NgramModel, load_ngram
from guards.policy.beside import beside
from guards.policy.document import Strict
from guards.text.view import View
from guards.text.views import views
from guards.verdict import Context, GuardUnavailable, Segment, Verdict, Where

Floats = NDArray[np.float32]

BUNDLED = Path(__file__).parent.parent / "models" / "pocket"
INLINE_CHARS = 3_000  # what takes about a millisecond; longer text is judged in a thread
DISGUISE_DOUBT = (
    1.0  # logits that a derived view must have beyond the text itself: decoding makes garbage, too
)
REMEMBERED_PROMPTS = 256


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
        self.prompts: OrderedDict[bytes, Floats] = (
            OrderedDict()
        )  # by digest: a stream asks for one again and again

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment; for a reply, in the light of the last request of the conversation."""
        asked = last_request(context) if segment.where == "reply" else ""
        if len(segment.text) + len(asked) <= INLINE_CHARS:
            return self.judge(segment.text, segment.where, asked)
        return await asyncio.to_thread(self.judge, segment.text, segment.where, asked)

    def judge(self, text: str, where: Where, asked: str = "") -> Verdict:
        """A probability for each label of the side's head."""
        started = time.perf_counter()
        if not text.strip():
            return Verdict(self.name, {}, (), time.perf_counter() - started)
        if where == "prompt":
            head, labels, logits = self.model.prompt, self.model.prompt_labels, self.prompt_logits(text)
        else:
            head, labels = self.model.reply, self.model.reply_labels
            prompt = self.remembered(asked) if asked.strip() else None
            logits = strongest([self.model.reply_logits(view.text, prompt) for view in readings(text)])
        scores = dict(zip(labels, map(float, head.probabilities(logits)), strict=True))
        return Verdict(self.name, scores, (), time.perf_counter() - started)

    def prompt_logits(self, text: str) -> Floats:
        """The prompt head's logits over all views."""
        return strongest([self.model.prompt_logits(view.text) for view in readings(text)])

    def remembered(self, asked: str) -> Floats:
        """The logits of a request, kept by its digest alone."""
        key = hashlib.blake2b(asked.encode(errors="surrogatepass"), digest_size=16).digest()
        known = self.prompts.get(key)
        if known is None:
            known = self.prompts[key] = self.prompt_logits(asked)
            if len(self.prompts) > REMEMBERED_PROMPTS:
                self.prompts.popitem(last=False)
        return known


def readings(text: str) -> list[View]:
    """The views that are worth a judgement: first what a reader sees, then what was encoded or disguised."""
    found = views(text)
    shown = [view for view in found if view.path == "raw>visible"] or found[:1]
    return shown + [view for view in found if view.path not in {"raw", "raw>visible"}]


def strongest(logits: list[Floats]) -> Floats:
    """The first view's logits, raised by any other view that is clearly worse."""
    first, *others = logits
    combined: Floats = np.max([first, *(other - np.float32(DISGUISE_DOUBT) for other in others)], axis=0)
    return combined


def last_request(context: Context) -> str:
    """What the user said last."""
    return next((text for role, text in reversed(context.turns) if role == "user"), "")


@lru_cache(maxsize=4)
def loaded(folder: Path) -> NgramModel:
    """The model of a folder, shared by all guards that use it."""
    return load_ngram(folder)
