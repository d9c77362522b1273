"""Planned failures: of calls, of the wire, and of jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import COMMON, EC2, QUERY
from .models import SERVICES, service

KINDS = {"error", "http", "cut", "advance", "empty_page", "duplicate_item", "rewrite", "outcome"}
JOBS = {"BackupJob", "RestoreJob", "CopyJob"}


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
        if self.operation not in names and self.operation != "*":
            return False
        if any(params.get(name) != value for name, value in self.match.items()):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.count


@dataclass
class Faults:
    """All planned faults."""

    plans: list[Plan] = field(default_factory=list)

    def add(self, plan: dict[str, Any]) -> None:
        """Plans a fault.

        Raises ValueError for one that no AWS service would show.
        """
        fault = plan["fault"]
        kind = fault.get("kind")
        if kind not in KINDS:
            raise ValueError(f"unknown kind of fault {kind!r}: one of {', '.join(sorted(KINDS))}")
        known = set(plan) - {"op", "nth", "count", "fault", "match"}
        if known:
            raise ValueError(f"unknown fields {', '.join(sorted(known))}")
        operation = plan["op"]
        if (kind == "outcome") != (operation in JOBS):
            raise ValueError(f"outcomes are for {', '.join(sorted(JOBS))}, other faults for operations")
        if kind != "outcome" and operation != "*":
            _known(operation, fault)
        self.plans.append(Plan(operation, plan.get("nth", 1), plan.get("count", 1), fault, plan.get("match", {})))

    def take(self, names: set[str], params: dict[str, Any]) -> list[dict[str, Any]]:
        """The faults that strike this call, in the order in which they were planned."""
        return [plan.fault for plan in self.plans if plan.strikes(names, params)]


def _known(operation: str, fault: dict[str, Any]) -> None:
    named, _, name = operation.rpartition(":")
    having = [service(each) for each in ([named] if named else SERVICES)]
    having = [its for its in having if name in its.names]
    if not having:
        raise ValueError(f"no service has an operation {operation}")
    if fault["kind"] != "error":
        return
    for its in having:
        allowed = {shape.name for shape in its.operation(name).error_shapes} | COMMON
        if its.protocol == "ec2":
            allowed |= EC2
        if its.protocol == "query":
            allowed |= QUERY
        if fault["code"] not in allowed and not fault.get("force"):
            raise ValueError(f'{name} does not raise {fault["code"]} by its model; say "force" to do it anyway')
