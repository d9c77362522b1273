"""Refusals, and the error codes that every operation may answer with although its model does not say so."""

from __future__ import annotations

from typing import Any

COMMON = frozenset({
    "AccessDeniedException", "ExpiredTokenException", "ExpiredToken", "IncompleteSignature",
    "InternalFailure", "InternalServerError", "InvalidSignatureException", "MissingAuthenticationTokenException",
    "RequestExpired", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable", "ThrottlingException",
    "Throttling", "UnrecognizedClientException", "ValidationException", "NotImplemented",
})  # fmt: skip

EC2 = frozenset({
    "AuthFailure", "Blocked", "ConcurrentSnapshotLimitExceeded", "DryRunOperation", "EC2ThrottledException",
    "IdempotentParameterMismatch", "IncorrectState", "InsufficientVolumeCapacity", "InternalError",
    "InvalidParameter", "InvalidParameterCombination", "InvalidParameterValue", "InvalidSnapshot.InUse",
    "InvalidSnapshot.NotFound", "InvalidSnapshotID.Malformed", "InvalidSubnetID.NotFound", "InvalidVolume.NotFound",
    "InvalidVolumeID.Malformed", "InvalidID", "InvalidInstanceID.NotFound", "InvalidNextToken",
    "InvalidZone.NotFound", "MissingParameter", "OperationNotPermitted", "PendingSnapshotLimitExceeded",
    "RequestLimitExceeded", "SignatureDoesNotMatch", "SnapshotCreationPerVolumeRateExceeded",
    "SnapshotLimitExceeded", "SnapshotLocked", "TagLimitExceeded", "Unavailable", "UnauthorizedOperation",
    "UnknownParameter", "UnsupportedOperation", "VolumeInUse", "VolumeLimitExceeded", "KmsKeyNotAccessible",
})  # fmt: skip

QUERY = frozenset({"AccessDenied", "InvalidClientTokenId", "SignatureDoesNotMatch", "ValidationError"})

SERVER_SIDE = frozenset({
    "ServiceUnavailableException", "DependencyFailureException", "InternalServerException", "InternalServerError",
    "InternalFailure", "ServiceUnavailable", "InternalError", "Unavailable", "InternalServiceException",
})  # fmt: skip


class Fault(Exception):
    """An error answer of a service."""

    def __init__(self, code: str, message: str, status: int | None = None, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields
