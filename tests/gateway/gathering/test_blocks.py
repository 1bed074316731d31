"""Block by block: the best way to go on is taken, and streamed at once."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import REFUSED

HI = [{"role": "user", "content": "hi"}]
BLOCKWISE = {"strategy": "blockwise", "n": 3, "explain": True}


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"max_n": 8}, alignment={"block_tokens": 5}) as running:
        yield running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset()
    served.engine.says("One. ", "The first. ", "1. ", finish_reason="length")
    return served


def ask(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post(
        "/v1/chat/completions",
        json={"model": "assistant", "messages": HI, "max_tokens": 15, "alignment": BLOCKWISE, **body},
    )


def test_the_best_block_is_gone_on_with(gateway: Running, http: httpx.Client) -> None:
    assert ask(http).json()["choices"][0]["message"]["content"] == "The first. " * 3


def test_the_engine_is_asked_to_go_on_from_the_answer_so_far(gateway: Running, http: httpx.Client) -> None:
    ask(http)
    second = gateway.engine.requests[1].body
    assert second["messages"][-1] == {"role": "assistant", "content": "The first. "}
    assert (second["continue_final_message"], second["add_generation_prompt"]) == (True, False)
    assert (second["n"], second["max_tokens"]) == (3, 5)


def test_beginnings_are_scored_as_such(gateway: Running, http: httpx.Client) -> None:
    ask(http)
    assert gateway.rewards.begun[1] == ["The first. One. ", "The first. The first. ", "The first. 1. "]


def test_an_answer_ends_where_the_model_ends_it(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("One. ", "The first. ", "1. ", finish_reason="stop")
    choice = ask(http).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("The first. ", "stop")
    assert len(gateway.engine.requests) == 1


def test_a_block_that_a_guard_withholds_is_not_gone_on_with(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("One. ", f"{REFUSED} is the first. ", "1. ", finish_reason="stop")
    assert ask(http).json()["choices"][0]["message"]["content"] == "One. "


def test_where_every_block_is_withheld_the_answer_is_a_refusal(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"{REFUSED}. ", f"{REFUSED}! ", f"{REFUSED}? ", finish_reason="stop")
    choice = ask(http).json()["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert REFUSED not in choice["message"]["content"]


def test_a_stream_says_what_a_plain_answer_says(gateway: Running, sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.create(
        model="assistant", messages=HI, max_tokens=15, stream=True, extra_body={"alignment": BLOCKWISE}
    ) as stream:
        chunks = list(stream)
    assert (
        "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == "The first. " * 3
    )
    assert chunks[-1].choices[0].finish_reason == "length"


def test_a_stream_begins_before_the_answer_is_whole(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(
        "One. ", "The first " + "block " * 40, "1. ", finish_reason="length", before_answer=0.3
    )
    with sdk.chat.completions.create(
        model="assistant", messages=HI, max_tokens=15, stream=True, extra_body={"alignment": BLOCKWISE}
    ) as stream:
        first = next(each for each in stream if each.choices and each.choices[0].delta.content)
        assert len(gateway.engine.requests) < 3
    assert first.choices[0].delta.content


def test_blocks_that_were_not_taken_are_recorded(gateway: Running, http: httpx.Client) -> None:
    ask(http)
    assert [each.cut for each in gateway.recorded.candidates] == [False, *[True] * 6]
    assert gateway.recorded.candidates[1].text == "One. "


def test_those_of_a_stream_too(gateway: Running, http: httpx.Client) -> None:
    ask(http, stream=True)
    assert [each.index for each in gateway.recorded.candidates] == list(range(7))


def test_without_rewards_the_first_safe_block_is_taken_and_it_is_told(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.rewards.fails = "away"
    answer = ask(http)
    assert answer.json()["choices"][0]["message"]["content"] == "One. " * 3
    assert "first safe block" in answer.headers["x-trimtab-degraded"]


@pytest.mark.parametrize(
    "field",
    [{"tools": [{"type": "function", "function": {"name": "f"}}]}, {"logprobs": True}, {"n": 2}],
)
def test_what_cannot_be_chosen_block_by_block_is_refused(
    field: dict[str, Any], gateway: Running, http: httpx.Client
) -> None:
    answer = ask(http, **field)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == next(iter(field))


def test_a_deadline_ends_an_answer_with_the_blocks_that_it_has(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("One. ", "The first. ", "1. ", finish_reason="length", before_answer=0.3)
    answer = ask(http, alignment={**BLOCKWISE, "deadline_ms": 700})
    choice = answer.json()["choices"][0]
    assert choice["message"]["content"].startswith("The first. ")
    assert len(choice["message"]["content"]) < len("The first. ") * 3
    assert choice["finish_reason"] == "length"
    assert "deadline: the answer ends early" in answer.headers["x-trimtab-degraded"]


def test_the_winner_of_a_stream_has_its_reward(gateway: Running, http: httpx.Client) -> None:
    ask(http, stream=True)
    assert gateway.recorded.candidates[0].reward == float(len("The first. " * 3))
    assert gateway.recorded.why.startswith("The best blocks, one after the other.")


def test_what_was_not_taken_is_neither_safe_nor_unsafe(gateway: Running, http: httpx.Client) -> None:
    told = ask(http).json()["alignment"]["candidates"]
    assert [each["safe"] for each in told] == [True, *[None] * 6]


def test_a_stop_that_lies_over_two_blocks_ends_the_answer(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says("say E", "sa", "s", afterwards=("ND and more",), finish_reason="length")
    choice = ask(http, stop=["END"]).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("say ", "stop")


def test_where_guards_let_no_block_pass_nobody_goes_on(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(f"{REFUSED}. ", f"{REFUSED}! ", f"{REFUSED}? ", finish_reason="length")
    assert ask(http).json()["choices"][0]["finish_reason"] == "content_filter"
    assert len(gateway.engine.requests) == 1


def test_what_was_flagged_is_recorded_though_the_engine_fails_later(
    gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(
        "One. ",
        f"{REFUSED}. ",
        "1. ",
        finish_reason="length",
        refuse=(500, {"error": {"message": "broke"}}),
        refuse_afterwards=True,
    )
    assert ask(http).status_code == 502
    assert gateway.recorded.flagged
    assert gateway.recorded.usage.completion > 0
