"""Asks a policy many conversations, a batch at a time, and not in the way of the event loop."""

import asyncio
from collections.abc import Sequence

from finetune.exams.contract import Answer, ExamPlan, Policy
from gateway.exchange import Message

BATCH = 16  # prompts sampled together


async def ask(
    policy: Policy, conversations: Sequence[Sequence[Message]], plan: ExamPlan
) -> list[list[Answer]]:
    """`plan.samples` answers to each; cancelling stops between two batches. Raises PolicyFailed."""
    found: list[list[Answer]] = []
    for start in range(0, len(conversations), BATCH):
        some = conversations[start : start + BATCH]
        found += await asyncio.to_thread(policy.sample, some, plan, plan.seed + start)
    return found
