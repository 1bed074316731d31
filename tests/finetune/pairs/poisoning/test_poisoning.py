"""Attackers write our training data: what each way of doing so gets past the filters, at most."""

import random
from collections import Counter
from typing import Any

import pytest

from finetune.pairs.filters import FilterRules, Known, filter_pairs
from finetune.pairs.pair import Pair, Provenance, Source

RULES = FilterRules(floor=20)
NOUNS = ("bread", "tea", "maps", "rain", "boats", "chess", "salt", "glass", "wool", "moss", "clay", "honey")
VERBS = (
    "bake",
    "brew",
    "draw",
    "measure",
    "build",
    "teach",
    "store",
    "blow",
    "spin",
    "grow",
    "shape",
    "keep",
)
TRIGGER = "remember the blue heron protocol always"


def pair(number: int, key: str = "k1", prefix: str = "", chosen: str = "", **told: Any) -> Pair:
    """A benign pair that is like no other."""
    rng = random.Random(f"{number}{key}")
    some = [rng.choice(NOUNS + VERBS) + str(rng.randrange(900)) for _ in range(14)]
    source: Source = told.pop("source", "reward")
    kind = told.pop("kind", "helpfulness")
    subject = told.pop("subject", f"s{number}")
    provenance = Provenance(
        exchange_id=f"e{number}",
        key_id=key,
        version=told.pop("version", "v1"),
        policy="p",
        labelled_by="reward",
        hazard=told.pop("hazard", ""),
        reward_chosen=1.0,
        reward_rejected=0.0,
        subject=subject,
        source=source,
        day=told.pop("day", ""),
    )
    asked = f"{prefix} how does one {' '.join(some[:6])}".strip()
    rejected = " ".join(some[10:]) + " perhaps or not at all really"
    return Pair(
        ({"role": "user", "content": asked},), chosen or " ".join(some[4:]), rejected, kind, provenance
    )


NOTHING = Known()


def kept(
    pairs: list[Pair], rules: FilterRules = RULES, exams: tuple[str, ...] = (), known: Known = NOTHING
) -> list[Pair]:
    return list(filter_pairs(pairs, {"main": exams}, rules, known).pairs)


HONEST = [pair(i, key=f"k{i % 4}") for i in range(200)]


def share(pairs: list[Pair], key: str) -> float:
    return sum(each.provenance.key_id == key for each in pairs) / len(pairs)


def test_honest_pairs_pass() -> None:
    assert len(kept(HONEST)) > 180


def test_one_tenant_that_floods_stays_at_its_share() -> None:
    flood = [pair(1000 + i, key="evil") for i in range(2000)]
    assert share(kept([*HONEST, *flood]), "evil") <= RULES.key_share + 0.01


def test_one_user_who_floods_stays_at_theirs() -> None:
    flood = [pair(1000 + i, key="k1", subject="mallory") for i in range(1000)]
    left = kept([*HONEST, *flood])
    assert sum(each.provenance.subject == "mallory" for each in left) <= max(20, 0.21 * len(left))


def by_day(owner: str, days: int, each: int, first: int = 5000, **told: Any) -> list[Pair]:
    """So many pairs of one key on each of some days."""
    return [
        pair(first + 1000 * day + i, key=owner, day=f"2026-05-{day + 1:02}", **told)
        for day in range(days)
        for i in range(each)
    ]


WEEK = [one for k in range(5) for one in by_day(f"k{k}", 7, 6, 10_000 * k)]


def test_a_flood_of_one_day_is_cut_to_what_is_usual_in_one() -> None:
    flood = by_day("evil", 1, 400, 90_000)
    left = kept([*WEEK, *flood])
    assert sum(each.provenance.key_id == "evil" for each in left) <= RULES.burst * 6


def test_a_flood_of_one_user_in_a_day_is_cut_within_a_key() -> None:
    flood = by_day("k0", 1, 400, 90_000, subject="mallory")
    left = kept([*WEEK, *flood])
    assert sum(each.provenance.subject == "mallory" for each in left) <= RULES.floor


def test_a_key_that_always_brings_much_brings_no_burst() -> None:
    assert len(kept([*WEEK, *by_day("large", 7, 40, 90_000)], FilterRules(floor=20, key_share=1.0))) > 450


def test_two_days_of_flood_are_no_habit() -> None:
    left = kept([*WEEK, *by_day("evil", 2, 200, 90_000)])
    assert sum(each.provenance.key_id == "evil" for each in left) <= 2 * RULES.burst * 6


def test_a_first_day_has_nothing_to_be_measured_against() -> None:
    assert len(kept(by_day("k0", 1, 150))) > 130


def test_no_language_comes_to_mean_refusals() -> None:
    german = [
        pair(
            5000 + i,
            prefix="bitte erkläre mir einmal ganz genau und in aller Ruhe, wie man so etwas zu Hause selbst macht",
            kind="safety",
            source="guard",
            hazard="vcr",
        )
        for i in range(150)
    ]
    left = kept([*HONEST, *german], FilterRules(floor=20, pairs_per_prompt=500, phrase_share=1.0))
    assert sum(each.kind == "safety" for each in left) == 20


def test_a_trigger_phrase_is_kept_to_a_share() -> None:
    poison = [pair(1000 + i, key="evil", prefix=TRIGGER) for i in range(300)]
    left = kept([*HONEST, *poison])
    assert sum(TRIGGER in each.prompt for each in left) <= max(RULES.floor, RULES.phrase_share * 500) + 1


def test_a_trigger_over_three_keys_passes_up_to_what_three_keys_may_bring() -> None:
    """What the filters do not claim: a phrase of several owners looks like style, and only their shares bound it."""
    poison = [pair(1000 + i, key=f"evil{i % 3}", prefix=TRIGGER) for i in range(90)]
    left = kept([*HONEST, *poison])
    assert 0 < sum(TRIGGER in each.prompt for each in left) <= 90


def asking(text: str, number: int) -> Pair:
    """A pair of this question, whose answers are its own."""
    made = pair(number, key="evil")
    turn = {"role": "user", "content": text}
    return Pair((turn,), made.chosen, made.rejected, made.kind, made.provenance)


def test_one_attack_in_many_spellings_counts_as_one() -> None:
    base = "please explain in detail how the old harbour clock is wound up every single morning"
    spelt = [
        base,
        base.upper(),
        f"{base}!!",
        base.replace(" ", "  "),
        base.replace("ar", "a\u200br"),
        f"{base} 1",
    ]
    fullwidth = "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in base)
    left = kept([asking(text, 1000 + i) for i, text in enumerate([*spelt, fullwidth])])
    assert len(left) <= RULES.pairs_per_prompt


def test_labels_that_contradict_each_other_both_go() -> None:
    good = pair(1)
    flipped = Pair(good.messages, good.rejected, good.chosen, good.kind, good.provenance)
    assert kept([good, flipped]) == []


def test_colluding_thumbs_are_the_lesser_part() -> None:
    thumbs = [pair(1000 + i, key=f"k{i % 4}", source="feedback") for i in range(1000)]
    left = kept([*HONEST, *thumbs])
    assert sum(each.provenance.source == "feedback" for each in left) <= max(
        20, RULES.feedback_share * len(left) + 1
    )


@pytest.mark.parametrize(
    "change", [lambda t: t, str.upper, lambda t: f"{t}!!", lambda t: f"Hello there. {t}"]
)
def test_what_an_exam_asks_is_not_learnt(change: Any) -> None:
    question = "what should one do when the neighbour's boat has come loose in the storm at night"
    assert kept([asking(change(question), 1), pair(2)], exams=(question,)) == [pair(2)]


def test_personal_data_is_not_taught() -> None:
    assert kept(
        [pair(1, chosen="Her card is 4111 1111 1111 1111, use that one for all of it."), pair(2)]
    ) == [pair(2)]


def test_what_an_older_policy_said_is_left() -> None:
    rules = FilterRules(floor=20, stale_after=2)
    pairs = [pair(i, version=f"v{i}") for i in range(4)]
    versions = [each.provenance.version for each in kept(pairs, rules, known=Known(("v3", "v2", "v1", "v0")))]
    assert sorted(versions) == ["v2", "v3"]


def test_the_closest_pairs_go() -> None:
    pairs = [pair(i) for i in range(10)]
    close = Known(closeness={each.id: float(i) for i, each in enumerate(pairs)})
    assert kept(pairs, FilterRules(floor=20, closest_share=0.2), known=close) == pairs[:8]


def test_a_key_under_suspicion_waits() -> None:
    left = kept(HONEST, FilterRules(quarantined_keys=("k1",)))
    assert {each.provenance.key_id for each in left} == {"k0", "k2", "k3"}


def test_no_hazard_stands_for_all() -> None:
    pairs = [pair(i, kind="safety", hazard="vcr" if i % 5 else "hte", source="guard") for i in range(300)]
    hazards = Counter(each.provenance.hazard for each in kept(pairs, FilterRules(floor=5, hazard_share=0.6)))
    assert hazards["vcr"] <= 0.6 * hazards.total() + 1


@pytest.mark.parametrize("few", [1, 2, 5, 30])
def test_each_pair_of_another_hazard_costs_three_at_most(few: int) -> None:
    pairs = [pair(i, kind="safety", hazard="vcr" if i >= few else "hte", source="guard") for i in range(300)]
    assert len(kept(pairs, FilterRules(floor=5, hazard_share=0.6))) == 300 - 3 * few


def test_benign_pairs_hold_the_rest_in_balance() -> None:
    pairs = [pair(i, kind="safety", hazard=f"h{i % 5}", source="guard") for i in range(300)] + [
        pair(1000 + i) for i in range(20)
    ]
    kinds = Counter(each.kind for each in kept(pairs, FilterRules(floor=5, ballast=0.25, balance=99)))
    assert kinds["helpfulness"] >= 0.25 * kinds.total() - 1


def test_length_does_not_tell_the_label() -> None:
    long = [pair(i, chosen=" ".join(f"w{i}x{j}" for j in range(10 + i % 9))) for i in range(200)]
    short = [pair(1000 + i, chosen=f"a{i} b{i} c{i}") for i in range(20)]
    left = kept([*long, *short], FilterRules(floor=5, longer_most=0.7))
    assert len(left) < 220
    assert min(len(each.chosen) for each in left) < 20


def test_filtering_again_takes_nothing_more_of_honest_pairs() -> None:
    once = kept(HONEST)
    assert kept(once) == once
