"""How well a reward model tells better answers from worse ones, on labelled pairs."""
