"""From candidates to pairs."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from finetune.pairs.make import Made, MakeRules, make_pairs
from finetune.pairs.pair import Group, Sample
from finetune.pairs.spread import spread_of

RULES = MakeRules()
DOUBTING = MakeRules(risk_nats=3.0)
ASKED = ({"role": "user", "content": "How do I do it?"},)


def group(*samples: Sample, name: str = "e1", hazard: str = "") -> Group:
    return Group(name, ASKED, samples, key_id="k", version="v0", policy="p", prompt_hazard=hazard)


def made(*samples: Sample, hazard: str = "", rules: MakeRules = RULES) -> Made:
    groups = [group(*samples, hazard=hazard)]
    return make_pairs(groups, rules, spread_of(groups).sd)


GOOD = Sample("I cannot help with that.", reward=2.0, risk=0.01, harm=0.01)
WITHHELD = Sample(
    "Sure, first you", reward=-1.0, withheld=True, risk=0.97, harm=0.97, guard="classifier", hazard="vcr"
)


def test_what_a_guard_withheld_loses_to_what_passed() -> None:
    (pair,) = made(WITHHELD, GOOD).pairs
    assert (pair.chosen, pair.rejected, pair.kind) == (GOOD.text, WITHHELD.text, "safety")


def test_a_pair_says_where_it_comes_from_and_who_labelled_it() -> None:
    (pair,) = made(WITHHELD, GOOD).pairs
    source = pair.provenance
    assert (source.exchange_id, source.version, source.policy, source.key_id) == ("e1", "v0", "p", "k")
    assert (source.labelled_by, source.hazard) == ("guard:classifier", "vcr")
    assert (source.reward_chosen, source.reward_rejected) == (2.0, -1.0)


def test_a_lone_alarm_makes_no_pair_against_the_reward_model() -> None:
    helpful = replace(WITHHELD, reward=5.0)
    assert made(helpful, GOOD).pairs == ()


def test_several_alarms_outweigh_the_reward_model() -> None:
    charming = replace(WITHHELD, reward=5.0)
    pairs = made(charming, replace(charming, text="Gladly, take"), GOOD).pairs
    assert {pair.chosen for pair in pairs} == {GOOD.text}
    assert len(pairs) == 2


# Below every threshold, and liked by the reward model.
BLAND = Sample("Start small, and see.", reward=9.0, risk=0.25, harm=0.25, guard="classifier", hazard="vcr")


def test_where_harm_is_asked_for_the_guards_choose_before_the_reward_model_does() -> None:
    pairs = made(WITHHELD, GOOD, BLAND, hazard="vcr").pairs
    assert {pair.chosen for pair in pairs} == {GOOD.text}


def test_where_harm_is_asked_for_what_passed_loses_if_guards_think_it_far_likelier_to_do_harm() -> None:
    (pair,) = made(BLAND, GOOD, hazard="vcr", rules=DOUBTING).pairs
    assert (pair.chosen, pair.rejected, pair.kind) == (GOOD.text, BLAND.text, "safety")
    assert (pair.provenance.labelled_by, pair.provenance.hazard) == ("guard:classifier", "vcr")
    assert pair.provenance.source == "guard"


def test_where_no_harm_is_asked_for_the_guards_doubts_label_nothing() -> None:
    assert not any(pair.kind == "safety" for pair in made(BLAND, GOOD, rules=DOUBTING).pairs)


def test_what_guards_hold_almost_alike_is_told_apart_by_the_reward_model() -> None:
    better = replace(GOOD, text="I can't, but call this number.", reward=3.0, risk=0.02, harm=0.02)
    (pair,) = made(WITHHELD, GOOD, better, hazard="vcr").pairs
    assert pair.chosen == better.text


def test_a_doubt_that_is_not_about_harm_labels_nothing() -> None:
    private = replace(BLAND, harm=0.01, reward=GOOD.reward)
    assert made(private, GOOD, hazard="vcr", rules=DOUBTING).pairs == ()


def test_what_a_policy_flags_and_lets_pass_does_not_lose_by_a_doubt() -> None:
    assert made(replace(BLAND, flagged=True), GOOD, hazard="vcr", rules=DOUBTING).pairs == ()


def test_a_risk_that_is_not_harm_does_not_decide_who_is_chosen() -> None:
    named = replace(GOOD, text="I can't, but ask Jane Doe.", reward=3.0, risk=0.29)
    (pair,) = made(WITHHELD, GOOD, named, hazard="vcr").pairs
    assert pair.chosen == named.text


def test_guards_doubts_label_nothing_unless_asked_for() -> None:
    assert made(BLAND, GOOD, hazard="vcr").pairs == ()


def test_probabilities_below_a_thousandth_are_all_the_same() -> None:
    calm, calmest = replace(GOOD, harm=1e-3), replace(GOOD, text="No.", harm=0.0, reward=-9.0)
    pairs = made(WITHHELD, calmest, calm, hazard="vcr").pairs
    assert {pair.chosen for pair in pairs} == {calm.text}


def test_of_doubtful_answers_the_worst_teach_first_whatever_rewards_may_rank() -> None:
    worse = replace(BLAND, text="First you gather.", risk=0.29, harm=0.29)
    rules = replace(DOUBTING, ranked_per_exchange=0)
    assert [p.rejected for p in made(BLAND, worse, GOOD, hazard="vcr", rules=rules).pairs] == [
        worse.text,
        BLAND.text,
    ]


def test_what_was_withheld_teaches_before_what_was_merely_doubted() -> None:
    surely = replace(WITHHELD, harm=0.1)
    pairs = made(BLAND, surely, GOOD, hazard="vcr", rules=replace(DOUBTING, pairs_per_exchange=1)).pairs
    assert [pair.rejected for pair in pairs] == [surely.text]


RAMBLING = Sample("It is as it is, and so it goes.", reward=-6.0, risk=0.01, harm=0.01)


def test_where_harm_is_asked_for_a_pair_that_rewards_ranked_says_so() -> None:
    (pair,) = made(RAMBLING, GOOD, hazard="vcr").pairs
    assert (pair.chosen, pair.rejected, pair.ranked_on_harm) == (GOOD.text, RAMBLING.text, True)
    assert (pair.provenance.labelled_by, pair.provenance.hazard) == ("reward", "vcr")


def test_where_harm_is_asked_for_what_guards_say_comes_before_what_rewards_say() -> None:
    pairs = made(RAMBLING, WITHHELD, GOOD, hazard="vcr", rules=replace(RULES, pairs_per_exchange=1)).pairs
    assert [pair.rejected for pair in pairs] == [WITHHELD.text]


def test_whom_guards_speak_against_beside_the_best_wins_no_turn_in_which_they_would_not() -> None:
    doubted = replace(BLAND, text="Begin with a plan.", harm=0.03, reward=-9.0)
    less = replace(GOOD, text="I would rather not.", harm=0.002, reward=1.9)
    best = replace(GOOD, harm=0.001)
    rules = replace(DOUBTING, ranked_per_exchange=0)
    pairs = made(WITHHELD, doubted, best, less, hazard="vcr", rules=rules).pairs
    assert {(p.rejected, p.provenance.source) for p in pairs} == {
        (WITHHELD.text, "guard"),
        (doubted.text, "guard"),
    }


def test_what_a_policy_flags_and_lets_pass_does_not_lose_by_its_reward_where_harm_is_asked_for() -> None:
    assert made(replace(RAMBLING, flagged=True), GOOD, hazard="vcr").pairs == ()


def test_without_rewards_the_guards_label() -> None:
    samples = [replace(WITHHELD, reward=None), replace(GOOD, reward=None)]
    assert len(made(*samples).pairs) == 1


def test_an_over_refusal_loses_to_a_helpful_answer_by_reward() -> None:
    helpful, over = Sample("Mix flour and water.", reward=3.0), Sample("I cannot help.", reward=-3.0)
    (pair,) = made(over, helpful).pairs
    assert (pair.chosen, pair.kind, pair.provenance.labelled_by) == (helpful.text, "helpfulness", "reward")


def test_a_small_difference_of_rewards_makes_no_pair() -> None:
    spread = group(Sample("a", reward=9.0), Sample("b", reward=-9.0), name="e0")
    close = group(Sample("c", reward=1.0), Sample("d", reward=0.9))
    made = make_pairs([spread, close], RULES, spread_of([spread, close]).sd)
    assert {pair.provenance.exchange_id for pair in made.pairs} == {"e0"}


def test_an_answer_near_a_guards_threshold_is_never_chosen() -> None:
    result = made(WITHHELD, replace(GOOD, risk=0.45))
    assert result.pairs == ()
    assert result.skipped == {"no candidate fit to be chosen": 1}


def test_an_answer_cut_off_at_the_token_limit_is_never_chosen() -> None:
    assert made(WITHHELD, replace(GOOD, finished=False)).pairs == ()


def test_when_all_candidates_complied_there_is_no_pair() -> None:
    assert made(WITHHELD, replace(WITHHELD, text="Of course, take")).pairs == ()


def test_a_lone_candidate_makes_no_pair_and_says_why() -> None:
    assert made(GOOD).skipped == {"fewer than two different candidates": 1}


def test_of_what_is_merely_poor_the_worst_alone_teaches() -> None:
    best, poor, worst = (
        Sample(f"Answer {reward}.", reward=reward, risk=0.01) for reward in (3.0, -2.0, -3.0)
    )
    (pair,) = made(best, poor, worst, rules=MakeRules(ranked_per_exchange=1)).pairs
    assert (pair.chosen, pair.rejected) == (best.text, worst.text)


def test_winners_take_turns() -> None:
    losers = [replace(WITHHELD, text=f"Sure {i}") for i in range(3)]
    winners = [GOOD, replace(GOOD, text="That is not something I do.", reward=1.9)]
    pairs = made(*losers, *winners, rules=MakeRules(margin_sd=0.5)).pairs
    assert [pair.chosen for pair in pairs] == [winners[0].text, winners[1].text, winners[0].text]


SAMPLES = st.builds(
    Sample,
    text=st.sampled_from("abcdef"),
    reward=st.none() | st.floats(-9, 9),
    withheld=st.booleans(),
    checked=st.booleans(),
    risk=st.floats(0, 1),
    finished=st.booleans(),
)


@given(st.lists(SAMPLES, max_size=8), st.integers(1, 4))
def test_no_pair_ever_prefers_what_is_unsafe_unfinished_or_worse(samples: list[Sample], most: int) -> None:
    pairs = made(*samples, rules=MakeRules(pairs_per_exchange=most)).pairs
    first = {sample.text: sample for sample in reversed(samples)}
    assert len(pairs) <= most
    for pair in pairs:
        chosen, rejected = first[pair.chosen], first[pair.rejected]
        assert not chosen.withheld
        assert chosen.finished
        assert chosen.checked
        assert chosen.risk <= RULES.chosen_risk_at_most
        assert pair.chosen != pair.rejected
        alarms = sum(sample.withheld for sample in samples)
        if alarms < 2 and chosen.reward is not None and rejected.reward is not None:
            assert chosen.reward > rejected.reward


@given(st.lists(SAMPLES, max_size=8))
def test_every_group_gives_a_pair_or_a_reason(samples: list[Sample]) -> None:
    result = made(*samples)
    assert bool(result.pairs) != bool(result.skipped)
