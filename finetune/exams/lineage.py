"""What the gate asks of the data: registered, whole, not erased, apart from exams and judges, nobody's details.

Filters see to all of this before anything is frozen. The gate looks again at what was frozen, since what a filter
missed, or somebody put there by hand, is in the weights by then.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from finetune.errors import DatasetDamaged
from finetune.exams.condition import Condition
from finetune.pairs.contamination import decontaminate
from finetune.pairs.dataset import thaw
from finetune.pairs.pair import Pair, content_text
from finetune.pairs.privacy import detector
from gateway.engines.providers import shown

REWARD = "reward"  # as pairs name it
NEAR = 0.8  # likeness of prompts, as in the filters
SURE = 0.5  # that something is somebody's detail


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger knows of a dataset; `erased` counts those of its pairs that were erased since."""

    registered: bool
    erased: int = 0


class Registrar(Protocol):
    """Who knows datasets."""

    async def standing(self, sha256: str, pairs: Sequence[str]) -> Standing:
        """What is known of the dataset of this hash, and of the pairs of these ids."""
        ...

    async def reached(self, version: str) -> bool:
        """Whether something that a version learnt from, or started from, was erased since."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What the data is held against: every prompt of every exam, and on whose word each exam rests."""

    prompts: Mapping[str, Sequence[str]]  # by exam
    judges: Mapping[str, Collection[str]]
    labellers_may_judge: bool = False
    rankers: Collection[str] = ()  # of the judges those that are the reward server, by whatever name


async def data_conditions(
    path: Path, sha256: str, asked: Asked, registrar: Registrar | None
) -> tuple[Condition, ...]:
    """What must hold of the frozen dataset; nobody to ask about its standing is no condition."""
    try:
        pairs = thaw(path)
    except (OSError, ValueError, DatasetDamaged) as error:
        return (await unreadable(error, sha256, registrar),)
    conditions = [uncontaminated(pairs, asked.prompts), impersonal(pairs), independent(pairs, asked)]
    if registrar is not None:
        standing = await registrar.standing(sha256, [pair.id for pair in pairs])
        conditions += [registered(standing, sha256), unerased(standing)]
    return tuple(conditions)


async def unreadable(error: Exception, sha256: str, registrar: Registrar | None) -> Condition:
    """Why nobody can look at the data: it was erased, and its file removed for that; or it is damaged."""
    if registrar is not None and (await registrar.standing(sha256, ())).erased:
        told = f"something that dataset {sha256[:12]} held was erased since, and its file is gone"
        return Condition("data not erased", passed=False, told=told, reason="data.erased")
    return Condition("data whole", passed=False, told=str(error), reason="data.damaged")


def uncontaminated(pairs: Sequence[Pair], prompts: Mapping[str, Sequence[str]]) -> Condition:
    """No pair holds what an exam asks, in any turn or answer."""
    kept, touched = decontaminate(list(pairs), prompts, NEAR)
    lost = len(pairs) - len(kept)
    which = ", ".join(f"{exam} {count}" for exam, count in touched.items() if count)
    told = f"{lost} of {len(pairs)} pairs hold what an exam asks" + (f": {which}" if which else "")
    return Condition("data apart from the exams", lost == 0, told, "data.contaminated")


def impersonal(pairs: Sequence[Pair]) -> Condition:
    """No pair holds a secret or somebody's numbers, as far as patterns tell."""
    found = sum(any(score >= SURE for score in detector().judge(text_of(p)).scores.values()) for p in pairs)
    told = f"{found} of {len(pairs)} pairs hold personal data or secrets"
    return Condition("data without personal details", found == 0, told, "data.personal")


def text_of(pair: Pair) -> str:
    """All of a pair's text."""
    turns = (content_text(message.get("content")) for message in pair.messages)
    return "\n\n".join((*turns, pair.chosen, pair.rejected))


def independent(pairs: Sequence[Pair], asked: Asked) -> Condition:
    """Nobody judges who has labelled, unless the operator has said that he may."""
    labellers = {who for pair in pairs for who in labellers_of(pair.provenance.labelled_by)}
    if REWARD in labellers:
        labellers |= {*asked.rankers}
    both = sorted(
        {f"{shown(who)} in {exam}" for exam, judges in asked.judges.items() for who in {*judges} & labellers}
    )
    told = f"these label and judge: {', '.join(both)}" if both else "no judge has labelled a pair"
    return Condition("judges independent", not both or asked.labellers_may_judge, told, "judge.labelled")


def labellers_of(labelled_by: str) -> set[str]:
    """Who decided which answer of a pair is the better one.

    A revision says so after a + (`constitution:DIGEST#1+guard:NAME`). Those of before that was told may have been kept
    for their reward; which guard it was, if it was one, nobody knows.
    """
    source, _, decided = labelled_by.partition("+")
    if source.startswith("constitution:"):
        return {source, decided or REWARD}
    return {labelled_by}


def registered(standing: Standing, sha256: str) -> Condition:
    """The ledger knows where the data comes from."""
    told = (
        "the ledger knows this dataset"
        if standing.registered
        else f"the ledger knows no dataset {sha256[:12]}"
    )
    return Condition("data registered", standing.registered, told, "data.unregistered")


def unerased(standing: Standing) -> Condition:
    """Nobody has asked for its erasure since."""
    told = f"{standing.erased} of its pairs were erased since"
    return Condition("data not erased", standing.erased == 0, told, "data.erased")
