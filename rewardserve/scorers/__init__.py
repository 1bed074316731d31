"""Backends: one file for each way to run a reward model."""
