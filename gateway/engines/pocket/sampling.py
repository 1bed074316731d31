"""Drawing the next token of many rows at once.

A row's randomness is one uniform number of its own generator per token, turned into a token by the inverse of
the cumulative distribution: so a seed gives the same answer in any company, up to the model's rounding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gateway.engines.pocket.job import Drawn, Row

GREEDY_BELOW = 1e-5
# Cutting by top_p needs sorted probabilities; the most likely few nearly always reach the cut.
FEW = 256


class NotNumbers(ArithmeticError):
    """The model's scores are not numbers; its weights are broken."""


def draw(logits: Tensor, rows: Sequence[Row]) -> list[Drawn]:
    """One token for each row of [rows, vocabulary] scores, with its log probability where asked for."""
    scores = logits.float()
    if not torch.isfinite(scores.amax(-1)).all():
        raise NotNumbers("the model's scores are not numbers")
    tokens = pick(adjust(scores, rows), rows)
    return report(scores, tokens, rows)


def adjust(scores: Tensor, rows: Sequence[Row]) -> Tensor:
    """Scores with penalties and bans applied; the same tensor where no row has any."""
    if not any(row.job.sampling.penalised or row.banned for row in rows):
        return scores
    scores = scores.clone()
    for row, mine in zip(rows, scores, strict=True):
        if row.job.sampling.penalised:
            penalise(mine, row)
        mine[list(row.banned)] = -torch.inf
    return scores


def penalise(scores: Tensor, row: Row) -> None:
    """Presence and frequency penalties look at the answer, the repetition penalty at the prompt too."""
    asked = row.job.sampling
    counts = torch.bincount(torch.tensor(row.tokens, dtype=torch.long), minlength=len(scores)).to(
        scores.device
    )
    said = counts > 0
    seen = said.clone()
    seen[list(row.job.prompt)] = True
    harder = torch.where(scores > 0, scores / asked.repetition_penalty, scores * asked.repetition_penalty)
    scores.copy_(torch.where(seen, harder, scores))
    scores.sub_(asked.frequency_penalty * counts + asked.presence_penalty * said)


def pick(scores: Tensor, rows: Sequence[Row]) -> list[int]:
    """The token of each row: the most likely one at temperature 0, else one drawn by chance."""
    asked = [row.job.sampling for row in rows]
    greedy = [one.temperature < GREEDY_BELOW for one in asked]
    if all(greedy):
        return scores.argmax(-1).tolist()
    heat = [1.0 if cold else one.temperature for one, cold in zip(asked, greedy, strict=True)]
    chances = torch.softmax(scores / column(heat, scores), -1)
    if any(one.top_p < 1 or one.top_k or one.min_p for one in asked):
        chances = cut(chances, rows)
    reached = chances.double().cumsum(-1)
    uniform = column([row.noise.random() for row in rows], reached)
    drawn = torch.searchsorted(reached, uniform * reached[:, -1:], right=True)[:, 0]
    drawn = drawn.clamp_(max=scores.shape[-1] - 1)
    if any(greedy):
        drawn = torch.where(torch.tensor(greedy, device=scores.device), scores.argmax(-1), drawn)
    return drawn.tolist()


def cut(chances: Tensor, rows: Sequence[Row]) -> Tensor:
    """Chances with all that each row's top_k, top_p and min_p leave out set to zero."""
    asked, vocabulary = [row.job.sampling for row in rows], chances.shape[-1]
    top_k = column([float(one.top_k or vocabulary) for one in asked], chances)
    # 2 and not 1: rounding may take the sum of all chances past 1, and cut off the last of them.
    top_p = column([one.top_p if one.top_p < 1 else 2.0 for one in asked], chances)
    few = min(vocabulary, 1 + max(FEW, *(one.top_k for one in asked)))
    likely = chances.topk(few, -1).values
    if few < vocabulary and (_within(likely, top_p).all(-1, keepdim=True) & (top_p < 1)).any():
        likely = chances.sort(-1, descending=True).values
    kept = _within(likely, top_p) & (torch.arange(likely.shape[-1], device=chances.device) < top_k)
    lowest = likely.where(kept, torch.inf).amin(-1, keepdim=True)
    # A row in which nothing was left out among the likely ones is not to be cut at all.
    floor = lowest.where(~kept.all(-1, keepdim=True), 0.0)
    floor = torch.maximum(floor, column([one.min_p for one in asked], chances) * likely[:, :1])
    return chances.where(chances >= floor, 0.0)


def _within(likely: Tensor, top_p: Tensor) -> Tensor:
    """Which of the sorted chances begin before the sum reaches top_p; the first always does."""
    return likely.cumsum(-1) - likely < top_p


def column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]


def report(scores: Tensor, tokens: list[int], rows: Sequence[Row]) -> list[Drawn]:
    """The drawn tokens, with log probabilities in the rows that asked for them."""
    most = max(
        (row.job.sampling.logprobs if row.job.sampling.logprobs is not None else -1 for row in rows),
        default=-1,
    )
    if most < 0:
        return [Drawn(token) for token in tokens]
    logs = scores.log_softmax(-1)
    chosen = logs.gather(-1, torch.tensor(tokens, device=logs.device)[:, None])[:, 0].tolist()
    values, places = (found.tolist() for found in logs.topk(min(most, logs.shape[-1]), -1))
    told = []
    for i, row in enumerate(rows):
        count = row.job.sampling.logprobs
        if count is None:
            told.append(Drawn(tokens[i]))
        else:
            told.append(Drawn(tokens[i], chosen[i], tuple(zip(places[i], values[i], strict=True))[:count]))
    return told
