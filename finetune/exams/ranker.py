"""Whether a judge is the reward server that ranked candidates: by its address, or by the model that both tell."""

from collections.abc import Collection
from urllib.parse import urlsplit

from rewardserve.client import RewardClient, RewardFailed

WEB = ("http://", "https://")
HERE = {"localhost", "::1"}
SECONDS = 5.0  # to tell a model's name
PORTS = {"http": 80, "https": 443}


async def rankers_among(judges: Collection[str], rankers: Collection[str]) -> frozenset[str]:
    """Those of the judges that are reward servers at one of these addresses, or have the same model loaded.

    A server that tells no model now is known by its address alone.
    """
    servers = [judge for judge in judges if judge.startswith(WEB)]
    known = {address_of(each) for each in rankers}
    others = [judge for judge in servers if address_of(judge) not in known]
    models = {await model_at(each) for each in rankers} - {None} if others else set()
    alike = {judge for judge in others if models and await model_at(judge) in models}
    return frozenset({*servers} - {*others} | alike)


def address_of(url: str) -> tuple[str, int, str]:
    """Where a server is, however its address is spelt, whoever asks."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return (
        "127.0.0.1" if host in HERE else host,
        parts.port or PORTS.get(parts.scheme, 0),
        parts.path.rstrip("/"),
    )


async def model_at(url: str) -> str | None:
    """The name of the model that a reward server has loaded, if it tells."""
    try:
        async with RewardClient(url, SECONDS) as client:
            return await client.model(deadline_seconds=SECONDS)
    except RewardFailed:
        return None
