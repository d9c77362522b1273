"""What only AWS's faults have: codes that its models know, and jobs."""

from __future__ import annotations

from typing import Any

from fake_cloud.faults import Faults

from .errors import COMMON, EC2, QUERY
from .models import SERVICES, service

JOBS = frozenset({"BackupJob", "RestoreJob", "CopyJob"})


def faults() -> Faults:
    """No faults yet."""
    return Faults({"error": {"force"}, "outcome": {"category"}}, JOBS, _check)


def _check(operation: str, fault: dict[str, Any]) -> None:
    if fault["kind"] == "outcome" and operation not in JOBS:
        raise ValueError(f"outcomes are for {', '.join(sorted(JOBS))}, other faults for operations")
    if operation in JOBS or operation == "*":
        return
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
