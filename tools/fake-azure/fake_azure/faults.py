"""Planned failures: of calls, of the wire, of long-running operations and of jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .registry import HANDLERS

KINDS: dict[str, set[str]] = {
    "error": {"code", "message", "status", "retry_after", "details", "target"},
    "http": {"status", "committed", "retry_after"},
    "cut": {"when"},
    "advance": {"seconds"},
    "empty_page": set(),
    "duplicate_item": set(),
    "rewrite": {"set"},
    "lro": {"variant", "retry_after", "url_bytes", "lost_after", "seconds"},
    "outcome": {"state", "code", "message", "details", "warnings"},
}
JOBS = {"BackupJob", "RestoreJob"}
SPECIAL = {"poll", "token", "token.imds", "token.app_service", "token.oauth", "token.openid"}
STATES = {"Failed", "Canceled"}
JOB_STATES = {"Failed", "Cancelled", "CompletedWithWarnings", "Paused"}


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
        if self.operation not in names and not (self.operation == "*" and names.isdisjoint(JOBS)):
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

        Raises ValueError for one that makes no sense.
        """
        fault, operation = plan["fault"], plan["op"]
        kind = fault.get("kind")
        if kind not in KINDS:
            raise ValueError(f"unknown kind of fault {kind!r}: one of {', '.join(sorted(KINDS))}")
        strange = (set(plan) - {"op", "nth", "count", "fault", "match"}) | (set(fault) - KINDS[kind] - {"kind"})
        if strange:
            raise ValueError(f"unknown fields {', '.join(sorted(strange))}")
        if operation in JOBS:
            if kind != "outcome" or fault.get("state") not in JOB_STATES:
                raise ValueError(f"a job's fault is an outcome with one of {', '.join(sorted(JOB_STATES))}")
        elif kind == "outcome" and fault.get("state") not in STATES:
            raise ValueError(f"an operation ends {' or '.join(sorted(STATES))}")
        elif operation != "*" and operation not in SPECIAL:
            known(operation)
        self.plans.append(Plan(operation, plan.get("nth", 1), plan.get("count", 1), fault, plan.get("match", {})))

    def take(self, names: set[str], params: dict[str, Any]) -> list[dict[str, Any]]:
        """The faults that strike this call, in the order in which they were planned."""
        return [plan.fault for plan in self.plans if plan.strikes(names, params)]


def known(operation: str) -> None:
    """Raises ValueError for an operation that is not answered here."""
    service, _, name = operation.rpartition(":")
    if not any(name == each and service in {"", its} for its, each in HANDLERS):
        raise ValueError(f"no service has an operation {operation}")
