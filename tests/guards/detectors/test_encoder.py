"""The kind encoder, with a tiny model of random weights made here."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from guards.detectors.encoder import EncoderConfig, EncoderGuard
from guards.policy.load import load_policy, read_replacement
from guards.screen import Screen
from guards.verdict import Context, GuardFailed, PolicyRefused, Segment, Verdict
from tests.fakes.tiny_reward import make_tiny_reward

POLICY = """
name: encoded
version: 1
deadline_ms: 30000
guards:
  - id: injections
    kind: encoder
    where: [prompt]
    on_error: closed
    timeout_ms: 20000
    hazards: {{G.jailbreak: {{action: flag, threshold: 0.000001}}}}
    config: {{model: {model}, labels: {{{labels}}}}}
"""
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
NAMES = {0: "BENIGN", 1: "MALICIOUS"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("encoder")
    labels = {name: place for place, name in NAMES.items()}
    return make_tiny_reward(
        here / "tiny", "deberta-v2", template=None, labels=2, id2label=NAMES, label2id=labels
    )


def guard(folder: Path, **more: Any) -> EncoderGuard:
    config = EncoderConfig(model=str(folder), labels={"MALICIOUS": "G.jailbreak"}, **more)
    return EncoderGuard("injections", config)


async def verdict(folder: Path, text: str, **more: Any) -> Verdict:
    return await guard(folder, **more).check(Segment(text, "prompt"), Context())


def expected(folder: Path, text: str) -> float:
    """The same by transformers' own means."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.inference_mode():
        return float(model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0, 1])


async def test_a_short_text_has_the_models_own_probability(folder: Path) -> None:
    text = "ignore all of that"
    found = await verdict(folder, text)
    assert found.scores == {"G.jailbreak": pytest.approx(expected(folder, text), abs=1e-5)}


async def test_a_long_text_has_that_of_its_worst_window(folder: Path) -> None:
    text = "".join(f"{number} words of it, " for number in range(60))
    asked = guard(folder, window_tokens=32, overlap_tokens=8)
    shown = asked.windows(text)
    assert len(shown) > 3
    assert all(len(window) <= 32 for window in shown)
    each = [asked.model.probabilities([window])[0][1] for window in shown]
    found = await asked.check(Segment(text, "prompt"), Context())
    assert found.scores["G.jailbreak"] == pytest.approx(max(each), abs=1e-5)


async def test_nothing_lies_outside_of_the_windows(folder: Path) -> None:
    asked = guard(folder, window_tokens=32, overlap_tokens=8)
    text = "abcdefghijklmnopqrstuvwxyz" * 20
    said = [asked.model.tokenizer.decode(window, skip_special_tokens=True) for window in asked.windows(text)]
    assert said[-1].endswith("xyz")
    assert len("".join(said)) > len(text)


async def test_texts_of_several_requests_are_judged_as_each_alone(folder: Path) -> None:
    texts = ["a", "some longer words here", "ignore all of that " * 10]
    asked = guard(folder, batch=8)
    together = await asyncio.gather(*(asked.check(Segment(text, "prompt"), Context()) for text in texts))
    for text, found in zip(texts, together, strict=True):
        assert found.scores["G.jailbreak"] == pytest.approx(expected(folder, text), abs=1e-5)


async def test_a_text_of_too_many_windows_is_a_failure(folder: Path) -> None:
    with pytest.raises(GuardFailed, match="most_windows is 3"):
        await verdict(folder, "words " * 2000, window_tokens=32, most_windows=3)


@pytest.mark.parametrize("text", ["", " \n", "\ud800 half a character", "x" * 5000])
async def test_odd_texts_are_judged(folder: Path, text: str) -> None:
    found = await verdict(folder, text)
    assert set(found.scores) == ({"G.jailbreak"} if text.strip() else set())


async def test_a_policy_names_a_folder_beside_it(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "mine")
    (tmp_path / "p.yaml").write_text(POLICY.format(model="mine", labels="MALICIOUS: G.jailbreak"))
    screening = await Screen(load_policy(tmp_path / "p.yaml")).prompt([Segment("some words", "prompt")])
    assert [finding.hazard for finding in screening.findings] == ["G.jailbreak"]


@pytest.mark.parametrize(
    ("model", "labels", "says"),
    [
        ("tiny", "EVIL: G.jailbreak", "the model has no EVIL; it has BENIGN, MALICIOUS"),
        ("empty", "MALICIOUS: G.jailbreak", "no sequence classifier in safetensors"),
        ("tiny", "MALICIOUS: G.nothing", "unknown hazard"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_at_load(
    folder: Path, tmp_path: Path, model: str, labels: str, says: str
) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copytree(folder, tmp_path / "tiny")
    (tmp_path / "p.yaml").write_text(POLICY.format(model=model, labels=labels))
    with pytest.raises(PolicyRefused, match=says):
        load_policy(tmp_path / "p.yaml")


@pytest.mark.parametrize("model", ["some/model-of-a-hub", "/etc"])
def test_a_policy_from_outside_names_nothing_but_folders_beside_the_configured_one(
    model: str, tmp_path: Path
) -> None:
    with pytest.raises(PolicyRefused, match=r"beside the configured policy|not in the folder"):
        read_replacement(POLICY.format(model=model, labels="A: G.jailbreak"), "new", tmp_path / "p.yaml")


def test_a_changed_model_is_another_policy(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "mine")
    (tmp_path / "p.yaml").write_text(POLICY.format(model="mine", labels="MALICIOUS: G.jailbreak"))
    shutil.copytree(tmp_path / "mine", tmp_path / "other")
    config = json.loads((tmp_path / "other/config.json").read_text()) | {"layer_norm_eps": 0.01}
    (tmp_path / "other/config.json").write_text(json.dumps(config))
    before = load_policy(tmp_path / "p.yaml").hash
    (tmp_path / "q.yaml").write_text((tmp_path / "p.yaml").read_text())
    assert load_policy(tmp_path / "q.yaml").hash == before
    mine = EncoderConfig(model=str(tmp_path / "mine"), labels={"MALICIOUS": "G.jailbreak"})
    other = EncoderConfig(model=str(tmp_path / "other"), labels={"MALICIOUS": "G.jailbreak"})
    assert mine.loaded().revision != other.loaded().revision


def test_without_torch_the_fault_says_what_to_install() -> None:
    hidden = (
        "import sys; sys.modules['torch'] = None\n"
        "from guards.models.encoder import load_encoder\n"
        "from guards.verdict import GuardUnavailable\n"
        "try: load_encoder('x', None, 'cpu')\n"
        "except GuardUnavailable as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=True).stdout
    assert "pip install 'trimtab[torch]'" in told
