"""Stored responses through OpenAI's own client: fetched, gone on from, deleted, by their own key alone."""

from pathlib import Path

import httpx
import openai
import pytest

from tests.fakes.engine import fake_engine
from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import REDACTED, REFUSED
from tests.gateway.admin.conftest import open_house
from tests.gateway.api.responses.conftest import Written
from tests.gateway.api.responses.test_surface import CALLS, WEATHER, sent


def create(sdk: openai.OpenAI, asked: object = "hi", **how: object) -> openai.types.responses.Response:
    return sdk.responses.create(model="assistant", input=asked, **how)  # type: ignore[arg-type,call-overload,no-any-return]


def test_an_answer_can_be_fetched_at_once(sdk: openai.OpenAI) -> None:
    answer = create(sdk, instructions="Be brief.")
    assert sdk.responses.retrieve(answer.id).to_dict() == answer.to_dict()


def test_a_streamed_answer_can_be_fetched_at_once(sdk: openai.OpenAI) -> None:
    with sdk.responses.stream(model="assistant", input="hi") as streamed:
        answer = streamed.get_final_response()
    assert sdk.responses.retrieve(answer.id).output_text == answer.output_text


def test_what_shall_not_be_stored_is_not(sdk: openai.OpenAI) -> None:
    answer = create(sdk, store=False)
    assert answer.store is False
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(answer.id)


def test_a_conversation_goes_on_from_an_answer(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says("Nice to meet you.")
    first = create(sdk, "I am Ada.", instructions="Be brief.")
    gateway.engine.says("You are Ada.")
    second = create(sdk, "Who am I?", previous_response_id=first.id)
    third = create(sdk, "Sure?", instructions="Be kind.", previous_response_id=second.id)
    assert third.previous_response_id == second.id
    assert sent(gateway) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "I am Ada."},
        {"role": "assistant", "content": "Nice to meet you."},
        {"role": "user", "content": "Who am I?"},
        {"role": "assistant", "content": "You are Ada."},
        {"role": "user", "content": "Sure?"},
    ]


def test_calls_are_gone_on_from_with_their_results_alone(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says(messages=(CALLS,), finish_reason="tool_calls")
    first = create(sdk, "Weather?", tools=[WEATHER])
    gateway.engine.says("It rains.")
    results = [{"type": "function_call_output", "call_id": call, "output": "rain"} for call in ("c1", "c2")]
    assert create(sdk, results, previous_response_id=first.id).output_text == "It rains."
    assert sent(gateway)[1] == CALLS


def test_an_item_is_referred_to_by_its_id(gateway: Running, sdk: openai.OpenAI) -> None:
    first = create(sdk, "I am Ada.")
    asked = sdk.responses.input_items.list(first.id).data[0]
    references = [{"type": "item_reference", "id": each.id} for each in (asked, first.output[0])]
    create(sdk, [*references, {"role": "user", "content": "And?"}])
    assert [message["content"] for message in sent(gateway)] == ["I am Ada.", "Hello there.", "And?"]  # type: ignore[index]


def test_input_items_are_listed_page_by_page(sdk: openai.OpenAI) -> None:
    answer = create(sdk, [{"role": "user", "content": f"part {number}"} for number in range(5)])
    pages = sdk.responses.input_items.list(answer.id, limit=2, order="asc")
    assert [item.content[0].text for item in pages] == [f"part {number}" for number in range(5)]  # type: ignore[union-attr]
    newest = sdk.responses.input_items.list(answer.id, limit=1)
    assert newest.data[0].content[0].text == "part 4"  # type: ignore[union-attr]
    assert newest.has_more


def test_all_kinds_of_input_are_listed_as_they_came(sdk: openai.OpenAI) -> None:
    asked = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
    ]
    answer = create(sdk, asked)
    listed = [item.to_dict() for item in sdk.responses.input_items.list(answer.id, order="asc")]
    assert [{name: item[name] for name in own} for item, own in zip(listed, asked, strict=True)] == asked


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "order=best", "after=nobody"])
def test_a_wrong_query_is_named(query: str, sdk: openai.OpenAI, http: httpx.Client) -> None:
    answer = http.get(f"/v1/responses/{create(sdk).id}/input_items?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.split("=", maxsplit=1)[0])


def test_a_deleted_answer_is_gone_for_good(sdk: openai.OpenAI, written: Written) -> None:
    answer = create(sdk, "a memorable question")
    assert "a memorable question" in str(written)
    sdk.responses.delete(answer.id)
    for ask in (sdk.responses.retrieve, sdk.responses.delete, sdk.responses.input_items.list):
        with pytest.raises(openai.NotFoundError):
            ask(answer.id)
    assert "a memorable question" not in str(written)


def test_nobody_goes_on_from_an_answer_that_is_gone(sdk: openai.OpenAI) -> None:
    first = create(sdk)
    second = create(sdk, previous_response_id=first.id)
    sdk.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError) as error:
        create(sdk, previous_response_id=second.id)
    assert error.value.code == "previous_response_not_found"


def test_another_key_finds_nothing(gateway: Running, sdk: openai.OpenAI) -> None:
    answer = create(sdk)
    with gateway.sdk("operator") as other:
        for ask in (other.responses.retrieve, other.responses.delete, other.responses.input_items.list):
            with pytest.raises(openai.NotFoundError):
                ask(answer.id)
        with pytest.raises(openai.BadRequestError, match="there is no response"):
            create(other, previous_response_id=answer.id)
        with pytest.raises(openai.BadRequestError, match="there is no such item"):
            create(other, [{"type": "item_reference", "id": answer.output[0].id}])
    assert sdk.responses.retrieve(answer.id)


def test_a_secret_is_not_written_down(gateway: Running, sdk: openai.OpenAI, written: Written) -> None:
    gateway.engine.says(f"your {REDACTED}")
    answer = create(sdk, f"my {REDACTED}", instructions=f"Mind the {REDACTED}.")
    assert sdk.responses.input_items.list(answer.id).data[0].content[0].text == "my [secret removed]"  # type: ignore[union-attr]
    assert REDACTED not in str(written)


def test_what_was_refused_is_stored_as_what_the_client_got(
    gateway: Running, sdk: openai.OpenAI, written: Written
) -> None:
    gateway.engine.says(f"the {REFUSED} sings")
    answer = create(sdk)
    assert sdk.responses.retrieve(answer.id).output_text == "I'd rather not."
    assert REFUSED not in str(written)


def test_only_so_many_items_may_be_referred_to(http: httpx.Client) -> None:
    references = [{"type": "item_reference", "id": "x"}] * 2049
    answer = http.post("/v1/responses", json={"model": "assistant", "input": references})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")


def test_a_conversation_beyond_a_bodys_bound_is_not_gone_on_from(sdk: openai.OpenAI) -> None:
    first = create(sdk, "x" * 60_000)
    second = create(sdk, "y" * 60_000, previous_response_id=first.id)
    with pytest.raises(openai.APIStatusError) as error:
        create(sdk, "z", previous_response_id=second.id)
    assert (error.value.status_code, error.value.param) == (413, "previous_response_id")


def test_a_failed_answer_is_not_stored(gateway: Running, sdk: openai.OpenAI) -> None:
    gateway.engine.says("a fairly long answer " * 10, cut_after=30)
    with sdk.responses.create(model="assistant", input="hi", stream=True) as streamed:
        last = list(streamed)[-1]
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(last.response.id)  # type: ignore[union-attr]


def test_a_stored_answer_is_not_streamed(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        sdk.responses.retrieve(create(sdk).id, stream=True)
    assert error.value.param == "stream"


@pytest.mark.usefixtures("away")
def test_without_the_database_an_answer_is_given_and_says_that_it_is_not_stored(
    gateway: Running, sdk: openai.OpenAI
) -> None:
    raw = sdk.responses.with_raw_response.create(model="assistant", input="hi")
    answer = raw.parse()
    assert (answer.output_text, answer.store) == ("Hello there.", False)
    assert raw.headers["x-trimtab-degraded"] == "responses: not stored"
    assert gateway.metric("trimtab_degraded_total", reason="responses: not stored") > 0


@pytest.mark.usefixtures("away")
def test_without_the_database_a_stream_says_so_at_its_end(sdk: openai.OpenAI) -> None:
    with sdk.responses.stream(model="assistant", input="hi") as streamed:
        answer = streamed.get_final_response()
    assert (answer.output_text, answer.store) == ("Hello there.", False)


@pytest.mark.usefixtures("away")
def test_without_the_database_nothing_stored_is_denied_or_made_up(sdk: openai.OpenAI) -> None:
    for ask in (sdk.responses.retrieve, sdk.responses.delete):
        with pytest.raises(openai.InternalServerError) as error:
            ask("resp_x")
        assert error.value.code == "ledger_unavailable"
    with pytest.raises(openai.InternalServerError):
        create(sdk, previous_response_id="resp_x")


def test_a_gateway_that_stores_nothing_answers_all_the_same() -> None:
    with running_gateway() as gateway, gateway.sdk() as sdk:
        assert create(sdk).store is False


def test_an_answer_outlives_the_gateway_that_gave_it(tmp_path: Path) -> None:
    with fake_engine() as (engine, behind):
        with open_house(tmp_path, behind.url, engine) as house, house.http("application") as http:
            asked = {"model": "assistant", "input": "hi"}
            answer = http.post("/v1/responses", json=asked).json()
            headers = dict(http.headers)
        with open_house(tmp_path, behind.url, engine) as again, again.http(None) as http:
            assert http.get(f"/v1/responses/{answer['id']}", headers=headers).json() == answer
