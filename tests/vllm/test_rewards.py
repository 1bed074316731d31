"""The vLLM backend before a real vLLM: the logits that transformers gives, whole answers and beginnings alike."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rewardserve.scorer import Message, ModelSpec
from rewardserve.scorers import transformers, vllm
from tests.fakes.tiny_reward import make_tiny_reward
from tests.vllm.conftest import PYTHON, free_port, served

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif("TRIMTAB_TEST_VLLM" not in os.environ, reason="see .ci/vllm for how to make one"),
]
ASKED = [Message("user", "How do I bake bread? " * 6)]
ANSWERS = ["Take flour.", "I cannot help you with that, dear reader.", "Knead it well. " * 5, "<|im_end|>"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # vLLM's attention on a CPU wants heads of at least 32.
    return make_tiny_reward(tmp_path_factory.mktemp("reward") / "tiny", hidden_size=64)


@pytest.fixture(scope="module")
def url(weights: Path) -> Iterator[str]:
    port = free_port()
    flags = (
        f"--host 127.0.0.1 --port {port} --served-model-name rm --runner pooling --max-model-len 512 "
        "--dtype float32 --enforce-eager --kv-cache-memory-bytes 64M --max-num-seqs 16"
    )
    server = Path(__file__).with_name("serve.py")
    yield from served([str(PYTHON), str(server), "serve", str(weights), *flags.split()], port)


@pytest.fixture(scope="module")
def scorer(weights: Path, url: str) -> Iterator[vllm.VllmScorer]:
    found = vllm.load(ModelSpec(str(weights), url=url))
    yield found
    found.close()


def test_rewards_are_the_raw_logits_of_transformers(weights: Path, scorer: vllm.VllmScorer) -> None:
    own = transformers.load(ModelSpec(str(weights), prefix_sharing=False))
    theirs = scorer.score(scorer.prepare(ASKED, ANSWERS))
    assert theirs == pytest.approx(own.score(own.prepare(ASKED, ANSWERS)), abs=1e-3)
    assert any(not 0 <= reward <= 1 for reward in theirs)


def test_what_is_cached_changes_nothing(scorer: vllm.VllmScorer) -> None:
    items = scorer.prepare(ASKED, ANSWERS)
    first, again, backwards = scorer.score(items), scorer.score(items), scorer.score(items[::-1])
    assert again == pytest.approx(first, abs=1e-4)
    assert backwards[::-1] == pytest.approx(first, abs=1e-4)


def test_beginnings_are_scored(scorer: vllm.VllmScorer) -> None:
    whole = scorer.score(scorer.prepare(ASKED, ["Take flour."]))
    begun = scorer.score(scorer.prepare(ASKED, ["Take flour."], partial=True))
    assert whole != pytest.approx(begun, abs=1e-4)


def test_the_servers_length_is_known(scorer: vllm.VllmScorer) -> None:
    assert (scorer.card.max_tokens, scorer.card.name) == (512, "tiny")
