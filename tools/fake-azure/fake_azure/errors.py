"""Errors as Azure answers them."""

from __future__ import annotations

from typing import Any

# The status of each code that the fake uses; an injected code that is not here is answered with 400.
STATUSES: dict[str, int] = {
    "AuthenticationFailed": 401, "ExpiredAuthenticationToken": 401, "InvalidAuthenticationToken": 401,
    "InvalidAuthenticationTokenAudience": 401, "AuthorizationFailed": 403, "LinkedAuthorizationFailed": 403,
    "RequestDisallowedByPolicy": 403, "ResourceNotFound": 404, "ResourceGroupNotFound": 404, "NotFound": 404,
    "SubscriptionNotFound": 404, "ParentResourceNotFound": 404, "UnknownOperation": 404, "ShareNotFound": 404,
    "ShareSnapshotNotFound": 404, "ContainerNotFound": 404, "BMSUserErrorObjectLocked": 409, "Conflict": 409, "ScopeLocked": 409,
    "AnotherOperationInProgress": 409, "OperationNotAllowed": 409, "ShareSnapshotInProgress": 409,
    "ShareHasSnapshots": 409, "ShareBeingDeleted": 409, "ShareAlreadyExists": 409, "ShareSnapshotCountExceeded": 409,
    "ResourceInUse": 409, "ImmutabilityPolicyViolation": 409, "UserErrorJobAlreadyInProgress": 409,
    "CloudInternalError": 500, "InternalServerError": 500, "ServerTimeout": 503, "ServerBusy": 503,
    "ServiceUnavailable": 503, "TooManyRequests": 429, "SubscriptionRequestsThrottled": 429, "NotImplemented": 501,
    "PreconditionFailed": 412, "QuotaExceeded": 409, "BackupNotReady": 409,
}  # fmt: skip


class Fault(Exception):
    """An error answer of Azure."""

    def __init__(
        self, code: str, message: str, status: int | None = None, *, target: str | None = None,
        details: list[dict[str, Any]] | None = None, retry_after: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status or STATUSES.get(code, 400)
        self.target = target
        self.details = details
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The error as JSON has it."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            body["target"] = self.target
        if self.details:
            body["details"] = self.details
        return body
