"""One module per part of Azure; importing a module registers its handlers."""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Registers all handlers."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
