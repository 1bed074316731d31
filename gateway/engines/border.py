"""What is checked of every answer of an engine when it comes in, so that nobody behind this has to. Pure.

Texts are no matter of this file: guards read them, and whoever takes them out checks what they stand in.
"""

from typing import Any

from gateway.engines.contract import EngineFailed

Json = dict[str, Any]
OF_LOGPROBS = ("content", "refusal")
MOST_TOKENS = 2**53  # more no JSON number can count; and sums of these can still be written


def check_answer(answer: Json) -> None:
    """Raise EngineFailed unless what stands around the texts is what its name says."""
    if usage := answer.get("usage"):
        _check_usage(usage)
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            _check_choice(choice)


def _check_usage(usage: Any) -> None:
    """Counts, and objects of counts; what else a provider tells of costs is not ours to judge."""
    if not isinstance(usage, dict):
        raise EngineFailed("the engine's account of its tokens is none")
    for name, value in usage.items():
        if name.endswith("_details") and value:
            _check_usage(value)
        elif name.endswith("_tokens") and not isinstance(value, int | float | None):
            raise EngineFailed(f"the engine's account of its {name[:40]} is no number")
        elif _is_count(name, value) and not 0 <= value <= MOST_TOKENS:
            raise EngineFailed(f"the engine's account of its {name[:40]} cannot be")


def _is_count(name: str, value: Any) -> bool:
    """Whether it is a whole number, or any where tokens are counted: costs may be fractions, and below nothing."""
    return isinstance(value, int) or (isinstance(value, float) and name.endswith("_tokens"))


def _check_choice(choice: Json) -> None:
    reason, logprobs = choice.get("finish_reason"), choice.get("logprobs")
    if not isinstance(reason, str | None):
        raise EngineFailed("the engine's answer ends for a reason that is no word")
    if logprobs and not (isinstance(logprobs, dict) and all(map(_tokens, map(logprobs.get, OF_LOGPROBS)))):
        raise EngineFailed("the engine's log probabilities are none")


def _tokens(told: Any) -> bool:
    """Whether it is a list of tokens, or none."""
    return told is None or (isinstance(told, list) and all(isinstance(each, dict) for each in told))
