//! From a service's refusal to the contract's error.
//!
//! Codes are those of AWS's common errors and of the service models:
//! <https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html>.

use std::time::Duration;

use serde::Deserialize;
use stillpoint_core::{Error, ErrorKind};

/// The longest message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 500;

#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type")]
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

/// The error of a JSON answer with `status`, whose code stands in a header or in the body.
pub(super) fn json_refusal(status: u16, header: Option<&str>, body: &[u8], operation: &str) -> Error {
    let body: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let code = header.map(str::to_owned).or(body.code).unwrap_or_default();
    refusal(status, &code, &body.message.unwrap_or_default(), operation)
}

/// The error of an answer with `status`, in which the service said `code` and `message`.
pub(crate) fn refusal(status: u16, code: &str, message: &str, operation: &str) -> Error {
    // A code may carry its namespace before it and an address after it.
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
    let kind = kind_of(status, code);
    let advice = match kind {
        ErrorKind::PermissionDenied => format!("; the role needs permission for {operation}"),
        ErrorKind::Unauthenticated => "; renew the credentials, and compare this machine's clock".to_owned(),
        _ => String::new(),
    };
    let wait = (code == "SnapshotCreationPerVolumeRateExceeded").then_some(SNAPSHOT_RATE_DELAY);
    let code = if code.is_empty() { format!("status {status}") } else { code.to_owned() };
    let error = Error::new(kind, format!("{operation} was refused with {code}: {message}{advice}"))
        .with("action", operation)
        .with("code", code);
    match wait {
        Some(delay) => error.retry_after(delay),
        None => error,
    }
}

/// How long to stay away from a volume whose snapshots come too fast.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.
const SNAPSHOT_RATE_DELAY: Duration = Duration::from_secs(15);

/// What each code asks of the caller.
const KINDS: &[(ErrorKind, &[&str])] = &[
    (
        ErrorKind::PermissionDenied,
        &["AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized", "OptInRequired"],
    ),
    (
        ErrorKind::Unauthenticated,
        &[
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
        ],
    ),
    (
        ErrorKind::RateLimited,
        &[
            "ThrottlingException",
            "Throttling",
            "RequestThrottled",
            "ConcurrentLimitExceededException",
            "ConcurrentTagAccess",
            "ThrottledException",
            "TooManyRequests",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "EC2ThrottledException",
            "RequestThrottledException",
            "SnapshotCreationPerVolumeRateExceeded",
            "SlowDown",
            "PriorRequestNotComplete",
        ],
    ),
    (
        ErrorKind::Unavailable,
        &[
            "ServiceUnavailableException",
            "DependencyFailureException",
            "DependencyTimeout",
            "InternalServerError",
            "InternalServerException",
            "InternalServiceException",
            "InternalError",
            "InternalFailure",
            "RequestTimeout",
            "RequestTimeoutException",
            "Unavailable",
        ],
    ),
    (
        ErrorKind::Busy,
        &[
            "ResourceInUse",
            "InvalidResourceStateException",
            "IncorrectFileSystemLifeCycleState",
            "FileSystemInUse",
            "IncorrectState",
            "VolumeInUse",
            "ConcurrentModification",
            "ConcurrentModificationException",
            "ConcurrentSnapshotLimitExceeded",
        ],
    ),
    (ErrorKind::AlreadyExists, &["AlreadyExistsException", "FileSystemAlreadyExists", "MountTargetConflict"]),
    (ErrorKind::Conflict, &["ConflictException", "IdempotentParameterMismatch"]),
    // To every SDK the first of these is throttling; to AWS Backup it is a quota.
    // Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartBackupJob.html>.
    (
        ErrorKind::QuotaExceeded,
        &[
            "LimitExceededException",
            "ResourceLimitExceeded",
            "ServiceQuotaExceededException",
            "FileSystemLimitExceeded",
            "NetworkInterfaceLimitExceeded",
            "NoFreeAddressesInSubnet",
            "InsufficientThroughputCapacity",
            "VolumeLimitExceeded",
            "SnapshotLimitExceeded",
            "MaxIOPSLimitExceeded",
        ],
    ),
    // EFS means a policy that is none, that names who does not exist, or that would keep its own caller from changing it.
    // Source: <https://docs.aws.amazon.com/efs/latest/ug/API_PutFileSystemPolicy.html>.
    (ErrorKind::InvalidConfig, &["InvalidPolicyException"]),
    (
        ErrorKind::InvalidInput,
        &[
            "ValidationException",
            "ValidationError",
            "InvalidParameterValue",
            "InvalidParameterValueException",
            "InvalidParameterException",
            "MissingParameter",
            "MissingParameterValueException",
            "InvalidRequestException",
            "BadRequest",
            "SerializationException",
        ],
    ),
];

fn kind_of(status: u16, code: &str) -> ErrorKind {
    if let Some((kind, _)) = KINDS.iter().find(|(_, codes)| codes.contains(&code)) {
        return *kind;
    }
    // Each thing that can be too many has a name of its own, and EFS answers 403: `AccessPointLimitExceeded`, `TagLimitExceeded`.
    if ["LimitExceeded", "LimitExceededException", "QuotaExceeded", "QuotaExceededException"]
        .iter()
        .any(|end| code.ends_with(end))
    {
        return ErrorKind::QuotaExceeded;
    }
    // EC2, EFS and the others each have their own name for it: `InvalidVolume.NotFound`, `FileSystemNotFound`.
    if ["NotFound", "NotFoundException"].iter().any(|end| code.ends_with(end)) {
        return ErrorKind::NotFound;
    }
    // Of EC2 each kind of thing and each rule has its own: `InvalidVolumeID.Malformed`, `InvalidParameterCombination`.
    if code.starts_with("InvalidParameter") || code.ends_with(".Malformed") || code == "InvalidAction" {
        return ErrorKind::InvalidInput;
    }
    match status {
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Unavailable,
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        _ => ErrorKind::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use stillpoint_core::Retry;

    use super::*;

    #[test]
    fn codes_say_what_to_do_wherever_they_stand() {
        let body = br#"{"__type":"com.amazonaws.sagemaker#ResourceNotFound","Message":"no such space"}"#;
        let error = json_refusal(400, None, body, "DescribeSpace");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("no such space"), "{error}");

        let error = json_refusal(400, Some("AccessDeniedException:http://internal/"), b"", "ListTags");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(error.context("action"), Some("ListTags"));
    }

    #[test]
    fn a_request_that_is_wrong_is_told_from_an_answer_nobody_foresaw() {
        for code in ["InvalidVolumeID.Malformed", "InvalidParameterCombination", "InvalidAction"] {
            assert_eq!(refusal(400, code, "", "any").kind(), ErrorKind::InvalidInput, "{code}");
        }
        assert_eq!(refusal(400, "NobodyKnows", "", "any").kind(), ErrorKind::Unexpected);
    }

    #[test]
    fn what_is_too_many_is_no_lack_of_a_permission() {
        for (status, code) in [
            (403, "AccessPointLimitExceeded"),
            (403, "SecurityGroupLimitExceeded"),
            (400, "TagLimitExceeded"),
            (400, "PendingSnapshotLimitExceeded"),
            (402, "ServiceQuotaExceededException"),
        ] {
            let error = refusal(status, code, "", "any");
            assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{code}");
            assert!(!error.to_string().contains("permission"), "{error}");
        }
        // These pass by themselves.
        for code in ["ConcurrentLimitExceededException", "RequestLimitExceeded", "ConcurrentTagAccess"] {
            assert_eq!(refusal(400, code, "", "any").kind(), ErrorKind::RateLimited, "{code}");
        }
    }

    #[test]
    fn each_service_may_call_a_missing_thing_by_its_own_name() {
        for code in
            ["InvalidVolume.NotFound", "FileSystemNotFound", "ResourceNotFoundException", "PolicyNotFound"]
        {
            assert_eq!(refusal(400, code, "", "any").kind(), ErrorKind::NotFound, "{code}");
        }
    }

    #[test]
    fn what_passes_by_itself_may_be_tried_again_and_nothing_else() {
        for (status, code, again) in [
            (400, "ThrottlingException", true),
            (503, "", true),
            (500, "InternalFailure", true),
            (400, "SnapshotCreationPerVolumeRateExceeded", true),
            (400, "ResourceLimitExceeded", false),
            (400, "LimitExceededException", false),
            (409, "IncorrectFileSystemLifeCycleState", false),
            (400, "ExpiredTokenException", false),
            (400, "NobodyKnows", false),
        ] {
            let error = json_refusal(status, Some(code), b"not json", "DescribeSpace");
            assert_eq!(matches!(error.retry(), Retry::After { .. }), again, "{status} {code}");
        }
    }
}
