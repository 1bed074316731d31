"""What became of a run's answers: who failed, who was answered by no one version, and how evenly streams flowed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.loop.swapping.load import Fingerprints, Told

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Verdict:
    """Counts over a run."""

    answers: int
    failed: tuple[str, ...]
    mixed: tuple[str, ...]  # begin as one version would and go on as another
    stale: tuple[str, ...]  # what no version would say at all: keys and values were another's
    versions: int  # that answered


def judged(told: Iterable[Told], known: Fingerprints) -> Verdict:
    """Compare every answer with the fingerprint of the version that it names."""
    failed, mixed, stale, versions, answers = [], [], [], set(), 0
    for each in told:
        answers += 1
        if each.error:
            failed.append(f"{each.version}: {each.error}"[:400])
            continue
        versions.add(each.version)
        wanted = known.get(each.version, ())
        if wanted and each.text == wanted[each.prompt]:
            continue
        line = f"{each.version}, prompt {each.prompt}: {each.text!r}"
        others = [texts[each.prompt] for texts in known.values()]
        begun = bool(wanted) and each.text[:8] == wanted[each.prompt][:8]
        (mixed if begun or each.text in others else stale).append(line)
    return Verdict(answers, tuple(failed), tuple(mixed), tuple(stale), len(versions))


def gaps(told: Iterable[Told], during: Spans, *, inside: bool) -> list[float]:
    """Seconds between two pieces of a stream, of those that overlap a swap, or of the others."""
    found = []
    for each in told:
        for before, after in zip(each.pieces, each.pieces[1:], strict=False):
            overlaps = any(before < end and after > start for start, end in during)
            if overlaps is inside:
                found.append(after - before)
    return found


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which a share of them lies; None of none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4) if ordered else None


def late(told: Iterable[Told], version: str, before: float, until: float) -> int:
    """Answers that began after a version was in force, and before the next swap, and are another's."""
    return sum(each.version != version for each in told if before <= each.began < until and not each.error)
