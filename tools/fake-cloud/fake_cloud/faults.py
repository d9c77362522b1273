"""Planned failures: of calls, of the wire, and of jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# The kinds of faults that every cloud has, and what may be said of each.
KINDS: dict[str, frozenset[str]] = {
    "error": frozenset({"code", "message", "status"}),
    "http": frozenset({"status", "committed", "retry_after"}),
    "cut": frozenset({"when"}),
    "advance": frozenset({"seconds"}),
    "empty_page": frozenset(),
    "duplicate_item": frozenset(),
    "rewrite": frozenset({"set"}),
    "outcome": frozenset({"state", "message"}),
}


@dataclass
class Plan:
    """A fault that strikes the `nth` to the `nth + count - 1`th call of an operation from now on."""

    operation: str
    nth: int
    count: int
    fault: dict[str, Any]
    match: dict[str, Any]
    seen: int = 0

    def strikes(self, names: set[str], params: dict[str, Any]) -> bool:
        """Counts a call, and says whether it is one that fails."""
        if self.operation not in names:
            return False
        if any(params.get(name) != value for name, value in self.match.items()):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.count


class Faults:
    """All planned faults of a cloud whose faults may say `more`, and which has these kinds of `jobs`.

    `check` raises ValueError for an operation, with its fault, that the cloud would not show.
    """

    def __init__(
        self, more: dict[str, set[str]], jobs: frozenset[str], check: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self.plans: list[Plan] = []
        self._kinds = {kind: KINDS.get(kind, frozenset()) | more.get(kind, set()) for kind in {**KINDS, **more}}
        self._jobs = jobs
        self._check = check

    def add(self, plan: dict[str, Any]) -> None:
        """Plans a fault.

        Raises ValueError for one that makes no sense.
        """
        fault, operation = plan["fault"], plan["op"]
        kind = fault.get("kind")
        if kind not in self._kinds:
            raise ValueError(f"unknown kind of fault {kind!r}: one of {', '.join(sorted(self._kinds))}")
        strange = (set(plan) - {"op", "nth", "count", "fault", "match"}) | (set(fault) - self._kinds[kind] - {"kind"})
        if strange:
            raise ValueError(f"unknown fields {', '.join(sorted(strange))}")
        if operation in self._jobs and kind != "outcome":
            raise ValueError(f"{operation} has outcomes, and no other faults")
        self._check(operation, fault)
        self.plans.append(Plan(operation, plan.get("nth", 1), plan.get("count", 1), fault, plan.get("match", {})))

    def take(self, names: set[str], params: dict[str, Any]) -> list[dict[str, Any]]:
        """The faults that strike this call, in the order in which they were planned."""
        called = names if names & self._jobs else names | {"*"}
        return [plan.fault for plan in self.plans if plan.strikes(called, params)]


def rewritten(body: Any, changes: dict[str, Any]) -> Any:
    """A copy of an answer with other words in it, by their paths; `None` takes a member away.

    A number in a path is a place in a list, `*` all places.
    """
    found = {**body} if isinstance(body, dict) else [*body]
    for path, value in changes.items():
        found = _with(found, path.split("."), value)
    return found


def _with(target: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    name, rest = path[0], path[1:]
    if isinstance(target, list):
        # The range refuses a place that is not there.
        places = range(len(target)) if name == "*" else [range(len(target))[int(name)]]
        return [_with(item, rest, value) if place in places else item for place, item in enumerate(target)]
    if not rest and value is None:
        return {key: item for key, item in target.items() if key != name}
    return {**target, name: _with(target.get(name, {}), rest, value)}
