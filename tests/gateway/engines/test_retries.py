"""What a failure says of its replica, and who is asked next."""

import pytest

from gateway.engines.contract import EngineFailed, EngineRefused, EngineTimedOut, EngineUnavailable
from gateway.engines.retries import Tries, served


def refused(status: int) -> EngineRefused:
    return EngineRefused(status, "no")


@pytest.mark.parametrize(
    ("error", "well"),
    [
        (EngineUnavailable(), False),
        (EngineTimedOut(), False),
        (EngineFailed(), None),
        (refused(500), None),
        *((refused(status), False) for status in (502, 503, 504)),
        *((refused(status), True) for status in (400, 404, 422, 429)),
    ],
    ids=str,
)
def test_a_failure_tells_of_its_replica_or_of_its_request(error: EngineFailed, well: bool | None) -> None:
    assert served(error) is well


def asked(error: EngineFailed, *, streamed: bool = False) -> str:
    """Whom a request asks when everybody fails alike."""
    tries, names = Tries("abc", streamed=streamed), ""
    for name in tries:
        names += name
        if not tries.elsewhere(error):
            break
    return names


@pytest.mark.parametrize(
    ("error", "streamed", "names"),
    [
        (EngineUnavailable(), False, "abc"),
        (EngineUnavailable(), True, "abc"),
        (refused(502), False, "abc"),
        (refused(429), False, "ab"),
        (refused(503), True, "ab"),
        (EngineTimedOut(), True, "abc"),
        (EngineTimedOut(), False, "a"),
        (refused(400), False, "a"),
        (refused(404), False, "a"),
        (EngineRefused(404, "The model `x` does not exist."), False, "abc"),
        (refused(500), False, "a"),
        (EngineFailed(), False, "a"),
    ],
)
def test_each_kind_of_failure_goes_as_far_as_it_makes_sense(
    error: EngineFailed, streamed: bool, names: str
) -> None:
    assert asked(error, streamed=streamed) == names


def test_a_replica_that_was_mended_is_asked_once_more_and_not_for_ever() -> None:
    tries = Tries("ab")
    names = [name for name in tries if tries.once_more() or name]
    assert names == ["a", "a", "b", "b"]
