"""Any OpenAI-compatible provider as an engine: its key, the headers it wants, its own names for models."""

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from gateway.engines.contract import Named
from gateway.engines.http import HttpEngine, Patience
from gateway.engines.origin import Origins
from gateway.engines.renamed import Renamed
from gateway.settings import EngineSettings


def engine_of(settings: EngineSettings, origins: Origins, patience: Patience) -> Named:
    """The engine that an operator described."""
    engine = HttpEngine(origins, settings.name, settings.url, headers_of(settings), patience)
    return Renamed(engine, settings.models) if settings.models else engine


def headers_of(settings: EngineSettings) -> Mapping[str, str]:
    """What every request to it carries: the operator's headers, which may replace the key's."""
    headers = {}
    if settings.api_key is not None:
        headers["authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
    return headers | {name.lower(): value.get_secret_value() for name, value in settings.headers.items()}


def shown(url: str) -> str:
    """A URL as people may see it: without credentials, wherever in it somebody put them."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
