import math
from typing import Any

import orjson

from gateway.engines.pocket.answers import Chunks, Head, completion, opening
from gateway.engines.pocket.job import Delta, Drawn
from gateway.engines.pocket.shapes import Choice


def head(*, logprobs: bool = True) -> Head:
    return Head("m", lambda token: (chr(token), [token]), logprobs=logprobs)


def frames(data: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(frame.removeprefix(b"data: ")) for frame in data.split(b"\n\n") if frame]


def test_every_choice_opens_with_its_role() -> None:
    choices = [frame["choices"][0] for frame in frames(opening(head(), 2))]
    assert [(choice["index"], choice["delta"]) for choice in choices] == [
        (0, {"role": "assistant", "content": ""}),
        (1, {"role": "assistant", "content": ""}),
    ]


def test_a_token_without_text_waits_for_the_next() -> None:
    chunks = Chunks(head(), 1)
    assert chunks.of([Delta(0, Drawn(97, -1.0), "")]) == b""
    (frame,) = frames(chunks.of([Delta(0, Drawn(98, -2.0), "ab")]))
    told = frame["choices"][0]
    assert told["delta"] == {"content": "ab"}
    assert [token["logprob"] for token in told["logprobs"]["content"]] == [-1.0, -2.0]


def test_a_last_token_without_text_is_told_nevertheless() -> None:
    (frame,) = frames(Chunks(head(), 2).of([Delta(1, Drawn(0), "", "stop", "x")]))
    told = frame["choices"][0]
    assert (told["index"], told["finish_reason"], told["stop_reason"]) == (1, "stop", "x")


def test_an_impossible_tokens_log_probability_is_a_number_json_knows() -> None:
    choice = Choice(0)
    choice.add(Delta(0, Drawn(97, -0.5, ((97, -0.5), (98, -math.inf))), "a", "length"))
    body = orjson.loads(completion(head(), [choice], {}))
    assert body["choices"][0]["logprobs"]["content"][0]["top_logprobs"][1]["logprob"] == -9999.0


def test_log_probabilities_are_null_where_nobody_asked() -> None:
    body = orjson.loads(completion(head(logprobs=False), [Choice(0)], {}))
    assert body["choices"][0]["logprobs"] is None
