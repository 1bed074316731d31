"""What stands behind the routes: the model that is served now, and how another takes its place while it is."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from rewardserve.batcher import Batcher, not_finite
from rewardserve.contract import ScoreRequest, ScoreResponse
from rewardserve.errors import BatcherClosed, ModelUnusable, ReloadBusy, ReloadRefused
from rewardserve.metrics import Metrics
from rewardserve.scorer import Closing, Measured, Message, ModelCard, Scorer
from rewardserve.scoring import Scoring
from rewardserve.settings import RewardSettings

log = logging.getLogger(__name__)
PROBE = [Message("user", "Is this thing on?")]
Scorers = Sequence[Scorer[Measured]]
Load = Callable[[RewardSettings, str], Scorers]


class Served:
    """A loaded model, once for each worker, and the batcher before it."""

    def __init__(self, scorers: Scorers, settings: RewardSettings, metrics: Metrics) -> None:
        self._scorers = scorers
        self.card: ModelCard = scorers[0].card
        self.batcher = Batcher(
            scorers,
            settings.limits,
            metrics.batch,
            on_late=metrics.late,
            drain_seconds=settings.drain_seconds,
        )

    async def open(self, text_thread: ThreadPoolExecutor) -> None:
        """Begin to serve; text is rendered on the thread given."""
        await self.batcher.__aenter__()
        self.scoring = Scoring(self._scorers[0], self.batcher, text_thread)

    async def close(self) -> None:
        """Serve those who wait, then give back what the model holds."""
        try:
            await self.batcher.__aexit__(None, None, None)
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
        self.served = Served(scorers, settings, metrics)

    async def __aenter__(self) -> Self:
        await self.served.open(self._text_thread)
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
            new, old = Served(scorers, self._settings, self._metrics), self.served
            await new.open(self._text_thread)
            self.served = new
            await old.close()
        return new.card

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
