"""Parts that no guard reads: not passed on unless the policy says so, told in the receipt, kept as digests."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from gateway import media, parts
from guards.policy.load import read_policy
from guards.screen import Screen
from tests.fakes.engine import sse
from tests.fakes.gateway import Running, running_gateway, until
from tests.fakes.guards import POLICY, REDACTED, REFUSED, Words

PIXELS = b"\x89PNG, or so" * 1000
DATA = base64.b64encode(PIXELS).decode()
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}", "detail": "low"}}
SOUND = {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}
FILE = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{DATA}", "filename": "a.pdf"}}
FILM = {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{DATA}"}}
SONG = {"type": "audio_url", "audio_url": {"url": f"data:audio/ogg;base64,{DATA}"}}
KINDS = [(IMAGE, "image"), (SOUND, "audio"), (FILE, "file"), (FILM, "video"), (SONG, "audio")]
PUBLIC = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
BEHIND = {"type": "file", "file": {"file_data": "https://example.org/a.pdf"}}
INSIDE = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest/meta-data"}}


def screen_with(unscanned: str, shape: str = "refuse") -> Screen:
    """The word guard, and what the policy says of parts that it cannot read."""
    text = POLICY.format(shape=shape, on_error="closed", hold_back=16, patience_ms=100)
    kinds = {"words": Words()}
    return Screen(read_policy(f"{text}\nunscanned: {unscanned}\n", "words.yaml", Path(), kinds), kinds)


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset(screen_with("{default: allow}"))
    return served


def ask(http: httpx.Client, *shown: Any, **body: Any) -> httpx.Response:
    content = [{"type": "text", "text": "what is this?"}, *shown]
    asked = {"model": "assistant", "messages": [{"role": "user", "content": content}], **body}
    return http.post("/v1/chat/completions", json=asked)


@pytest.mark.parametrize(("part", "kind"), KINDS)
def test_by_default_no_such_part_reaches_the_engine(
    part: Any, kind: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.reset(screen_with("{}"))
    assert ask(http, part).json()["choices"][0]["finish_reason"] == "content_filter"
    assert not gateway.engine.requests
    [found] = gateway.recorded.prompt_screening.findings  # type: ignore[union-attr]
    assert (found.hazard, found.part, found.action.word) == ("G.unscanned", kind, "refuse")


@pytest.mark.parametrize(("part", "kind"), KINDS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_header_tells_which_part_kept_the_answer_away(
    part: Any, kind: str, stream: bool, gateway: Running, http: httpx.Client
) -> None:
    gateway.reset(screen_with("{}"))
    assert ask(http, part, stream=stream).headers["x-trimtab-withheld"] == f"unscanned: {kind}"


def test_the_header_tells_of_a_hazard_that_it_was_one_and_not_which(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.reset(screen_with("{}"))
    answer = ask(http, IMAGE, {"type": "text", "text": REFUSED})
    assert answer.headers["x-trimtab-withheld"] == "unscanned: image, hazard"


def test_what_is_delivered_has_no_such_header(gateway: Running, http: httpx.Client) -> None:
    assert "x-trimtab-withheld" not in ask(http, IMAGE).headers


def test_a_policy_that_refuses_with_an_error_names_the_kind(gateway: Running) -> None:
    gateway.reset(screen_with("{default: refuse}", shape="error"))
    with gateway.sdk() as sdk, pytest.raises(openai.BadRequestError) as refusal:
        sdk.chat.completions.create(model="assistant", messages=[{"role": "user", "content": [IMAGE]}])  # type: ignore[list-item]
    assert refusal.value.code == "content_policy_violation"
    assert "G.unscanned: image" in refusal.value.message


@pytest.mark.parametrize(("part", "kind"), KINDS)
def test_what_is_allowed_reaches_the_engine_as_it_was_sent_and_is_told(
    part: Any, kind: str, gateway: Running, http: httpx.Client
) -> None:
    told = ask(http, part, part, alignment={"explain": True}).json()["alignment"]["coverage"]
    assert gateway.engine.asked.body["messages"][0]["content"][1:] == [part, part]
    assert (told["unscanned"], told["complete"]) == ({kind: 2}, False)
    assert not gateway.recorded.flagged


def test_a_kind_has_its_own_word(gateway: Running, http: httpx.Client) -> None:
    gateway.reset(screen_with("{default: refuse, image: flag}"))
    assert ask(http, IMAGE).json()["choices"][0]["finish_reason"] == "stop"
    assert gateway.recorded.flagged
    assert ask(http, IMAGE, SOUND).json()["choices"][0]["finish_reason"] == "content_filter"
    assert len(gateway.engine.requests) == 1


@pytest.mark.parametrize("part", [PUBLIC, INSIDE, BEHIND])
def test_an_address_is_not_passed_on_for_the_engine_to_fetch(
    part: Any, gateway: Running, http: httpx.Client
) -> None:
    answer = ask(http, part)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(f"messages.0.content.1.{part['type']}.")
    assert not gateway.engine.requests


def test_addresses_are_passed_on_where_the_operator_says_so() -> None:
    with running_gateway(limits={"part_urls": "any"}) as open_to_all, open_to_all.http() as http:
        open_to_all.reset(screen_with("{default: allow}"))
        assert ask(http, PUBLIC).status_code == 200
        assert ask(http, {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}).status_code == 400
        spelled = {"type": "image_url", "image_url": {"url": f"https://example.org/{REFUSED}"}}
        assert ask(http, spelled).json()["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": DATA, "filename": REFUSED}},
        {"type": "file", "file": {"file_id": REFUSED}},
        {"type": "input_audio", "input_audio": {"data": DATA, "format": REFUSED}},
        {"type": "image_url", "image_url": {"url": f"data:{REFUSED}/png;base64,{DATA}"}},
        {**IMAGE, "title": REFUSED},
        {**IMAGE, "more": {REFUSED: 1}},
    ],
)
def test_what_of_a_part_is_text_is_screened(part: Any, gateway: Running, http: httpx.Client) -> None:
    assert ask(http, part).json()["choices"][0]["finish_reason"] == "content_filter"
    assert not gateway.engine.requests


def test_a_file_name_is_redacted_and_its_data_left_alone(gateway: Running, http: httpx.Client) -> None:
    ask(http, {"type": "file", "file": {"file_data": DATA, "filename": f"{REDACTED}.pdf"}})
    sent = gateway.engine.asked.body["messages"][0]["content"][1]["file"]
    assert sent == {"file_data": DATA, "filename": "[secret removed].pdf"}


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": "x"}, "image_url"),
        ({"type": "image_url", "image_url": {}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": 5}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": f"data:text/plain,{REFUSED}"}}, "image_url.url"),
        ({"type": "input_audio", "input_audio": {"format": "wav"}}, "input_audio.data"),
        ({"type": "file", "file": {"filename": "a"}}, "file.file_data"),
    ],
)
def test_a_part_that_is_none_is_a_400(part: Any, param: str, gateway: Running, http: httpx.Client) -> None:
    answer = ask(http, part)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, f"messages.0.content.1.{param}")


def test_the_record_has_kind_media_type_size_and_hash_and_no_data(
    gateway: Running, http: httpx.Client
) -> None:
    ask(http, IMAGE, SOUND)
    _, image, sound = gateway.recorded.messages[0]["content"]
    digest = f"[{len(PIXELS)} bytes, SHA-256 {hashlib.sha256(PIXELS).hexdigest()}]"
    assert image["image_url"] == {"url": f"data:image/png;base64,{digest}", "detail": "low"}
    assert sound["input_audio"] == {"data": digest, "format": "wav"}


def test_a_recorded_part_has_the_texts_of_the_part_itself() -> None:
    """By which the ledger finds what it has to redact."""
    for part, _ in KINDS:
        message = {"role": "user", "content": [part]}
        kept = media.recorded([message], None)
        assert [each.segment for each in parts.of_prompt({"messages": kept})] == [
            each.segment for each in parts.of_prompt({"messages": [message]})
        ]


SPOKEN = {"id": "audio-1", "data": DATA, "expires_at": 5, "transcript": "good morning"}
SPEAKS = {"role": "assistant", "content": None, "audio": SPOKEN}
DRAWS = {"role": "assistant", "content": "here:", "images": [IMAGE]}
SHOWS = {"role": "assistant", "content": [{"type": "text", "text": "here:"}, IMAGE]}
REPLIES = [(SPEAKS, "audio"), (DRAWS, "image"), (SHOWS, "image")]


@pytest.mark.parametrize(("message", "kind"), REPLIES)
def test_a_reply_that_nobody_read_is_not_delivered(
    message: Any, kind: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.reset(screen_with("{}"))
    gateway.engine.says(messages=(message,))
    answer = ask(http)
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert DATA not in answer.text
    [found] = gateway.recorded.candidates[0].screening.findings  # type: ignore[union-attr]
    assert (found.hazard, found.part) == ("G.unscanned", kind)
    assert DATA not in str(gateway.recorded.candidates[0].message)


@pytest.mark.parametrize(("message", "kind"), REPLIES)
def test_an_allowed_reply_is_delivered_as_it_was_said_and_told(
    message: Any, kind: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(messages=(message,))
    answer = ask(http, alignment={"explain": True}).json()
    assert answer["choices"][0]["message"] == message
    assert answer["alignment"]["coverage"]["unscanned"] == {kind: 1}
    assert DATA not in str(gateway.recorded.candidates[0].message)


def frames(*deltas: Any) -> tuple[bytes, ...]:
    told = [*deltas, {"content": ""}]
    ends = [None] * len(deltas) + ["stop"]
    choices = [
        {"index": 0, "delta": delta, "finish_reason": end} for delta, end in zip(told, ends, strict=True)
    ]
    return (*(sse({"choices": [each]}) for each in choices), b"data: [DONE]\n\n")


SPEAKING = [
    {"role": "assistant", "audio": {"id": "audio-1", "transcript": "good "}},
    {"audio": {"id": "audio-1", "data": DATA}},
    {"audio": {"transcript": "morning"}},
]


def test_a_stream_that_speaks_is_cut_off_where_nobody_may_hear_it(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.reset(screen_with("{default: refuse}"))
    gateway.engine.says(frames=frames(*SPEAKING, *[SPEAKING[1]] * 50), between_chunks=0.01)
    answer = ask(http, stream=True)
    assert '"content_filter"' in answer.text
    assert DATA not in answer.text
    assert until(lambda: gateway.engine.asked.state == "left")
    assert DATA not in str(gateway.recorded.candidates[0].message)


@pytest.mark.parametrize("deltas", [SPEAKING, [{"images": [IMAGE]}, {"content": "here"}]])
def test_a_stream_that_speaks_or_draws_is_delivered_piece_by_piece_where_it_is_allowed(
    deltas: Any, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(frames=frames(*deltas))
    told = [line for line in ask(http, stream=True).text.split("\n\n") if line.startswith("data: {")]
    said = [json.loads(line[6:])["choices"][0]["delta"] for line in told]
    for name in media.FIELDS:
        assert [each[name] for each in said if name in each] == [
            each[name] for each in deltas if name in each
        ]


def test_a_streamed_transcript_is_screened_whole(gateway: Running, http: httpx.Client) -> None:
    cut = [{"audio": {"transcript": REFUSED[:3], "data": DATA}}, {"audio": {"transcript": REFUSED[3:]}}]
    gateway.engine.says(frames=frames(*cut))
    answer = ask(http, stream=True)
    assert '"content_filter"' in answer.text
    assert DATA not in answer.text


@pytest.mark.parametrize("word", [REFUSED, REDACTED])
def test_a_sound_whose_transcript_may_not_pass_is_withheld(
    word: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(messages=({**SPEAKS, "audio": {**SPOKEN, "transcript": f"the {word}"}},))
    assert ask(http).json()["choices"][0]["finish_reason"] == "content_filter"
