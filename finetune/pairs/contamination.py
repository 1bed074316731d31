"""Which pairs hold what an exam asks, in any turn or answer: trained on, the exam would measure memory. Pure."""

from collections.abc import Mapping, Sequence

from finetune.pairs.pair import Pair, content_text
from finetune.pairs.similarity import Known, shingles, words

NGRAM = 13  # a shared run of so many words is contamination however long the texts are
Ngram = tuple[str, ...]


class Asked:
    """What exams ask. Each text is looked at once, however many pairs hold it."""

    def __init__(self, exams: Sequence[Sequence[str]], threshold: float) -> None:
        self._threshold = threshold
        self._known, self._taken = Known(threshold), dict[Ngram, int]()
        sizes: list[int] = []
        self._turns: dict[str, int | None] = {}
        self._answers: dict[str, int | None] = {}
        for place, prompts in enumerate(exams):
            for prompt in prompts:
                found = shingles(prompt)
                self._known.add(place, found)
                sizes.append(len(found))
                for run in runs(words(prompt)):
                    self._taken.setdefault(run, place)
        self._least, self._most = min(sizes, default=0), max(sizes, default=0)
        self._ends = frozenset((run[0], run[-1]) for run in self._taken)

    def touched(self, pair: Pair) -> int | None:
        """The first exam of which a pair holds something, by its place; None where there is none."""
        turns = (self._in_turn(content_text(message.get("content"))) for message in pair.messages)
        answers = (self._in_answer(text) for text in (pair.chosen, pair.rejected))
        return min((found for found in (*turns, *answers) if found is not None), default=None)

    def _in_turn(self, text: str) -> int | None:
        """The first exam that asks nearly the same as a turn says, or shares a long run of words with it."""
        if text not in self._turns:
            found = (self._like(text), self._in_answer(text))
            self._turns[text] = min((each for each in found if each is not None), default=None)
        return self._turns[text]

    def _in_answer(self, text: str) -> int | None:
        """The first exam that shares a long run of words with a text: answers are no questions, and may hold one."""
        if text not in self._answers:
            self._answers[text] = self._shared(words(text))
        return self._answers[text]

    def _shared(self, told: Sequence[str]) -> int | None:
        if self._ends.isdisjoint(
            zip(told, told[NGRAM - 1 :], strict=False)
        ):  # mostly; many times faster than runs
            return None
        return min((self._taken[run] for run in runs(told) if run in self._taken), default=None)

    def _like(self, text: str) -> int | None:
        found = shingles(text)
        # The index is at most the smaller size over the larger: a text of another length needs no signature.
        if len(found) < self._threshold * self._least or self._most < self._threshold * len(found):
            return None
        return self._known.like(found)


def decontaminate(
    pairs: list[Pair], exams: Mapping[str, Sequence[str]], threshold: float
) -> tuple[list[Pair], dict[str, int]]:
    """Nothing that holds what an exam asks: near-duplicates of its prompts, or a long run of shared words.

    With it how many pairs touched each exam; one that touches several counts for the first of them.
    """
    names = list(exams)
    asked = Asked([exams[name] for name in names], threshold)
    touched, kept = dict.fromkeys(names, 0), []
    for pair in pairs:
        place = asked.touched(pair)
        if place is None:
            kept.append(pair)
        else:
            touched[names[place]] += 1
    return kept, touched


def runs(told: Sequence[str]) -> set[Ngram]:
    """Every run of 13 words."""
    return {tuple(told[i : i + NGRAM]) for i in range(len(told) - NGRAM + 1)}
