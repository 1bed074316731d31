"""An engine over HTTP, asked from the model's thread: many questions at once, every failure one of ours."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import orjson

from rewardserve.errors import EngineAway, EngineTimedOut, ModelUnusable, ScoringError, ScoringFailed
from rewardserve.scorer import ModelSpec

FULL = (429, 502, 503)
# Of what an engine says when it refuses: enough to understand it, too little to repeat a prompt.
MESSAGE_CHARACTERS = 200


class Engine:
    """One OpenAI-compatible server and its connections; `url` may end in /v1 or not."""

    def __init__(self, url: str, spec: ModelSpec, *, at_once: int = 16) -> None:
        self._seconds = spec.timeout_seconds
        headers = {"authorization": f"Bearer {spec.api_key}"} if spec.api_key else {}
        try:
            self._client = httpx.Client(
                base_url=url.rstrip("/").removesuffix("/v1"),
                headers={"content-type": "application/json", **headers},
                timeout=spec.timeout_seconds,
                limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once),
            )
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise ModelUnusable(f"the engine's url cannot be used: {error}") from error
        self._threads = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="reward-engine")

    def get(self, path: str) -> Any:
        """The JSON at a path; raises ScoringError."""
        return self._exchange("GET", path, None)

    def ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that answers one question; raises ScoringError."""
        return self._exchange("POST", path, orjson.dumps(body))

    def begin(self, path: str, body: Mapping[str, Any]) -> Future[Any]:
        """A question whose answer is waited for later."""
        return self._threads.submit(self.ask, path, body)

    def ask_each(self, path: str, bodies: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The answers in order, with a ScoringFailed where one question was refused; raises TryAgain."""
        asked = [self.begin(path, body) for body in bodies]
        try:
            return [outcome_of(one) for one in asked]
        finally:
            for one in asked:
                one.cancel()

    def models(self) -> list[Mapping[str, Any]]:
        """What the engine says it serves; raises ModelUnusable."""
        try:
            told = self.get("/v1/models")
            return [one for one in told["data"] if isinstance(one["id"], str)]
        except ScoringError as error:
            raise ModelUnusable(f"the engine cannot be used: {error.message}") from error
        except (KeyError, TypeError) as error:
            raise ModelUnusable("the engine's list of models is none") from error

    def close(self) -> None:
        """Close every connection, after the questions under way."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def _exchange(self, method: str, path: str, data: bytes | None) -> Any:
        """The border: every foreign error leaves here as one of ours."""
        try:
            answer = self._client.request(method, path, content=data)
        except httpx.TimeoutException as error:
            raise EngineTimedOut(f"the engine did not answer within {self._seconds:g} s") from error
        except (httpx.HTTPError, RuntimeError) as error:  # the latter when the client is closed
            raise EngineAway(f"the engine cannot be reached: {type(error).__name__}") from error
        if answer.status_code in FULL:
            raise EngineAway(f"the engine answered {answer.status_code}")
        if answer.status_code != 200:
            raise ScoringFailed(f"the engine answered {answer.status_code}{reason_of(answer.content)}")
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            raise ScoringFailed("the engine's answer is no JSON") from error


def answers_of(asked: Sequence[Future[Any]]) -> list[Any]:
    """The answers in order; the first failure is raised, and what has not begun is not asked."""
    try:
        return [one.result() for one in asked]
    finally:
        for one in asked:
            one.cancel()


def outcome_of(asked: Future[Any]) -> Any:
    """The answer, or the ScoringFailed that came instead."""
    try:
        return asked.result()
    except ScoringFailed as error:
        return error


def reason_of(body: bytes) -> str:
    """What an engine says of its refusal, if it says it in OpenAI's shape."""
    try:
        message = orjson.loads(body)["error"]["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
    return f": {str(message)[:MESSAGE_CHARACTERS]}"


def served_model(models: Sequence[Mapping[str, Any]], wish: str | None) -> Mapping[str, Any]:
    """The model to ask for: the one of that name, or the only one; raises ModelUnusable."""
    names = [str(model["id"]) for model in models]
    if wish is None and len(models) == 1:
        return models[0]
    for model in models:
        if model["id"] == wish:
            return model
    asked = f"no model {wish!r}" if wish else "several models, and options.engine_model names none of them"
    raise ModelUnusable(f"the engine has {asked}; it serves: {', '.join(names) or 'nothing'}")


def url_of(spec: ModelSpec) -> str:
    """The engine's URL; raises ModelUnusable where there is none."""
    if not spec.url or not spec.url.startswith(("http://", "https://")):
        raise ModelUnusable(f"url: this backend asks an engine, so it wants http://…, not {spec.url!r}")
    return spec.url
