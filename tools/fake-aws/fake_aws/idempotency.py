"""Calls that carry a token do their work once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import Fault
from .tokens import Memory, fingerprint
from .world import Call

Handler = Callable[[Call, dict[str, Any]], dict[str, Any]]

# Where the token stands, what another call with the same token is refused with, and which rule says whether a
# refusal uses the token up.
_CALLS: dict[tuple[str, str], tuple[str, str, str | None]] = {
    ("backup", "StartBackupJob"): (
        "IdempotencyToken", "InvalidParameterValueException", "token.burned_by_rejected_backup",
    ),
    ("backup", "StartCopyJob"): (
        "IdempotencyToken", "InvalidParameterValueException", "token.burned_by_rejected_backup",
    ),
    ("backup", "StartRestoreJob"): (
        "IdempotencyToken", "InvalidParameterValueException", "token.burned_by_rejected_restore",
    ),
    ("ec2", "CreateVolume"): ("ClientToken", "IdempotentParameterMismatch", None),
    ("ebs", "StartSnapshot"): ("ClientToken", "ConflictException", None),
}  # fmt: skip


def once(call: Call, service: str, operation: str, params: dict[str, Any], handler: Handler) -> dict[str, Any]:
    """Runs the handler, or answers as the first call with this token was answered."""
    field, mismatch, burns = _CALLS.get((service, operation), ("", "", None))
    token = params.get(field) if field else None
    if not token:
        return handler(call, params)
    key = (call.account, call.region.name, f"{service}:{operation}", token)
    asked = fingerprint(params, field)
    memory = call.world.tokens.get(key, call.now)
    if memory is not None:
        if memory.refusal is not None:
            raise Fault(*memory.refusal)
        if memory.params != asked and call.rule("token.changed_parameters") == "refuse":
            raise Fault(mismatch, f"The token {token} was used before with other parameters.")
        call.world.journal.event(call.now, "token replayed", operation=operation, token=token)
        return memory.result or {}
    until = call.now + call.rule("token.lifetime_seconds")
    try:
        result = handler(call, params)
    except Fault as fault:
        if burns is not None and call.rule(burns) and (fault.status or 400) == 400:
            call.world.tokens.put(key, Memory(until, asked, None, (fault.code, fault.message)))
        raise
    call.world.tokens.put(key, Memory(until, asked, result, None))
    return result
