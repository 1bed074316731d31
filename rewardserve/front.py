"""What stands behind the routes: the model that is served now, and how another takes its place while it is."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from rewardserve.batcher import Batcher, not_finite
from rewardserve.contract import ScoreRequest, ScoreResponse
from rewardserve.errors import BatcherClosed, ModelUnusable, ReloadBusy, ReloadRefused
from rewardserve.metrics import Metrics
from rewardserve.probe import Recorded, read_recorded
from rewardserve.probing import probing
from rewardserve.scorer import Closing, Measured, Message, ModelCard, Scorer
from rewardserve.scoring import Scoring
from rewardserve.settings import RewardSettings
from rewardserve.watched import Watched

log = logging.getLogger(__name__)
PROBE = [Message("user", "Is this thing on?")]
Scorers = Sequence[Scorer[Measured]]
Load = Callable[[RewardSettings, str], Scorers]


class Served:
    """A loaded model, once for each worker, and the batcher before it."""

    def __init__(
        self, scorers: Scorers, settings: RewardSettings, metrics: Metrics, recorded: Recorded | None
    ) -> None:
        self._scorers = scorers
        self._recorded = recorded
        self._probe_seconds = settings.probe_seconds
        self._while_open = AsyncExitStack()
        self.card: ModelCard = scorers[0].card
        self.batcher = Batcher(
            scorers,
            settings.limits,
            metrics.batch,
            on_late=metrics.late,
            drain_seconds=settings.drain_seconds,
        )

    async def open(self, text_thread: ThreadPoolExecutor, watched: Watched) -> None:
        """Begin to serve, and to be watched; text is rendered on the thread given."""
        first, batcher = self._scorers[0], self.batcher
        await self._while_open.enter_async_context(batcher)
        watched.watch(first)
        self.scoring = Scoring(first, batcher, text_thread, watched.rewarded)
        await self._while_open.enter_async_context(
            probing(first, batcher.score, self._recorded, self._probe_seconds, watched.probed)
        )

    async def close(self) -> None:
        """Serve those who wait, then give back what the model holds."""
        try:
            await self._while_open.aclose()
        finally:
            for scorer in self._scorers:
                if isinstance(scorer, Closing):
                    scorer.close()


class Front:
    """The model served now; use it as `async with`."""

    def __init__(self, scorers: Scorers, settings: RewardSettings, metrics: Metrics, load: Load) -> None:
        self._settings = settings
        self._metrics = metrics
        self._load = load
        self._reloading = asyncio.Lock()
        self._text_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reward-text")
        self._watched = Watched(metrics.registry)
        recorded = read_recorded(settings.probe, scorers[0].card.name) if settings.probe else None
        self.served = Served(scorers, settings, metrics, recorded)

    async def __aenter__(self) -> Self:
        await self.served.open(self._text_thread, self._watched)
        self._metrics.watch(lambda: self.served.batcher.depth, lambda: self.served.batcher.ailment is None)
        return self

    async def answer(self, ask: ScoreRequest) -> ScoreResponse:
        """The reward of every candidate, all by one model; raises ScoringError."""
        served = self.served
        try:
            return await served.scoring.answer(ask)
        except BatcherClosed:
            if self.served is served:
                raise
            # It was replaced between the rendering of this request and its place in the queue.
            return await self.served.scoring.answer(ask)

    async def reload(self, model: str) -> ModelCard:
        """Load a model beside the one that is served, prove it, let it take over, and free the old one.

        Raises ReloadRefused, or ReloadBusy; the old one then goes on serving.
        """
        if self._reloading.locked():
            raise ReloadBusy("another reload is under way")
        async with self._reloading:
            scorers = await asyncio.to_thread(self._loaded, model)
            recorded = self._recorded_of(scorers[0].card.name)
            new, old = Served(scorers, self._settings, self._metrics, recorded), self.served
            await new.open(self._text_thread, self._watched)
            self.served = new
            await old.close()
        return new.card

    def _recorded_of(self, name: str) -> Recorded | None:
        """The probes of a model that takes over; they are of one model, and say nothing of another."""
        try:
            return read_recorded(self._settings.probe, name) if self._settings.probe else None
        except ModelUnusable as error:
            log.warning("the new model is not probed: %s", error)
            return None

    def _loaded(self, model: str) -> Scorers:
        """The model, which has answered once; raises ReloadRefused."""
        try:
            scorers = self._load(self._settings, model)
            for scorer in scorers:
                prove(scorer)
        except ModelUnusable as error:
            raise ReloadRefused(str(error), param="model") from error
        except Exception as error:
            log.exception("a model that was to be loaded failed")
            raise ReloadRefused(f"it failed to load: {type(error).__name__}", param="model") from error
        return scorers

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.served.close()
        finally:
            self._text_thread.shutdown(wait=True)


def prove(scorer: Scorer[Measured]) -> None:
    """Let it score something; raises ModelUnusable if what comes is no reward."""
    rewards = scorer.score(scorer.prepare(PROBE, ["Yes."]))
    if len(rewards) != 1 or not_finite(rewards[0]) is not None:
        raise ModelUnusable(f"it gives no proper reward: {list(rewards)}")
