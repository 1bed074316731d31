"""What an engine tells around its texts is what its name says, or its answer is none."""

from typing import Any

import pytest

from gateway.engines.border import check_answer
from gateway.engines.contract import EngineFailed

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def choice(**changes: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, **changes}]}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"usage": None, "choices": []},
        {
            "usage": {
                **USAGE,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": None,
            }
        },
        {"usage": {**USAGE, "cost": 0.00012, "provider": "somebody", "cost_details": {"upstream": None}}},
        choice(finish_reason=None),
        choice(logprobs={"content": [{"token": "a", "logprob": -0.1}], "refusal": None}),
        choice(logprobs={"content": None}),
    ],
)
def test_what_engines_and_providers_tell_passes(answer: dict[str, Any]) -> None:
    check_answer(answer)


@pytest.mark.parametrize(
    "answer",
    [
        {"usage": 5},
        {"usage": [USAGE]},
        {"usage": {**USAGE, "prompt_tokens": "7"}},
        {"usage": {**USAGE, "completion_tokens": -1}},
        {"usage": {**USAGE, "completion_tokens": 2**63}},
        {"usage": {**USAGE, "prompt_tokens": 1e300}},
        {"usage": {**USAGE, "total_tokens": {}}},
        {"usage": {**USAGE, "prompt_tokens_details": 3}},
        choice(finish_reason=["stop"]),
        choice(finish_reason=0),
        choice(logprobs=[1]),
        choice(logprobs={"content": "abc"}),
        choice(logprobs={"content": [1]}),
    ],
)
def test_what_is_none_of_its_kind_makes_the_answer_none(answer: dict[str, Any]) -> None:
    with pytest.raises(EngineFailed):
        check_answer(answer)
