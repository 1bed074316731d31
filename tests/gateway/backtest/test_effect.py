"""What is remembered of one exchange is told of another only where deciding that one would tell the same."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backtest.effect import Effect, Effects
from gateway.backtest.side import Recorded, Side
from gateway.backtest.swift import SHAPES, Swift
from gateway.ledger import jsontext
from gateway.ledger.evidence import panel_id, screening_document
from guards.hindsight.decide import Decider
from guards.screen import Screen
from guards.verdict import Context, Segment
from tests.fakes.drawn_guards import HAZARDS, KINDS, policy_of
from tests.fakes.drawn_policies import SEGMENTS, documents

SCORES = st.dictionaries(st.sampled_from(HAZARDS), st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]))


def told(effect: Effect | None) -> tuple | None:
    return effect and (effect.change, effect.unanswered, effect.shifts, effect.found)


def with_other_scores(said, draw) -> None:
    for verdict in said["v"]:
        if len(verdict) > 2:
            verdict[2] = draw(SCORES)


async def evidence_of(screen: Screen, draw) -> dict:
    """That of an exchange with some candidates, screened once, their scores then drawn anew."""
    sides = ["prompt", *["reply"] * draw(st.integers(0, 2))]
    made = []
    for where in sides:
        segments = draw(st.lists(SEGMENTS[where], max_size=2))
        screening = await screen.screen(segments, Context())
        made.append(jsontext.loads(jsontext.dumps(screening_document(screening))))
    rewards = [draw(st.sampled_from([None, 0.5, 1.0])) for _ in made[1:]]
    prompt, candidates = made[0], [list(each) for each in zip(made[1:], rewards, strict=True)]
    return {"p": prompt, "c": candidates, "w": draw(st.sampled_from([None, 0]))}


@settings(max_examples=150, deadline=None)
@given(then=documents(), old=documents(), new=documents(), recorded=st.booleans(), more=st.data())
async def test_what_is_remembered_is_what_would_be_decided(then, old, new, recorded, more) -> None:
    for document in (old, new):
        for guard, other in zip(document["guards"], then["guards"], strict=True):
            guard["kind"], guard["where"] = other["kind"], other["where"]
    screen = Screen(policy_of(then), KINDS)
    panels = {panel_id(screen.fingerprints): screen.fingerprints}
    before = Recorded() if recorded else Side(policy_of(old), panels)
    after = Side(policy_of(new), panels)
    remembering = Effects(before, after)
    evidence = await evidence_of(screen, more.draw)
    for _ in range(12):
        for said in (evidence["p"], *[said for said, _ in evidence["c"]]):
            with_other_scores(said, more.draw)
        assert told(remembering.of(evidence)) == told(Effects(before, after).of(evidence))


async def test_exchanges_that_differ_in_nothing_that_counts_are_one_kind() -> None:
    flag = {"action": "flag", "threshold": 0.9}
    policy = {
        "name": "p",
        "version": 1,
        "guards": [guard("first", {"hte": flag}), guard("second", {"*": flag})],
    }
    screen = Screen(policy_of(policy), KINDS)
    side = Side(screen.policy, {panel_id(screen.fingerprints): screen.fingerprints})
    effects = Effects(Recorded(), side)
    found = []
    for number in range(100):
        screening = await screen.prompt([Segment(f"text {number}", "prompt")])
        found.append(effects.of({"p": screening_document(screening), "c": [], "w": None}))
    assert len({id(each) for each in found}) < 25
    assert len({told(each) for each in found}) > 1


def guard(name: str, hazards: dict) -> dict:
    return {"id": name, "kind": "reckoned", "where": ["prompt"], "on_error": "open", "hazards": hazards}


def test_a_sign_is_never_given_twice_though_shapes_are_forgotten() -> None:
    policy = policy_of({"name": "p", "version": 1, "guards": [guard("first", {"hte": {"action": "flag"}})]})
    swift = Swift(Decider(policy))
    said = {"s": ["content"], "n": [0], "b": [], "v": [], "a": 0, "g": None}
    signs = [swift.sign(said, "prompt", (number,)) for number in range(2 * SHAPES + 2)]
    assert len(set(signs)) == len(signs)
    assert all(one < other for one, other in pairwise(signs))
