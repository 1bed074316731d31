"""What a request costs its key: taken before it is answered, settled exactly once when it is over, however it ends."""

import math
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import get_args

from gateway.ask import Ask
from gateway.callers import Caller
from gateway.engines.contract import EngineTimedOut
from gateway.errors import ApiError, BadRequest, Overloaded
from gateway.metrics import Metrics
from gateway.parts import text_of
from gateway.settings import Limits
from gateway.tenants.budgets import Account, Budgets
from gateway.tenants.rates import Cost, LocalRates, Rates, Standing, Taken, What
from gateway.tenants.terms import KeyLimits
from gateway.trip import CLIENT_LEFT, Trip

Header = tuple[bytes, bytes]
CHARACTERS_PER_TOKEN = 4  # a guess that holds for English; what a request really took is settled afterwards
# How a request ends that nobody waits for any more: the engine may have worked on it until then.
LEFT_ALONE = (CLIENT_LEFT, EngineTimedOut.__name__)
NAMES = {
    what: tuple(f"x-ratelimit-{name}-{what}".encode() for name in ("limit", "remaining", "reset"))
    for what in get_args(What)
}


class Quotas:
    """The limits of all keys that have any; `workers` share each rate where they do not count together."""

    def __init__(
        self, limits: Limits, metrics: Metrics, rates: Rates | None = None, *, workers: int = 1
    ) -> None:
        self.rates = rates or LocalRates()
        self.budgets = Budgets()
        self.running: dict[str, int] = defaultdict(int)
        self.assumed_tokens = limits.assumed_completion_tokens
        self.metrics = metrics
        self._shares = workers if isinstance(self.rates, LocalRates) else 1
        self._workers = workers

    def charge(self, trip: Trip) -> AbstractAsyncContextManager[None]:
        """For as long as a request is answered; entering raises Overloaded, or BadRequest for what can never pass."""
        limits = trip.ask.caller.terms.limits
        return FREE if limits is None else Charge(self, trip, limits)

    def visit(self, caller: Caller) -> "Free":
        """The same for a request on which no token is spent: it takes a slot, and counts as one request."""
        limits = caller.terms.limits
        return FREE if limits is None else Visit(self, caller.id, limits)

    def share(self, limit: int) -> int:
        """What of a rate this worker may admit."""
        return max(1, limit // self._shares)

    def share_of_slots(self, limit: int) -> int:
        """How many requests of a key this worker may answer at once: always counted by each for itself."""
        return max(1, limit // self._workers)

    def refused(self, what: str, message: str, code: str, seconds: float) -> Overloaded:
        """The error for a request that its key has no room for."""
        self.metrics.limited.labels(what).inc()
        return Overloaded(message, code=code, retry_after_seconds=seconds)


class Free:
    """A request of a key without limits."""

    allowance: tuple[Header, ...] = ()

    async def __aenter__(self) -> None:
        """It costs nothing."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """And so there is nothing to settle."""


FREE = Free()


class Visit(Free):
    """One request's place among those of its key."""

    def __init__(self, quotas: Quotas, key: str, limits: KeyLimits) -> None:
        self._quotas = quotas
        self._limits = limits
        self._key = key
        self._tokens = 0  # an estimate; stays 0 where tokens are not limited
        self._taken: Taken | None = None

    async def __aenter__(self) -> None:
        self._take_slot()
        try:
            await self._take_rates()
        except BaseException:
            self._return_slot()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._return_slot()

    def _take_slot(self) -> None:
        running, most = self._quotas.running, self._limits.concurrent_requests
        if most is not None and running[self._key] >= self._quotas.share_of_slots(most):
            message = f"this key has {most} requests under way, as many as it may"
            raise self._quotas.refused("concurrency", message, "rate_limit_exceeded", 1.0)
        running[self._key] += 1

    def _return_slot(self) -> None:
        running = self._quotas.running
        running[self._key] -= 1
        if not running[self._key]:
            del running[self._key]

    async def _take_rates(self) -> None:
        costs = self._costs()
        if not costs:
            return
        taken = await self._quotas.rates.take(self._key, costs)
        self.allowance = headers_of(taken.standings)
        if (refused := taken.refused) is not None:
            raise self._refused(refused)
        self._taken = taken

    def _costs(self) -> list[Cost]:
        limits, share = self._limits, self._quotas.share
        costs = []
        if limits.requests_per_minute:
            costs.append(Cost("requests", 1, share(limits.requests_per_minute)))
        if limits.tokens_per_minute and self._tokens:
            costs.append(Cost("tokens", self._tokens, share(limits.tokens_per_minute)))
        return costs

    def _refused(self, by: Standing) -> ApiError:
        message = f"this key's limit of {by.limit} {by.what} per minute is reached"
        return self._quotas.refused(by.what, message, "rate_limit_exceeded", by.wait_seconds)


class Charge(Visit):
    """One request's cost: its place, and the tokens that are spent on it."""

    def __init__(self, quotas: Quotas, trip: Trip, limits: KeyLimits) -> None:
        super().__init__(quotas, trip.ask.caller.id, limits)
        self._trip = trip
        self._prompt = 0  # an estimate as well
        self._account: Account | None = None

    async def __aenter__(self) -> None:
        self._tokens = self._estimate()
        self._take_slot()
        try:
            self._take_budget()
            await self._take_rates()
        except BaseException:
            self._return_slot()
            self._settle_budget(0)
            raise
        finally:
            self._trip.allowance = self.allowance

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._return_slot()
        if not self._tokens:
            return
        spent, taken = spent_by(self._trip, self._prompt, self._tokens), self._taken
        self._settle_budget(spent)
        if taken is not None and self._limits.tokens_per_minute and spent != self._tokens:
            await taken.counter.settle(self._key, "tokens", spent - self._tokens, taken.second)

    def _estimate(self) -> int:
        """Tokens to set aside; raises BadRequest where the key's limits could never have so many."""
        most, ask = self._most_tokens(), self._trip.ask
        if most is None:
            return 0
        self._prompt = prompt_tokens(ask)
        field, told = bounded_by(ask) or ("messages", self._quotas.assumed_tokens)
        wanted = self._prompt + ask.most_samples * told
        if wanted <= most:
            return wanted
        if field == "messages" and self._prompt < most:
            return most
        message = f"this may take {wanted} tokens, and this key never has more than {most} at once"
        field = field if self._prompt < most else "messages"
        raise BadRequest(message, param=field, code="request_too_large")

    def _most_tokens(self) -> int | None:
        """The most tokens that one request may ever have."""
        rate, budget = self._limits.tokens_per_minute, self._limits.budget_tokens
        ceilings = [self._quotas.share(rate)] if rate else []
        return min([*ceilings, budget] if budget else ceilings, default=None)

    def _take_budget(self) -> None:
        budget, per, budgets = self._limits.budget_tokens, self._limits.budget_per, self._quotas.budgets
        if budget is None:
            return
        self._account = budgets.hold(self._key, per, self._tokens, budget)
        if self._account is None:
            left, whole = budgets.left(self._key, per, budget), budgets.renewed_at(per)
            message = (
                f"this key's budget of {budget} tokens per {per} has {left} left, and this may take {self._tokens}; "
                f"it is whole again at {whole:%Y-%m-%dT%H:%MZ}"
            )
            raise self._quotas.refused("budget", message, "insufficient_quota", budgets.seconds_left(per))

    def _settle_budget(self, spent: int) -> None:
        if self._account is not None:
            self._quotas.budgets.settle(self._account, self._tokens, spent)
            self._account = None


def prompt_tokens(ask: Ask) -> int:
    """About how many tokens the prompt is."""
    return tokens_in("".join(text_of(message.get("content")) for message in ask.body["messages"]))


def bounded_by(ask: Ask) -> tuple[str, int] | None:
    """The client's own field that bounds what one candidate may say, and how far; None where it sets none."""
    for name in ("max_completion_tokens", "max_tokens"):
        told = ask.body.get(name)
        if isinstance(told, int) and not isinstance(told, bool) and told > 0:
            return name, told
    return None


def spent_by(trip: Trip, prompt: int, held: int) -> int:
    """Tokens that a request has really taken: the engine's account, or where it gave none the best guess there is."""
    if trip.usage.total:  # of a blocked stream, which the engine was left in, without the prompt
        return trip.usage.total + (0 if trip.usage.prompt else prompt)
    if "engine" not in trip.stages:
        return 0
    if trip.candidates:  # a stream that was left: what was heard of it
        return prompt + sum(candidate.tokens or tokens_in(candidate.text) for candidate in trip.candidates)
    if trip.completion:  # vectors
        return prompt
    return held if trip.error in LEFT_ALONE else 0


def tokens_in(text: str) -> int:
    """About how many tokens a text is."""
    return len(text) // CHARACTERS_PER_TOKEN + 1


def headers_of(standings: Iterable[Standing]) -> tuple[Header, ...]:
    """How the limits stand, in OpenAI's headers."""
    headers: list[Header] = []
    for each in standings:
        limit, remaining, reset = NAMES[each.what]
        headers += (
            (limit, b"%d" % each.limit),
            (remaining, b"%d" % each.remaining),
            (reset, span(each.reset_seconds).encode()),
        )
    return tuple(headers)


def span(seconds: float) -> str:
    """A time as OpenAI writes it: 340ms, 12s, 1m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
