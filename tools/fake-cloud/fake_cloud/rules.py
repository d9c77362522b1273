"""What a fake believes and no model says: named rules, each with its evidence.

Marks: M the cloud's own models, D vendor documentation, P a practitioner's report, A an assumption that waits for an
answer from a real account. A scenario may set any rule; what a real account teaches changes one line.
"""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Rule:
    """One thing a fake believes about its cloud."""

    name: str
    value: Any
    evidence: str
    says: str


class Rules:
    """The rules in force: the defaults, and what a scenario set otherwise."""

    def __init__(self, known: tuple[Rule, ...], changed: dict[str, Any] | None = None) -> None:
        self._known = known
        self._values = {rule.name: rule.value for rule in known}
        self.change(changed or {})

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def change(self, changed: dict[str, Any]) -> None:
        """Changes rules while the world runs.

        Raises ValueError for a rule that is not known.
        """
        unknown = sorted(set(changed) - set(self._values))
        if unknown:
            raise ValueError(f"unknown rules: {', '.join(unknown)}")
        self._values.update(changed)

    def told(self) -> list[dict[str, Any]]:
        """All rules, each with the value in force."""
        return [dataclasses.asdict(rule) | {"in_force": self._values[rule.name]} for rule in self._known]
