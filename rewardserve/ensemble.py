"""Several reward models as one: compared by z-scores of their route, pessimistic where they disagree.

Ensembles are what keeps best-of-n from being over-optimised (Coste et al., ICLR 2024, arXiv 2310.02743): the worst
member's score, or the mean less a penalty for the members' deviation. The paper's penalty is on the variance;
ours is on the deviation, which has the unit of the score.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from rewardserve.ensemble_document import EnsembleDocument, Member, read_document
from rewardserve.errors import BadInput, ModelUnusable, ScoringError, ScoringFailed
from rewardserve.moments import Moments, RouteMoments, frozen
from rewardserve.reward import Reward
from rewardserve.scorer import Measured, Message, ModelCard, ModelSpec, Scorer, load_scorer

log = logging.getLogger(__name__)
Load = Callable[[str, ModelSpec], Scorer[Measured]]


class References(Protocol):
    """What members usually give."""

    def of(self, member: str, route: str) -> Moments:
        """A member's moments on a route."""
        ...

    def learn(self, member: str, route: str, values: Sequence[float]) -> None:
        """Take some more rewards into account."""
        ...


@dataclass(frozen=True, slots=True)
class EnsembleItem:
    """A candidate as each member has prepared it; None for one that cannot read it."""

    parts: tuple[Measured | None, ...]
    route: str = ""
    tokens: int = field(default=0)


def load(spec: ModelSpec) -> "Ensemble":
    """The ensemble of the document at `spec.model`; every member gets the key of `spec`."""
    return load_ensemble(Path(spec.model), spec.api_key)


def load_ensemble(path: Path, api_key: str | None = None, load_one: Load = load_scorer) -> "Ensemble":
    """The ensemble of a document, all members loaded; raises ModelUnusable."""
    document = read_document(path)
    for warning in document.warnings():
        log.warning("ensemble %s: %s", document.name, warning)
    names = [member.name for member in document.members]
    references: References
    if document.references is not None:
        references = frozen(path.parent / document.references, names)
    else:
        priors = {
            member.name: Moments.stated(member.mean, member.sd, document.prior_candidates)
            for member in document.members
        }
        references = RouteMoments(priors, document.routes)
    scorers = [
        load_member(number, member, path.parent, api_key, load_one)
        for number, member in enumerate(document.members)
    ]
    return Ensemble(document, scorers, references)


def load_member(
    number: int, member: Member, beside: Path, api_key: str | None, load_one: Load
) -> Scorer[Measured]:
    """One of them; a folder is looked for beside the document first. Raises ModelUnusable that names the member."""
    spec = member.spec(api_key)
    if (beside / spec.model).is_dir():
        spec = replace(spec, model=str(beside / spec.model))
    try:
        return load_one(member.backend, spec)
    except ModelUnusable as error:
        raise ModelUnusable(f"members[{number}] ({member.name}): {error}") from error


class Ensemble:
    """Members, each on a thread of its own; one that fails is left out while enough others are left."""

    def __init__(
        self, document: EnsembleDocument, scorers: Sequence[Scorer[Measured]], references: References
    ) -> None:
        self.document = document
        self.failures: Counter[str] = Counter()  # of each member, in batches
        self.references = references
        self._scorers = scorers
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix=f"reward-{m.name}") for m in document.members
        ]
        self.card = ModelCard(
            name=document.name,
            architecture=f"ensemble of {len(scorers)} ({document.combine})",
            parameters=sum(scorer.card.parameters for scorer in scorers),
            max_tokens=sorted((scorer.card.max_tokens for scorer in scorers), reverse=True)[
                document.needed - 1
            ],
            device=one_or_several([scorer.card.device for scorer in scorers]),
            dtype=one_or_several([scorer.card.dtype for scorer in scorers]),
            prefix_sharing=all(scorer.card.prefix_sharing for scorer in scorers),
            input="chat",
        )

    def prepare(
        self, messages: Sequence[Message], candidates: Sequence[str], *, partial: bool = False
    ) -> list[EnsembleItem]:
        """One item per candidate; raises BadInput when too few members can read the conversation."""
        prepared: list[Sequence[Measured | None]] = []
        refused: list[BadInput] = []
        for scorer in self._scorers:
            try:
                # A whole answer is asked for in the plain words that every backend knows.
                asked = {"partial": True} if partial else {}
                prepared.append(scorer.prepare(messages, candidates, **asked))
            except BadInput as error:
                refused.append(error)
                prepared.append([None] * len(candidates))
        if len(self._scorers) - len(refused) < self.document.needed:
            raise refused[0]
        return [
            EnsembleItem(parts, tokens=max(part.tokens for part in parts if part is not None))
            for parts in zip(*prepared, strict=True)
        ]

    def on_route(self, items: Sequence[EnsembleItem], route: str) -> list[EnsembleItem]:
        """The same items, to be compared with what members usually give on this route."""
        return [replace(item, route=route) for item in items]

    def score(self, items: Sequence[EnsembleItem]) -> list[float]:
        """One reward per item, in deviations; heads are the members' raw rewards, spread is their disagreement."""
        asked = [
            thread.submit(scored, scorer, [item.parts[place] for item in items])
            for place, (scorer, thread) in enumerate(zip(self._scorers, self._threads, strict=True))
        ]
        given = [
            self._given(member, one, len(items))
            for member, one in zip(self.document.members, asked, strict=True)
        ]
        rewards = [self._combined(item, [own[row] for own in given]) for row, item in enumerate(items)]
        self._learn(items, given)
        failed = [reward for reward in rewards if math.isnan(reward)]
        if failed and len(failed) == len(rewards):
            raise ScoringFailed(f"fewer than {self.document.needed} members of the ensemble gave a reward")
        return rewards

    def _given(self, member: Member, asked: "Future[list[float]]", count: int) -> list[float]:
        """A member's rewards; not a number where it gave none."""
        try:
            return asked.result()
        except (ScoringError, RuntimeError, ValueError, OSError) as error:
            self.failures[member.name] += 1
            told = error.message if isinstance(error, ScoringError) else type(error).__name__
            log.warning("ensemble member %s failed: %s", member.name, told)
            return [math.nan] * count

    def _combined(self, item: EnsembleItem, raw: Sequence[float]) -> float:
        members = [
            (member, value)
            for member, value in zip(self.document.members, raw, strict=True)
            if math.isfinite(value)
        ]
        if len(members) < self.document.needed:
            return math.nan
        z = [self.references.of(member.name, item.route).z(value) for member, value in members]
        value, spread = combined(self.document, z, [member.weight for member, _ in members])
        return Reward(value, heads_of(members) | {"members": float(len(members))}, spread)

    def _learn(self, items: Sequence[EnsembleItem], given: Sequence[Sequence[float]]) -> None:
        """After the batch, so that all candidates of a conversation are compared with the same."""
        for member, own in zip(self.document.members, given, strict=True):
            routes: dict[str, list[float]] = {}
            for item, value in zip(items, own, strict=True):
                if math.isfinite(value):
                    routes.setdefault(item.route, []).append(float(value))
            for route, values in routes.items():
                self.references.learn(member.name, route, values)

    def close(self) -> None:
        """Let go of every member."""
        for thread in self._threads:
            thread.shutdown(wait=True, cancel_futures=True)
        for scorer in self._scorers:
            getattr(scorer, "close", lambda: None)()


def scored(scorer: Scorer[Measured], parts: Sequence[Measured | None]) -> list[float]:
    """A member's rewards for what it can read, and not a number for the rest."""
    read = [part for part in parts if part is not None]
    given = scorer.score(read) if read else []
    if len(given) != len(read):
        raise ScoringFailed(f"{len(given)} rewards for {len(read)} candidates")
    rewards = iter(given)
    return [math.nan if part is None else next(rewards) for part in parts]


def combined(document: EnsembleDocument, z: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """The ensemble's score and the members' weighted deviation, both in deviations of a route."""
    total = sum(weights)
    mean = sum(weight * one for weight, one in zip(weights, z, strict=True)) / total
    variance = sum(weight * (one - mean) ** 2 for weight, one in zip(weights, z, strict=True)) / total
    spread = math.sqrt(variance)
    if document.combine == "worst":
        return min(z), spread
    return (mean if document.combine == "mean" else mean - document.penalty * spread), spread


def heads_of(members: Sequence[tuple[Member, float]]) -> dict[str, float]:
    """Each member's raw reward by its name, and its own heads behind its name and a dot."""
    heads: dict[str, float] = {}
    for member, value in members:
        heads[member.name] = float(value)
        own: Mapping[str, float] = value.heads if isinstance(value, Reward) else {}
        heads |= {f"{member.name}.{name}": part for name, part in own.items()}
    return heads


def one_or_several(words: Sequence[str]) -> str:
    """The word, where all say the same."""
    return words[0] if len(set(words)) == 1 else "several"
