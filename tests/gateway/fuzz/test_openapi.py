"""Both OpenAPI documents are held to: no operation crashes or hangs, and each answers as its document says."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from gateway.admin.app import admin_routes
from gateway.api.openapi.document import document_of
from gateway.api.routes import asking_routes
from gateway.app import public_routes
from tests.fakes.engine import fake_engine
from tests.gateway.admin.conftest import House, open_house
from tests.gateway.fuzz.amount import QUICKLY, cases
from tests.test_promises import Anything


def refuses_what_is_forbidden(context: Any, response: Any, case: schemathesis.Case) -> bool | None:
    """schemathesis' own check of bodies; it knows no 413, and takes a parameter that is said twice for a list."""
    if response.status_code == 413 or case.method == "GET":
        return None
    return checks.negative_data_rejection(context, response, case)


CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    refuses_what_is_forbidden,
]
HOW = {**QUICKLY, "phases": [Phase.explicit, Phase.generate]}


def operations() -> Iterator[Any]:
    for routes, asking in ((public_routes(Anything()), True), (admin_routes(Anything()), False)):
        schema = schemathesis.openapi.from_dict(document_of(routes, (), asking=asking))
        for found in schema.get_all_operations():
            yield pytest.param(found.ok(), id=found.ok().label)


OPERATIONS = list(operations())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with fake_engine() as (engine, behind), open_house(folder, behind.url, engine) as house:
        yield house


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
def test_an_operation_answers_as_its_document_says(
    operation: Any, mode: GenerationMode, house: House
) -> None:
    headers = {"authorization": f"Bearer {house.keys['admin']}"}

    @settings(max_examples=cases(0.2) // (2 * len(OPERATIONS)), **HOW)
    @given(operation.as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=house.server.url, headers=headers, checks=CHECKS, timeout=30)

    holds()


def test_every_route_that_asks_is_in_the_document(house: House) -> None:
    with house.http() as http:
        told = http.get("/openapi.json").json()["paths"]
    assert {route.path for route in asking_routes(house.tools)} <= told.keys()
