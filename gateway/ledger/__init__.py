"""The ledger: what was asked, answered, flagged, ranked, paired, trained and rolled out."""
