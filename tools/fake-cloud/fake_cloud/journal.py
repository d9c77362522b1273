"""What was asked and answered, and what broke the contract."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Journal:
    """All requests since the last reset, in order."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    violations: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, **entry: Any) -> dict[str, Any]:
        """A new entry, numbered from 1; its outcome is written into it later."""
        entry["n"] = len(self.entries) + 1
        self.entries.append(entry)
        return entry

    def event(self, now: float, what: str, **more: Any) -> None:
        """Something that happened without a request: a job's step, a deletion by the garbage collector."""
        self.events.append({"time": now, "what": what, **more})

    def counted(self, since: int) -> dict[str, Any]:
        """How many requests there were in all, and how often each operation was asked for after the first `since`."""
        names = (entry.get("operation") for entry in self.entries[since:])
        return {"n": len(self.entries), "calls": Counter(name for name in names if name is not None)}

    def violate(self, entry: dict[str, Any], side: str, errors: list[str]) -> None:
        """A request, answer or error that the cloud's model does not allow."""
        self.violations.append({"n": entry["n"], "operation": entry.get("operation"), "side": side, "errors": errors})
        entry.setdefault("violations", []).extend(errors)


def readable(value: Any) -> Any:
    """Parameters fit for the journal: blobs by their length."""
    if isinstance(value, dict):
        return {name: readable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [readable(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    return value
