"""The pocket corpus: a small assistant's world, generated from word lists and templates by one seed."""

from finetune.pocket.corpus.example import QUALITY, Ask, Corpus, Example, Pair
from finetune.pocket.corpus.generate import examples, generate, pairs

__all__ = ["QUALITY", "Ask", "Corpus", "Example", "Pair", "examples", "generate", "pairs"]
