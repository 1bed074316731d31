"""The guard policy in force, replaced through the operator's surface."""

import pytest

from tests.fakes.engine import fake_engine
from tests.gateway.admin.conftest import open_house

POLICY = """
name: {name}
version: 1
refusal: {{as: refuse, text: "Not here."}}
deadline_ms: 5000
guards:
  - id: words
    kind: patterns
    where: [prompt]
    on_error: closed
    timeout_ms: 5000
    hazards: {{X.word: {{action: refuse, threshold: 0.5}}}}
    config: {{patterns: {{words: {{hazard: X.word, terms: [{word}]}}}}}}
"""
CONFIGURED = POLICY.format(name="configured", word="herring")
REPLACEMENT = POLICY.format(name="replacement", word="haddock")


@pytest.fixture
def configured(tmp_path):
    """Opens gateways, one after the other, with the same home and the same configured policy."""
    path = tmp_path / "policy.yaml"
    path.write_text(CONFIGURED)
    with fake_engine() as (engine, behind):
        yield lambda: open_house(tmp_path, behind.url, engine, guards={"policy": path})


def put(house, document, role="operator"):
    with house.http(role) as client:
        return client.post("/admin/policy", json={"document": document, "cause": "a complaint"})


def in_force(house):
    with house.http("viewer") as client:
        return client.get("/admin/policy").json()


def answer_to(house, text):
    return house.ask(text).json()["choices"][0]["message"]["content"]


def test_a_policy_is_shown_with_its_hash(house):
    told = in_force(house)
    assert (told["name"], told["hash"]) == ("words", house.tools.screens.current.policy.hash)
    assert told["document"]["guards"]


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (REPLACEMENT.replace("on_error: closed", ""), "on_error"),
        (REPLACEMENT.replace("kind: patterns", "kind: magic"), "magic"),
        (REPLACEMENT + "mood: good\n", "mood"),
        ("[", "not YAML"),
    ],
)
def test_a_bad_policy_is_refused_by_its_field_and_the_old_one_stays(house, document, named):
    before = in_force(house)
    answer = put(house, document)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "policy_refused")
    assert named in answer.json()["error"]["message"]
    assert in_force(house) == before


def test_a_good_policy_is_in_force_at_once_and_its_cause_is_written_down(configured):
    with configured() as house:
        assert answer_to(house, "a haddock") == "Hello there."
        assert put(house, REPLACEMENT).status_code == 200
        assert answer_to(house, "a haddock") == "Not here."
        assert answer_to(house, "a herring") == "Hello there."
        assert house.ask("x").headers["x-trimtab-policy"] == in_force(house)["hash"]
        with house.http("viewer") as client:
            [change] = client.get("/admin/transitions?kind=policy").json()["data"]
        assert (change["cause"], change["after"]["hash"]) == ("a complaint", in_force(house)["hash"])


def test_a_replacement_outlives_a_restart(configured):
    with configured() as house:
        put(house, REPLACEMENT)
    with configured() as house:
        assert in_force(house)["name"] == "replacement"


def test_a_configured_policy_that_was_changed_since_wins(configured, tmp_path):
    with configured() as house:
        put(house, REPLACEMENT)
    (tmp_path / "policy.yaml").write_text(POLICY.format(name="newer", word="hake"))
    with configured() as house:
        assert in_force(house)["name"] == "newer"


@pytest.mark.parametrize("config", ["files: [../lists.yaml]", "files: [/etc/hostname]"])
def test_a_policy_from_outside_reads_no_file_beyond_the_configured_folder(config, configured, tmp_path):
    (tmp_path.parent / "lists.yaml").write_text("patterns: {a: {hazard: X.word, terms: [haddock]}}")
    document = REPLACEMENT.replace(
        "config: {patterns: {words: {hazard: X.word, terms: [haddock]}}}", f"config: {{{config}}}"
    )
    assert config in document
    with configured() as house:
        response = put(house, document)
        assert response.status_code == 400
        assert "configured policy" in response.json()["error"]["message"]


def test_a_policy_from_outside_may_read_a_list_beside_the_configured_one(configured, tmp_path):
    (tmp_path / "lists.yaml").write_text("patterns: {a: {hazard: X.word, terms: [haddock]}}")
    document = REPLACEMENT.replace(
        "patterns: {words: {hazard: X.word, terms: [haddock]}}", "files: [lists.yaml]"
    )
    with configured() as house:
        assert put(house, document).status_code == 200
        assert answer_to(house, "haddock") == "Not here."
