"""Errors in Anthropic's shape, and what a client of the Messages API calls the fields of a chat completion."""

from typing import Any

from gateway.errors import ApiError

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
# Of a chat completion's request, the fields that were made of others. Its messages are not one by one the client's,
# so of what is found wrong with one later, the list is named.
FIELDS = {
    "messages": "messages",
    "user": "metadata.user_id",
    "stop": "stop_sequences",
    "thinking_token_budget": "thinking.budget_tokens",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "reasoning_effort": "output_config.effort",
    "response_format": "output_config.format",
}


def error_body(error: ApiError) -> dict[str, Any]:
    """The error; `param` and `code` are ours, and as on all surfaces."""
    general = "api_error" if error.status >= 500 else "invalid_request_error"
    told = {"type": TYPES.get(error.status, general), "message": error.message}
    return {"type": "error", "error": {**told, "param": error.param, "code": error.code}}


def own_field(param: str | None) -> str | None:
    """The client's own name for a field of the chat completion."""
    if param is None:
        return None
    name, *rest = param.split(".")
    if name == "tools":  # each in its place, and not like inside
        return ".".join((name, *rest[:1]))
    return FIELDS.get(name, param)
