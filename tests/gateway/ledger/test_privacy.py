import pytest

from gateway.exchange import Candidate
from gateway.ledger import document
from gateway.ledger.privacy import scrubbed
from guards.verdict import Action, Finding, Redaction, Screening, Segment
from tests.gateway.ledger.exchanges import exchange

SECRET = "ada@example.org"
FOUND = (Finding("pii", "G.pii", 1.0, Action.REDACT),)
CUT = (Redaction(8, 23, "[EMAIL]"),)


def screening(*texts, action=Action.REDACT, where="prompt"):
    """What a policy that redacts makes of the texts, one of which held the secret."""
    segments = tuple(Segment(text.replace(SECRET, "[EMAIL]"), where) for text in texts)
    cuts = tuple(CUT if SECRET in text else () for text in texts)
    whole = "".join(segment.text for segment in segments)
    return Screening(whole, action, FOUND, segments=segments, redactions=cuts)


def said(text):
    return {"role": "user", "content": text}


def of_prompt(*messages, **given):
    texts = [message["content"] for message in messages]
    return exchange("x", messages=messages, prompt_screening=screening(*texts, **given))


@pytest.mark.parametrize("action", [Action.REDACT, Action.REFUSE])
def test_a_redacted_prompt_is_kept_redacted_whatever_else_was_done_with_it(action):
    told = of_prompt(said("Hello."), said(f"Mail me {SECRET}!"), action=action)
    assert scrubbed(told).messages == (said("Hello."), said("Mail me [EMAIL]!"))


def test_messages_that_came_redacted_stay_as_they_are():
    told = of_prompt(said(f"Mail me {SECRET}!"))
    assert scrubbed(scrubbed(told)) == scrubbed(told)


def test_a_prompt_that_was_not_redacted_is_kept_as_it_was():
    told = exchange("x", messages=(said(SECRET),), prompt_screening=Screening(SECRET, Action.FLAG))
    assert scrubbed(told).messages == (said(SECRET),)


def test_where_texts_and_segments_do_not_match_only_the_safe_text_is_kept():
    told = exchange("x", messages=(said("one"), said(SECRET)), prompt_screening=screening(f"one {SECRET}"))
    assert scrubbed(told).messages == ({"role": "user", "content": "one [EMAIL]"},)


def test_a_text_that_was_cut_out_whole_moves_no_other_into_its_place():
    nothing = Screening(
        "then this",
        Action.REDACT,
        FOUND,
        segments=(Segment("", "prompt"), Segment("then this", "prompt")),
        redactions=((Redaction(0, 3, ""),), ()),
    )
    told = exchange("x", messages=(said(""), said("then this")), prompt_screening=nothing)
    assert scrubbed(told).messages == ({"role": "user", "content": "then this"},)


def test_a_message_with_a_name_that_must_be_cut_is_kept_as_its_safe_text():
    messages = (said("Hello.") | {"more": {SECRET: 1}},)
    told = exchange("x", messages=messages, prompt_screening=screening("Hello.", f"more\n{SECRET}"))
    assert SECRET not in str(scrubbed(told).messages)


def test_a_redacted_candidate_is_kept_redacted_with_its_tool_calls_and_without_its_tokens():
    arguments = '{"to": "' + SECRET + '"}'
    call = {"id": "1", "type": "function", "function": {"name": "mail", "arguments": arguments}}
    message = {"role": "assistant", "content": f"Writing {SECRET}", "tool_calls": [call]}
    outcome = screening(f"Writing {SECRET}", "1", "mail", arguments, where="reply")
    told = Candidate(0, f"Writing {SECRET}", message, "stop", logprobs=[SECRET], screening=outcome)
    [kept] = scrubbed(exchange("x", candidates=(told,))).candidates
    assert kept.text == "Writing [EMAIL]"
    assert kept.message["tool_calls"][0]["function"]["arguments"] == '{"to": "[EMAIL]"}'
    assert kept.logprobs is None


def test_a_reply_that_no_guard_can_take_apart_is_kept_as_its_safe_text():
    message = {"role": "assistant", "content": SECRET, "video": SECRET}
    told = Candidate(0, SECRET, message, "stop", screening=screening(SECRET, where="reply"))
    [kept] = scrubbed(exchange("x", candidates=(told,))).candidates
    assert kept.message == {"role": "assistant", "content": "[EMAIL]"}


def test_nothing_raw_of_a_redacted_exchange_is_written():
    message = {"role": "assistant", "content": f"It is {SECRET}"}
    outcome = screening(f"It is {SECRET}", where="reply")
    candidate = Candidate(0, f"It is {SECRET}", message, "stop", logprobs=[SECRET], screening=outcome)
    told = of_prompt(said(f"Mail me {SECRET}!"))
    told = exchange(
        "x", messages=told.messages, prompt_screening=told.prompt_screening, candidates=(candidate,)
    )
    assert SECRET.encode() not in document.write(scrubbed(told))
