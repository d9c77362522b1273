//! From a refusal of Azure to the contract's error.
//!
//! An error of Azure Resource Manager has a code, a message, and often the true reason in one of its `details` or in
//! `innererror`: <https://learn.microsoft.com/azure/azure-resource-manager/management/common-deployment-errors>.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind};

/// The longest message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 500;
/// So deep and so many errors within one are looked at.
const DEPTH_MAX: usize = 8;
const ERRORS_MAX: usize = 32;
const TOO_MANY_REQUESTS: u16 = 429;
const NOT_FOUND: u16 = 404;
const SCOPE_LOCKED: &str = "ScopeLocked";
/// The code of a subscription that is not there, or that these credentials do not see.
const NO_SUBSCRIPTION: &str = "SubscriptionNotFound";

/// One error, and those within it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Refusal {
    #[serde(alias = "Code")]
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
    details: Option<Vec<Value>>,
    innererror: Option<Value>,
    is_retryable: Option<bool>,
    recommended_action: Option<Vec<String>>,
}

/// A code and a message, with what the service itself says of trying again.
#[derive(Clone, Debug)]
struct Said {
    code: String,
    message: String,
    retryable: bool,
    advice: Vec<String>,
}

/// The error of an answer with `status` and `body` to the call of `action`.
pub(super) fn refusal(status: u16, body: &[u8], wait: Option<Duration>, action: &str) -> Error {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    told(status, body.get("error").unwrap_or(&body), wait, action)
}

/// The error that an ended operation tells in its own status.
pub(super) fn told(status: u16, error: &Value, wait: Option<Duration>, action: &str) -> Error {
    let mut said = Vec::new();
    collect(error, 0, &mut said);
    // The deepest known code is the reason, the ones above it say what it kept from happening.
    let known = said.iter().rev().find_map(|each| known(&each.code, &each.message));
    let retryable = said.iter().any(|each| each.retryable);
    let kind = match known {
        // Whatever the words, it is a rate and no quota: it passes by waiting.
        _ if status == TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        Some(kind) => kind,
        None if retryable => ErrorKind::Unavailable,
        None => of_status(status),
    };
    let mut words: Vec<String> = Vec::new();
    for each in &said {
        let text = [each.code.as_str(), each.message.as_str()];
        let text = text.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        for word in std::iter::once(text).chain(each.advice.iter().cloned()) {
            if !word.is_empty() && !words.contains(&word) {
                words.push(word);
            }
        }
    }
    let code = said.iter().map(|each| &each.code).find(|code| !code.is_empty());
    let code = code.cloned().unwrap_or_else(|| format!("status {status}"));
    let what = if words.is_empty() { code.clone() } else { words.join("; ") };
    let what: String = what.chars().take(MESSAGE_CHARS_MAX).collect();
    let advice = match kind {
        _ if code == SCOPE_LOCKED => {
            " (a lock of the resource, its group or subscription; whoever placed it must lift it)".to_owned()
        }
        _ if code == NO_SUBSCRIPTION => {
            " (these credentials know no such subscription; grant them access, or name another)".to_owned()
        }
        ErrorKind::PermissionDenied => format!(" (the role needs {action})"),
        ErrorKind::Unexpected if status == NOT_FOUND => {
            " (that is no word on whether it exists; compare the endpoint and the version with what this cloud has)"
                .to_owned()
        }
        ErrorKind::Unauthenticated => " (renew the credentials, and compare this machine's clock)".to_owned(),
        _ => String::new(),
    };
    let error = Error::new(kind, format!("{action} was refused with {what}{advice}"))
        .with("action", action)
        .with("code", code);
    match wait {
        Some(wait) if matches!(kind, ErrorKind::RateLimited | ErrorKind::Unavailable) => {
            error.retry_after(wait)
        }
        _ => error,
    }
}

fn collect(error: &Value, depth: usize, said: &mut Vec<Said>) {
    if depth > DEPTH_MAX || said.len() >= ERRORS_MAX {
        return;
    }
    // The endpoints that give tokens tell a word, and beside it a description.
    if let Some(code) = error.as_str() {
        said.push(Said {
            code: code.to_owned(),
            message: String::new(),
            retryable: false,
            advice: Vec::new(),
        });
        return;
    }
    let Ok(refusal) = serde_json::from_value::<Refusal>(error.clone()) else { return };
    if refusal.code.is_some() || refusal.message.is_some() {
        said.push(Said {
            code: refusal.code.unwrap_or_default(),
            message: refusal.message.unwrap_or_default(),
            retryable: refusal.is_retryable.unwrap_or(false),
            advice: refusal.recommended_action.unwrap_or_default(),
        });
    }
    for within in refusal.details.iter().flatten().chain(&refusal.innererror) {
        collect(within, depth + 1, said);
    }
}

/// What each code asks of the caller. Source: the pages of each service's errors, and
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling>.
const KINDS: &[(ErrorKind, &[&str])] = &[
    (
        ErrorKind::Unauthenticated,
        &[
            "AuthenticationFailed",
            "ExpiredAuthenticationToken",
            "InvalidAuthenticationToken",
            "InvalidAuthenticationTokenAudience",
            "InvalidAuthenticationTokenTenant",
        ],
    ),
    (
        ErrorKind::PermissionDenied,
        &[
            "AuthorizationFailed",
            "LinkedAuthorizationFailed",
            "RequestDisallowedByPolicy",
            "RequestDisallowedByAzure",
            "DenyAssignmentAuthorizationFailed",
            "ReadOnlyDisabledSubscription",
            SCOPE_LOCKED,
            NO_SUBSCRIPTION,
            "UserErrorMissingRequiredPermissions",
        ],
    ),
    (
        ErrorKind::NotFound,
        &[
            "ResourceNotFound",
            "ResourceGroupNotFound",
            "NotFound",
            "ParentResourceNotFound",
            "ShareNotFound",
            "ShareSnapshotNotFound",
            "ContainerNotFound",
            "UserErrorDatasourceNotFound",
            "UserErrorFileShareNotFound",
            "UserErrorTargetFileShareNotFound",
            "UserErrorTargetStorageAccountNotFound",
        ],
    ),
    (
        ErrorKind::RateLimited,
        &["TooManyRequests", "SubscriptionRequestsThrottled", "OperationThrottled", "ServerBusy"],
    ),
    (
        ErrorKind::Unavailable,
        &[
            "InternalServerError",
            "CloudInternalError",
            "InternalOperationError",
            "ServerTimeout",
            "GatewayTimeout",
            "ServiceUnavailable",
            "RetryableError",
            "RetryableErrorDueToAnotherOperation",
            "AllocationFailed",
            "ZonalAllocationFailed",
            "OverconstrainedZonalAllocationRequest",
            "OperationPreempted",
        ],
    ),
    (
        ErrorKind::QuotaExceeded,
        &[
            "QuotaExceeded",
            "SubscriptionQuotaExceeded",
            "ResourceQuotaExceeded",
            "ShareSnapshotCountExceeded",
        ],
    ),
    (
        ErrorKind::Busy,
        &[
            "Conflict",
            "AnotherOperationInProgress",
            "ResourceInUse",
            "ShareSnapshotInProgress",
            "ShareBeingDeleted",
            "UserErrorJobAlreadyInProgress",
            "BMSUserErrorObjectLocked",
        ],
    ),
    (
        ErrorKind::AlreadyExists,
        &[
            "ShareAlreadyExists",
            "BlobAlreadyExists",
            "ResourceAlreadyExists",
            "StorageAccountAlreadyExists",
            "UserErrorTargetResourceExists",
            "UserErrorTargetContainerExists",
        ],
    ),
    (ErrorKind::Conflict, &["PropertyChangeNotAllowed", "PreconditionFailed", "ConditionNotMet"]),
    (
        ErrorKind::InvalidInput,
        &[
            "InvalidParameter",
            "InvalidRequestContent",
            "InvalidRequestFormat",
            "BadRequest",
            "InvalidResource",
            "InvalidResourceName",
            "InvalidAvailabilityZone",
            "LocationNotAvailableForResourceType",
            "MissingSubscriptionRegistration",
            // A zone or region offers it to this subscription, or does not; waiting changes nothing.
            "SkuNotAvailable",
            "NotImplemented",
        ],
    ),
];

/// What a code asks of the caller, where it is known.
pub(crate) fn known(code: &str, message: &str) -> Option<ErrorKind> {
    // Compute says by this one code both that a quota is used up and that the state of a thing does not allow it.
    if code == "OperationNotAllowed" {
        return Some(if speaks_of_a_quota(message) { ErrorKind::QuotaExceeded } else { ErrorKind::Busy });
    }
    KINDS.iter().find(|(_, codes)| codes.contains(&code)).map(|(kind, _)| *kind)
}

fn speaks_of_a_quota(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let words: Vec<&str> = message.split(|c: char| !c.is_alphanumeric()).collect();
    let limits = |at: usize| at.checked_sub(1).and_then(|before| words.get(before)) != Some(&"time");
    message.contains("quota")
        || words.iter().enumerate().any(|(at, word)| match *word {
            "maximum" => true,
            "limit" | "limits" => limits(at),
            _ => false,
        })
}

/// What a status says where no code that is known does. That something does not exist it never says: a gateway, a cloud
/// that lacks the version, and a wrong endpoint answer 404 as well.
fn of_status(status: u16) -> ErrorKind {
    match status {
        400 => ErrorKind::InvalidInput,
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        409 => ErrorKind::Busy,
        412 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        408 | 500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stillpoint_core::{Effect, Retry};

    use super::*;

    fn of(status: u16, body: &Value) -> Error {
        refusal(status, body.to_string().as_bytes(), None, "Microsoft.Compute/disks/write")
    }

    #[test]
    fn codes_say_what_to_do_and_unknown_ones_are_kept() {
        for (status, code, kind, again) in [
            (429, "TooManyRequests", ErrorKind::RateLimited, true),
            (503, "NobodyKnows", ErrorKind::Unavailable, true),
            (409, "AnotherOperationInProgress", ErrorKind::Busy, false),
            (403, "AuthorizationFailed", ErrorKind::PermissionDenied, false),
            (401, "ExpiredAuthenticationToken", ErrorKind::Unauthenticated, false),
            (404, "ResourceGroupNotFound", ErrorKind::NotFound, false),
            (404, "InvalidResourceType", ErrorKind::Unexpected, false),
            (404, "SubscriptionNotFound", ErrorKind::PermissionDenied, false),
            (409, "ScopeLocked", ErrorKind::PermissionDenied, false),
            (409, "SkuNotAvailable", ErrorKind::InvalidInput, false),
            (418, "NobodyKnows", ErrorKind::Unexpected, false),
        ] {
            let error = of(status, &json!({"error": {"code": code, "message": "so it is"}}));
            assert_eq!((error.kind(), error.context("code")), (kind, Some(code)), "{error}");
            assert_eq!(matches!(error.retry(), Retry::After { .. }), again, "{code}");
            assert!(error.to_string().contains("so it is") && error.to_string().contains(code), "{error}");
            assert_eq!(error.effect(), Effect::NotApplied);
        }
        assert_eq!(of(502, &json!("<html>")).kind(), ErrorKind::Unavailable);
        assert_eq!(
            refusal(404, b"", None, "a").kind(),
            ErrorKind::Unexpected,
            "a gateway says nothing of it"
        );
        let token = of(401, &json!({"error": "invalid_client", "error_description": "x"}));
        assert_eq!(token.context("code"), Some("invalid_client"));
    }

    #[test]
    fn the_reason_is_found_wherever_it_stands() {
        let inner = json!({"error": {"code": "Failed", "message": "it failed", "details": [
            {"code": "Wrapped", "innererror": {"code": "QuotaExceeded", "message": "16 cores"}}]}});
        let error = of(400, &inner);
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        for part in ["it failed", "Wrapped", "16 cores"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        let retry =
            json!({"code": "UserErrorX", "message": "m", "isRetryable": true, "recommendedAction": ["wait"]});
        let error = of(400, &retry);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("wait"), "{error}");
    }

    #[test]
    fn one_code_of_compute_means_two_things() {
        let of =
            |message: &str| of(409, &json!({"error": {"code": "OperationNotAllowed", "message": message}}));
        assert_eq!(of("exceeding approved StandardDiskCount quota").kind(), ErrorKind::QuotaExceeded);
        assert_eq!(of("the maximum of 500 snapshots").kind(), ErrorKind::QuotaExceeded);
        assert_eq!(of("it is over the limit.").kind(), ErrorKind::QuotaExceeded);
        for busy in
            ["Disk db is attached to VM vm1.", "not within the time limit", "an unlimited SAS is active"]
        {
            assert_eq!(of(busy).kind(), ErrorKind::Busy, "{busy}");
        }
    }

    #[test]
    fn a_hint_to_wait_is_passed_on_where_waiting_helps() {
        let body = json!({"error": {"code": "TooManyRequests", "message": ""}}).to_string();
        let wait = Some(Duration::from_secs(17));
        let error = refusal(429, body.as_bytes(), wait, "any");
        assert_eq!(error.retry(), Retry::After { delay_ms: 17_000 });
        let limit =
            json!({"error": {"code": "OperationNotAllowed", "message": "the limit of writes is reached"}});
        let error = refusal(429, limit.to_string().as_bytes(), wait, "any");
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::RateLimited, Retry::After { delay_ms: 17_000 })
        );
        let denied = refusal(403, b"", wait, "any");
        assert_eq!(denied.retry(), Retry::Never);
    }

    #[test]
    fn errors_within_errors_end_somewhere() {
        let mut deep = json!({"code": "QuotaExceeded"});
        for _ in 0..50 {
            deep = json!({"code": "Outer", "innererror": deep});
        }
        assert_eq!(of(400, &json!({"error": deep})).kind(), ErrorKind::InvalidInput);
    }
}
