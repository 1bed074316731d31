"""Whatever an engine answers, a client hears something well formed that comes to one clear end; nothing is left."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sse import LONGEST_FRAME_BYTES
from tests.fakes.raw_engine import CLOSED, sound
from tests.gateway.fuzz.amount import QUICKLY, cases
from tests.gateway.fuzz.answers import cut, framed, near_answer
from tests.gateway.fuzz.bodies import HI, SOUND
from tests.gateway.fuzz.heard import check, event_of
from tests.gateway.fuzz.world import World

ASKING = [path for path in SOUND if path != "/v1/moderations"]  # which asks no engine
WHOLE = ("/v1/embeddings", "/v1/messages/count_tokens")
STREAMED = {"model": "assistant", "messages": HI, "stream": True}
HARMLESS = (
    b": comment\n\n",
    b":\r\n\r\n",
    b"event: ping\n\n",
    b"data:\n\n",
    b"id: 1\nretry: 5\r\n\r\n",
    b"\n",
    b"\r\n",
    b"",
)
each_surface = pytest.mark.parametrize("path", ASKING)


def judge(world: World, path: str, random: Random) -> None:
    """Assert that a client hears something sound of an engine's answer."""
    world.engine.says = lambda asked, body: near_answer(asked, body, random)
    for replica in world.tools.engine.replicas:  # as if no answer had come before
        replica.breaker.succeed()
        replica.up = True
        replica.can.learn("n", random.choice((None, True, False)))
    check(path, world.post(path, json.dumps(body_for(path, random)).encode()))
    world.at_rest()


def body_for(path: str, random: Random) -> dict[str, Any]:
    """A sound request, streamed more often than not."""
    body = dict(random.choice(SOUND[path]))
    if random.random() < 0.5:
        body.pop("n", None)
    if path not in WHOLE and random.random() < 0.7:
        body |= {"stream": True}
        body.pop("alignment", None)  # by which it would be heard whole
    return body


@each_surface
def test_answers_near_the_sound_ones(path: str, world: World) -> None:
    """By their number, so that one that fails can be had again; very many where they are asked for."""
    for number in range(cases(0.45) // len(ASKING)):
        try:
            judge(world, path, Random(number))
        except Exception as error:
            error.add_note(f"case {number} of {path}")
            raise


@each_surface
def test_answers_near_the_sound_ones_as_small_as_can_be(path: str, world: World) -> None:
    """The same under hypothesis, which finds the least that still fails."""

    @settings(max_examples=15, **QUICKLY)
    @given(st.randoms())
    def holds(random: Random) -> None:
        judge(world, path, random)

    holds()


def heard(world: World, pieces: list[bytes]) -> tuple[str, Any]:
    """The text that a client hears of a stream, and its last payload."""
    world.engine.says = lambda path, body: pieces
    answer = world.post("/v1/chat/completions", json.dumps(STREAMED).encode())
    world.at_rest()
    check("/v1/chat/completions", answer)
    if not answer.streamed:
        return "", json.loads(answer.body)
    payloads = [event_of(each)[1] for each in answer.body.decode().split("\n\n")[:-1]]
    deltas = [choice["delta"] for each in payloads[:-1] for choice in each["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas), payloads[-1]


def chunk(text: str, ends: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": ends}
    return json.dumps({"choices": [choice]}, ensure_ascii=False).encode()


def test_how_frames_are_put_and_cut_changes_no_word(world: World) -> None:
    @settings(max_examples=60, **QUICKLY)
    @given(
        st.lists(
            st.sampled_from(["Hello", " there", "é🙂\u2028", "\r\n", "\x00", "data: x\n\n"]), min_size=1
        ),
        st.randoms(),
    )
    def holds(texts: list[str], random: Random) -> None:
        frames = [framed(payload, random) for payload in (*map(chunk, texts), chunk("", "stop"), b"[DONE]")]
        mark = random.choice((b"", b"\xef\xbb\xbf"))
        wire = mark + b"".join(random.choice(HARMLESS) + each for each in frames)
        assert heard(world, [CLOSED, *cut(wire, random)]) == ("".join(texts), "[DONE]")

    holds()


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"data: [DONE]",
        b"data: [DONE]\n",
        b"data: {\n\n",
        b"data: \xff\n\ndata: [DONE]\n\n",
        b"\x00\n\n",
        b"data: " + b"x" * (LONGEST_FRAME_BYTES + 1),
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"choices": 5}\n\n',
        b'data: {"error": {"message": "out of memory"}}\n\n',
    ],
    ids=range(10),
)
def test_a_stream_that_breaks_ends_in_an_error_and_never_as_if_it_were_whole(
    rest: bytes, world: World
) -> None:
    _, last = heard(world, [CLOSED, framed(chunk("A first sentence. " * 20), Random(1)), rest])
    assert "error" in last
    assert last["error"]["code"] in ("engine_failed", "engine_unavailable", None)


def test_what_an_engine_says_behind_its_end_is_heard_by_nobody(world: World) -> None:
    whole = b"".join(b"data: %b\n\n" % each for each in (chunk("Hello.", "stop"), b"[DONE]", chunk("More.")))
    assert heard(world, [CLOSED, whole]) == ("Hello.", "[DONE]")


@pytest.mark.parametrize(
    "text", ["\r\ndata: [DONE]\r\n\r\n", "\n\nevent: error\ndata: {}\n\n", "\u2028\u2029\x85"]
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"])
def test_no_text_becomes_a_frame(text: str, path: str, world: World) -> None:
    said = json.dumps(text)

    def says(asked: str, body: dict[str, Any]) -> list[bytes]:
        frames = b"".join(sound(asked, body)[1:])
        return [CLOSED, frames.replace(b'"Hello there."', said.encode()).replace(b'"Hell"', said.encode())]

    world.engine.says = says
    body = {**SOUND[path][0], "stream": True}
    check(path, world.post(path, json.dumps(body).encode()))
    world.at_rest()
