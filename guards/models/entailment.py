"""Whether one text follows from another, by a model of natural language inference that lies in a folder."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from guards.verdict import GuardUnavailable

try:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar
except ImportError as missing:
    raise ImportError(
        "a model of entailment needs torch and transformers: pip install 'trimtab[torch]'"
    ) from missing

LONGEST_TOKENS = 512


class EntailmentModel:
    """A classifier of pairs of texts, one of whose labels is that the second follows from the first."""

    def __init__(self, folder: Path) -> None:
        disable_progress_bar()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self.model = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        ).eval()
        labels = {number: str(label).lower() for number, label in self.model.config.id2label.items()}
        follows = [
            number
            for number, label in labels.items()
            if label.startswith(("entail", "support", "consistent"))
        ]
        if len(follows) != 1:
            raise ValueError("none of its labels is entailment")
        self.follows = follows[0]
        positions = getattr(self.model.config, "max_position_embeddings", None) or LONGEST_TOKENS
        self.longest = min(int(positions), LONGEST_TOKENS)

    def entailed(self, premises: Sequence[str], hypothesis: str) -> list[float]:
        """The probability that the hypothesis follows, from each of the premises."""
        if not premises:
            return []
        with torch.inference_mode():
            tokens = self.tokenizer(
                list(premises),
                [hypothesis] * len(premises),
                padding=True,
                truncation="only_first",
                max_length=self.longest,
                return_tensors="pt",
            )
            chances = self.model(**tokens).logits.float().softmax(-1)[:, self.follows]
        return [float(each) for each in chances]


@lru_cache(maxsize=2)
def load_entailment(folder: Path) -> EntailmentModel:
    """The model in a folder; GuardUnavailable where it cannot be used."""
    try:
        return EntailmentModel(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GuardUnavailable(f"{folder}: no model of entailment that can be used: {error}") from error
