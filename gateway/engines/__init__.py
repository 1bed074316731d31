"""Engines: whatever runs the policy model behind an OpenAI-compatible API."""
