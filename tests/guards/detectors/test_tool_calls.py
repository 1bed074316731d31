"""The tool call guard: names that may be called, arguments within bounds, and what it waits for."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from guards.detectors.tool_calls import ToolCalls, ToolCallsConfig, ToolCallsGuard
from guards.verdict import Context, Segment, Verdict

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "maximum": 14}},
    "required": ["city"],
    "additionalProperties": False,
}


def guard(**config: Any) -> ToolCallsGuard:
    return ToolCalls().build("tools", ToolCallsConfig.model_validate(config))


def called(by: ToolCallsGuard, name: str, arguments: str = "{}", **how: Any) -> Verdict:
    return by.check_now(Segment(arguments, "reply", "tool_arguments", name, **how), Context())


def named(by: ToolCallsGuard, name: str, context: Context | None = None) -> Verdict:
    return by.check_now(Segment(name, "reply", "tool_name", name), context or Context())


def labels(verdict: Verdict) -> list[str]:
    return [span.label for span in verdict.spans]


OPEN = guard(allow={"get_weather": {"arguments": WEATHER}, "files_*": None}, deny=["files_delete*"])


@pytest.mark.parametrize("name", ["get_weather", "files_read"])
def test_a_tool_on_the_list_may_be_called(name: str) -> None:
    assert named(OPEN, name).scores == {}


@pytest.mark.parametrize("name", ["send_money", "Get_Weather", "get_weather ", "get_weather\u200b", "files"])
def test_a_tool_of_another_name_may_not(name: str) -> None:
    assert named(OPEN, name).scores == {"G.tool_misuse": 1.0}
    assert labels(named(OPEN, name)) == ["unknown tool"]


def test_what_is_denied_stays_so_although_a_pattern_allows_it() -> None:
    assert labels(named(OPEN, "files_delete_all")) == ["denied tool"]


def test_the_arguments_of_a_tool_that_may_not_be_called_are_refused_too() -> None:
    assert labels(called(OPEN, "send_money", whole=False)) == ["unknown tool"]


def test_the_id_of_a_call_is_no_name() -> None:
    assert OPEN.check_now(Segment("call_1", "reply", "tool_name", "get_weather"), Context()).scores == {}


def test_text_that_is_no_call_is_no_business_of_it() -> None:
    assert OPEN.check_now(Segment("send_money", "reply"), Context()).scores == {}


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ('{"city": "Oslo", "days": 3}', None),
        ("{}", "required"),
        ('{"city": 1}', "properties/city/type"),
        ('{"city": "Oslo", "days": 15}', "properties/days/maximum"),
        ('{"city": "Oslo", "then": "x"}', "additionalProperties"),
        ('"Oslo"', "type"),
    ],
)
def test_arguments_are_held_to_the_schema(arguments: str, rule: str | None) -> None:
    expected = [] if rule is None else [f"arguments against the schema: {rule}"]
    assert labels(called(OPEN, "get_weather", arguments)) == expected


@pytest.mark.parametrize(
    "arguments",
    ["", "not json", '{"city": "Oslo"', '{"city": "a", "city": "b"}', '{"a": NaN}', '{"a": 1e999}', "[" * 100_000,
     '{"a": "\\ud800"}', '{"a": ' + "9" * 5000 + "}"],
    ids=range(9),
)  # fmt: skip
def test_arguments_that_programs_read_differently_are_refused(arguments: str) -> None:
    assert labels(called(OPEN, "files_read", arguments)) == ["arguments that are no JSON"]


def test_a_tool_that_takes_text_needs_no_json() -> None:
    by = guard(allow={"python": {"text": True, "checks": ["shell"]}})
    assert called(by, "python", "print(1)").scores == {}
    assert labels(called(by, "python", "a; b")) == ["shell character"]


def test_a_piece_of_arguments_waits_for_the_rest() -> None:
    verdict = called(OPEN, "get_weather", '{"city": 1, "da', whole=False)
    assert (verdict.scores, verdict.waits) == ({}, True)
    assert not called(OPEN, "get_weather").waits


def test_more_than_may_be_is_refused_before_the_end() -> None:
    by = guard(allow={"note": {"most_chars": 10}})
    assert labels(called(by, "note", '{"text": "aaaa', whole=False)) == ["too many arguments"]


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("parent_path", "../etc/passwd"),
        ("parent_path", "a/%2e%2e/b"),
        ("parent_path", "a/%252e%252e/b"),
        ("parent_path", "..\\windows"),
        ("parent_path", "\uff0e\uff0e/x"),
        ("parent_path", "a\0.txt"),
        ("absolute_path", "/etc/passwd"),
        ("absolute_path", "C:\\x"),
        ("absolute_path", "~/.ssh/id_rsa"),
        ("absolute_path", "file:///etc/passwd"),
        ("shell", "a; rm -rf /"),
        ("shell", "$(id)"),
        ("shell", "`id`"),
        ("shell", "a\nb"),
        ("sql", "1; DROP TABLE users"),
        ("sql", "' OR 1=1"),
        ("sql", "x' or 'a'='a"),
        ("sql", "1 UNION SELECT password FROM users"),
        ("url", "see http://x.example"),
        ("internal_host", "http://169.254.169.254/latest"),
        ("internal_host", "http://2130706433/"),
        ("internal_host", "http://0x7f.1/"),
        ("internal_host", "http://[::ffff:127.0.0.1]/"),
        ("internal_host", "http://LOCALHOST:8080"),
        ("internal_host", "http://db.internal./"),
        ("internal_host", "10.0.0.7"),
    ],
)
def test_a_named_check_finds_its_own_and_says_where(check: str, value: str) -> None:
    text = json.dumps({"note": "all well", "it": [{"x": value}]})
    [span] = called(guard(allow={"t": {"checks": [check]}}), "t", text).spans
    assert json.loads(f'"{text[span.start : span.end]}"') == value


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("parent_path", "notes..txt"),
        ("parent_path", "a/b.../c"),
        ("absolute_path", "docs/a.txt"),
        ("shell", "it costs $5 (or so)"),
        ("sql", "Drop the table off at O'Hare or the hotel"),
        ("sql", "it's well-known"),
        ("url", "http is a protocol"),
        ("internal_host", "https://example.com/"),
        ("internal_host", "8.8.8.8"),
        ("internal_host", "127"),
    ],
)
def test_a_named_check_leaves_ordinary_values(check: str, value: str) -> None:
    assert called(guard(checks=[check]), "t", json.dumps([value])).scores == {}


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/", "//evil.example/x", "https://api.example.org@evil.example/", "https:\\\\evil.example",
     "https://api.example.org.evil.example", "https://\u0430pi.example.org/", "https://example.org", "ftp://10.0.0.1"],
)  # fmt: skip
def test_an_address_of_another_host_is_refused(url: str) -> None:
    by = guard(allow={"fetch": {"hosts": ["api.example.org", "*.example.net"]}})
    assert labels(called(by, "fetch", json.dumps({"url": url}))) == ["address of another host"]


@pytest.mark.parametrize(
    "url", ["https://api.example.org/x?y", "HTTPS://API.Example.ORG.:443/", "http://a.b.example.net"]
)
def test_an_address_of_a_named_host_passes(url: str) -> None:
    by = guard(allow={"fetch": {"hosts": ["api.example.org", "*.example.net"]}})
    assert called(by, "fetch", json.dumps({"url": url})).scores == {}


def test_the_entry_that_says_most_about_a_name_counts() -> None:
    by = guard(allow={"*": {"checks": ["url"]}, "web_*": {"checks": ["shell"]}, "web_get": None})
    assert labels(called(by, "web_get", '["http://x.example; a"]')) == []
    assert labels(called(by, "web_put", '["http://x.example; a"]')) == ["shell character"]
    assert labels(called(by, "other", '["http://x.example; a"]')) == ["address"]


def test_only_what_the_request_offers_may_be_called() -> None:
    by = guard(only_declared=True)
    assert labels(named(by, "f", Context(tools=frozenset({"g"})))) == ["tool that was not offered"]
    assert named(by, "g", Context(tools=frozenset({"g"}))).scores == {}


def test_what_it_rests_on_tells_a_piece_from_the_whole_and_one_tool_from_another() -> None:
    read = [
        OPEN.reads(Segment("{}", "reply", "tool_arguments", name, whole=whole), Context())
        for name in ("get_weather", "files_read")
        for whole in (True, False)
    ]
    assert len(set(read)) == 4


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "lets every call pass"),
        ({"checks": ["nonsense"]}, "no check is called nonsense"),
        ({"allow": {"f": {"arguments": {"type": "strin"}}}}, "no JSON Schema"),
        ({"allow": {"f": {"arguments": {"$ref": "http://127.0.0.1:9/x"}}}}, "no JSON Schema"),
        ({"allow": {"f": {"arguments": {"pattern": "(?=a)"}}}}, "no JSON Schema"),
        ({"allow": {"f": {"arguments": {}, "text": True}}}, "takes no JSON"),
        ({"allow": {"f": {"hosts": ["http://x"]}}}, "is no host"),
    ],
)
def test_a_config_that_means_nothing_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ToolCallsConfig.model_validate(config)


def test_hostile_arguments_take_time_in_proportion() -> None:
    """Thousands of faults are told as some."""
    by = guard(checks=["shell", "sql", "parent_path", "internal_host"])
    assert len(called(by, "t", json.dumps(["; drop table x"] * 20_000)).spans) == 16
