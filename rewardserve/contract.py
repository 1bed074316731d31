"""The wire of `POST /v1/score`: conversations and their candidates in, one reward per candidate out."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Turn(BaseModel):
    """One message of a conversation, in OpenAI's shape; extra fields are ignored by reward models."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[dict[str, Any]] | None = None


class Conversation(BaseModel):
    """A conversation up to the last user turn, and the answers that compete to follow it."""

    messages: Annotated[list[Turn], Field(min_length=1, max_length=4096)]
    candidates: Annotated[list[str], Field(min_length=1, max_length=256)]
    partial: bool = (
        False  # the candidates are beginnings of answers: they are rendered without an end of turn
    )


class ScoreRequest(BaseModel):
    """A batch of conversations to score."""

    model_config = ConfigDict(extra="forbid")

    conversations: Annotated[list[Conversation], Field(min_length=1, max_length=256)]
    model: str | None = None
    tenant: Annotated[str, Field(max_length=256)] = ""  # whose turn it is, where many wait
    route: Annotated[str, Field(max_length=256)] = (
        ""  # what its rewards are compared with: z-scores are per route
    )
    priority: Annotated[int, Field(ge=-100, le=100)] = 0  # lower goes first
    deadline_ms: Annotated[int, Field(ge=1)] | None = None  # who cannot be served in it is dropped unserved


class ScoreResponse(BaseModel):
    """`rewards[i][j]` is the reward of candidate j of conversation i; so are its parts and its doubt."""

    rewards: list[list[float]]
    heads: list[list[dict[str, float]]] | None = None  # by name, for models that judge several things
    spread: list[list[float]] | None = None  # how far the members of an ensemble disagree
    model: str
    tokens: int


class ModelInfo(BaseModel):
    """`GET /v1/model`: what is loaded, so that a caller can tell whose rewards it compares."""

    name: str
    architecture: str
    parameters: int
    max_tokens: int
    device: str
    dtype: str
    prefix_sharing: bool
    input: str
    heads: list[str] = []


class ReloadRequest(BaseModel):
    """`POST /admin/reload`: the model that is to take over."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=4096)]  # a folder, or a name on the Hugging Face hub


class Health(BaseModel):
    """`GET /health`: 200 while scoring is possible, else 503 and why."""

    status: str
    reason: str | None = None
