"""How far selection may lean on a reward model before it chooses what only the reward model likes."""
