"""The admin API for programs: typed calls, every page of a listing, errors told as they are.

AdminFailed              the operator's surface did not do as asked; the message says why
├── AdminUnavailable     it cannot be reached, or broke off: try again
└── AdminRefused         it answered with an error: `status`, `code` and `param` as OpenAI's clients know them
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

Weights = dict[str, float]
Json = dict[str, Any]
T = TypeVar("T")
PAGE = 200
# Loading an adapter on every engine, and a drain, take as long as they take; everything else is quick.
CONNECT_SECONDS, QUICK_SECONDS, PATIENT_SECONDS = 5.0, 30.0, 900.0


class AdminFailed(Exception):
    """The operator's surface did not do as asked."""


class AdminUnavailable(AdminFailed):
    """It cannot be reached, or broke off; whether it did as asked is not known, and asking again is safe."""


class AdminRefused(AdminFailed):
    """It answered with an error."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class Version:
    """A version as the gateway knows it, and its share of each alias that leads to it."""

    id: str
    base: str
    path: Path | None
    parent: str | None
    lineage: Json
    state: str
    created_at: datetime
    weights: Weights


@dataclass(frozen=True, slots=True)
class Staged:
    """A version that every engine has loaded and that has answered; `seconds` is how long that took."""

    version: str
    seconds: float
    probe: str  # why the probe's answer ended: stop or length


@dataclass(frozen=True, slots=True)
class Rollout:
    """An alias's weights before and after a change, and how long it took to be in force."""

    alias: str
    before: Weights
    after: Weights
    seconds: float


class AdminClient:
    """One gateway's operator surface, asked with one key; use it as an async context manager."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self._url, headers={"authorization": f"Bearer {key}"}, timeout=QUICK_SECONDS
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def versions(self) -> list[Version]:
        """Every version, oldest first."""
        listed = await self._ask("GET", "/admin/versions")
        return self._read(list[Version], listed.get("data"))

    async def register(
        self,
        path: Path | str,
        id: str | None = None,  # noqa: A002 - the wire's own name for it
        parent: str | None = None,
        lineage: Mapping[str, Any] | None = None,
    ) -> Version:
        """Make a directory, or a URL in the artifact store, a version; again with the same content changes nothing."""
        told: Json = {"path": str(path), "id": id, "lineage": dict(lineage or {})}
        if parent is not None:
            told["parent"] = parent
        return self._read(Version, await self._ask("POST", "/admin/versions", told))

    async def stage(self, version: str) -> Staged:
        """Load it on every engine and have it answer; a failure leaves everything as it was."""
        path = f"/admin/versions/{quote(version, safe='')}/stage"
        return self._read(Staged, await self._ask("POST", path, {}, PATIENT_SECONDS))

    async def retire(self, version: str, timeout_seconds: float = 30.0) -> None:
        """Wait for its requests in flight, then unload it; refused while an alias leads to it."""
        path = f"/admin/versions/{quote(version, safe='')}/retire"
        await self._ask("POST", path, {"timeout_seconds": timeout_seconds}, PATIENT_SECONDS)

    async def engines(self) -> list[Json]:
        """Every engine: its name, whether it is managed, and how it fares."""
        listed = await self._ask("GET", "/admin/engines")
        return self._read(list[Json], listed.get("data"))

    async def lend(
        self,
        engine: str,
        retraining: str,
        timeout_seconds: float = 120.0,
        *,
        allow_empty: bool = False,
        worker: str | None = None,
    ) -> None:
        """Have an engine sleep while a retraining trains on its GPU; refused where no other takes requests.

        Also with the codes `drained`, `lent` (to another), `returning` and, where `worker` lost it, `lease_lost`.
        """
        told = {"retraining": retraining, "timeout_seconds": timeout_seconds, "allow_empty": allow_empty}
        told |= {"worker": worker}
        await self._ask("POST", f"/admin/engines/{quote(engine, safe='')}/lend", told, PATIENT_SECONDS)

    async def give_back(
        self, engine: str, cause: str, retraining: str | None = None, worker: str | None = None
    ) -> None:
        """Wake an engine that was lent, and lead requests to it again; refused where another retraining has it."""
        told = {"cause": cause, "retraining": retraining, "worker": worker}
        await self._ask("POST", f"/admin/engines/{quote(engine, safe='')}/return", told, PATIENT_SECONDS)

    async def rollouts(self) -> dict[str, Weights]:
        """Every alias's weights."""
        told = await self._ask("GET", "/admin/rollouts")
        return self._read(dict[str, Weights], told.get("aliases"))

    async def transitions(self, alias: str) -> list[Json]:
        """The alias's latest 500 rollouts and rollbacks with their causes and evidence, the latest first."""
        wanted = {"kind": ["rollout", "rollback"], "subject": alias, "limit": 500}
        told = await self._ask("GET", "/admin/transitions", wanted)
        return self._read(list[Json], told.get("data"))

    async def roll_out(  # noqa: PLR0913 - the fields of the wire
        self,
        alias: str,
        weights: Weights,
        cause: str,
        evidence: Mapping[str, Any] | None = None,
        expected: Weights | None = None,
        fence: Mapping[str, str] | None = None,
        *,
        allow_gap: bool = False,
    ) -> Rollout:
        """Put weights in force, at once for every request that has not chosen yet.

        Refused with the code `moved` when others than `expected` are in force, with `lease_lost` when `fence` tells of
        a worker that holds no lease any more: kind (rollout or retraining), id, and worker; and with `gap` where full
        weights have one engine alone, and nobody may be without an answer meanwhile.
        """
        told: Json = {"alias": alias, "weights": weights, "cause": cause, "expected": expected}
        told |= {"evidence": dict(evidence or {}), "allow_gap": allow_gap}
        if fence is not None:
            told["fence"] = dict(fence)
        return self._read(Rollout, await self._ask("POST", "/admin/rollouts", told, PATIENT_SECONDS))

    async def roll_back(self, alias: str, cause: str, expected: Weights | None = None) -> Rollout:
        """Undo the alias's latest rollout not undone yet; refused, `moved`, when moved meanwhile or not `expected`."""
        told: Json = {"alias": alias, "cause": cause, "expected": expected}
        return self._read(Rollout, await self._ask("POST", "/admin/rollback", told, PATIENT_SECONDS))

    async def exchanges(self, **wanted: str | float | bool | datetime | None) -> AsyncIterator[Json]:
        """All exchanges that the filters want, newest first, page after page as they are read."""
        asked: Json = {name: value for name, value in wanted.items() if value is not None}
        while True:
            page = await self._ask("GET", "/admin/exchanges", {"limit": PAGE, **asked})
            for exchange in self._read(list[Json], page.get("data")):
                yield exchange
            if page.get("cursor") is None:
                return
            asked["cursor"] = page["cursor"]

    async def exchange(self, exchange: str) -> Json:
        """One exchange; its texts when the key may read them."""
        return await self._ask("GET", f"/admin/exchanges/{quote(exchange, safe='')}")

    async def policies(self) -> list[Json]:
        """Every guard policy that is kept, the newest first, with its number, hash and places."""
        listed = await self._ask("GET", "/admin/policies")
        return self._read(list[Json], listed.get("data"))

    async def policy(self, reference: str) -> Json:
        """One guard policy by number, name or hash, as it was written and in effect."""
        return await self._ask("GET", f"/admin/policies/{quote(reference, safe='')}")

    async def keep_policy(self, document: str, cause: str) -> Json:
        """Have a guard policy checked and kept, in force nowhere yet."""
        return await self._ask(
            "POST", "/admin/policies", {"document": document, "cause": cause}, PATIENT_SECONDS
        )

    async def choose_policy(self, reference: str, cause: str, place: str | None = None) -> Json:
        """Put a kept guard policy in force, for all requests or at a place: `alias:NAME` or `shadow`."""
        told = {"policy": reference, "cause": cause, "place": place}
        return await self._ask("POST", "/admin/policies/choose", told, PATIENT_SECONDS)

    async def clear_policy(self, place: str, cause: str) -> Json:
        """Let no guard policy of its own stand at a place any more."""
        return await self._ask("POST", f"/admin/policies/clear/{quote(place, safe='')}", {"cause": cause})

    async def shadow(self) -> Json:
        """How the shadow policy's judgements compare with what was done."""
        return await self._ask("GET", "/admin/shadow")

    async def health(self) -> Json:
        """How every part is; that something is broken is an answer too."""
        return await self._ask("GET", "/admin/health", broken_is_an_answer=True)

    async def _ask(
        self,
        method: str,
        path: str,
        told: Json | None = None,
        seconds: float = QUICK_SECONDS,
        *,
        broken_is_an_answer: bool = False,
    ) -> Json:
        limit = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        sent: Json = {"params": _query(told or {})} if method == "GET" else {"json": told or {}}
        try:
            answer = await self._http.request(method, path, timeout=limit, **sent)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise AdminUnavailable(f"the admin API at {self._url} cannot be asked: {reason}") from error
        if answer.status_code >= 400 and not (broken_is_an_answer and answer.status_code == 503):
            raise _refused(answer)
        return self._read(Json, _json(answer))

    def _read(self, kind: type[T], told: Any) -> T:
        try:
            return TypeAdapter(kind).validate_python(told)
        except ValidationError as error:
            raise AdminFailed(f"{self._url} does not answer as an admin API does; is it one?") from error


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _refused(answer: httpx.Response) -> AdminRefused:
    """The answer's own error, or its status where it has none."""
    body = _json(answer)
    told = body.get("error") if isinstance(body, dict) else None
    error = told if isinstance(told, dict) else {}
    message = str(error.get("message") or f"the admin API answered {answer.status_code}")
    return AdminRefused(answer.status_code, message, code=error.get("code"), param=error.get("param"))


def _query(wanted: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Filters as a query spells them; a list is its name said again for each."""
    return {
        name: [_word(one) for one in value] if isinstance(value, list) else _word(value)
        for name, value in wanted.items()
    }


def _word(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)
