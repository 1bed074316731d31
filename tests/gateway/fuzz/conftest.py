"""One gateway in this process for each file of cases."""

from collections.abc import Iterator

import pytest

from tests.gateway.fuzz.world import World, opened_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened_world(tmp_path_factory.mktemp("world")) as world:
        yield world
