"""`trimtab policy`: what guard policies alone need comes from their own package; what needs a gateway is added here."""

from guards.policy.cli import app

__all__ = ["app"]
