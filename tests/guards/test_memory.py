"""Verdicts that are remembered: of the same texts only, of prompts only, and never more than so many."""

from collections.abc import Sequence

from guards.judgement import Judgement
from guards.memory import Memory, key_of
from guards.verdict import Context, Segment, Span, Verdict
from tests.fakes.guards import WordGuard, word_screen


class Reader(WordGuard):
    """Looks for words here and now, so that its verdicts may be remembered."""

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        return (segment.text, *(text for _, text in context.turns))

    def weighs(self, segment: Segment, context: Context) -> int:
        return len(segment.text)

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        self.shown.append(segment)
        return Verdict(self.name, {"hte": 1.0} if "canary" in segment.text else {})


def segments(*texts: str, where: str = "prompt") -> Sequence[Segment]:
    return [Segment(text, where) for text in texts]  # type: ignore[arg-type]


async def test_a_text_that_comes_again_is_not_read_again() -> None:
    guard = Reader()
    screen = word_screen(guard=guard)
    first = await screen.prompt(segments("a system prompt", "a canary"))
    again = await screen.prompt(segments("a system prompt", "a canary", "something new"))
    assert [segment.text for segment in guard.shown] == ["a system prompt", "a canary", "something new"]
    assert again.findings == first.findings
    assert again.scanned_bytes == sum(map(len, ("a system prompt", "a canary", "something new")))


async def test_what_was_found_in_one_conversation_says_nothing_of_another() -> None:
    guard = Reader()
    screen = word_screen(guard=guard)
    await screen.prompt(segments("yes"), Context((("user", "tea?"),)))
    await screen.prompt(segments("yes"), Context((("user", "poison?"),)))
    assert len(guard.shown) == 2


async def test_a_reply_is_no_prompt() -> None:
    guard = Reader()
    screen = word_screen(guard=guard)
    for _ in range(2):
        await screen.prompt(segments("Hello."))
        await screen.reply(segments("Hello.", where="reply"))
    assert len(guard.shown) == 2


async def test_what_a_guard_reads_counts_in_its_order() -> None:
    guard = Reader()
    screen = word_screen(guard=guard)
    for turns in (
        (("user", "a"), ("user", "b"), ("user", "a")),
        (("user", "a"), ("user", "a"), ("user", "b")),
    ):
        await screen.prompt(segments("yes"), Context(turns))
    assert len(guard.shown) == 2


def test_a_text_full_of_findings_is_not_kept() -> None:
    memory, spans = Memory(), tuple(Span(place, place + 1, "prv") for place in range(100))
    memory.keep(b"a", Judgement(verdicts=(Verdict("words", {"prv": 1.0}, spans),)))
    assert memory.recall(b"a") is None


def test_the_longest_unused_is_forgotten_first() -> None:
    memory, one = Memory(most=2), Judgement()
    memory.keep(b"a", one)
    memory.keep(b"b", one)
    memory.recall(b"a")
    memory.keep(b"c", one)
    assert [memory.recall(key) for key in (b"a", b"b", b"c")] == [one, None, one]


def test_no_two_lists_of_texts_share_a_key() -> None:
    assert (
        len(
            {
                key_of("prompt", read)
                for read in ((b"ab", b"c"), (b"a", b"bc"), (b"abc",), (b"abc", b""), (b"\xed\xa0\x80",))
            }
        )
        == 5
    )
