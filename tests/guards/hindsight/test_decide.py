"""In hindsight a policy decides as it would have decided then."""

from hypothesis import given, settings
from hypothesis import strategies as st

from guards.hearing import covers
from guards.hindsight.decide import Decider
from guards.hindsight.record import Heard, Record, record_of
from guards.screen import Screen
from guards.verdict import Action, Context, Segment, Verdict
from tests.fakes.drawn_guards import KINDS, policy_of
from tests.fakes.drawn_policies import SEGMENTS, documents

many = settings(max_examples=200, deadline=None)
UNREAD = st.dictionaries(st.sampled_from(["image", "file"]), st.just(1), max_size=1)


def reads_more(old: Screen, new: Screen, name: str, segments: list[Segment]) -> bool:
    """Whether a guard has texts to read now that it had not then."""
    then, now = (
        next(rule for rule in screen.policy.document.guards if rule.id == name) for screen in (old, new)
    )
    return any(covers(now, each) and not covers(then, each) for each in segments)


@many
@given(
    then=documents(),
    now=documents(),
    where=st.sampled_from(["prompt", "reply"]),
    unread=UNREAD,
    given_=st.data(),
)
async def test_deciding_again_is_screening_again(then, now, where, unread, given_) -> None:
    segments = given_.draw(st.lists(SEGMENTS[where], min_size=1, max_size=3))
    for guard, other in zip(now["guards"], then["guards"], strict=True):
        guard["kind"] = other["kind"]
        if given_.draw(st.booleans()):
            guard["where"] = other["where"]
    old, new = Screen(policy_of(then), KINDS), Screen(policy_of(now), KINDS)
    record = record_of(await old.screen(segments, Context(), unread), where)
    decider = Decider(new.policy)
    decision = decider.decide(record)
    if decision.want.texts and not decision.want.guards:
        heard = [
            Heard(each, one.verdicts, known=True) for one, each in zip(record.segments, segments, strict=True)
        ]
        decision = decider.decide(Record(where, tuple(heard), record.panel, record.failed, record.unread))
    if decision.want.guards:  # only what nobody was asked then
        for name, places in decision.want.guards.items():
            assert all(name not in record.segments[place].verdicts for place in places)
        return
    screened = await new.screen(segments, Context(), unread)
    failing, replayed = ({one.guard for one in told.failures} for told in (screened, decision))
    assert failing <= replayed <= failing | record.failed
    if failing != replayed:  # it failed on a text that it need not read now, and nobody knows of the others
        return
    if any(
        reads_more(old, new, name, segments) for name in failing
    ):  # nobody asked it then about these either
        return
    assert decision.action == screened.action
    assert sorted(map(repr, decision.findings)) == sorted(map(repr, screened.findings))
    assert [[(cut.start, cut.end) for cut in cuts] for cuts in decision.redactions] == [
        [(cut.start, cut.end) for cut in cuts] for cuts in screened.redactions
    ]


def policy(**rule):
    document = {
        "name": "p",
        "version": 1,
        "guards": [
            {"id": "a", "kind": "drawn", "where": ["prompt", "reply"], "on_error": "closed"}
            | {"hazards": {"hte": {"action": "refuse", "threshold": 0.5}}}
            | rule
        ],
    }
    return policy_of(document)


def record(one, verdict=None, failed=(), part="content"):
    heard = Heard(Segment("", "prompt", part), {} if verdict is None else {"a": verdict})
    return Record("prompt", (heard,), Decider(one).fingerprints, frozenset(failed))


def test_a_guard_of_another_config_is_wanted_again() -> None:
    known = record(policy(), Verdict("a", {"hte": 0.9}))
    assert Decider(policy()).decide(known).action is Action.REFUSE
    changed = Decider(policy(config={"salt": 1})).decide(known)
    assert changed.want.guards == {"a": {0}}


def test_a_guard_that_failed_fails_again_as_the_policy_now_says() -> None:
    failed = record(policy(), failed=["a"])
    assert Decider(policy()).decide(failed).action is Action.REFUSE
    opened = Decider(policy(on_error="open")).decide(failed)
    assert (opened.action, opened.failures[0].guard) == (Action.FLAG, "a")


def test_what_a_guard_never_read_is_wanted_where_it_is_to_be_read_now() -> None:
    skipped = record(policy(skip_parts=["system"], where=["prompt"]), part="system")
    assert Decider(policy()).decide(skipped).want.guards == {"a": {0}}


def test_what_was_said_before_is_wanted_only_by_a_guard_that_reads_it() -> None:
    before = Heard(Segment("", "prompt", turns_ago=1))
    old = Record("prompt", (before,), Decider(policy()).fingerprints)
    assert Decider(policy()).decide(old).want.nothing
    assert Decider(policy(turns="all")).decide(old).want.guards == {"a": {0}}


def test_redaction_without_a_place_is_refusal() -> None:
    known = record(policy(), Verdict("a", {"hte": 0.9}))
    redacting = policy(hazards={"hte": {"action": "redact", "threshold": 0.5}})
    assert Decider(redacting).decide(known).action is Action.REFUSE


def test_a_segment_that_no_guard_reads_any_more_passes() -> None:
    known = record(policy(), Verdict("a", {"hte": 0.9}), part="tool_result")
    narrow = policy(where=["reply"])
    assert Decider(narrow).decide(known).action is Action.ALLOW
    assert Segment("", "prompt", "tool_result").direction == "tool_result"
