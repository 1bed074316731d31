"""An encoder that classifies texts, in this process: windows of tokens in, a probability for each label out.

torch and transformers are imported here alone, and only once a policy names an encoder.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from guards.verdict import GuardUnavailable

Tokens = Sequence[int]
UNBOUNDED = 1_000_000  # what tokenizers without a length of their own give is more


class Encoder:
    """A model and its tokenizer, ready; its methods are called from one thread at a time."""

    def __init__(self, name: str, revision: str | None, device: str) -> None:
        import torch  # noqa: PLC0415 - takes seconds; only a policy with an encoder needs it
        from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: PLC0415

        self.tokenizer: Any = AutoTokenizer.from_pretrained(name, revision=revision)
        self.model: Any = AutoModelForSequenceClassification.from_pretrained(
            name, revision=revision, use_safetensors=True, dtype=torch.float32
        )
        self.model.to(device).eval()
        names = self.model.config.id2label
        self.labels = tuple(str(names[place]) for place in sorted(names))
        self.revision = weights_of(Path(name)) if Path(name).is_dir() else self.committed(name, revision)
        self.apart = len(self.labels) == 1 or self.model.config.problem_type == "multi_label_classification"

    def committed(self, name: str, revision: str | None) -> str:
        """A downloaded model's name and the commit that it is of."""
        return f"{name}@{getattr(self.model.config, '_commit_hash', None) or revision}"

    def windows(self, text: str, size: int, overlap: int) -> list[Tokens]:
        """The text's tokens in windows of at most `size`, each with the last `overlap` of the one before."""
        longest = min(size, self.tokenizer.model_max_length, self.positions)
        told = self.tokenizer(
            text,
            truncation=True,
            max_length=longest,
            stride=min(overlap, longest // 2),
            return_overflowing_tokens=True,
            verbose=False,
        )
        return list(told["input_ids"])

    @property
    def positions(self) -> int:
        """How many tokens the model has places for; some need two of them for themselves."""
        found = getattr(self.model.config, "max_position_embeddings", None) or UNBOUNDED
        return found - 2 if self.model.config.model_type in {"roberta", "xlm-roberta"} else found

    def probabilities(self, batch: Sequence[Tokens]) -> list[list[float]]:
        """For each window the probability of each label."""
        import torch  # noqa: PLC0415 - as above

        padded = self.tokenizer.pad({"input_ids": [list(each) for each in batch]}, return_tensors="pt")
        with torch.inference_mode():
            logits = self.model(**padded.to(self.model.device)).logits.float()
            shares = logits.sigmoid() if self.apart else logits.softmax(-1)
        told: list[list[float]] = shares.tolist()
        return told


@lru_cache(maxsize=4)
def load_encoder(name: str, revision: str | None, device: str) -> Encoder:
    """The encoder of a folder, or of a model hub's name, shared by all guards that use it; raises GuardUnavailable."""
    try:
        return Encoder(name, revision, device)
    except ImportError as error:
        told = (
            f"an encoder needs torch and transformers: pip install 'trimtab[torch]' ({error.name} is missing)"
        )
        raise GuardUnavailable(told) from error
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise GuardUnavailable(
            f"{name} is no sequence classifier in safetensors that can be loaded here: {type(error).__name__}"
        ) from error


def weights_of(folder: Path) -> str:
    """A hash of a model's files."""
    digest = hashlib.sha256()
    for path in sorted((*folder.glob("*.json"), *folder.glob("*.safetensors"))):
        digest.update(f"{path.name}:{path.stat().st_size}:".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
