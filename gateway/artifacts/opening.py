"""Opens the artifact store that settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.artifacts.fetching import Fetching
from gateway.artifacts.store import ArtifactsFailed, ArtifactStore, open_store
from gateway.settings import GatewaySettings, SettingsInvalid


def store_of(settings: GatewaySettings) -> ArtifactStore | None:
    """The store, if the settings name one; raises SettingsInvalid where nothing here can read it."""
    told = settings.artifacts
    if told.store is None:
        return None
    try:
        return open_store(told.store, told.cache or settings.home.absolute() / "versions", told.options)
    except ArtifactsFailed as error:
        raise SettingsInvalid(str(error)) from None


@asynccontextmanager
async def fetching_of(settings: GatewaySettings) -> AsyncIterator[Fetching | None]:
    """Who brings versions from it here; what is on its way at the end is broken off."""
    store = store_of(settings)
    if store is None:
        yield None
        return
    fetching = Fetching(store)
    try:
        yield fetching
    finally:
        await fetching.close()
