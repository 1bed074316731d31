"""How a retraining ended is told, by whatever command it ran."""

import json
from contextlib import suppress
from typing import Any

import pytest
from safetensors import SafetensorError

from finetune.ending import ending_told
from finetune.errors import RunUnderWay, TrainingFailed
from finetune.notify import Webhook, telling
from finetune.retrain import Outcome
from tests.finetune.test_notify import Hook
from tests.serving import serving


async def told(end: Outcome | Exception) -> list[dict[str, Any]]:
    """What a webhook hears of a retraining that ends so."""

    async def work() -> Outcome:
        if isinstance(end, Exception):
            raise end
        return end

    with serving(hook := Hook()) as server:
        async with telling([Webhook(url=server.url)]) as notifier:
            with suppress(RunUnderWay, TrainingFailed, SafetensorError):
                await ending_told(work(), "assistant", notifier)
    return [json.loads(body) for _, body in hook.heard]


async def heard(end: Outcome | Exception) -> list[str]:
    """The events of these."""
    return [each["event"] for each in await told(end)]


@pytest.mark.parametrize(
    ("end", "event"),
    [
        (Outcome("r", promoted=True, reasons=(), version="v2"), "run.promoted"),
        (Outcome("r", promoted=False, reasons=(), version="v2", rollout="ro"), "run.rolling_out"),
        (Outcome("r", promoted=False, reasons=("not enough pairs",)), "run.kept"),
        (TrainingFailed("no memory"), "run.failed"),
        (SafetensorError("Error while serializing: I/O error: No space left on device"), "run.failed"),
    ],
)
async def test_each_end_has_its_event(end: Outcome | Exception, event: str) -> None:
    assert await heard(end) == [event]


async def test_a_run_that_is_another_workers_has_not_failed() -> None:
    assert await heard(RunUnderWay("held by another")) == []


async def test_what_nobody_foresaw_is_told_by_its_kind_alone_for_it_may_hold_a_prompt() -> None:
    (heard,) = await told(SafetensorError("how do I"))
    why = "SafetensorError, which nobody foresaw: `trimtab finetune status` says more"
    assert heard["text"] == f"assistant: retraining failed: {why}"
