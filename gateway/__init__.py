"""Floor 2: the data plane, the ledger and the operator's surface; one server."""
