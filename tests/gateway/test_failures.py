"""An engine's refusals, and requests that nobody answered, as clients are told them."""

import asyncio
import logging

import pytest

from gateway.engines.contract import EngineRefused, Kind
from gateway.errors import ApiError
from gateway.failures import ended, told


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 2048 tokens. However, your prompt contains at least 2049 tokens.",
        "max_tokens=100000 cannot be greater than max_model_len=2048. Please request fewer output tokens.",
    ],
)
def test_what_does_not_fit_has_openais_code_in_each_of_vllms_words(message: str) -> None:
    assert told(EngineRefused(400, message)).code == "context_length_exceeded"


@pytest.mark.parametrize("kind", ["chat", "text"])
@pytest.mark.parametrize(
    "refusal",
    [
        EngineRefused(404, "The model `llama` does not exist."),
        EngineRefused(404, "Not here", param="model"),
        EngineRefused(404, "Not here", code="model_not_found"),
        EngineRefused(404, 'model "llama" not found, try pulling it first'),
    ],
    ids=str,
)
def test_a_model_that_the_engine_does_not_know_is_no_fault_of_the_client(
    refusal: EngineRefused, kind: Kind
) -> None:
    refusal.model = "llama"
    error = told(refusal, kind)
    assert (error.status, error.code) == (502, "model_not_served")
    assert "no engine serves the model 'llama'" in error.message
    assert refusal.message in error.message


def test_a_route_that_is_not_there_is_told_as_before() -> None:
    assert told(EngineRefused(404, "Not Found"), "text").status == 404


def test_another_complaint_keeps_its_own_code() -> None:
    assert told(EngineRefused(400, "no", code="odd")).code == "odd"


async def answer_of(work: "asyncio.Future[None]") -> ApiError:
    """What is told of a request whose work ends like this."""
    try:
        await work
    except asyncio.CancelledError as error:
        return ended(error, "chat")
    raise AssertionError("it did not end")


async def test_a_request_that_is_cancelled_is_told_that_the_gateway_stops() -> None:
    asking = asyncio.create_task(answer_of(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    asking.cancel()
    assert (await asking).code == "stopping"


async def test_a_cancel_that_nobody_sent_is_a_crash_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    stray: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stray.cancel()
    with caplog.at_level(logging.ERROR):
        assert (await answer_of(stray)).code == "internal_error"
    assert caplog.records
