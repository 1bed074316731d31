"""A frozen dataset: canonical JSONL named by its SHA-256; the same pairs are the same file everywhere."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.errors import DatasetDamaged
from finetune.pairs.pair import Kind, Message, Pair, Provenance


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where a frozen dataset lies, its SHA-256 and what it holds."""

    path: Path
    sha256: str
    pairs: int
    kinds: dict[str, int]
    dropped: dict[str, int]  # what the filters took, by reason
    ratings: int = 0  # answers with one side alone, beside the pairs

    @property
    def rows(self) -> int:
        """Lines of the file."""
        return self.pairs + self.ratings

    @property
    def told(self) -> str:
        """One line for people."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        rated = f" and {self.ratings} ratings" if self.ratings else ""
        lost = sum(count for name, count in self.dropped.items() if not name.startswith("ratings: "))
        kept = f"of {self.pairs + lost} that were ever kept"
        return f"{self.pairs} pairs{rated} ({kinds or 'none'}), {kept}, frozen as {self.sha256[:12]}"


def freeze(pairs: Sequence[Pair], folder: Path, dropped: Mapping[str, int]) -> Dataset:
    """Write pairs and ratings, ordered by id, to `folder/SHA256.jsonl`; writing the same again changes nothing."""
    ordered = sorted(pairs, key=lambda pair: pair.id)
    data = "".join(line_of(pair) for pair in ordered).encode()
    digest = hashlib.sha256(data).hexdigest()
    path = folder / f"{digest}.jsonl"
    if not path.exists():
        write_whole(path, data)
    whole = sum(pair.whole for pair in ordered)
    kinds: dict[str, int] = dict(Counter(pair.kind for pair in ordered))
    return Dataset(path, digest, whole, kinds, dict(dropped), ratings=len(ordered) - whole)


def thaw(path: Path) -> list[Pair]:
    """The pairs of a frozen dataset; raises DatasetDamaged when its bytes changed."""
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.stem:
        raise DatasetDamaged(f"{path} was changed after it was frozen; retrain from the ledger instead")
    return [pair_from(json.loads(line)) for line in data.splitlines()]


def row_of(pair: Pair) -> dict[str, Any]:
    """A pair, or a rating, in TRL's conversational shape, with its id, kind and provenance beside it."""
    rating = {"completion": said(pair.chosen or pair.rejected), "label": pair.liked}
    both = {"chosen": said(pair.chosen), "rejected": said(pair.rejected)}
    return {
        "id": pair.id,
        "prompt": [dict(message) for message in pair.messages],
        **(both if pair.whole else rating),
        "kind": pair.kind,
        "provenance": asdict(pair.provenance),
    }


def said(text: str) -> list[dict[str, str]]:
    """One assistant turn."""
    return [{"role": "assistant", "content": text}]


def line_of(pair: Pair) -> str:
    """One canonical JSON line: sorted keys, no spaces, UTF-8."""
    return json.dumps(row_of(pair), sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def pair_from(row: dict[str, Any]) -> Pair:
    """The pair of a row; of a rating one side is unsaid."""
    messages: Iterable[Message] = row["prompt"]
    kind: Kind = row["kind"]
    provenance = Provenance(**row["provenance"])
    if "label" in row:
        text = row["completion"][0]["content"]
        chosen, rejected = (text, "") if row["label"] else ("", text)
    else:
        chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
    return Pair(tuple(messages), chosen, rejected, kind, provenance)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, even after a kill."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.part")
    with draft.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)
