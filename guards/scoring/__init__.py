"""Anybody's rows before a policy's guards: read, screened in batches, told in their order."""
