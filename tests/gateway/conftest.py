"""The gateway that a file serves, as if nothing had been asked yet, and the clients that ask it.

A file, or a folder, that wants them says with a fixture `served` how its gateway is set up.
"""

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.fakes.gateway import Running


@pytest.fixture
def gateway(served: Running) -> Running:
    served.reset()
    return served


@pytest.fixture
def sdk(gateway: Running) -> Iterator[openai.OpenAI]:
    with gateway.sdk() as client:
        yield client


@pytest.fixture
def http(gateway: Running) -> Iterator[httpx.Client]:
    with gateway.http() as client:
        yield client
