"""How a retraining ended is told, by whatever command it ran."""

import json
from contextlib import suppress

import pytest

from finetune.ending import ending_told
from finetune.errors import RunUnderWay, TrainingFailed
from finetune.notify import Notifier, Webhook
from finetune.retrain import Outcome
from tests.finetune.test_notify import Hook
from tests.serving import serving


async def heard(end: Outcome | Exception) -> list[str]:
    """The events that a webhook hears of a retraining that ends so."""

    async def work() -> Outcome:
        if isinstance(end, Exception):
            raise end
        return end

    with serving(hook := Hook()) as server:
        notifier = Notifier([Webhook(url=server.url)])
        with suppress(RunUnderWay, TrainingFailed):
            await ending_told(work(), "assistant", notifier)
    return [json.loads(body)["event"] for _, body in hook.heard]


@pytest.mark.parametrize(
    ("end", "event"),
    [
        (Outcome("r", promoted=True, reasons=(), version="v2"), "run.promoted"),
        (Outcome("r", promoted=False, reasons=(), version="v2", rollout="ro"), "run.rolling_out"),
        (Outcome("r", promoted=False, reasons=("not enough pairs",)), "run.kept"),
        (TrainingFailed("no memory"), "run.failed"),
    ],
)
async def test_each_end_has_its_event(end: Outcome | Exception, event: str) -> None:
    assert await heard(end) == [event]


async def test_a_run_that_is_another_workers_has_not_failed() -> None:
    assert await heard(RunUnderWay("held by another")) == []
