"""Running a shared beginning once gives the same rewards, or is not done."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardserve.scorer import Message, ModelSpec
from rewardserve.scorers.checkpoint import load_checkpoint
from rewardserve.scorers.heads import LastTokenHead
from rewardserve.scorers.prefix import PrefixSharing, shared_length
from rewardserve.scorers.transformers import TransformersScorer, load
from tests.rewardserve.conftest import Make

# DeBERTa's own module still uses a part of torch that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")

ASKED = [Message("user", "How do I bake bread? " * 12)]
ANSWERS = ["Take flour.", "I cannot help you with that, dear reader.", "", "Knead it well. " * 5]


def both(folder: Path) -> tuple[TransformersScorer, TransformersScorer]:
    spec = str(folder)
    return load(ModelSpec(spec)), load(ModelSpec(spec, prefix_sharing=False))


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "gemma"])
@pytest.mark.parametrize("pad", [None, 4], ids=["no pad", "end of turn is pad"])
def test_shared_rewards_equal_plain_ones(make: Make, family: str, pad: int | None) -> None:
    wide: dict[str, Any] = {"head_dim": 16} if family in ("qwen3", "gemma") else {}
    shared, plain = both(make(family, pad_token_id=pad, **wide))
    assert shared.card.prefix_sharing
    items = shared.prepare(ASKED, ANSWERS)
    assert shared._sharing is not None
    assert shared._sharing.pays([[item.ids for item in items]])
    assert shared.score(items) == pytest.approx(plain.score(items), abs=1e-4)


def test_bfloat16_is_shared_too(tiny: Path) -> None:
    assert load(ModelSpec(str(tiny), dtype="bfloat16")).card.prefix_sharing


def test_candidates_do_not_see_each_other(tiny: Path) -> None:
    scorer = load(ModelSpec(str(tiny)))
    alike, unlike = (
        scorer.prepare(ASKED, ["Take flour.", other, "Hm."]) for other in ("Yes.", "Never, dear reader!")
    )
    assert scorer.score(alike)[::2] == pytest.approx(scorer.score(unlike)[::2], abs=1e-4)


def test_equal_candidates_get_equal_rewards(tiny: Path) -> None:
    scorer = load(ModelSpec(str(tiny)))
    first, second = scorer.score(scorer.prepare(ASKED, ["Take flour.", "Take flour."]))
    assert first == second


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("mistral", {"sliding_window": 16}),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}}),
        ("deberta-v2", {}),
    ],
    ids=["sliding window", "length-dependent rotation", "encoder"],
)
def test_a_model_on_which_it_may_differ_is_scored_plainly(
    make: Make, family: str, config: dict[str, Any]
) -> None:
    assert not load(ModelSpec(str(make(family, **config)))).card.prefix_sharing


def test_a_head_that_disagrees_with_itself_is_not_proven(tiny: Path) -> None:
    class Drifting(LastTokenHead):
        def score(self, texts: Any, segments: Any) -> Any:
            return super().score(texts, segments) + 0.01

    checkpoint = load_checkpoint(ModelSpec(str(tiny)))
    assert PrefixSharing.proven(LastTokenHead(checkpoint)) is not None
    assert PrefixSharing.proven(Drifting(checkpoint)) is None


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[int, str]]:
    """Candidates of three conversations in any order, some of them twice, some empty."""
    answer = st.lists(st.sampled_from(["Take", "flour", "never", "dear reader!"]), max_size=6).map(" ".join)
    return draw(st.lists(st.tuples(st.integers(0, 2), answer), min_size=1, max_size=12))


@given(asked=batches(), most=st.integers(1, 900), data=st.data())
@settings(max_examples=25, deadline=None)
def test_neither_order_nor_company_nor_padding_changes_a_reward(
    scorers: tuple[Path, TransformersScorer], asked: list[tuple[int, str]], most: int, data: st.DataObject
) -> None:
    """Whatever shares a batch, however little a pass may hold: each reward is what the text gets alone."""
    folder, alone = scorers
    packed = load(ModelSpec(str(folder), batch_padded_tokens=most))
    items = [packed.prepare([*ASKED, Message("user", "Why? " * which)], [said])[0] for which, said in asked]
    order = data.draw(st.permutations(range(len(items))))
    found = packed.score([items[row] for row in order])
    expected = [alone.score([items[row]])[0] for row in order]
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.fixture(scope="module")
def scorers(tiny: Path) -> tuple[Path, TransformersScorer]:
    return tiny, load(ModelSpec(str(tiny), prefix_sharing=False))


def test_groups_are_shared_within_a_mixed_batch(tiny: Path) -> None:
    scorer = load(ModelSpec(str(tiny)))
    first, second = (scorer.prepare([Message("user", asked * 30)], ANSWERS) for asked in ("Why? ", "How? "))
    scorer.score([item for pair in zip(first, second, strict=True) for item in pair])
    read_alone = sum(item.tokens for item in (*first, *second))
    assert scorer.spent.saved > 0.5 * read_alone
    assert scorer.spent.read == read_alone - scorer.spent.saved


def test_an_item_asked_for_twice_is_read_once(tiny: Path) -> None:
    scorer = load(ModelSpec(str(tiny)))
    [one], [other] = scorer.prepare(ASKED, ["Take flour."]), scorer.prepare(ASKED, ["Take flour."])
    first, second = scorer.score([one, other])
    assert first == second
    assert (scorer.spent.read, scorer.spent.saved) == (one.tokens, one.tokens)


def test_a_beginning_is_held_once_for_all_rows(tiny: Path) -> None:
    sharing = load(ModelSpec(str(tiny)))._sharing
    assert sharing is not None
    cache = sharing._cache(torch.full((1, 40), 5), torch.ones((1, 40), dtype=torch.long))
    for layer in cache.layers:
        layer.rows = torch.zeros(8, dtype=torch.long)
    texts = [[5] * 40 + [row] for row in range(8)]
    sharing._endings(texts, torch.full((8,), 40), torch.ones((8, 40), dtype=torch.long), cache)
    assert [tuple(layer.keys.shape[::2]) for layer in cache.layers] == [(1, 40)] * len(cache.layers)


def test_no_pass_holds_more_than_it_may(tiny: Path) -> None:
    sharing = load(ModelSpec(str(tiny), batch_padded_tokens=200))._sharing
    assert sharing is not None
    plan = sharing.plan([[[group] * 40 + [row] * 9 for row in range(9)] for group in range(7)])
    for stage in plan:
        assert len(stage.beginnings) * 40 <= 200
        assert max(len(rows) for rows in stage.endings.passes) * (40 + 9) <= 200


def test_it_pays_only_where_much_is_shared(tiny: Path) -> None:
    sharing = load(ModelSpec(str(tiny)))._sharing
    assert sharing is not None
    assert sharing.pays([[[1] * 50 + [n] for n in range(4)]])
    assert not sharing.pays([[[1, *range(n, n + 50)] for n in range(4)]])
    assert not sharing.pays([[[1] * 50]])
    assert not sharing.pays([[[1] * 9 + [n] for n in range(4)]])  # less than a pass costs to start
    assert sharing.pays([[[group] * 9 + [n] for n in range(4)] for group in range(4)])


@pytest.mark.parametrize(
    ("texts", "length"),
    [([[1, 2, 3], [1, 2, 4]], 2), ([[1, 2], [1, 2]], 1), ([[5], [5, 6]], 0), ([[1, 2], [3, 4]], 0)],
)
def test_every_text_keeps_an_ending(texts: list[list[int]], length: int) -> None:
    assert shared_length(texts) == length
