"""A service that guards ask, and the settings that name it."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from guards.services import Services
from tests.fakes.service import FakeService, fake_service


@pytest.fixture
async def fake() -> AsyncIterator[FakeService]:
    async with fake_service() as running:
        yield running


@pytest.fixture
async def services(fake: FakeService) -> AsyncIterator[Services]:
    signing = fake.service("signing", secret=SecretStr("shared with the service"))
    async with Services([fake.service(), signing]) as found:
        yield found
