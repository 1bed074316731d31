"""What is hidden comes back exactly, and nothing else does."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards.vault import Restorer, Vault
from guards.verdict import Redaction, Screening, Segment

TEMPLATE = "[{label}-{id}]"
TEXTS = st.text(st.sampled_from('ab[]-E\n"\\é😀 1@.'), max_size=40)
LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def screening(
    segments: list[Segment], cuts: list[list[tuple[int, int]]], *, reversible: bool = True
) -> Screening:
    made = tuple(
        tuple(Redaction(start, end, "[gone]", "email address", reversible) for start, end in own)
        for own in cuts
    )
    return Screening("", segments=tuple(segments), redactions=made)


def hidden(vault: Vault, text: str, *cuts: tuple[int, int], part: str = "content") -> str:
    segment = Segment(text, "prompt", part)
    return vault.hide(screening([segment], [list(cuts)]), [segment]).segments[0].text


def one_of(vault: Vault, value: str) -> str:
    return hidden(vault, value, (0, len(value)))


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    text = draw(TEXTS)
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    return text, list(zip(edges[::2], edges[1::2], strict=False))


@given(cut_texts())
def test_what_is_hidden_is_restored_exactly(found: tuple[str, list[tuple[int, int]]]) -> None:
    text, cuts = found
    vault = Vault(TEMPLATE)
    assert vault.restore(hidden(vault, text, *cuts)) == text


@given(cut_texts(), LENGTHS)
def test_a_stream_cut_anywhere_restores_the_same(
    found: tuple[str, list[tuple[int, int]]], lengths: list[int]
) -> None:
    text, cuts = found
    vault = Vault(TEMPLATE)
    said = hidden(vault, text, *cuts) + "[EMAIL-ADDRESS-"
    restorer, told, turn = Restorer(vault), "", 0
    rest = said
    while rest:
        length = lengths[turn % len(lengths)]
        told, rest, turn = told + restorer.push(rest[:length]), rest[length:], turn + 1
    assert told + restorer.finish() == vault.restore(said) == text + "[EMAIL-ADDRESS-"


def test_only_what_may_be_a_placeholder_is_held() -> None:
    vault = Vault(TEMPLATE)
    placeholder = one_of(vault, "jo@example.org")
    restorer = Restorer(vault)
    assert restorer.push("Hi there, ") == "Hi there, "
    assert restorer.push("[EMAIL") == ""
    assert restorer.push("S are") == "[EMAILS are"
    assert restorer.push(placeholder[:-1]) == ""
    assert restorer.push("]!") == "jo@example.org!"


def test_a_value_has_one_placeholder_in_all_messages_and_another_value_another() -> None:
    vault = Vault(TEMPLATE)
    segments = [Segment(text, "prompt") for text in ("a@b.co", "x a@b.co", "c@d.co")]
    texts = [
        one.text for one in vault.hide(screening(segments, [[(0, 6)], [(2, 8)], [(0, 6)]]), segments).segments
    ]
    assert texts[1] == f"x {texts[0]}"
    assert texts[2] != texts[0]


@settings(max_examples=25)
@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=20, unique=True))
def test_two_requests_share_no_placeholder(values: list[str]) -> None:
    vaults = [Vault(TEMPLATE), Vault(TEMPLATE)]
    made = [{one_of(vault, value) for value in values} for vault in vaults]
    assert len(made[0]) == len(values)
    assert not made[0] & made[1]


def test_another_requests_placeholder_and_an_invented_one_are_left() -> None:
    vault, other = Vault(TEMPLATE), Vault(TEMPLATE)
    one_of(vault, "jo@example.org")
    text = f"{one_of(other, 'jo@example.org')} [EMAIL-ADDRESS-bcdfghjklm]"
    assert vault.restore(text) == text


def test_letters_that_stand_in_a_prompt_already_are_no_placeholders() -> None:
    class Fixed(Vault):
        """Draws the same letters first."""

        def _letters(self, value: str, attempt: int) -> str:
            return "bcdf"[attempt] * 10

    vault = Fixed(TEMPLATE)
    told = hidden(vault, "say [xbbbbbbbbbb] and a@b.co", (22, 28))
    assert told.startswith("say [xbbbbbbbbbb] and ")
    assert "cccccccccc" in told
    assert vault.restore(told) == "say [xbbbbbbbbbb] and a@b.co"


def test_a_placeholder_holds_no_digit_and_needs_no_escape() -> None:
    placeholder = one_of(Vault(TEMPLATE), "jo@example.org")
    assert not any(map(str.isdigit, placeholder))
    assert json.dumps(placeholder) == f'"{placeholder}"'


@given(TEXTS.filter(bool))
def test_arguments_stay_json_and_say_the_value(value: str) -> None:
    vault = Vault(TEMPLATE)
    arguments = json.dumps({"to": f"<{one_of(vault, value)}>"})
    assert json.loads(vault.restore(arguments, in_json=True)) == {"to": f"<{value}>"}


def test_a_value_hidden_in_arguments_is_the_value_that_stands_in_the_text() -> None:
    vault = Vault(TEMPLATE)
    told = json.dumps({"name": 'O"Neil'})
    start = told.index("O")
    safe = hidden(vault, told, (start, start + 7), part="tool_arguments")
    assert vault.restore(json.loads(safe)["name"]) == 'O"Neil'


@given(cut_texts())
def test_what_was_restored_can_be_concealed_again(found: tuple[str, list[tuple[int, int]]]) -> None:
    text, cuts = found
    vault = Vault(TEMPLATE)
    values = {text[start:end] for start, end in cuts}
    concealed = vault.conceal(vault.restore(hidden(vault, text, *cuts)))
    if all(len(value) > 3 for value in values):  # shorter ones may stand in a placeholder
        assert not any(value in concealed for value in values)


def test_what_is_cut_for_good_is_not_kept() -> None:
    vault = Vault(TEMPLATE)
    segment = Segment("a@b.co", "prompt")
    told = screening([segment], [[(0, 6)]], reversible=False)
    assert vault.hide(told, [segment]) is told
    assert not vault


@pytest.mark.parametrize("value", ["\ud800", "x" * 10_000, "[EMAIL-ADDRESS-", "\\"])
def test_odd_values_come_back(value: str) -> None:
    vault = Vault(TEMPLATE)
    assert vault.restore(f"« {one_of(vault, value)} »") == f"« {value} »"


def test_many_values_of_one_request_are_hidden_in_one_reading_of_it() -> None:
    looked_at = 0

    class Counted(str):
        """A text that counts how often it is searched."""

        def __contains__(self, part: object) -> bool:
            nonlocal looked_at
            looked_at += 1
            return super().__contains__(str(part))

    text = Counted(" ".join(f"name{number}@example.org" for number in range(300)))
    cuts, place = [], 0
    for word in str(text).split():
        cuts.append(Redaction(place, place + len(word), "x", label="email", reversible=True))
        place += len(word) + 1
    segment = Segment(text, "prompt")
    screening = Screening(text, segments=(segment,), redactions=(tuple(cuts),))
    vault = Vault("[{label}-{id}]")
    hidden = vault.hide(screening, [segment])
    assert looked_at == 0
    assert vault.restore(hidden.text) == text
