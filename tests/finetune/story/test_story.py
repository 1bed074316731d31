"""The story of a version, from what the ledger knows of it."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from finetune.cli import app
from finetune.errors import StoryUnknown
from finetune.rollout.plan import PROOF, RolloutRules, told_rules
from finetune.story.chapters import Chapter, chapters_of
from finetune.story.commands import standing_of
from finetune.story.page import page_of, plot_of
from finetune.story.story import MOST, Story, story_of
from gateway.ledger.database import Database
from gateway.ledger.learning_tables import DatasetRow, ErasureRow
from gateway.ledger.rollout_tables import RolloutEvidenceRow, RolloutRow
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, RouteRow, TransitionRow, VersionRow

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ESTIMATE = {"value": 0.5, "low": 0.4, "high": 0.6, "values": 9, "prompts": 3, "method": ""}
LOG = [{"step": i, "loss": 0.7 - i / 10, "margin": i / 5, "chosen": -30.0 - i} for i in range(5)]
HEALTH = {"accuracy": 0.9, "margin": 0.8, "chosen_drift": -1.5}
STEPS: dict[str, Any] = {
    "train": {"steps": 4, "seconds": 60.0, "device": "cpu", "log": LOG, "health": HEALTH},
    "exam before": {"report": {"unsafe_compliance": ESTIMATE}},
    "exam after": {"report": {"unsafe_compliance": ESTIMATE | {"value": 0.1, "low": 0.0, "high": 0.2}}},
    "gate": {"conditions": [{"name": "reward", "passed": True, "told": "+1.0 <b>"}]},
}
TEST = {
    "logs": [0],
    "pairs": 9,
    "worse": 1,
    "better": 2,
    "highest": 1.0,
    "trace": [[1, 0.0], [9, 1.0]],
    "every": 1,
}


async def filled(database: Database) -> None:
    """A version with everything that a ledger may know of one, and its bare base."""
    made = {"base": "m", "state": "staged", "created_at": NOW}
    lineage = {"retraining": "rt-1", "dataset": "d" * 64, "digest": "abc", "pairs": 40}
    run = {"id": "rt-1", "alias": "assistant", "state": "rolling out", "parameters": {}, "reasons": []}
    rollout = {
        "id": "ro-1",
        "alias": "assistant",
        "version": "v2",
        "baseline": "base",
        "state": "rolled_back",
    }
    rollout |= {
        "share": 0.0,
        "plan": {"alpha": 0.05},
        "reasons": ["flagged: worse"],
        "created_at": NOW,
        "moved_at": NOW,
    }
    counts = {"sources": {"guard": 30, "edit": 10}, "dropped": {"too similar": 3}}
    dataset = {
        "sha256": "d" * 64,
        "kind": "pairs",
        "path": "/x",
        "rows": 40,
        "counts": counts,
        "created_at": NOW,
    }
    erasure = {
        "id": "er-1",
        "subject_digest": "s",
        "actor": "k",
        "counts": {},
        "datasets": [],
        "versions": ["v2"],
    }
    moved = {"kind": "rollout", "subject": "assistant", "cause": "<script>passed</script>", "actor": "key-1"}
    moved |= {"before": {"base": 1.0}, "after": {"v2": 1.0}, "evidence": {}, "created_at": NOW}
    other = moved | {"before": {"v8": 1.0}, "after": {"v9": 1.0}, "cause": "somebody else's"}
    async with database.write() as connection:
        await connection.execute(
            insert(VersionRow),
            [
                made | {"id": "base", "path": None, "parent": None, "lineage": {}},
                made | {"id": "v2", "path": "/a", "parent": "base", "lineage": lineage},
            ],
        )
        await connection.execute(insert(RouteRow).values(alias="assistant", version="v2", weight=1.0))
        await connection.execute(insert(RetrainingRow).values(**run, created_at=NOW))
        steps = [
            {"retraining_id": "rt-1", "step": name, "state": "done", "evidence": told, "started_at": NOW}
            for name, told in STEPS.items()
        ]
        await connection.execute(insert(RetrainingStepRow), steps)
        await connection.execute(insert(DatasetRow).values(**dataset))
        await connection.execute(insert(RolloutRow).values(**rollout))
        evidence = {"rollout_id": "ro-1", "metric": "flagged", "state": TEST, "updated_at": NOW}
        await connection.execute(insert(RolloutEvidenceRow).values(**evidence))
        await connection.execute(insert(ErasureRow).values(**erasure, created_at=NOW))
        await connection.execute(insert(TransitionRow), [moved, other])


@pytest.fixture
async def story(database: Database) -> Story:
    await filled(database)
    return await story_of(database, "v2")


async def test_every_chapter_of_a_life_is_there(story: Story) -> None:
    titles = [chapter.title for chapter in chapters_of(story)]
    assert titles == ["v2", "Data", "Training", "Exams", "Gate", "Rollout ro-1", "Trail"]


async def test_what_one_training_made_tells_of_it_too(story: Story) -> None:
    lineage = {"dataset": "e" * 64, "pairs": 12, "recipe": {"method": "kto"}, "training": STEPS["train"]}
    version = {**story.version, "lineage": lineage}
    told = chapters_of(replace(story, version=version, steps={}, run=None, dataset=None))
    assert "Training" in [chapter.title for chapter in told]
    assert ("learnt", f"12 rows by kto, dataset {'e' * 12}") in told[0].rows


async def test_of_a_method_that_ranks_no_pairs_no_ranking_is_told(story: Story) -> None:
    steps = {"train": STEPS["train"] | {"method": "sft"}}
    (told,) = (each for each in chapters_of(replace(story, steps=steps)) if each.title == "Training")
    assert told.lead == "4 steps in 60 s on cpu; in the end tokens foretold rightly +80.0 points."
    assert [curve.name for curve in told.curves] == ["loss", "tokens foretold rightly, gained"]


async def test_it_tells_who_rewarded(story: Story) -> None:
    lineage = {"rewarded_by": "http://reward:8083", "reward_model": "pocket"}
    (first, *_) = chapters_of(replace(story, version={**story.version, "lineage": lineage}))
    assert ("rewarded by", "http://reward:8083, model pocket") in first.rows


async def test_it_tells_where_it_stands_and_what_was_erased(story: Story) -> None:
    rows = dict(chapters_of(story)[0].rows)
    assert rows["state"] == "staged, 100% of assistant"
    assert rows["reached by erasures"] == "2026-11-27 12:00"


async def test_an_erasure_is_told_of_however_many_came_after_it(database: Database) -> None:
    await filled(database)
    later = [
        {
            "id": f"er-{i}x",
            "subject_digest": "s",
            "actor": "k",
            "counts": {},
            "datasets": [],
            "versions": ["v22", 'v"2"'],
            "created_at": NOW + timedelta(seconds=i),
        }
        for i in range(1, MOST + 2)
    ]
    async with database.write() as connection:
        await connection.execute(insert(ErasureRow), later)
    assert [each["id"] for each in (await story_of(database, "v2")).erasures] == ["er-1"]


@pytest.mark.parametrize(
    ("anchor", "told"),
    [
        ("base", "base: it started from the bare base model"),
        ("last", "last: it started from base and was held to it"),
    ],
)
async def test_it_tells_what_it_started_from(story: Story, anchor: str, told: str) -> None:
    version = story.version | {"lineage": story.version["lineage"] | {"anchor": anchor, "kind": "weights"}}
    facts = dict(chapters_of(replace(story, version=version))[0].rows)
    assert (facts["anchor"], facts["weights"]) == (told, "full")


async def test_the_trail_holds_what_concerns_it_alone(story: Story) -> None:
    assert [move["after"] for move in story.moves] == [{"v2": 1.0}]


async def test_what_is_not_known_is_left_out(database: Database) -> None:
    await filled(database)
    told = chapters_of(await story_of(database, "base"))
    assert [chapter.title for chapter in told] == ["base", "Trail"]
    assert dict(told[0].rows)["retraining"] == "none: the gateway registered it at its first start"


async def by_hand(database: Database) -> Story:
    """The story of files that a run trained, its gate refused, and somebody registered after an erasure."""
    await filled(database)
    refused = {"conditions": [{"name": "reward", "passed": False, "told": "-1.0"}]}
    told = {"live": {"version": "base"}, "dataset": {"sha256": "d" * 64}, "train": {"digest": "75f9"}}
    step = {"retraining_id": "rt-2", "state": "done", "started_at": NOW}
    run = {"id": "rt-2", "alias": "assistant", "state": "kept", "parameters": {}, "reasons": []}
    version = {"base": "m", "state": "staged", "created_at": NOW, "path": "/b", "parent": None}
    erasure = {"id": "er-2", "subject_digest": "s", "actor": "k", "counts": {}, "versions": []}
    async with database.write() as connection:
        await connection.execute(insert(RetrainingRow).values(**run, created_at=NOW))
        steps = [step | {"step": name, "evidence": each} for name, each in (told | {"gate": refused}).items()]
        steps[2]["evidence"] = STEPS["train"] | {"digest": "75f9"}
        await connection.execute(insert(RetrainingStepRow), steps)
        await connection.execute(insert(VersionRow).values(**version, id="v8", lineage={"digest": "75f9"}))
        await connection.execute(insert(ErasureRow).values(**erasure, datasets=["d" * 64], created_at=NOW))
    return await story_of(database, "v8")


async def test_of_one_registered_by_hand_the_run_that_trained_it_is_told(database: Database) -> None:
    chapters = {each.title: each for each in chapters_of(await by_hand(database))}
    facts = dict(chapters["v8"].rows)
    assert facts["retraining"] == "rt-2, kept; it was registered by hand"
    assert facts["parent"] == "base"
    assert chapters["Gate"].lead == "0 of 1 conditions hold: the gate refused it."
    assert "Data" in chapters


async def test_of_one_registered_by_hand_an_erasure_of_before_is_told(database: Database) -> None:
    assert [each["id"] for each in (await by_hand(database)).erasures] == ["er-2"]


async def test_a_version_that_nobody_knows(database: Database) -> None:
    with pytest.raises(StoryUnknown, match="no version 'v7'"):
        await story_of(database, "v7")


def with_tests(story: Story, *names: str) -> Chapter:
    """The chapter of a rollout that had these tests."""
    rollout = story.rollouts[0] | {"plan": told_rules(RolloutRules()), "tests": dict.fromkeys(names, TEST)}
    told = chapters_of(replace(story, rollouts=[rollout]))
    return next(chapter for chapter in told if chapter.title == "Rollout ro-1")


async def test_each_test_has_its_own_bar_and_says_what_it_decides(story: Story) -> None:
    told = with_tests(story, "refused", "flagged", PROOF)
    assert {row[0]: row[-1] for row in told.rows} == {
        "flagged": "25 alone, rolls back",
        "refused": "500 alone, rolls back",
        PROOF: "20, lets it go live",
    }
    drawn = {curve.name: round(curve.bar.log, 1) for curve in told.curves if curve.bar is not None}
    assert drawn == {"flagged": 3.2, "refused": 6.2, PROOF: 3.0}


async def test_the_page_draws_a_bar_with_what_it_decides(story: Story) -> None:
    drawn = plot_of(with_tests(story, "refused", PROOF))
    assert "e-value 500 alone, rolls back" in drawn
    assert "e-value 20, lets it go live" in drawn


async def test_a_reward_is_told_as_a_number_though_it_lies_between_0_and_1(story: Story) -> None:
    report = {figure: ESTIMATE | {"value": 0.52} for figure in ("unsafe_compliance", "reward")}
    steps = {"exam after": {"report": report}}
    (told,) = (each for each in chapters_of(replace(story, steps=steps)) if each.title == "Exams")
    assert [row[-1] for row in told.rows] == ["52.0% [40.0%, 60.0%]", "+0.52 [+0.40, +0.60]"]


async def test_the_page_stands_alone_and_escapes_what_was_written(story: Story) -> None:
    page = page_of(story)
    assert "<script>" not in page
    assert "+1.0 &lt;b&gt;" in page
    assert page.count("<svg") == 2
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


def test_the_command_tells_it_to_people_and_to_machines(tmp_path: Path) -> None:
    async def fill() -> None:
        async with Database(f"sqlite:///{tmp_path}/ledger.db") as database:
            await filled(database)

    asyncio.run(fill())
    runner, where = CliRunner(), ["--home", str(tmp_path)]
    said = runner.invoke(app, ["explain", "v2", *where, "--html", str(tmp_path / "v2.html")])
    assert (said.exit_code, said.output) == (0, f"v2 is told in {tmp_path / 'v2.html'}\n")
    assert (tmp_path / "v2.html").read_text().startswith("<!doctype html>")
    told = json.loads(runner.invoke(app, ["explain", "v2", *where, "--json"]).output)
    assert told["dataset"]["rows"] == 40
    assert "Rollout ro-1" in runner.invoke(app, ["explain", "v2", *where]).output
    assert "v2" in runner.invoke(app, ["versions", *where]).output


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({}, "staged"),
        ({"assistant": 1.0}, "live"),
        ({"a": 0.05}, "canary 5%"),
        ({"a": 0.05, "b": 1.0}, "live"),
    ],
)
def test_a_version_that_has_traffic_is_told_by_that(weights: dict[str, float], told: str) -> None:
    assert standing_of({"state": "staged", "weights": weights}) == told
