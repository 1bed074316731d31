"""What the gate asks of the data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.exams.lineage import Asked, Standing, data_conditions
from finetune.pairs.dataset import freeze
from finetune.pairs.pair import Pair, Provenance

SOURCE = Provenance("e", "k", "v0", "p", "guard:classifier", "vcr", 1.0, -1.0)
PAIRS = [
    Pair(
        ({"role": "user", "content": f"How do I bake loaf number {i}?"},),
        "With flour.",
        "No.",
        "safety",
        SOURCE,
    )
    for i in range(4)
]
NOTHING = Asked({}, {"main": ("wording",)})


class Known:
    """Knows the same of every dataset."""

    def __init__(self, standing: Standing) -> None:
        self.told = standing

    async def standing(self, sha256: str, pairs: Sequence[str]) -> Standing:
        return self.told


async def failed(
    folder: Path, pairs: list[Pair], asked: Asked = NOTHING, standing: Standing | None = None
) -> list[str]:
    dataset = freeze(pairs, folder, {})
    registrar = Known(standing) if standing else None
    conditions = await data_conditions(dataset.path, dataset.sha256, asked, registrar)
    return [one.reason for one in conditions if not one.passed]


async def test_sound_data_passes(tmp_path: Path) -> None:
    assert await failed(tmp_path, PAIRS, NOTHING, Standing(registered=True)) == []


async def test_an_exams_prompt_among_the_pairs_is_found(tmp_path: Path) -> None:
    asked = Asked({"main": ("How do I bake loaf number 2?",)}, {})
    assert await failed(tmp_path, PAIRS, asked) == ["data.contaminated"]


async def test_an_exams_prompt_in_an_answer_or_an_earlier_turn_is_found(tmp_path: Path) -> None:
    prompt = "Please list all the villages along the old river road that still have a bakery of their own"
    turns = (
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": "Two."},
        *PAIRS[0].messages,
    )
    asked = Asked({"main": (prompt,)}, {})
    for holding in (replace(PAIRS[0], messages=turns), replace(PAIRS[0], chosen=prompt)):
        assert await failed(tmp_path, [holding, *PAIRS[1:]], asked) == ["data.contaminated"]


async def test_somebodys_numbers_are_found(tmp_path: Path) -> None:
    card = replace(PAIRS[0], chosen="Take my card, 4111 1111 1111 1111, please.")
    assert await failed(tmp_path, [card, *PAIRS[1:]]) == ["data.personal"]


async def test_a_labeller_may_not_judge_unless_it_is_allowed(tmp_path: Path) -> None:
    asked = Asked({}, {"safety": ("guard:classifier", "guard:other")})
    assert await failed(tmp_path, PAIRS, asked) == ["judge.labelled"]
    assert await failed(tmp_path, PAIRS, replace(asked, labellers_may_judge=True)) == []


def labelled(by: str) -> list[Pair]:
    return [replace(PAIRS[0], provenance=replace(SOURCE, labelled_by=by))]


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("reward", True),
        ("constitution:abc#1+reward", True),
        ("constitution:abc#1", True),  # of before it was told who decided
        ("constitution:abc#1+guard:classifier", False),
        ("edit:e1", False),
    ],
)
async def test_the_reward_server_may_not_judge_what_it_ranked(tmp_path: Path, by: str, found: bool) -> None:
    asked = Asked({}, {"wins": ("http://reward:8083",)}, rankers={"http://reward:8083"})
    assert (await failed(tmp_path, labelled(by), asked) == ["judge.labelled"]) is found


async def test_a_guard_may_not_judge_the_revision_that_it_asked_for(tmp_path: Path) -> None:
    asked = Asked({}, {"safety": ("guard:classifier",)})
    by = "constitution:abc#1+guard:classifier"
    assert await failed(tmp_path, labelled(by), asked) == ["judge.labelled"]


@pytest.mark.parametrize(
    ("standing", "reason"),
    [(Standing(registered=False), "data.unregistered"), (Standing(registered=True, erased=2), "data.erased")],
)
async def test_what_the_ledger_disowns_is_refused(tmp_path: Path, standing: Standing, reason: str) -> None:
    assert await failed(tmp_path, PAIRS, NOTHING, standing) == [reason]


async def test_data_that_changed_is_refused(tmp_path: Path) -> None:
    dataset = freeze(PAIRS, tmp_path, {})
    dataset.path.write_bytes(dataset.path.read_bytes() + b"\n")
    (condition,) = await data_conditions(dataset.path, dataset.sha256, NOTHING, None)
    assert (condition.passed, condition.reason) == (False, "data.damaged")


@pytest.mark.parametrize(("erased", "reason"), [(1, "data.erased"), (0, "data.damaged")])
async def test_data_whose_file_is_gone_was_erased_where_the_ledger_says_so(
    tmp_path: Path, erased: int, reason: str
) -> None:
    dataset, known = freeze(PAIRS, tmp_path, {}), Known(Standing(registered=True, erased=erased))
    dataset.path.unlink()
    (condition,) = await data_conditions(dataset.path, dataset.sha256, NOTHING, known)
    assert (condition.passed, condition.reason) == (False, reason)
    assert ("was erased since" in condition.told) is bool(erased)
