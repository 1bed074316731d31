"""Rewards for candidates, whole or only begun; without them the trip says so and goes on."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

from gateway import parts
from gateway.clock import Limit
from gateway.exchange import Candidate
from gateway.strategies import STRATEGIES
from gateway.tools import Tools
from gateway.trip import Trip
from gateway.unrewarded import note_missing_heads, without_rewards
from rewardserve.client import RewardFailed, RewardRefused
from rewardserve.reward import Reward

REFUSED, UNAVAILABLE, GARBAGE, NO_TIME = "refused", "unavailable", "garbage", "no time left"


class Unscored(Exception):
    """There are no rewards; the message is one word that says why."""


async def score(trip: Trip, tools: Tools) -> None:
    """Ask for the rewards of all safe candidates that have none, where the strategy ranks; without them, say so."""
    waiting = [candidate for candidate in trip.candidates if candidate.safe and candidate.reward is None]
    if not waiting or tools.rewards is None or needs_none(trip):
        return
    try:
        rewards = await rewards_for([text_to_score(each) for each in waiting], trip, tools)
    except Unscored as why:
        without_rewards(trip, str(why), tools.settings.reward.fallback)
        trip.candidates = tuple(replace(each, reward=None) for each in trip.candidates)
        return
    scored = {each.index: reward for each, reward in zip(waiting, rewards, strict=True)}
    trip.candidates = tuple(
        replace(each, reward=float(scored[each.index]), heads=scored[each.index].heads)
        if each.index in scored
        else each
        for each in trip.candidates
    )
    note_missing_heads(trip)


def needs_none(trip: Trip) -> bool:
    """Whether the strategy goes by something else than rewards, and has it."""
    own = STRATEGIES[trip.ask.strategy]
    return own.rewarded == "unused" and (
        not own.ranks or any(each.certainty is not None for each in trip.candidates)
    )


async def rewards_for(
    texts: Sequence[str], trip: Trip, tools: Tools, *, partial: bool = False
) -> list[Reward]:
    """One finite reward for each answer to the trip's conversation, or beginning of one; raises Unscored."""
    if tools.rewards is None:
        raise Unscored(UNAVAILABLE)
    seconds = min(tools.settings.reward.timeout_seconds, trip.seconds_left)
    messages = [{**turn, "content": parts.text_of(turn.get("content"))} for turn in trip.body["messages"]]
    began = time.perf_counter()
    with trip.stage("reward"):
        try:
            with Limit(seconds):
                rewards = await tools.rewards.rewards(
                    messages,
                    texts,
                    partial=partial,
                    tenant=trip.ask.caller.id,
                    route=trip.ask.alias,
                    deadline_seconds=max(seconds, 0.001),
                )
        except RewardRefused:
            raise Unscored(REFUSED) from None
        except (RewardFailed, TimeoutError):
            raise Unscored(NO_TIME if trip.seconds_left <= 0 else UNAVAILABLE) from None
    tools.memory.of((trip.ask.alias, trip.version)).scored(time.perf_counter() - began)
    if len(rewards) != len(texts) or not all(map(math.isfinite, rewards)):
        raise Unscored(GARBAGE)
    return rewards


def text_to_score(candidate: Candidate) -> str:
    """The candidate's content as it would be delivered; its tool calls, when it says nothing else."""
    segments = candidate.screening.segments if candidate.screening else ()
    content = [segment.text for segment in segments if segment.part == "content"]
    return "".join(content or [segment.text for segment in segments])
