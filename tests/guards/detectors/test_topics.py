"""The topics guard, with a model of a few words: what is denied, what is allowed, and what is neither."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guards.detectors.topics import Topics, TopicsConfig, TopicsGuard, chunks, middle_of
from guards.policy.load import load_policy
from guards.screen import Screen
from guards.verdict import Context, GuardFailed, PolicyRefused, Segment
from tests.fakes.tiny_sentences import tiny_sentences

BANK = ["open an account", "close my account", "account transfer money", "transfer money abroad"]
PILLS = ["which pill for pain", "pill against pain", "dose of this pill", "pain dose today"]
WEATHER = ["rain and sun today", "sun tomorrow"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = " ".join([*BANK, *PILLS, *WEATHER, "and what about the other one please football match"]).split()
    return tiny_sentences(tmp_path_factory.mktemp("sentences"), words)


@pytest.fixture
def guard(model: Path) -> TopicsGuard:
    return made(model, allowed={"banking": BANK}, denied={"medicine": PILLS}, others=WEATHER)


def made(model: Path, **told: Any) -> TopicsGuard:
    config = TopicsConfig.model_validate({"model": model.name, **told}, context={"folder": model.parent})
    return Topics().build("topics", config)


async def scores(by: TopicsGuard, text: str, *before: tuple[str, str]) -> dict[str, float]:
    turns = (*before, ("user", text))
    return dict((await by.check(Segment(text, "prompt"), Context(turns))).scores)


@pytest.mark.parametrize("text", ["which pill today", "pain pill please"])
async def test_a_denied_topic_is_found_under_its_own_name(text: str, guard: TopicsGuard) -> None:
    assert (await scores(guard, text))["X.medicine"] > 0.5


@pytest.mark.parametrize("text", ["transfer money please", "open my account today"])
async def test_what_is_allowed_passes(text: str, guard: TopicsGuard) -> None:
    assert all(each < 0.5 for each in (await scores(guard, text)).values())


@pytest.mark.parametrize("text", ["football match tomorrow", "rain and sun tomorrow"])
async def test_what_is_of_no_topic_is_off_topic_and_not_denied(text: str, guard: TopicsGuard) -> None:
    found = await scores(guard, text)
    assert found["G.off_topic"] > 0.5 > found["X.medicine"]


async def test_a_denied_topic_in_a_long_text_counts(guard: TopicsGuard) -> None:
    long = "transfer money abroad please " * 60 + "which pill for pain dose " * 30
    assert (await scores(guard, long))["X.medicine"] > 0.5


async def test_a_few_words_are_about_nothing(guard: TopicsGuard) -> None:
    assert "G.off_topic" not in await scores(guard, "football match")


async def test_a_short_text_means_what_was_said_before(guard: TopicsGuard) -> None:
    short = "and what about the other one"
    alone = await scores(guard, short)
    after = await scores(
        guard, short, ("user", "which pill for pain and which dose of this pill"), ("assistant", "x")
    )
    assert after["X.medicine"] > alone["X.medicine"]


async def test_an_empty_text_has_no_topic(guard: TopicsGuard) -> None:
    assert await scores(guard, "  \n ") == {}


async def test_more_than_it_can_read_is_a_failure(guard: TopicsGuard) -> None:
    with pytest.raises(GuardFailed, match="at most"):
        await scores(guard, "word " * 10_000)


def test_the_middle_lies_between_within_and_across() -> None:
    import numpy as np

    one, two = np.eye(4, dtype=np.float32)[[0, 0, 0]], np.eye(4, dtype=np.float32)[[1, 1, 1]]
    assert middle_of([one, two]) == 0.5
    assert middle_of([one]) == pytest.approx(0.85)
    assert middle_of([one[:2]]) == 0.5


def test_chunks_overlap_and_hold_everything() -> None:
    words = [str(n) for n in range(300)]
    found = chunks(" ".join(words))
    assert {word for piece in found for word in piece.split()} == set(words)
    assert max(len(piece.split()) for piece in found) == 120
    assert max(map(len, chunks("x" * 100_000))) < 120 * 201


POLICY = """
name: bank
version: 1
guards:
  - id: topics
    kind: topics
    where: [prompt]
    on_error: closed
    timeout_ms: 60000
    hazards:
      X.medicine: {{action: refuse, threshold: 0.6}}
      G.off_topic: {{action: flag, threshold: 0.7}}
    config:
      model: {model}
      allowed:
        banking: [open an account, close my account, account transfer money, transfer money abroad]
      denied:
        medicine: [which pill for pain, pill against pain, dose of this pill, pain dose today]
"""


async def test_a_policy_names_topics(model: Path) -> None:
    file = model.parent / "policy.yaml"
    file.write_text(POLICY.format(model=model.name))
    screen = Screen(load_policy(file))
    assert (await screen.prompt([Segment("which pill for pain", "prompt")])).withheld
    assert not (await screen.prompt([Segment("transfer money abroad", "prompt")])).flagged


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("model: {model}", "model: ./nowhere"), "no such folder"),
        (("X.medicine", "X.medecine"), "never reports X.medecine"),
        (("X.medicine: {{action: refuse", "X.medicine: {{action: redact"), "it yields no spans"),
        (("      denied:\n        medicine", "      allowed_too:\n        medicine"), "is no field here"),
    ],
)
def test_what_cannot_work_is_refused_at_load(change: tuple[str, str], said: str, model: Path) -> None:
    file = model.parent / "policy.yaml"
    file.write_text(POLICY.replace(*change).format(model=model.name))
    with pytest.raises(PolicyRefused, match=said):
        load_policy(file)


def test_without_torch_it_says_what_to_install(model: Path) -> None:
    file = model.parent / "policy.yaml"
    file.write_text(POLICY.format(model=model.name))
    without = (
        "import sys; sys.modules['torch'] = None\n"
        "from guards.policy.load import load_policy\n"
        "try: load_policy(sys.argv[1])\n"
        "except Exception as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", without, file], capture_output=True, text=True, check=True)
    assert "pip install 'trimtab[torch]'" in said.stdout
