"""A tiny random policy with two adapters, in this process and behind a real server."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import openai
import pytest
from fastapi import FastAPI

from gateway.engines.pocket.app import Serving, create_app
from gateway.engines.pocket.model import PocketModel
from tests.fakes.tiny_adapter import make_tiny_adapter
from tests.fakes.tiny_policy import make_tiny_policy
from tests.serving import serving_opened


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="session")
def adapters(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {name: make_tiny_adapter(policy, folder / name, seed=k) for k, name in enumerate(("one", "two"))}


@pytest.fixture(scope="session")
def model(policy: Path) -> PocketModel:
    return PocketModel.load(policy)


@pytest.fixture(scope="session")
def url(model: PocketModel) -> Iterator[str]:
    """The root of a running engine, shared by tests that leave it as they found it."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[FastAPI]:
        app = create_app(model, Serving("tiny", "/where/it/lies", max_lora_rank=8), "1.2.3")
        async with app.router.lifespan_context(app):
            yield app

    with serving_opened(opening) as server:
        yield server.url


@pytest.fixture
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url) as session:
        yield session


@pytest.fixture
async def client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client
