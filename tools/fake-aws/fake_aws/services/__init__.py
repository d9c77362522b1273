"""The services, one module per service or part of one; importing a module registers its handlers."""

from __future__ import annotations

from fake_cloud import registry


def load() -> None:
    """Registers all handlers."""
    registry.load(__name__, __path__)
