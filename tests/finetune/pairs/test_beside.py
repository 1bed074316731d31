"""Users' thumbs beside pairs, in one frozen dataset."""

from pathlib import Path
from typing import Any

from pyarrow import parquet

from finetune.exams.lineage import Asked, data_conditions
from finetune.exams.registered import LedgerRegistrar
from finetune.pairs.beside import beside
from finetune.pairs.dataset import Dataset, thaw
from finetune.pairs.datasets import listed
from finetune.pairs.export import export
from finetune.pairs.filters import Filtered, FilterRules
from finetune.pairs.make import MakeRules
from finetune.pairs.pair import Pair
from finetune.pairs.ratings import RatingSource, kept
from finetune.pairs.sources import PairSource
from gateway.erasure.erase import erase
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from tests.fakes.exchanges import benign, candidate, exchange
from tests.finetune.pairs.poisoning.test_poisoning import pair
from tests.finetune.pairs.test_ratings import rating, thumb

EXAM = {"main": ("Tell me of town 2.",)}
MOST = FilterRules(feedback_share=0.9)  # few pairs, and all of the thumbs


def joined(pairs: list[Pair], ratings: list[Pair], **rules: Any) -> tuple[list[Pair], dict[str, int]]:
    """The ratings that stay, and why others do not."""
    found = beside(
        Filtered(tuple(pairs), {}), Filtered(tuple(ratings), {}), FilterRules(**{"floor": 20, **rules})
    )
    assert found.pairs[: len(pairs)] == tuple(pairs)  # no pair goes for their sake
    left = list(found.pairs[len(pairs) :])
    assert len(left) + sum(found.dropped.values()) == len(ratings)
    return left, {name: count for name, count in found.dropped.items() if count}


def honest(count: int, start: int = 0) -> list[Pair]:
    return [pair(start + i, key=f"k{i % 4}") for i in range(count)]


def test_an_answer_that_a_pair_holds_is_not_said_again_nor_otherwise() -> None:
    (told,) = honest(1)
    same = [
        Pair(told.messages, *texts, "helpfulness", told.provenance)
        for texts in ((told.chosen, ""), ("", told.chosen), ("", told.rejected))
    ]
    assert joined([told], same, feedback_share=1) == ([], {"ratings: said by a pair": 3})


def test_thumbs_are_no_more_than_their_share_however_little_data_there_is() -> None:
    ratings = [rating(1000 + i, True, key=f"k{i % 4}") for i in range(60)]
    left, lost = joined(honest(80), ratings, feedback_share=0.2)
    assert (len(left), lost) == (20, {"ratings: feedback share": 40})


def test_thumbs_that_made_pairs_count_towards_it() -> None:
    pairs = [*honest(80), *(pair(500 + i, source="feedback", key=f"k{i % 4}") for i in range(15))]
    assert len(joined(pairs, [rating(1000 + i, True, key=f"k{i % 4}") for i in range(60)])[0]) == 5


def test_a_share_of_nothing_leaves_them_out() -> None:
    assert joined(honest(80), [rating(1000, True)], feedback_share=0)[0] == []


def test_a_question_that_pairs_have_asked_often_enough_is_not_asked_by_thumbs() -> None:
    pairs = [pair(7, rejected=f"Nothing of note, number {i}.") for i in range(2)]
    ratings = [rating(7, True, chosen=f"Something else to say about it, number {i}.") for i in range(3)]
    left, lost = joined(pairs, ratings, feedback_share=1, pairs_per_prompt=3)
    assert (len(left), lost) == (1, {"ratings: near duplicate": 2})


def test_nobody_adds_thumbs_beyond_his_share_of_both_together() -> None:
    pairs = [*honest(300), *(pair(600 + i, key="k1", subject="mallory") for i in range(60))]
    others = [rating(1000 + i, True, key=f"k{i % 4}", subject=f"user-{i}") for i in range(40)]
    flood = [rating(2000 + i, False, key="k1", subject="mallory") for i in range(40)]
    left, lost = joined(pairs, [*others, *flood], subject_share=0.2)
    theirs = sum(each.provenance.subject == "mallory" for each in (*pairs, *left))
    assert theirs <= 0.2 * (len(pairs) + len(left))
    assert lost == {"ratings: subject share": 15}


async def told(database: Database) -> PairSource:
    """Eight exchanges with two answers each, and three with one, which users rated; pairs are made."""
    solo = [
        exchange(
            f"solo-{i}", f"Tell me of town {i}.", candidate(0, f"It has {i} gates.", 0.1), subject=f"user-{i}"
        )
        for i in range(3)
    ]
    await Intake(database).take([*(benign(i) for i in range(8)), *solo])
    for number, value in enumerate((1.0, -1.0, 1.0)):
        await thumb(database, f"solo-{number}", value)
    source = PairSource(database)
    await source.gather(MakeRules())
    return source


async def frozen(database: Database, folder: Path) -> Dataset:
    return await (await told(database)).freeze(MOST, EXAM, folder, thumbs=True)


async def test_both_are_frozen_in_one_file_and_counted_apart(database: Database, tmp_path: Path) -> None:
    made = await frozen(database, tmp_path)
    labels = {each.provenance.exchange_id: each.liked for each in thaw(made.path) if not each.whole}
    assert labels == {"solo-0": True, "solo-1": False}
    assert (made.pairs, made.ratings, made.dropped["ratings: in exam main"]) == (8, 2, 1)
    (row,) = await listed(database, 9)
    assert (row["kind"], row["rows"], row["counts"]["labels"]) == (
        "pairs and ratings",
        10,
        {"liked": 1, "disliked": 1},
    )


async def test_the_gates_data_checks_hold_of_both(database: Database, tmp_path: Path) -> None:
    made = await frozen(database, tmp_path)
    asked = Asked(EXAM, {"main": ("wording",)})
    found = await data_conditions(made.path, made.sha256, asked, LedgerRegistrar(database))
    assert [each for each in found if not each.passed] == []


async def test_an_erasure_of_who_rated_marks_what_both_are_in(database: Database, tmp_path: Path) -> None:
    made = await frozen(database, tmp_path)
    assert (await erase(database, "user-0", "asked to", "admin")).datasets == [made.sha256]
    assert not await PairSource(database).fit(made)


async def test_what_an_erasure_overtook_is_not_frozen(database: Database, tmp_path: Path) -> None:
    """It came after the ratings were read, and before they were kept."""
    source = await told(database)
    ratings = await RatingSource(database).standing()
    await erase(database, "user-0", "asked to", "admin")
    async with database.write() as connection:
        assert [each.provenance.exchange_id for each in await kept(connection, ratings)] == [
            "solo-1",
            "solo-2",
        ]
    assert (await source.freeze(MOST, {}, tmp_path, thumbs=True)).ratings == 2


async def test_an_exchange_that_was_rated_alone_has_given_no_pair(database: Database, tmp_path: Path) -> None:
    await frozen(database, tmp_path)
    assert {name.split("-")[0] for name in await PairSource(database).paired()} == {"good"}


async def test_without_being_asked_for_thumbs_stay_out(database: Database, tmp_path: Path) -> None:
    assert (await (await told(database)).freeze(MOST, {}, tmp_path)).ratings == 0
    assert (await listed(database, 9))[0]["kind"] == "pairs"


async def test_a_preview_counts_them_as_freezing_would(database: Database, tmp_path: Path) -> None:
    made = await frozen(database, tmp_path)
    seen = await PairSource(database).preview(MakeRules(), MOST, EXAM, thumbs=True)
    assert (seen.ratings, len(seen.kept.pairs)) == (made.ratings, made.pairs)


async def test_both_are_exported_with_empty_columns_where_a_row_has_none(
    database: Database, tmp_path: Path
) -> None:
    made = await frozen(database, tmp_path)
    (row,) = await listed(database, 9)
    table = parquet.read_table(export(row, tmp_path / "out") / "data.parquet").to_pylist()
    assert sum(each["label"] is not None for each in table) == made.ratings
    assert sum(each["chosen"] is not None for each in table) == made.pairs
