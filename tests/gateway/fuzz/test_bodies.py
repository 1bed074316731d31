"""Whatever comes as a body is answered or refused in its surface's shape; nothing crashes, hangs or stays behind."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.guards import REFUSED
from tests.gateway.fuzz.amount import QUICKLY, cases
from tests.gateway.fuzz.bodies import HI, SOUND, near, nested, written
from tests.gateway.fuzz.heard import check
from tests.gateway.fuzz.world import World

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
each_surface = pytest.mark.parametrize("path", SOUND)


def judge(world: World, path: str, raw: bytes) -> None:
    """Assert that a body is answered as it should be."""
    check(path, world.post(path, raw))
    world.at_rest()


@each_surface
def test_sound_bodies_are_answered(path: str, world: World) -> None:
    for body in SOUND[path]:
        assert world.post(path, json.dumps(body).encode()).status == 200


@each_surface
def test_bodies_near_the_sound_ones(path: str, world: World) -> None:
    """By their number, so that one that fails can be had again; very many where they are asked for."""
    for number in range(cases(0.35) // len(SOUND)):
        raw = near(SOUND[path], Random(number))
        try:
            judge(world, path, raw)
        except Exception as error:
            error.add_note(f"case {number} of {path}: {raw!r}")
            raise


@each_surface
def test_bodies_near_the_sound_ones_as_small_as_can_be(path: str, world: World) -> None:
    """The same under hypothesis, which finds the least change that still fails."""

    @settings(max_examples=15, **QUICKLY)
    @given(st.randoms())
    def holds(random: Random) -> None:
        judge(world, path, near(SOUND[path], random))

    holds()


@each_surface
def test_any_json_and_any_bytes(path: str, world: World) -> None:
    @settings(max_examples=15, **QUICKLY)
    @given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
    def holds(raw: bytes) -> None:
        judge(world, path, raw)

    holds()


@each_surface
@pytest.mark.parametrize("levels", [127, 129, 255, 1000, 1025, 100_000])
@pytest.mark.parametrize("holder", ["[]", "{}"])
def test_a_body_that_nests_too_deeply_is_a_400(levels: int, holder: str, path: str, world: World) -> None:
    first = SOUND[path][0]
    deep = written({**first, "extra": nested(levels, holder)}).encode()
    answer = world.post(path, deep)
    world.at_rest()
    # Not even fewer levels may go on to a model; two surfaces pass nothing on that they do not know.
    forgotten = path in ("/v1/moderations", "/v1/messages/count_tokens") and levels < 128
    assert answer.status == (200 if forgotten else 400)
    check(path, answer)


@each_surface
@pytest.mark.parametrize(
    "raw", [b'{"model": "\xff"}', b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b'{"a": "\xed\xa0\x80"}']
)
def test_what_is_no_utf_8_is_a_400(raw: bytes, path: str, world: World) -> None:
    answer = world.post(path, raw)
    assert (answer.status, b"JSON" in answer.body) == (400, True)


def twice(first: Any, second: Any) -> bytes:
    """A chat completion's body that says its messages twice."""
    return b'{"model": "assistant", "messages": %b, "messages": %b}' % (
        json.dumps(first).encode(),
        json.dumps(second).encode(),
    )


def test_of_what_is_said_twice_the_engine_gets_what_the_guards_read(world: World) -> None:
    refused = [{"role": "user", "content": REFUSED}]
    world.engine.asked.clear()
    assert world.post("/v1/chat/completions", twice(refused, HI)).status == 200
    assert [asked["messages"] for asked in world.engine.asked] == [HI]
    world.engine.asked.clear()
    answer = world.post("/v1/chat/completions", twice(HI, refused))
    assert json.loads(answer.body)["choices"][0]["finish_reason"] == "content_filter"
    assert world.engine.asked == []


@pytest.mark.parametrize("field", ["model", "user"])
@pytest.mark.parametrize("value", ["a\r\nset-cookie: x=1", "a\nb", "a\x00b", "é\u2028🙂"])
def test_no_field_of_a_body_becomes_a_header(field: str, value: str, world: World) -> None:
    answer = world.post(
        "/v1/chat/completions", json.dumps({"model": "assistant", "messages": HI, field: value}).encode()
    )
    assert all(32 <= byte < 127 for header in answer.headers.items() for each in header for byte in each)
    assert b"set-cookie" not in answer.headers
    assert answer.status == (404 if field == "model" else 200)


@pytest.mark.parametrize("value", [b"\xff\xe9", b"a" * 10_000, b"", b"a\tb"])
def test_any_name_of_a_conversation_is_kept_out_of_the_answers_head(value: bytes, world: World) -> None:
    body = json.dumps({"model": "assistant", "messages": HI}).encode()
    answer = world.ask("POST", "/v1/chat/completions", body, more=[(b"x-trimtab-conversation", value)])
    assert answer.status == 200
    assert not value or value not in answer.headers.values()
