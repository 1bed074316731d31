"""The operator's surface: versions, rollouts, keys, policies and the ledger, on a listener of its own."""
