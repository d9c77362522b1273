"""What the services remember of idempotency tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Memory:
    """One token: when it is forgotten, what it was used for, and what was answered."""

    until: float
    params: str
    result: dict[str, Any] | None
    refusal: tuple[str, str] | None


@dataclass
class Tokens:
    """Memory by account, region, operation and token."""

    known: dict[tuple[str, str, str, str], Memory] = field(default_factory=dict)

    def get(self, key: tuple[str, str, str, str], now: float) -> Memory | None:
        """What is still remembered of a token."""
        memory = self.known.get(key)
        if memory is not None and memory.until <= now:
            del self.known[key]
            return None
        return memory

    def put(self, key: tuple[str, str, str, str], memory: Memory) -> None:
        """Remembers a token."""
        self.known[key] = memory


def fingerprint(params: dict[str, Any], token: str) -> str:
    """Everything a call asked for but its token."""
    kept = {name: value for name, value in params.items() if name != token}
    return json.dumps(kept, sort_keys=True, default=str)
