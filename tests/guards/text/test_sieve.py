"""Sieves: what one stops holds nothing that the slower search would have found."""

from hypothesis import given
from hypothesis import strategies as st

from guards.text.decoded import BASE64, SIEVE
from guards.text.joined import BROKEN_SIEVE, TAG_SIEVE
from guards.text.numerals import HEX
from guards.text.respelled import LEET_SIEVE, SPACED, SPACED_SIEVE, STRETCHED_SIEVE, TOKEN, respelled
from guards.text.sieve import Sieve
from guards.text.unescaped import ESCAPES_SIEVE
from guards.text.views import ANYTHING

ASCII = st.text(alphabet="abXZ0139 .-_*|!@$%\\x:,/+=\n\t\x00", max_size=60)
ANY = ASCII | st.text(max_size=60)


def test_it_passes_what_it_matches_and_nothing_else() -> None:
    assert Sieve("[a-z]{3}").passes("\u00e9abc\ud800")
    assert not Sieve("[a-z]{3}").passes("ab\u00e9c")


@given(ANY)
def test_no_encoded_passage_is_stopped(text: str) -> None:
    found = BASE64.search(text) or HEX.search(text)
    assert SIEVE.passes(text) or not found


@given(ASCII)
def test_no_words_pulled_apart_are_stopped(text: str) -> None:
    assert SPACED_SIEVE.passes(text) or SPACED.search(text) is None


@given(ASCII)
def test_no_word_spelled_in_digits_is_stopped(text: str) -> None:
    assert LEET_SIEVE.passes(text) or TOKEN.sub(respelled, text) == text


@given(ANY)
def test_the_first_look_stops_nothing_that_a_sieve_lets_pass(text: str) -> None:
    sieves = (SIEVE, LEET_SIEVE, SPACED_SIEVE, STRETCHED_SIEVE, BROKEN_SIEVE, TAG_SIEVE, ESCAPES_SIEVE)
    assert ANYTHING.passes(text) or not any(sieve.passes(text) for sieve in sieves)
