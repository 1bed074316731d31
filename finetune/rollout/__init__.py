"""From a trained adapter to traffic: the gate, the registry, the way back."""
