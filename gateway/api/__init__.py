"""The public surface, one file for each part of it."""
