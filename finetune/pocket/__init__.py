"""The pocket world: a corpus of its own and the three small models trained on it."""
