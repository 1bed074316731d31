"""`trimtab policy backtest` on a ledger of exchanges that were really screened."""

import asyncio
import json
import sqlite3
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from gateway import parts
from gateway.exchange import Candidate
from gateway.ledger.database import Database
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.intake import Intake
from gateway.policies.cli import app
from guards.policy.load import load_policy
from guards.screen import Screen
from tests.gateway.backtest.conftest import POLICY, exchange_of

STRICTER = POLICY.replace("X.mild: {action: flag", "X.mild: {action: refuse")
LAXER = POLICY.replace("X.bad: {action: refuse, threshold: 0.5}", "X.bad: {action: flag, threshold: 0.95}")
MORE = (
    POLICY
    + """
  - id: more
    kind: patterns
    where: [prompt]
    on_error: open
    hazards:
      X.day: {action: flag, threshold: 0.5}
    config:
      patterns:
        day: {hazard: X.day, terms: [day]}
"""
)


TOOLS = """
  - id: calls
    kind: tool_calls
    where: [tool_call]
    on_error: closed
    hazards:
      G.tool_misuse: {action: refuse, threshold: 0.5}
    config:
      only_declared: true
"""


def run(*args: str) -> tuple[int, dict]:
    result = CliRunner().invoke(app, ["backtest", *args, "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout else {"said": result.output}


def changes(report) -> dict[tuple[str, str], int]:
    return {(one["before"], one["after"]): one["exchanges"] for one in report["actions"]}


def test_the_policy_of_the_time_changes_nothing(ledger, policies) -> None:
    code, report = run(policies("then"), "--ledger", ledger, "--jobs", "1")
    assert code == 0
    assert (report["exchanges"], report["changed"], report["from_scores"]) == (6, 0, 6)
    assert report["samples"] == []


def test_other_actions_are_decided_from_stored_scores(ledger, policies) -> None:
    _, report = run(policies("stricter", STRICTER), "--ledger", ledger, "--jobs", "1")
    assert (report["from_scores"], report["by_guards"]) == (6, 0)
    assert changes(report)["flag", "refuse"] == 2
    assert report["shifts"]["hazards"] == {"X.mild": {"appears": 0, "goes": 0, "changes": 2}}
    assert {one["exchange"] for one in report["samples"]} == {"x1", "x3"}
    assert "text" not in report["samples"][0]


def test_a_prompt_that_would_pass_is_told_to_have_no_answer(ledger, policies) -> None:
    _, report = run(policies("laxer", LAXER), "--ledger", ledger, "--jobs", "1")
    assert changes(report)["refuse", "allow"] == 2
    assert report["unanswered"] == 1


def test_texts_are_shown_when_asked_for(ledger, policies) -> None:
    _, report = run(policies("stricter", STRICTER), "--ledger", ledger, "--jobs", "1", "--show-texts")
    assert {one["text"] for one in report["samples"]} == {"a grumpy day", "a fine day"}


def test_a_new_guard_is_asked_and_no_other(ledger, policies) -> None:
    _, report = run(policies("more", MORE), "--ledger", ledger, "--jobs", "1")
    assert report["by_guards"] == 5
    assert report["unknown"] == {"text was redacted": 1}
    assert report["shifts"]["hazards"]["X.day"] == {"appears": 4, "goes": 0, "changes": 0}
    assert changes(report)["allow", "flag"] == 1


async def test_a_guard_that_wants_the_requests_tools_is_not_asked_without_them(ledger, policies) -> None:
    screen = Screen(load_policy(policies("then")))
    call = {"id": "1", "type": "function", "function": {"name": "pay", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    segments = [part.segment for part in parts.of_reply(message)]
    candidate = Candidate(0, "", message, "tool_calls", screening=await screen.reply(segments))
    made = replace(await exchange_of("calls", "Pay.", "done", screen), candidates=(candidate,))
    async with Database(ledger) as database:
        await Intake(database).take([made])
    policy = POLICY + TOOLS
    code, report = await asyncio.to_thread(run, policies("tools", policy), "--ledger", ledger, "--jobs", "1")
    assert code == 0
    assert report["unknown"] == {"the request's tools were not kept": 1}
    assert report["exchanges"] == 7


async def test_what_was_said_before_stands_in_the_evidence(ledger, policies) -> None:
    screen = Screen(load_policy(policies("then")))
    exchange = await exchange_of("turns", "grumpy", "fine", screen)
    said = (("user", "grumpy"), ("assistant", "Oh."), ("user", "Hi"))
    talk = tuple({"role": role, "content": text} for role, text in said)
    segments = [part.segment for part in parts.of_prompt({"messages": list(talk)})]
    assert [one.turns_ago for one in segments] == [1, 1, 0]
    made = replace(
        exchange,
        messages=talk,
        prompt_screening=await screen.prompt(segments, parts.turns({"messages": talk})),
    )
    async with Database(ledger) as database:
        await Intake(database).take([made])
        assert (await Exchanges(database).get("turns")).prompt_screening.turns_ago == (1, 1, 0)
    flagging = POLICY.replace("X.name: {action: redact", "X.name: {action: flag")
    code, report = await asyncio.to_thread(run, policies("a", flagging), "--ledger", ledger, "--jobs", "1")
    assert (code, report["from_scores"], report["by_guards"]) == (0, 7, 0)
    assert changes(report)["flag", "allow"] == 1  # a guard that cuts nothing out does not read what is old


def test_exchanges_from_before_evidence_was_kept_are_judged_again(ledger, policies) -> None:
    with sqlite3.connect(ledger.removeprefix("sqlite:///")) as connection:
        connection.execute("DELETE FROM evidence WHERE exchange_id IN ('x0', 'x1')")
    _, report = run(policies("stricter", STRICTER), "--ledger", ledger, "--jobs", "1")
    assert (report["exchanges"], report["by_guards"]) == (6, 2)
    assert changes(report)["flag", "refuse"] == 2


def test_another_policy_may_be_the_measure(ledger, policies) -> None:
    _, report = run(
        policies("a", STRICTER), "--against", policies("b", STRICTER), "--ledger", ledger, "--jobs", "1"
    )
    assert report["changed"] == 0
    assert changes(report)["refuse", "refuse"] == 4


def test_several_processes_come_to_the_same(ledger, policies) -> None:
    draft = policies("stricter", STRICTER)
    _, alone = run(draft, "--ledger", ledger, "--jobs", "1")
    _, together = run(draft, "--ledger", ledger, "--jobs", "2")
    assert alone | {"seconds": 0} == together | {"seconds": 0}


@pytest.mark.slow  # starts a cluster
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_comes_to_the_same(ledger, policies, monkeypatch) -> None:
    pytest.importorskip("ray.data")
    monkeypatch.setenv("RAY_ADDRESS", "local")  # and not whatever cluster was started here last
    draft = policies("more", MORE)
    _, alone = run(draft, "--ledger", ledger, "--jobs", "1")
    _, together = run(draft, "--ledger", ledger, "--jobs", "1", "--ray")
    assert alone | {"seconds": 0} == together | {"seconds": 0}


def test_only_what_is_recent_is_looked_at(ledger, policies) -> None:
    with sqlite3.connect(ledger.removeprefix("sqlite:///")) as connection:
        for table, name in (("exchanges", "id"), ("evidence", "exchange_id")):
            connection.execute(
                f"UPDATE {table} SET created_at = '2020-01-01 00:00:00.000000' WHERE {name} != 'x1'"
            )
    _, report = run(policies("stricter", STRICTER), "--ledger", ledger, "--jobs", "1", "--since", "7d")
    assert (report["exchanges"], report["changed"]) == (1, 1)


def test_rows_of_a_file_are_judged_under_both(policies, tmp_path) -> None:
    rows = [{"id": "a", "text": "grumpy"}, {"id": "b", "text": "fine"}, {"id": "c"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft, then = policies("stricter", STRICTER), policies("then")
    code, report = run(draft, str(tmp_path / "rows.jsonl"), "--against", then, "--jobs", "1")
    assert code == 1
    assert changes(report) == {("flag", "refuse"): 1, ("allow", "allow"): 1}
    assert report["complaint"].startswith("line 3: text:")


def test_what_score_printed_needs_no_texts(policies, tmp_path) -> None:
    from guards.cli import app as guards

    (tmp_path / "rows.jsonl").write_text('{"id": "a", "text": "grumpy"}\n{"id": "b", "text": "Blue Heron"}\n')
    told = CliRunner().invoke(guards, ["score", str(tmp_path / "rows.jsonl"), "--policy", policies("then")])
    (tmp_path / "scored.jsonl").write_text(told.stdout)
    _, report = run(
        policies("stricter", STRICTER), str(tmp_path / "scored.jsonl"), "--against", "recorded", "--jobs", "1"
    )
    assert report["from_scores"] == 2
    assert changes(report) == {("flag", "refuse"): 1, ("redact", "redact"): 1}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--ledger", "sqlite:////nowhere/ledger.db"], "there is no ledger at"),
        (["--ledger", "mysql://x"], "must be sqlite:///"),
        (["--against", "17"], "no such file, no bundled policy, and none that the ledger keeps"),
    ],
)
def test_what_cannot_be_compared_is_told(ledger, policies, args, said) -> None:
    given = args if "--ledger" in args else [*args, "--ledger", ledger]
    code, report = run(policies("then"), *given)
    assert code == 1
    assert said in report["said"]


def test_people_are_shown_tables(ledger, policies) -> None:
    result = CliRunner().invoke(
        app, ["backtest", policies("stricter", STRICTER), "--ledger", ledger, "--jobs", "1"]
    )
    assert result.exit_code == 0
    assert "6 exchanges: 6 decided from stored scores, 0 by asking guards" in result.stdout
    assert "flag → refuse" in result.stdout
