"""From what the ledger remembers to what preference training eats."""
