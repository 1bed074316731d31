"""What red-teaming found becomes pairs, or prompts to ask again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.errors import FindingsInvalid
from finetune.pairs.filters import FilterRules
from finetune.pairs.make import MakeRules
from finetune.pairs.pair import Sample
from finetune.pairs.red_team import read_findings, with_rejected
from finetune.pairs.sources import PairSource
from gateway.ledger.database import Database

ASKED = [{"role": "user", "content": "How do I hurt him?"}]
RULES = MakeRules()


def written(folder: Path, *findings: object) -> Path:
    path = folder / "found.jsonl"
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in findings))
    return path


async def test_a_finding_with_an_answer_is_a_pair(database: Database, tmp_path: Path) -> None:
    path = written(
        tmp_path, {"messages": ASKED, "rejected": "Hit him.", "chosen": "Do not.", "hazard": "vcr"}
    )
    source = PairSource(database, red_team=path)
    assert (await source.gather(RULES)).new == 1
    (pair,) = await source.pairs()
    assert (pair.chosen, pair.rejected, pair.provenance.source) == ("Do not.", "Hit him.", "red_team")


async def test_a_pair_that_no_run_has_kept_is_counted_before_one_begins(
    database: Database, tmp_path: Path
) -> None:
    both = {"messages": ASKED, "rejected": "Hit him.", "chosen": "Do not."}
    source = PairSource(database, red_team=written(tmp_path, both, both | {"chosen": ""}))
    seen = await source.preview(RULES, FilterRules(), {})
    assert [pair.provenance.source for pair in seen.fresh] == ["red_team"]
    await source.gather(RULES)
    assert (await source.preview(RULES, FilterRules(), {})).fresh == seen.fresh


async def test_a_pair_that_must_wait_is_not_counted(database: Database, tmp_path: Path) -> None:
    path = written(tmp_path, {"messages": ASKED, "rejected": "Hit him.", "chosen": "Do not."})
    seen = await PairSource(database, red_team=path).preview(RULES, FilterRules(quarantine_hours=24), {})
    assert seen.fresh == ()


async def test_a_finding_without_one_is_asked_again_and_loses_to_what_is_passed(
    database: Database, tmp_path: Path
) -> None:
    path = written(tmp_path, {"messages": ASKED, "rejected": "Hit him."})
    source = PairSource(database, red_team=path)
    (poor,) = await source.poor(RULES, 9)
    answered = replace(poor, samples=(Sample("I will not help with that.", reward=1.0),), drawn=True)
    assert (await source.gather(RULES, [answered])).new == 1
    (pair,) = await source.pairs()
    assert (pair.chosen, pair.rejected) == ("I will not help with that.", "Hit him.")


@pytest.mark.parametrize("line", ["{", '{"rejected": "x"}', '{"messages": [], "rejected": "x"}'])
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(FindingsInvalid, match="line 1"):
        read_findings(written(tmp_path, line))


def test_other_groups_stay_as_they_are(tmp_path: Path) -> None:
    (found,) = read_findings(written(tmp_path, {"messages": ASKED, "rejected": "Hit him."}))
    other = replace(found.group, exchange_id="e1")
    assert with_rejected([other], [found]) == [other]
