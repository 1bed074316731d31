"""Guards that cannot decide: the outcome is the one that the policy prescribes, in every mode."""

from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.gateway import Running, running_gateway
from tests.fakes.guards import CRASHES, FAILS, FLAGGED, HANGS, RAVES, REFUSED, word_screen

FAILURES = [FAILS, CRASHES, HANGS, RAVES]


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


@pytest.fixture
def http(served: Running) -> Iterator[httpx.Client]:
    with served.http() as client:
        yield client


def ask(http: httpx.Client, content: str, *, stream: bool) -> httpx.Response:
    messages = [{"role": "user", "content": content}]
    return http.post(
        "/v1/chat/completions", json={"model": "assistant", "messages": messages, "stream": stream}
    )


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("on_error", ["closed", "open"])
def test_a_reply_that_could_not_be_screened(
    on_error: str, stream: bool, failure: str, served: Running, http: httpx.Client
) -> None:
    served.reset(word_screen(on_error=on_error))
    served.engine.says(failure)
    before = served.metric("trimtab_guard_failures_total", guard="words")
    answer = ask(http, "hi", stream=stream)
    assert (failure in served.recorded.answer) == (on_error == "open")
    assert ("content_filter" in answer.text) == (on_error == "closed")
    assert served.recorded.flagged
    assert served.metric("trimtab_guard_failures_total", guard="words") > before


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("on_error", ["closed", "open"])
def test_a_prompt_that_could_not_be_screened(
    on_error: str, failure: str, served: Running, http: httpx.Client
) -> None:
    served.reset(word_screen(on_error=on_error))
    answer = ask(http, failure, stream=False)
    assert bool(served.engine.requests) == (on_error == "open")
    assert answer.headers.get("x-trimtab-withheld") == ("guard_failed" if on_error == "closed" else None)
    assert answer.headers["x-trimtab-degraded"] == f"guard words: failed {on_error}"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("prompt", "code"),
    [(FAILS, "guard_failed"), (f"{FLAGGED} {HANGS}", "guard_failed"), (REFUSED, "content_policy_violation")],
)
def test_an_error_tells_a_failed_guard_from_a_finding(
    prompt: str, code: str, stream: bool, served: Running, http: httpx.Client
) -> None:
    served.reset(word_screen(shape="error"))
    answer = ask(http, prompt, stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert ("words" in answer.json()["error"]["message"]) == (code == "guard_failed")


def test_a_refusal_by_a_failed_guard_says_so_to_those_who_want_to_know(
    served: Running, http: httpx.Client
) -> None:
    served.reset(word_screen())
    asked = {"model": "assistant", "messages": [{"role": "user", "content": f"{FLAGGED} {HANGS}"}]}
    told = http.post("/v1/chat/completions", json=asked | {"alignment": {"explain": True}}).json()[
        "alignment"
    ]
    assert told["degraded"] == ["guard words: failed closed"]
    assert told["why"] == "The prompt was withheld by the guard policy: guard words failed."


def test_a_receipt_for_what_was_not_screened_is_not_complete(served: Running, http: httpx.Client) -> None:
    served.reset(word_screen(on_error="open"))
    served.engine.says(FAILS)
    asked = {
        "model": "assistant",
        "messages": [{"role": "user", "content": "hi"}],
        "alignment": {"explain": True},
    }
    told = http.post("/v1/chat/completions", json=asked).json()["alignment"]
    assert not told["coverage"]["complete"]
    assert told["degraded"] == ["guard words: failed open"]


def test_another_policy_takes_its_place_for_the_next_request(served: Running, http: httpx.Client) -> None:
    served.reset(word_screen())
    before = ask(http, "hi", stream=False).headers["x-trimtab-policy"]
    served.reset(word_screen(hold_back=17))
    assert ask(http, "hi", stream=False).headers["x-trimtab-policy"] != before


@pytest.mark.parametrize("stream", [True, False])
def test_the_log_names_the_guard_and_its_reason_once_a_request_and_quotes_nothing(
    stream: bool, served: Running, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    served.reset(word_screen(on_error="open"))
    served.engine.says(f"{CRASHES} SENTINEL " * 20)
    answer = ask(http, "hi", stream=stream)
    [line] = [record.fields for record in caplog.records if record.name == "trimtab.guards"]
    assert line["guard"] == "words"
    assert line["reason"].startswith("crashed: ")
    assert line["exchange"] == answer.headers["x-trimtab-exchange"]
    assert "SENTINEL" not in str(line)
