from collections import Counter
from dataclasses import replace

import pytest
import torch

from gateway.engines.pocket.job import Drawn, Job, Row, Sampling
from gateway.engines.pocket.sampling import NotNumbers, cut, draw

# Chances 0.5, 0.3, 0.15, 0.05 at temperature 1.
CHANCES = torch.tensor([0.5, 0.3, 0.15, 0.05])


def row(seed: int = 0, *, said: tuple[int, ...] = (), prompt: tuple[int, ...] = (0,), **asked: object) -> Row:
    sampling = replace(Sampling(max_tokens=9), **asked)  # type: ignore[arg-type]
    made = Row(Job("v", prompt, sampling, seed), 0, lambda tokens: "", frozenset({1}))
    made.tokens.extend(said)
    return made


def tokens(rows: list[Row], chances: torch.Tensor = CHANCES) -> list[int]:
    return [drawn.token for drawn in draw(chances.log().expand(len(rows), -1), rows)]


def test_temperature_zero_takes_the_most_likely() -> None:
    assert tokens([row(k, temperature=0.0) for k in range(20)]) == [0] * 20


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    counts = Counter(tokens([row(k) for k in range(4_000)]))
    assert [counts[k] / 4_000 for k in range(4)] == pytest.approx(CHANCES.tolist(), abs=0.03)


def test_heat_evens_the_chances_out() -> None:
    counts = Counter(tokens([row(k, temperature=100.0) for k in range(4_000)]))
    assert [counts[k] / 4_000 for k in range(4)] == pytest.approx([0.25] * 4, abs=0.03)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, 4),
        ({"top_k": 2}, 2),
        ({"top_p": 0.5}, 1),
        ({"top_p": 0.51}, 2),
        ({"top_p": 1e-9}, 1),
        ({"min_p": 0.2}, 3),
        ({"top_k": 3, "top_p": 0.7}, 2),
        ({"top_k": 1, "top_p": 0.99, "min_p": 0.01}, 1),
        ({"top_k": 999}, 4),
    ],
)
def test_a_row_keeps_what_its_cuts_leave(asked: dict[str, object], kept: int) -> None:
    company = row(top_k=1)
    chances = cut(CHANCES.expand(2, -1), [row(**asked), company])  # type: ignore[arg-type]
    assert (chances > 0).sum(-1).tolist() == [kept, 1]


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.999])
def test_cutting_a_large_vocabulary_agrees_with_sorting_it(top_p: float) -> None:
    chances = torch.softmax(torch.randn(3, 5000, generator=torch.Generator().manual_seed(1)), -1)
    kept = (cut(chances, [row(top_p=top_p)] * 3) > 0).sum(-1)
    ordered = chances.sort(-1, descending=True).values
    assert kept.tolist() == (ordered.cumsum(-1) - ordered < top_p).sum(-1).tolist()


def test_only_the_top_k_of_a_large_vocabulary_are_kept() -> None:
    chances = torch.softmax(torch.randn(2, 5000, generator=torch.Generator().manual_seed(1)), -1)
    assert (cut(chances, [row(top_k=700), row()]) > 0).sum(-1).tolist() == [700, 5000]


def test_a_seed_draws_the_same_in_any_company() -> None:
    chances = torch.rand(4096, generator=torch.Generator().manual_seed(1))
    alone = tokens([row(7)], chances)
    company = [row(1, temperature=0.0), row(2, top_p=0.3), row(3, presence_penalty=1.0), row(7)]
    assert tokens(company, chances)[-1:] == alone


def test_penalties_push_down_what_was_said() -> None:
    assert tokens([row(said=(0,), presence_penalty=2.0, temperature=0.0)]) == [1]
    assert tokens([row(said=(0,), frequency_penalty=0.3, temperature=0.0)]) == [0]
    assert tokens([row(said=(0, 0), frequency_penalty=0.3, temperature=0.0)]) == [1]


def test_the_repetition_penalty_looks_at_the_prompt_too() -> None:
    assert tokens([row(prompt=(0,), repetition_penalty=2.0, temperature=0.0)]) == [1]


def test_an_ending_token_is_not_drawn_before_min_tokens() -> None:
    likely_end = torch.tensor([0.05, 0.85, 0.05, 0.05])
    assert tokens([row(min_tokens=1, temperature=0.0)], likely_end) != [1]
    assert tokens([row(min_tokens=1, said=(2,), temperature=0.0)], likely_end) == [1]


def test_log_probabilities_are_the_models_own() -> None:
    asked = {"temperature": 0.0, "logprobs": 2, "presence_penalty": 2.0}
    drawn = draw(CHANCES.log()[None], [row(said=(0,), **asked)])[0]  # type: ignore[arg-type]
    assert drawn.token == 1
    assert drawn.logprob == pytest.approx(CHANCES[1].log().item())
    assert [token for token, _ in drawn.top] == [0, 1]


def test_only_who_asks_is_told_log_probabilities() -> None:
    first, second = draw(CHANCES.log().expand(2, -1), [row(), row(logprobs=0)])
    assert first == Drawn(first.token)
    assert (second.logprob < 0, second.top) == (True, ())


def test_scores_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(NotNumbers):
        draw(torch.tensor([[0.0, torch.nan]]), [row(temperature=0.0)])
