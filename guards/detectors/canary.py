"""The canary guard: a system prompt, or a string planted in one, that comes out in a reply.

What is compared are letters and digits alone, in the text and in its readings (decoded, reversed, drawn together), so
that a prompt given away in base64 or letter by letter is found, too. What the user or a tool said anyway is no leak.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from guards.detectors.runs import Origin, Squeezed, squeezed
from guards.kinds import Reach
from guards.policy.strict import Strict
from guards.verdict import Context, Segment, Span, Verdict, Where

HAZARD = "G.prompt_leak"
SYSTEM = frozenset({"system", "developer"})
LEAST_CANARY = 8  # letters and digits; fewer stand in texts by chance
CHARS_A_WORD = 10  # that a word and what stands around it may take
SURE, LIKELY = 1.0, 0.9
REMEMBERED = 64  # system prompts


class CanaryConfig(Strict):
    """What must not come out: planted strings, and, when asked, the request's own system prompt."""

    strings: tuple[Annotated[str, Field(max_length=400)], ...] = ()
    from_system: bool = False
    words: Annotated[int, Field(ge=4, le=200)] = 12  # in a row, as they stand in the system prompt

    @field_validator("strings")
    @classmethod
    def long_enough(cls, strings: tuple[str, ...]) -> tuple[str, ...]:
        """Refuses a string that any text might hold."""
        for each in strings:
            if len(squeezed(each).text) < LEAST_CANARY:
                raise ValueError(
                    f"a canary needs at least {LEAST_CANARY} letters and digits, drawn by chance; one has fewer"
                )
        return strings

    @model_validator(mode="after")
    def something(self) -> Self:
        """Refuses a guard that looks for nothing."""
        if not (self.strings or self.from_system):
            raise ValueError("looks for nothing: give it strings, or from_system: true")
        return self


class Canary:
    """The kind `canary`."""

    config = CanaryConfig

    def hazards(self, config: CanaryConfig, where: Where) -> frozenset[str]:
        """The system prompt given away."""
        return frozenset({HAZARD})

    def located(self, config: CanaryConfig) -> frozenset[str]:
        """All: what comes out has its place."""
        return frozenset({HAZARD})

    def reach(self, config: CanaryConfig, hazards: frozenset[str]) -> Reach:
        """The longest string in full; of a system prompt as many words as make a leak."""
        run = config.words * CHARS_A_WORD if config.from_system else 0
        return Reach(max(run, *map(len, config.strings), 0), "a leak of the system prompt")

    def revision(self, config: CanaryConfig) -> str:
        """Nothing beside the document decides."""
        return "1"

    def build(self, name: str, config: CanaryConfig) -> "CanaryGuard":
        """The guard."""
        return CanaryGuard(name, config)


class CanaryGuard:
    """Looks for what it was given, and for what the conversation's own system prompt says."""

    def __init__(self, name: str, config: CanaryConfig) -> None:
        self.name = name
        self.config = config
        self.strings = tuple(dict.fromkeys(squeezed(each).text for each in config.strings))
        self._origins: OrderedDict[bytes, Origin] = OrderedDict()

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment, in the light of the system prompt."""
        return self.check_now(segment, context)

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        """The segment's own, and the conversation's where the system prompt is looked for."""
        if not self.secrets(context):
            return (segment.text,)
        return (segment.text, *(text for turn in context.turns for text in turn))

    def weighs(self, segment: Segment, context: Context) -> int:
        """The segment's length, and that of system prompts which are not known yet."""
        fresh = [text for text in self.secrets(context) if context.digest_of(text) not in self._origins]
        return len(segment.text) + sum(map(len, fresh))

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        """The verdict, computed here and now."""
        started = time.perf_counter()
        origins = [self.origin_of(text, context) for text in self.secrets(context)]
        spans: dict[tuple[int, int], Span] = {}
        probability = 0.0
        for view in context.work.views(segment.text):
            context.work.go_on()
            shown = squeezed(view.text)
            for start, end, label, sure in self.leaks(shown, origins, context):
                place = view.locate(shown.places[start], shown.places[end - 1] + 1)
                spans.setdefault(place, Span(*place, HAZARD, label, view.path))
                probability = max(probability, sure)
        scores = {HAZARD: probability} if spans else {}
        return Verdict(self.name, scores, tuple(spans.values()), time.perf_counter() - started)

    def secrets(self, context: Context) -> list[str]:
        """The system prompts that must not come out; one that is shorter than a leak cannot."""
        if not self.config.from_system:
            return []
        least = 2 * self.config.words
        return [text for role, text in context.turns if role in SYSTEM and len(text) >= least]

    def origin_of(self, text: str, context: Context) -> Origin:
        """A system prompt ready for looking up; kept, since every piece of a stream asks again."""
        key = context.digest_of(text)
        known = self._origins.get(key)
        if known is None:
            known = self._origins[key] = Origin(text, self.config.words)
            if len(self._origins) > REMEMBERED:
                self._origins.popitem(last=False)
        return known

    def leaks(
        self, shown: Squeezed, origins: Sequence[Origin], context: Context
    ) -> Iterator[tuple[int, int, str, float]]:
        """Where a reading holds a planted string, or enough of a system prompt in a row."""
        for string in self.strings:
            start = shown.text.find(string)
            while start >= 0:
                yield start, start + len(string), "canary", SURE
                start = shown.text.find(string, start + len(string))
        said: list[str] | None = None
        for origin in origins:
            for run in origin.runs(shown.text):
                if run.words < self.config.words:
                    continue
                said = said_anyway(context) if said is None else said
                if not any(shown.text[run.start : run.end] in text for text in said):
                    yield run.start, run.end, "system prompt", LIKELY


def said_anyway(context: Context) -> list[str]:
    """What users and tools have said, squeezed: repeating it gives nothing away."""
    return [squeezed(text).text for role, text in context.turns if role not in SYSTEM and role != "assistant"]
