"""One gateway for all tests of a file."""

from collections.abc import Iterator

import pytest

from tests.fakes.gateway import Running, running_gateway


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits={"max_n": 8, "max_body_bytes": 100_000}) as running:
        yield running
