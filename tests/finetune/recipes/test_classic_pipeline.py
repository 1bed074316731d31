"""The classic pipeline by its own commands, for real: supervised, then a reward model, then reinforced against it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from finetune.cli import app as finetune
from finetune.exams.contract import ExamPlan
from finetune.pocket.corpus.example import Pair
from finetune.pocket.corpus.generate import pairs as generated
from finetune.settings import packaged_policy
from finetune.train.online import rewarded_by
from finetune.train.policy import load_policy
from gateway.artifacts.contents import digest_in
from rewardserve.cli import app as reward
from rewardserve.loading import load_workers
from rewardserve.settings import RewardSettings
from tests.rewardserve.test_app import served
from tests.serving import Serving

pytestmark = pytest.mark.slow  # trains three models, the last of which samples as it learns

SHORT = "rank: 4\nballast: 0\nbatch_size: 16\ndevice: cpu\ncheckpoint_steps: 0\nlearning_rate: 2.0e-3\n"
SUPERVISED = "method: sft\nepochs: 1\n" + SHORT
ANSWERED = "epochs: 4\nbeta: 0.002\ngenerations: 4\nmax_completion: 24\n"
REINFORCED = "method: rloo\nanchor: last\n" + ANSWERED + SHORT.replace("2.0e-3", "4.0e-3")
PLAN = ExamPlan(samples=8, max_tokens=24)
PROMPTS = 8
ANSWERS = PROMPTS * 4 * 4  # generations and epochs


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What each link left, and what the reward server made of it."""

    supervised: Mapping[str, Any]
    reinforced: Mapping[str, Any]
    server: str
    right: float  # share of unseen pairs whose better answer has the larger reward
    asked: float  # answers that were scored while the policy was reinforced
    before: float  # mean reward of what the supervised version says
    after: float  # and of what the reinforced one does


def told(app: Any, *words: str) -> Any:
    """What a command prints as JSON."""
    result = CliRunner().invoke(app, [*words, "--json"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def written(path: Path, rows: Iterable[Mapping[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def scored(url: str) -> float:
    """How many answers a reward server has scored."""
    with urlopen(f"{url}/metrics") as page:
        found = re.search(r"^trimtab_reward_batch_items_sum (\S+)", page.read().decode(), re.MULTILINE)
    assert found
    return float(found[1])


def rewards(url: str, asked: Sequence[Any], said: Sequence[str]) -> list[float]:
    """Of one answer to each prompt, as the training asks for them."""
    turns = [[{"role": "assistant", "content": text}] for text in said]
    return list(rewarded_by(url)(prompts=asked, completions=turns))


def right(url: str, unseen: Sequence[Pair]) -> float:
    asked = [list(pair.messages) for pair in unseen]
    better = rewards(url, asked, [pair.chosen for pair in unseen])
    worse = rewards(url, asked, [pair.rejected for pair in unseen])
    return fmean(more > less for more, less in zip(better, worse, strict=True))


def mean_reward(url: str, version: Mapping[str, Any], prompts: Sequence[Any]) -> float:
    policy = load_policy(str(packaged_policy()), Path(version["path"]), device="cpu")
    said = policy.sample(prompts, PLAN, seed=1)
    both = [(prompt, each.text) for prompt, answers in zip(prompts, said, strict=True) for each in answers]
    return fmean(rewards(url, [prompt for prompt, _ in both], [text for _, text in both]))


def rewarding(pairs: str, out: Path) -> AbstractContextManager[Serving]:
    """A reward model of these pairs, trained and served."""
    size = ("--method", "full", "--rate", "1e-3", "--batch", "16", "--epochs", "2", "--held-out", "0")
    base = str(packaged_policy())
    told(reward, "train", "--pairs", pairs, "--base", base, "--out", str(out), "--device", "cpu", *size)
    (scorer,) = load_workers(RewardSettings(model=str(out)))
    return served(scorer)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Three trainings, each by its command; the last goes on from the first and is rewarded by the second."""
    place = tmp_path_factory.mktemp("classic")
    known, unseen = generated(11, 40, "train"), generated(12, 32, "train")
    rows = [{"prompt": list(p.messages), "chosen": p.chosen, "rejected": p.rejected} for p in known]
    prompts = [row["prompt"] for row in rows[:PROMPTS]]
    pairs = written(place / "pairs.jsonl", rows)
    asking = written(place / "prompts.jsonl", [{"prompt": prompt} for prompt in prompts])
    (place / "sft.yaml").write_text(SUPERVISED)
    (place / "rl.yaml").write_text(REINFORCED)
    config = place / "trimtab.yaml"
    home = ("--home", str(place / "home"), "--config", str(config))

    config.write_text("{}")
    first = told(finetune, "train", str(place / "sft.yaml"), "--data", pairs, *home)
    with rewarding(pairs, place / "rm") as server:
        ranked, before = right(server.url, unseen), scored(server.url)
        config.write_text(f"finetune: {{reward_url: '{server.url}'}}")
        wanted = ("--data", asking, "--last", first["path"])
        second = told(finetune, "train", str(place / "rl.yaml"), *wanted, *home)
        asked = scored(server.url) - before
        found = [mean_reward(server.url, version, prompts) for version in (first, second)]
    return Pipeline(first, second, server.url, ranked, asked, *found)


@pytest.mark.parametrize("link", ["supervised", "reinforced"])
def test_each_policy_is_a_version_that_engines_take(pipeline: Pipeline, link: str) -> None:
    made = getattr(pipeline, link)
    assert digest_in(Path(made["path"])) == Path(made["path"]).name
    assert made["training"]["health"]["finite"]
    assert made["training"]["unservable"] == []


def test_the_reward_model_ranks_pairs_that_it_has_not_seen(pipeline: Pipeline) -> None:
    assert pipeline.right > 0.6  # of 32; the better answer is often plainly better in the pocket world


def test_reinforcement_goes_on_from_the_supervised_version_and_names_it_and_who_rewarded(
    pipeline: Pipeline,
) -> None:
    lineage = pipeline.reinforced["lineage"]
    assert (lineage["anchor"], lineage["parent"]) == ("last", Path(pipeline.supervised["path"]).name)
    assert lineage["rewarded_by"] == pipeline.server
    assert pipeline.reinforced["training"]["log"][0]["kl"] == pytest.approx(0, abs=1e-3)  # from its start


def test_every_answer_of_the_policy_is_scored_once_by_that_reward_model(pipeline: Pipeline) -> None:
    assert pipeline.asked == ANSWERS


def test_reinforcement_raises_the_mean_reward_by_that_model(pipeline: Pipeline) -> None:
    assert pipeline.after > pipeline.before
