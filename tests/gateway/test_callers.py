"""Keys in a request's headers: one, wherever it stands."""

import pytest

from gateway.callers import caller_in
from gateway.errors import Unauthenticated
from tests.fakes.gateway import FakeKeys

BEARER = (b"authorization", b"Bearer application")
PLAIN = (b"x-api-key", b"application")


@pytest.mark.parametrize("headers", [[BEARER], [PLAIN], [BEARER, PLAIN], [(b"x-other", b"1"), PLAIN]])
def test_a_key_is_found_in_either_header(headers: list[tuple[bytes, bytes]]) -> None:
    assert caller_in(headers, FakeKeys()).id == "key-application"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-api-key", b"")],
        [(b"x-api-key", b"nobody")],
        [(b"x-api-key", b"Bearer application")],
        [(b"x-api-key", b"application"), (b"x-api-key", b"admin")],
        [BEARER, (b"x-api-key", b"admin")],
        [BEARER, (b"x-api-key", b"")],
        [(b"authorization", b"Basic application"), PLAIN],
    ],
)
def test_what_is_not_one_known_key_is_none(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Unauthenticated):
        caller_in(headers, FakeKeys())
