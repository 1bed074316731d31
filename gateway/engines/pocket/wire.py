"""Request bodies in vLLM's dialect of OpenAI's API, and what of it the pocket engine honours.

Unknown fields are ignored, as vLLM ignores them. Known ones that would change the answer and cannot be
honoured are refused by name: an answer that silently disobeys is worse than none.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

MOST_CHOICES = 128
MOST_LOGPROBS = 20
MOST_STOPS = 4
USUAL_TOKENS = 16  # of a legacy completion, by OpenAI's own default


Stop = Annotated[str, Field(min_length=1)]


T = TypeVar("T")
Given = Annotated[list[T], Field(min_length=1)]


class Body(BaseModel):
    """A body whose unknown fields are kept, to be looked at and otherwise ignored."""

    model_config = ConfigDict(extra="allow")


class Part(Body):
    """A part of a message's content; only text can be read here."""

    type: Literal["text"]
    text: str


class Message(Body):
    """One message; what the chat template does not know it ignores."""

    role: str
    content: str | list[Part] | None = None

    def plain(self) -> dict[str, Any]:
        """As a chat template expects it, with text parts joined."""
        content = self.content
        if isinstance(content, list):
            content = "\n".join(part.text for part in content)
        return {**(self.model_extra or {}), "role": self.role, "content": content or ""}


class StreamOptions(Body):
    """What a stream tells beside the text."""

    include_usage: bool = False


class SamplingBody(Body):
    """The fields that chat and plain completions share."""

    model: str | None = None
    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] = 1
    seed: int | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = None
    stop_token_ids: list[int] | None = None
    include_stop_str_in_output: bool = False
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=2**31)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    min_tokens: Annotated[int, Field(ge=0)] = 0
    ignore_eos: bool = False
    stream: bool | None = False
    stream_options: StreamOptions | None = None

    @property
    def answer_tokens(self) -> int | None:
        return self.max_tokens

    @property
    def usual_tokens(self) -> int | None:
        """The most tokens of an answer of which nobody said how long it may be."""
        return None

    @property
    def reported(self) -> int | None:
        """How many alternatives are reported beside each token; None reports nothing."""
        return None

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def usage_wanted(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class Conversation(Body):
    """What a chat template makes a prompt of."""

    messages: Annotated[list[Message], Field(min_length=1)]
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    chat_template_kwargs: dict[str, Any] | None = None


class ChatBody(Conversation, SamplingBody):
    """POST /v1/chat/completions."""

    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_LOGPROBS)] | None = None

    @property
    def answer_tokens(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def reported(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None


class CompletionBody(SamplingBody):
    """POST /v1/completions."""

    prompt: str | Given[int] | Given[str] | Given[Given[int]]
    logprobs: Annotated[int, Field(ge=0, le=MOST_LOGPROBS)] | None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each text, or each text's tokens."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        tokens = [each for each in self.prompt if isinstance(each, int)]
        return [tokens] if tokens else [each for each in self.prompt if not isinstance(each, int)]

    @property
    def usual_tokens(self) -> int:
        return USUAL_TOKENS

    @property
    def reported(self) -> int | None:
        return self.logprobs


class TokenizeText(Body):
    """POST /tokenize for a text."""

    model: str | None = None
    prompt: str
    add_special_tokens: bool = True


class TokenizeChat(Conversation):
    """POST /tokenize for a conversation."""

    model: str | None = None


class LoadAdapter(Body):
    """POST /v1/load_lora_adapter."""

    lora_name: str
    lora_path: str
    load_inplace: bool = False


class UnloadAdapter(Body):
    """POST /v1/unload_lora_adapter."""

    lora_name: str


class CollectiveCall(Body):
    """POST /collective_rpc: what every worker of the engine is told to do."""

    method: str
    kwargs: dict[str, Any] = {}


class NewWeightVersion(Body):
    """POST /update_weight_version."""

    new_version: str


def unsupported(body: Body) -> str | None:
    """The first field that asks for what this engine cannot do; values that ask for nothing are fine."""
    extra = body.model_extra or {}
    return next((name for name in CHANGES_THE_ANSWER if _asks(name, extra.get(name), extra)), None)


CHANGES_THE_ANSWER = (
    "tools",
    "functions",
    "tool_choice",
    "response_format",
    "structured_outputs",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "logit_bias",
    "bad_words",
    "allowed_token_ids",
    "use_beam_search",
    "best_of",
    "suffix",
    "echo",
    "prompt_logprobs",
    "logprob_token_ids",
    "return_token_ids",
    "chat_template",
    "documents",
    "thinking_token_budget",
    "repetition_detection",
    "audio",
    "prediction",
    "web_search_options",
)


def _asks(name: str, value: Any, extra: dict[str, Any]) -> bool:
    """Whether a field's value would change the answer if it were honoured."""
    match name:
        case "tools" | "functions":
            return bool(value) and extra.get("tool_choice") != "none"
        case "tool_choice":
            return value not in (None, "none", "auto")
        case "response_format":
            return bool(value) and (not isinstance(value, dict) or value.get("type") != "text")
        case "best_of":
            return value not in (None, 1)
        case "prompt_logprobs" | "thinking_token_budget":
            return value is not None
        case _:
            return bool(value)
