"""What only Azure's faults have: long-running operations, details, and how jobs end."""

from __future__ import annotations

from typing import Any

from fake_cloud.faults import Faults

from .registry import HANDLERS

JOBS = frozenset({"BackupJob", "RestoreJob"})
SPECIAL = {"poll", "token", "token.imds", "token.app_service", "token.oauth", "token.openid"}
STATES = {"Failed", "Canceled"}
JOB_STATES = {"Failed", "Cancelled", "CompletedWithWarnings", "Paused"}
_MORE = {
    "error": {"retry_after", "details", "target"},
    "lro": {"variant", "retry_after", "url_bytes", "lost_after", "seconds"},
    "outcome": {"code", "details", "warnings"},
}


def faults() -> Faults:
    """No faults yet."""
    return Faults(_MORE, JOBS, _check)


def _check(operation: str, fault: dict[str, Any]) -> None:
    if fault["kind"] == "outcome":
        states = JOB_STATES if operation in JOBS else STATES
        if fault.get("state") not in states:
            raise ValueError(f"{operation} ends {' or '.join(sorted(states))}")
    service, _, name = operation.rpartition(":")
    if operation in {"*", *JOBS, *SPECIAL} or any(name == each and service in {"", its} for its, each in HANDLERS):
        return
    raise ValueError(f"no service has an operation {operation}")
