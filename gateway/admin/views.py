"""How the operator's surface shows things as JSON; text of people only to those who may read it."""

import time
from dataclasses import asdict
from typing import Any

from gateway.admin.versions import Version
from gateway.engines.providers import shown
from gateway.engines.replica import Replica
from gateway.exchange import Candidate, Exchange
from gateway.reply import verdicts_of
from gateway.tenants.keys import Key

Json = dict[str, Any]


def version_seen(version: Version, weights: dict[str, dict[str, float]]) -> Json:
    """A version and the aliases that lead to it."""
    leads = {alias: told[version.id] for alias, told in weights.items() if version.id in told}
    return asdict(version) | {"weights": leads}


def engine_seen(replica: Replica, url: str) -> Json:
    """A replica of the policy model as this gateway process finds it, its URL without credentials."""
    return {
        "name": replica.name,
        "url": shown(url),
        "up": replica.up,
        "breaker": replica.breaker.state(time.monotonic()).name.lower(),
        "draining": replica.draining,
        "managed": replica.managed,
        "swapping": replica.swapping,
        "weights": replica.held,
        "outstanding_requests": replica.requests,
        "outstanding_tokens": replica.tokens,
        "capabilities": replica.can.as_json(),
        "declared": replica.can.declared,
    }


def key_seen(key: Key) -> Json:
    """A key and its terms, which never include a secret."""
    seen: Json = asdict(key)
    terms: Json = seen.pop("terms")
    return seen | terms


def exchange_seen(exchange: Exchange, *, with_text: bool) -> Json:
    """An exchange: what was decided and why; what was said only with text."""
    seen = {
        "id": exchange.id,
        "created_at": exchange.created_at,
        "key_id": exchange.key_id,
        "alias": exchange.alias,
        "version": exchange.version,
        "policy": exchange.policy,
        "strategy": exchange.strategy,
        "action": exchange.action.word,
        "flagged": exchange.flagged,
        "hazards": exchange.hazards,
        "finish_reason": exchange.finish_reason,
        "chosen": exchange.chosen,
        "why": exchange.why,
        "degraded": exchange.degraded,
        "usage": {"prompt_tokens": exchange.usage.prompt, "completion_tokens": exchange.usage.completion},
        "stage_seconds": dict(exchange.stage_seconds),
        "streamed": exchange.streamed,
        "error": exchange.error,
        "prompt": verdicts_of(exchange.prompt_screening),
        "candidates": [candidate_seen(each, with_text=with_text) for each in exchange.candidates],
    }
    if with_text:
        seen |= {"messages": exchange.messages, "answer": exchange.answer, "subject": exchange.subject}
    return seen


def candidate_seen(candidate: Candidate, *, with_text: bool) -> Json:
    """A candidate: its verdicts and reward; its text only with text."""
    seen = {
        "index": candidate.index,
        "reward": candidate.reward,
        "safe": candidate.safe,
        "finish_reason": candidate.finish_reason,
        "verdicts": verdicts_of(candidate.screening),
    }
    return seen | {"text": candidate.text} if with_text else seen
