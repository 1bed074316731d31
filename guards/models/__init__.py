"""Guard models: one file a family; inference here needs no torch."""
