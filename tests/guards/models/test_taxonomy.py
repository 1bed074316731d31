"""The translation of native categories: complete, and into hazards that there are."""

import pytest

from guards.models import taxonomy
from guards.models.family import Opinion, average, worst
from guards.policy.strict import known_hazard

TABLES = [
    *(taxonomy.LLAMA_GUARD, taxonomy.QWEN3GUARD, taxonomy.NEMOGUARD, taxonomy.SHIELDGEMMA, taxonomy.GRANITE),
    taxonomy.OPENAI,
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: next(iter(table)))
def test_every_category_is_a_hazard_of_ours(table: dict[str, str]) -> None:
    assert table
    assert all(known_hazard(hazard) == hazard for hazard in table.values())


def test_the_worst_of_several_opinions_counts() -> None:
    told = [Opinion({"vcr": 0.2, "hte": 0.9}, {"hte": "S10"}), Opinion({"vcr": 0.7}, {"vcr": "S1"})]
    assert worst(told) == Opinion({"vcr": 0.7, "hte": 0.9}, {"vcr": "S1", "hte": "S10"})


def test_of_several_samples_the_share_that_found_it_counts() -> None:
    found = average([Opinion({"vcr": 1.0}), Opinion({"vcr": 0.0}), Opinion({}), Opinion({"vcr": 1.0})])
    assert found.scores == {"vcr": 0.5}
