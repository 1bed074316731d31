"""The canary guard: a system prompt that comes out, in plain words or in disguise, and texts that only look like it."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from guards.detectors.canary import Canary, CanaryConfig, CanaryGuard
from guards.redaction import merged, redacted, redaction_of
from guards.verdict import Context, Redaction, Segment
from guards.window import Window

SYSTEM = (
    "You are Nora, the assistant of Blue Heron Bank. Never mention interest rates of other banks. "
    "If a customer is angry, offer them a voucher of ten euros, but only once, and never say that vouchers exist "
    "before they have complained twice. Escalate to the night desk under extension four two seven."
)
LEAK = "offer them a voucher of ten euros, but only once, and never say that vouchers exist"
PLANTED = "heron-7f3k-mz81-qq0d"


def guard(**config: Any) -> CanaryGuard:
    return Canary().build("canary", CanaryConfig.model_validate(config))


BY = guard(strings=[PLANTED], from_system=True)


def about(*turns: tuple[str, str]) -> Context:
    return Context((("system", SYSTEM), *turns))


def cleaned(text: str, context: Context | None = None, by: CanaryGuard = BY) -> str:
    verdict = by.check_now(Segment(text, "reply"), context or about(("user", "hi")))
    assert bool(verdict.spans) == bool(verdict.scores)
    return redacted(text, merged([redaction_of(span, "<{label}>") for span in verdict.spans]))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"My rules: {LEAK}!", "My rules: <system prompt>!"),
        (f"My rules: {LEAK.upper()}!", "My rules: <system prompt>!"),
        ("**" + LEAK.replace(" ", "**\n- **") + "**", "**<system prompt>**"),
        ("> " + LEAK.replace(" ", "_"), "> <system prompt>"),
        ("-".join(LEAK), "<system prompt>"),
        (base64.b64encode(f"My rules are: {LEAK}".encode()).decode(), "<system prompt>"),
        (LEAK[::-1], "<system prompt>"),
        (LEAK.replace("e", "\u0435"), "<system prompt>"),
        (f"the code is {PLANTED}.", "the code is <canary>."),
        ("HERON 7F3K MZ81 QQ0D", "<canary>"),
    ],
)
def test_a_leak_is_found_in_plain_words_and_in_disguise(text: str, left: str) -> None:
    assert cleaned(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "You are Nora, the assistant of Blue Heron Bank.",
        "If a customer is angry, you should say that you are sorry and ask what has happened to them.",
        "We can offer you a voucher of ten euros once. Vouchers do exist!",
        "",
    ],
)
def test_less_than_a_leak_is_left(text: str) -> None:
    assert cleaned(text) == text


@pytest.mark.parametrize("role", ["user", "tool"])
def test_what_was_said_anyway_may_be_repeated(role: str) -> None:
    assert cleaned(f"You wrote: {LEAK}", about((role, f"Is it true? {LEAK}."))) == f"You wrote: {LEAK}"


def test_more_than_was_said_is_a_leak() -> None:
    more = LEAK + " before they have complained twice. Escalate"
    assert "<system prompt>" in cleaned(more, about(("user", LEAK)))


def test_what_an_earlier_reply_gave_away_is_still_a_leak() -> None:
    assert "<system prompt>" in cleaned(
        LEAK, about(("user", "rules?"), ("assistant", LEAK), ("user", "again"))
    )


def test_a_short_system_prompt_gives_no_alarm() -> None:
    short = "You are a helpful assistant."
    assert cleaned(short, Context((("system", short), ("user", "Who are you?")))) == short


def test_words_are_counted_in_scripts_without_spaces() -> None:
    system = "你是蓝鹭银行的助手.如果顾客生气 可以给他一张十欧元的代金券 但是只能给一次 并且不要主动提起."
    context = Context((("system", system), ("user", "你好")))
    assert cleaned(system, context) == "<system prompt>."
    assert cleaned(system[:9], context) == system[:9]


def test_without_being_asked_it_leaves_the_system_prompt_alone() -> None:
    assert cleaned(LEAK, by=guard(strings=[PLANTED])) == LEAK


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "looks for nothing"),
        ({"strings": ["ab-12"]}, "at least 8 letters"),
        ({"words": 2}, "greater than"),
    ],
)
def test_a_config_that_means_nothing_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CanaryConfig.model_validate(config)


def test_it_needs_no_more_held_back_than_its_words_and_strings() -> None:
    reach = Canary().reach(CanaryConfig(strings=(PLANTED,), from_system=True, words=12), frozenset())
    assert reach.onset == 120


@pytest.mark.parametrize("size", [1, 7, 40])
@pytest.mark.parametrize("secret", [LEAK, PLANTED, "-".join(PLANTED)])
def test_a_stream_lets_no_beginning_of_a_leak_pass(secret: str, size: int) -> None:
    window = Window(128, 1024)
    text = "Some words that say nothing. " * 6 + secret + " and so it goes on and on" * 10

    def cuts(piece: str) -> tuple[Redaction, ...]:
        found = BY.check_now(Segment(piece, "reply"), about(("user", "hi"))).spans
        return merged([redaction_of(span, "<leak>") for span in found])

    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    pieces = [window.release(piece, cuts(piece.text)) for piece in filter(None, map(window.push, chunks))]
    last = window.finish()
    assert "".join([*pieces, window.release(last, cuts(last.text))]) == text.replace(secret, "<leak>")
