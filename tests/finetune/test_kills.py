"""A run whose worker is killed ends by itself: one point of the bench, which has 48."""

import shutil

import pytest

from tests.bench.loop.kills import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("initdb"), reason="no PostgreSQL is installed"),
]


def test_it_is_gone_on_with_trained_once_and_answers() -> None:
    [trial] = run((("worker", "train"),))
    assert trial.wrong == []
