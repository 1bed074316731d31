"""Several reward models as one, made of scorers that reward by a rule."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rewardserve.ensemble import Ensemble, load, load_ensemble
from rewardserve.ensemble_document import read_document
from rewardserve.errors import BadInput, EngineAway, ModelUnusable, ScoringFailed
from rewardserve.moments import Moments, RouteMoments, references_json
from rewardserve.reward import Reward
from rewardserve.scorer import Message, ModelSpec
from tests.fakes.scorer import FakeScorer

ASKED = [Message("user", "How?")]
Rule = Callable[[str], float]
RULES: dict[str, Rule] = {
    "letters": len,
    "vowels": lambda text: 100 * sum(letter in "aeiou" for letter in text),
}


def document(**changes: Any) -> dict[str, Any]:
    members = [
        {"name": "letters", "model": "x", "family": "one", "mean": 4, "sd": 2},
        {"name": "vowels", "model": "x", "family": "two", "mean": 200, "sd": 100},
    ]
    return {"members": members, **changes}


@pytest.fixture
def ensembled(tmp_path: Path) -> Iterator[Callable[..., Ensemble]]:
    made: list[Ensemble] = []

    def one(rules: dict[str, Rule] = RULES, **changes: Any) -> Ensemble:
        path = tmp_path / "ensemble.yaml"
        path.write_text(yaml.safe_dump(document(**changes)))
        made.append(load_ensemble(path, None, lambda _, spec: FakeScorer(rules[spec.served_name or ""])))
        return made[-1]

    yield one
    for each in made:
        each.close()


def broken(_: str) -> float:
    raise EngineAway("gone")


def rewards(ensemble: Ensemble, candidates: list[str], route: str = "") -> list[Any]:
    return ensemble.score(ensemble.on_route(ensemble.prepare(ASKED, candidates), route))


@pytest.mark.parametrize(("combine", "value"), [("mean", 0.0), ("worst", -1.0), ("uncertainty", -0.5)])
def test_z_scores_are_put_together(ensembled: Any, combine: str, value: float) -> None:
    # Six letters are one deviation more than usual, one vowel is one less.
    [found] = rewards(ensembled(combine=combine), ["xxxxxa"])
    assert found == pytest.approx(value)
    assert found.spread == pytest.approx(1.0)
    assert found.heads == {"letters": 6.0, "vowels": 100.0, "members": 2.0}


def test_weights_count(ensembled: Any) -> None:
    members = document()["members"]
    members[0]["weight"] = 3
    [found] = rewards(ensembled(combine="mean", members=members), ["xxxxxa"])
    assert found == pytest.approx(0.5)


def test_what_is_usual_is_learnt_from_the_route_alone(ensembled: Any) -> None:
    ensemble = ensembled(combine="mean", prior_candidates=1)
    for _ in range(50):
        rewards(ensemble, ["x" * 8, "x" * 12], "long")
    assert rewards(ensemble, ["x" * 10], "long")[0].heads["letters"] == 10
    assert ensemble.references.of("letters", "long").mean == pytest.approx(10, abs=0.2)
    assert ensemble.references.of("letters", "other").mean == 4


def test_candidates_of_one_batch_are_compared_with_the_same(ensembled: Any) -> None:
    ensemble = ensembled()
    first, *_, last = rewards(ensemble, ["same", "x" * 40, "xa" * 20, "same"])
    assert first == last


def test_a_member_that_fails_is_left_out_visibly(ensembled: Any) -> None:
    ensemble = ensembled({**RULES, "vowels": broken}, members_needed=1)
    [found] = rewards(ensemble, ["xxxxxa"])
    assert found == pytest.approx(1.0)
    assert found.heads == {"letters": 6.0, "members": 1.0}
    assert ensemble.failures == {"vowels": 1}


def test_all_are_needed_unless_said_otherwise(ensembled: Any) -> None:
    with pytest.raises(ScoringFailed, match="fewer than 2 members"):
        rewards(ensembled({**RULES, "vowels": broken}), ["xxxxxa"])


def test_a_reward_that_is_no_number_fails_its_candidate_only(ensembled: Any) -> None:
    ensemble = ensembled({**RULES, "letters": lambda text: math.nan if text == "odd" else 4.0})
    odd, even = rewards(ensemble, ["odd", "even"])
    assert (math.isnan(odd), math.isfinite(even)) == (True, True)


def test_a_conversation_that_one_member_cannot_read(ensembled: Any) -> None:
    long = "word " * 200
    with pytest.raises(BadInput):
        ensembled().prepare(ASKED, [long])


def test_a_members_own_heads_stand_behind_its_name(ensembled: Any) -> None:
    ensemble = ensembled({**RULES, "letters": lambda text: Reward(4.0, {"help": 2.0})})
    # The fake makes plain numbers of what its rule says, so the head is put on by hand.
    ensemble._scorers[0].score = lambda items: [Reward(4.0, {"help": 2.0}) for _ in items]
    assert rewards(ensemble, ["a"])[0].heads["letters.help"] == 2.0


def test_frozen_references_never_change(ensembled: Any, tmp_path: Path) -> None:
    kept = {"": {"letters": Moments.stated(5, 1, 99), "vowels": Moments.stated(0, 100, 99)}}
    (tmp_path / "references.json").write_bytes(references_json(kept))
    ensemble = ensembled(combine="mean", references="references.json")
    before = rewards(ensemble, ["xxxxxa"], "any")
    assert before == rewards(ensemble, ["xxxxxa"], "any") == [pytest.approx(1.0)]


def test_references_that_lack_a_member_are_refused(ensembled: Any, tmp_path: Path) -> None:
    (tmp_path / "references.json").write_bytes(references_json({"": {"letters": Moments.stated(5, 1, 9)}}))
    with pytest.raises(ModelUnusable, match="says nothing of vowels"):
        ensembled(references="references.json")


def test_only_so_many_routes_are_kept() -> None:
    moments = RouteMoments({"m": Moments.stated(0, 1, 1)}, routes=2)
    for route in ("a", "b", "a", "c"):
        moments.learn("m", route, [1.0])
    assert set(moments.kept) == {"a", "c"}


def test_running_moments_are_those_of_all_values() -> None:
    found = Moments().with_([1.0, 2.0]).with_([6.0])
    assert (found.mean, found.sd) == (pytest.approx(3.0), pytest.approx(math.sqrt(14 / 3)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"combine": "vote"}, "combine"),
        ({"members_needed": 3}, "members_needed"),
        ({"colour": 1}, "colour"),
        ({"members": document()["members"][:1]}, "members"),
        ({"members": [document()["members"][0]] * 2}, "two are called 'letters'"),
        ({"members": [{"name": "a b", "model": "x"}] * 2}, r"members\.0\.name"),
    ],
)
def test_a_wrong_document_names_its_field(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = tmp_path / "ensemble.yaml"
    path.write_text(yaml.safe_dump(document(**changes)))
    with pytest.raises(ModelUnusable, match=told):
        read_document(path)


def test_one_family_is_warned_of(tmp_path: Path) -> None:
    path, members = tmp_path / "ensemble.yaml", document()["members"]
    path.write_text(yaml.safe_dump(document()))
    assert not read_document(path).warnings()
    path.write_text(yaml.safe_dump({"members": [member | {"family": "one"} for member in members]}))
    assert "second family" in read_document(path).warnings()[0]


def test_real_members_score_as_they_do_alone(tiny: Path, tmp_path: Path) -> None:
    from rewardserve.scorers import transformers

    members = [{"name": name, "model": str(tiny), "family": name} for name in ("first", "second")]
    path = tmp_path / "ensemble.yaml"
    path.write_text(yaml.safe_dump({"members": members}))
    ensemble, alone = load(ModelSpec(str(path))), transformers.load(ModelSpec(str(tiny)))
    [found] = rewards(ensemble, ["Take flour."])
    [raw] = alone.score(alone.prepare(ASKED, ["Take flour."]))
    assert found.heads["first"] == found.heads["second"] == pytest.approx(raw, abs=1e-5)
    assert found.spread == pytest.approx(0.0, abs=1e-6)
    ensemble.close()


def test_members_that_fail_are_counted_in_the_metrics(ensembled: Any) -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    from rewardserve.watched import Watched

    ensemble, registry = ensembled({**RULES, "vowels": broken}, members_needed=1), CollectorRegistry()
    Watched(registry).watch(ensemble)
    rewards(ensemble, ["a"])
    text = generate_latest(registry).decode()
    assert 'trimtab_reward_member_failures_total{member="vowels"} 1.0' in text
    assert 'trimtab_reward_member_failures_total{member="letters"} 0.0' in text
