"""Users' thumbs become a dataset of their own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy import insert, update

from finetune.pairs.dataset import freeze, thaw
from finetune.pairs.datasets import listed
from finetune.pairs.export import export
from finetune.pairs.filters import FilterRules, Known
from finetune.pairs.pair import Pair
from finetune.pairs.ratings import RatingSource, filter_ratings
from finetune.pairs.sources import PairSource
from gateway.erasure.erase import erase
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.learning_tables import FeedbackRow
from gateway.ledger.tables import ExchangeRow
from tests.fakes.exchanges import benign, harmful
from tests.finetune.pairs.poisoning.test_poisoning import pair

RULES = FilterRules()
EXAM = {"main": ("What goes into recipe 2 of the book?",)}


async def thumb(
    database: Database,
    exchange: str,
    value: float,
    candidate: int | None = None,
    *,
    key: str = "k1",
    hours: float = 0.0,
) -> None:
    """A thumb of so many hours ago."""
    told = {
        "id": f"fb-{exchange}-{candidate}-{value}-{key}",
        "exchange_id": exchange,
        "kind": "thumb",
        "value": value,
    }
    said = datetime.now(UTC) - timedelta(hours=hours)
    told |= {"candidate": candidate, "key_id": key, "role": "application", "created_at": said}
    async with database.write() as connection:
        await connection.execute(insert(FeedbackRow).values(**told))


async def rated(database: Database, *, keys: tuple[str, ...] = ("k1",)) -> RatingSource:
    """Three exchanges, of which users liked two and disliked one."""
    some = [benign(i, key=keys[i % len(keys)], subject=f"user-{i}") for i in range(3)]
    await Intake(database).take([*some, harmful(9)])
    for number, value in enumerate((1.0, -1.0, 1.0)):
        await thumb(database, f"good-{number}", value)
    return RatingSource(database)


def labels(ratings: Any) -> dict[str, bool]:
    return {each.provenance.exchange_id: each.liked for each in ratings}


async def test_a_thumb_says_whether_what_was_delivered_is_good(database: Database) -> None:
    source = await rated(database)
    assert labels(await source.standing()) == {"good-0": True, "good-1": False, "good-2": True}


async def test_no_thumb_up_outvotes_a_guard(database: Database) -> None:
    source = await rated(database)
    await thumb(database, "harm-9", 1.0, candidate=0)
    assert "harm-9" not in labels(await source.standing())


async def test_what_thumbs_are_divided_on_is_no_rating(database: Database) -> None:
    source = await rated(database)
    await thumb(database, "good-0", -1.0, key="k2")
    assert "good-0" not in labels(await source.standing())


async def test_the_same_answer_rated_twice_by_one_key_counts_once(database: Database) -> None:
    """By its position, and as what was delivered: rows of before both had one identity."""
    source = await rated(database)
    await thumb(database, "good-0", 1.0, candidate=1)
    await thumb(database, "good-0", -1.0, key="k2")
    assert "good-0" not in labels(await source.standing())


async def test_of_what_one_key_said_of_an_answer_the_latest_counts(database: Database) -> None:
    source = await rated(database)
    await thumb(database, "good-0", -1.0, candidate=1, hours=-1.0)
    assert labels(await source.standing(quarantine_hours=-2.0))["good-0"] is False


async def test_each_thumb_waits_for_itself(database: Database) -> None:
    """One that is old enough lets in no later one, of the same answer or of another of its exchange."""
    source = await rated(database)
    await thumb(database, "good-0", 1.0, key="k2", hours=48)
    for key in ("k3", "k4"):
        await thumb(database, "good-0", -1.0, key=key)
    await thumb(database, "good-0", -1.0, candidate=0)
    (found,) = await source.standing(quarantine_hours=24)
    assert (found.liked, found.chosen[:6]) == (True, "Gladly")


async def test_they_are_frozen_whole_and_come_back_as_they_were(database: Database, tmp_path: Path) -> None:
    source = await rated(database)
    frozen = await source.freeze(RULES, EXAM, tmp_path)
    assert labels(thaw(frozen.path)) == {"good-0": True, "good-1": False}
    assert frozen.dropped["in exam main"] == 1
    (row,) = await listed(database, 9)
    assert (row["kind"], row["counts"]["labels"]) == ("ratings", {"liked": 1, "disliked": 1})


async def test_they_are_exported_in_trls_columns(database: Database, tmp_path: Path) -> None:
    await (await rated(database)).freeze(RULES, {}, tmp_path)
    (row,) = await listed(database, 9)
    table = parquet.read_table(export(row, tmp_path / "out") / "data.parquet")
    assert {"prompt", "completion", "label", "provenance"} <= set(table.column_names)
    assert sorted(table["label"].to_pylist()) == [False, True, True]
    assert "# Ratings " in (tmp_path / "out" / "README.md").read_text()


async def test_they_are_no_pairs(database: Database, tmp_path: Path) -> None:
    await (await rated(database)).freeze(RULES, {}, tmp_path)
    assert await PairSource(database).pairs() == []


async def test_an_erasure_takes_them_and_marks_their_dataset(database: Database, tmp_path: Path) -> None:
    source = await rated(database)
    frozen = await source.freeze(RULES, {}, tmp_path)
    found = await erase(database, "user-0", "asked to", "admin")
    assert found.datasets == [frozen.sha256]
    assert "good-0" not in labels(await source.standing())


async def test_nothing_is_rated_that_may_not_be_learnt_from(database: Database) -> None:
    source = await rated(database)
    async with database.write() as connection:
        mine = ExchangeRow.id == "good-1"
        await connection.execute(update(ExchangeRow).where(mine).values(learn=False))
    assert "good-1" not in labels(await source.standing())


def rating(number: int, liked: bool, **told: Any) -> Pair:
    made = pair(number, source="feedback", **told)
    texts = (made.chosen, "") if liked else ("", made.chosen)
    return Pair(made.messages, *texts, "helpfulness", made.provenance)


def lost(ratings: list[Pair], **rules: Any) -> dict[str, int]:
    found = filter_ratings(ratings, {}, FilterRules(**{"floor": 20, **rules}), Known())
    assert len(found.pairs) + sum(found.dropped.values()) == len(ratings)
    return {name: count for name, count in found.dropped.items() if count}


def test_the_same_answer_liked_and_disliked_goes() -> None:
    assert lost([rating(1, True), rating(1, False), rating(2, True)]) == {"divided": 2}


@pytest.mark.parametrize(
    ("liked", "reason"), [(True, "personal data"), (False, "personal data in what was disliked")]
)
def test_personal_data_is_left_out_on_either_side(liked: bool, reason: str) -> None:
    card = "Her card is 4111 1111 1111 1111, use that one for all of it."
    assert lost([rating(1, liked, chosen=card), rating(2, True)]) == {reason: 1}


def test_who_floods_with_thumbs_stays_at_the_share_of_a_user() -> None:
    honest = [rating(i, bool(i % 2), key=f"k{i % 4}") for i in range(200)]
    flood = [rating(1000 + i, False, key="k1", subject="mallory") for i in range(600)]
    left = filter_ratings([*honest, *flood], {}, FilterRules(floor=20), Known()).pairs
    assert sum(each.provenance.subject == "mallory" for each in left) <= max(20, 0.21 * len(left))


def test_one_label_is_not_many_times_the_other() -> None:
    ratings = [rating(i, i >= 10, key=f"k{i % 4}") for i in range(200)]
    assert lost(ratings, balance=3.0) == {"label balance": 160}


def test_the_same_ratings_are_the_same_file(tmp_path: Path) -> None:
    some = [rating(i, bool(i % 2)) for i in range(5)]
    assert freeze(some, tmp_path, {}).sha256 == freeze(some[::-1], tmp_path, {}).sha256
