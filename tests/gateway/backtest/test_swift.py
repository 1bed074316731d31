"""The first look says yes only where the whole decision would find nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backtest.past import record_of
from gateway.backtest.swift import Swift
from gateway.ledger import jsontext
from gateway.ledger.evidence import panel_id, screening_document
from guards.hindsight.decide import Decider
from guards.screen import Screen
from guards.verdict import Action, Context, Segment
from tests.fakes.drawn_guards import KINDS, policy_of
from tests.fakes.drawn_policies import SEGMENTS, documents


@settings(max_examples=200, deadline=None)
@given(then=documents(), now=documents(), where=st.sampled_from(["prompt", "reply"]), more=st.data())
async def test_what_passes_at_a_glance_passes(then, now, where, more) -> None:
    segments = more.draw(st.lists(SEGMENTS[where], max_size=3))
    for guard, other in zip(now["guards"], then["guards"], strict=True):
        guard["kind"], guard["where"] = other["kind"], other["where"]
    screening = await Screen(policy_of(then), KINDS).screen(segments, Context())
    said = jsontext.loads(jsontext.dumps(screening_document(screening)))
    decider, panels = Decider(policy_of(now)), {panel_id(screening.panel): screening.panel}
    if Swift(decider, panels).passes(said, where):
        decision = decider.decide(record_of(said, where, screening.panel))
        assert decision.want.nothing
        assert (decision.action, decision.findings, decision.failures) == (Action.ALLOW, (), ())


async def test_most_texts_pass_at_a_glance() -> None:
    policy = {
        "name": "p",
        "version": 1,
        "guards": [
            {"id": "first", "kind": "reckoned", "where": ["prompt"], "on_error": "open"}
            | {"hazards": {"hte": {"action": "flag", "threshold": 1}}}
        ],
    }
    screen = Screen(policy_of(policy), KINDS)
    swift = Swift(Decider(screen.policy), {panel_id(screen.fingerprints): screen.fingerprints})
    passed = 0
    for number in range(50):
        screening = await screen.prompt([Segment(f"text {number}", "prompt")])
        passed += swift.passes(jsontext.loads(jsontext.dumps(screening_document(screening))), "prompt")
    assert passed > 40
