"""The kind fms_detector: the contents contract, translated."""

from typing import Any

import pytest

from guards.services import Services
from guards.verdict import PolicyRefused, Segment
from tests.fakes.asked_guards import asking_screen
from tests.fakes.service import FakeService

CONFIG: dict[str, Any] = {
    "service": "guards",
    "detector": "pii",
    "hazards": {"EmailAddress": "G.pii", "hap": "hte"},
    "params": {"regex": ["email"]},
}
HAZARDS = {"G.pii": {"action": "redact", "threshold": 0.5}, "hte": {"action": "flag", "threshold": 0.5}}


def detection(start: int, end: int, kind: str, name: str, score: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "detection_type": kind, "detection": name, "score": score, **more}


async def test_detections_are_hazards_with_their_places(fake: FakeService, services: Services) -> None:
    mail = detection(2, 7, "pii", "EmailAddress", text="a@b.c", evidence=[], metadata={})
    fake.says = lambda path, body: [
        [mail, detection(0, 10, "hap", "LABEL_1", 0.4), detection(0, 1, "x", "y")]
    ]
    screening = await asking_screen("fms_detector", CONFIG, services, HAZARDS).prompt(
        [Segment("😀 a@b.c to", "prompt")]
    )
    assert screening.text == "😀 [EmailAddress removed] to"
    assert screening.verdicts[0].scores == {"G.pii": 1.0, "hte": 0.4}


async def test_it_is_asked_by_the_contract(fake: FakeService, services: Services) -> None:
    fake.says = lambda path, body: [[]]
    screening = await asking_screen("fms_detector", CONFIG, services, HAZARDS).prompt(
        [Segment("a", "prompt")]
    )
    assert (fake.paths, fake.headers[0]["detector-id"]) == (["/api/v1/text/contents"], "pii")
    assert fake.asked == [{"contents": ["a"], "detector_params": {"regex": ["email"]}}]
    assert screening.verdicts[0].scores == {}


async def test_a_star_stands_for_all_that_are_not_named(fake: FakeService, services: Services) -> None:
    fake.says = lambda path, body: [[detection(0, 1, "x", "the text itself", 0.7)]]
    config = CONFIG | {"hazards": {"*": "hte"}}
    screening = await asking_screen("fms_detector", config, services, {"hte": {"action": "flag"}}).prompt(
        [Segment("a", "prompt")]
    )
    [verdict] = screening.verdicts
    assert (verdict.scores, verdict.spans[0].label) == ({"hte": 0.7}, "")


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        [[], []],
        [detection(0, 1, "a", "b")],
        [[{"start": 0}]],
        [[detection(0, 99, "pii", "EmailAddress")]],
        [[detection(1, 0, "pii", "EmailAddress")]],
        [[detection(0, 1, "pii", "EmailAddress", 1.1)]],
        404,
    ],
)
async def test_nonsense_is_a_failure(fake: FakeService, services: Services, told: Any) -> None:
    fake.says = lambda path, body: told
    screening = await asking_screen("fms_detector", CONFIG, services, HAZARDS).prompt(
        [Segment("a", "prompt")]
    )
    assert screening.failures
    assert not screening.verdicts


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"detector": "a\nb"}, "config.detector"),
        ({"hazards": {"hap": "*"}}, "must be one hazard"),
        ({"longest_chars": 9999}, "longest_chars of what the detector marks"),
    ],
)
async def test_a_detector_that_cannot_work_is_refused(
    services: Services, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(PolicyRefused, match=says):
        asking_screen("fms_detector", CONFIG | more, services, HAZARDS)
