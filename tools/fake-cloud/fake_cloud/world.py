"""What every cloud's world has: time, names, beliefs, planned failures, records, and a pace."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .clock import Clock
from .faults import Faults
from .ids import Ids
from .journal import Journal
from .rules import Rules


@dataclass
class World:
    """A fake's whole state, to which each cloud adds its own."""

    clock: Clock
    rules: Rules
    ids: Ids
    faults: Faults
    journal: Journal = field(default_factory=Journal)
    trees: Path | None = None
    per_request: float = 0.0
    speed: float = 0.0
    skew: float = 0.0

    @property
    def now(self) -> float:
        """The virtual time."""
        return self.clock.now

    def event(self, what: str, **more: Any) -> None:
        """Something that happened without a request."""
        self.journal.event(self.now, what, **more)
