"""What an engine tells and no guard reads: it is left out, and the rest stays."""

import httpx
import pytest

from tests.fakes.gateway import Running
from tests.fakes.guards import REDACTED, REFUSED
from tests.gateway.golden.answers import (
    PROMPT_LOGPROBS,
    USAGE,
    Json,
    choice,
    compact,
    completion,
    message,
    token,
)
from tests.gateway.golden.conftest import HI, ask, streamed
from tests.gateway.golden.streams import STREAMS, framed

SONG = f"la la {REFUSED}"


@pytest.mark.parametrize(
    "told",
    [
        completion(choice(message(content="x")), song=SONG),
        completion(choice(message(content="x")), created=SONG),
        completion(choice(message(content="x")), songs=[{"words": SONG}]),
        completion(choice(message(content="x")), songs={SONG: 1}),
        completion(choice(message(content="x")), kv_transfer_params={"remote_host": SONG}),
        completion(choice(message(content="x")), usage={**USAGE, "note": SONG}),
        completion(choice(message(content="x"), songs=[SONG])),
    ],
)
def test_text_that_no_guard_reads_is_left_out_and_the_rest_stays(
    told: Json, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(raw=compact(told))
    answer = ask(http, messages=HI)
    assert REFUSED not in answer.text
    assert answer.json()["choices"][0]["message"] == message(content="x")
    assert answer.json()["usage"] == {k: v for k, v in told["usage"].items() if k != "note"}


def test_nothing_that_spells_a_redacted_reply_leaves(gateway: Running, http: httpx.Client) -> None:
    spelled = {
        "logprobs": {"content": [token(REDACTED)]},
        "token_ids": [7, 8],
        "ranks": [7, 8],
        "stop_reason": 2,
    }
    said = message(content=f"it is {REDACTED}", tokens=[7, 8])
    gateway.engine.says(raw=compact(completion(choice(said, **spelled), steps=[7, 8])))
    answer = ask(http, messages=HI).json()
    kept = message(content="it is [secret removed]", tokens=None)
    assert answer["choices"] == [choice(kept, logprobs=None, token_ids=None, stop_reason=2, ranks=None)]
    assert "steps" not in answer


def test_nothing_that_spells_a_redacted_prompt_leaves(gateway: Running, http: httpx.Client) -> None:
    told = completion(choice(message(content="x")), prompt_logprobs=PROMPT_LOGPROBS, prompt_token_ids=[1])
    gateway.engine.says(raw=compact(told))
    asked = {"messages": [{"role": "user", "content": REDACTED}]}
    assert not {"prompt_logprobs", "prompt_token_ids"} & ask(http, **asked).json().keys()
    gateway.engine.says(frames=framed(STREAMS["ids"]))
    assert "prompt_token_ids" not in ask(http, stream=True, **asked).text


@pytest.mark.parametrize("told", [{"song": SONG}, {"songs": [SONG]}, {"created": SONG}])
def test_text_around_a_streams_choices_is_left_out(told: Json, gateway: Running, http: httpx.Client) -> None:
    got = streamed(gateway, http, [{**each, **told} for each in STREAMS["text"]])
    assert REFUSED not in str(got)
