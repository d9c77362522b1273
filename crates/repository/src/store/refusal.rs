//! What an object store refused, in the terms of a user: what failed, why, and what to do.

use object_store::Error as E;
use object_store::client::{HttpError, HttpErrorKind};

use crate::error::{Error, ErrorKind};

/// What went wrong, in the terms of a user.
#[derive(Debug, Clone, Copy)]
enum Cause {
    Missing,
    NoBucket,
    Taken,
    Denied,
    WrongClock,
    Kept,
    Unauthenticated,
    Full,
    Misconfigured,
    NotSupported,
    BadName,
    Cancelled,
    Unreachable,
}

/// Says in one sentence what failed and what to do.
pub(super) fn failed(source: E, verb: &str, key: &str) -> Error {
    let (kind, advice) = match cause(&source) {
        Cause::Missing => (ErrorKind::NotFound, "the store has no such object or no such bucket"),
        Cause::NoBucket => (
            ErrorKind::NotFound,
            "there is no such bucket; check the store's URL, and make the bucket where it is missing",
        ),
        Cause::Taken => (ErrorKind::AlreadyExists, "it exists already"),
        Cause::Denied => {
            (ErrorKind::PermissionDenied, "the store denies access; check the permissions of the credentials")
        }
        Cause::WrongClock => (
            ErrorKind::PermissionDenied,
            "the clock of this machine and that of the store differ by too much; set this machine's clock, then run the same \
             command again",
        ),
        Cause::Kept => (
            ErrorKind::PermissionDenied,
            "the store keeps it, by an immutability policy, a legal hold, a lease or a snapshot of the blob; whoever set that \
             must lift it",
        ),
        Cause::Unauthenticated => (
            ErrorKind::PermissionDenied,
            "the store does not accept the credentials; check that key and secret are set, valid, and of this store",
        ),
        Cause::Full => {
            (ErrorKind::NoSpace, "the store is full; free some space and run the same command again")
        }
        Cause::Misconfigured => (
            ErrorKind::InvalidInput,
            "the store does not understand the request; check region, bucket and endpoint",
        ),
        Cause::NotSupported => (ErrorKind::Unsupported, "the store cannot do this"),
        // One that cannot be listed from a name on gives no way around it.
        Cause::BadName if verb == "list" => (
            ErrorKind::InvalidInput,
            "it holds an object whose name is no path, which the cause shows; rename or delete that object",
        ),
        Cause::BadName => (ErrorKind::InvalidInput, "the name is not usable"),
        Cause::Cancelled => (ErrorKind::Cancelled, "the operation was cancelled"),
        Cause::Unreachable => (
            ErrorKind::Unavailable,
            "the store cannot be reached or keeps failing; check endpoint and network, then run the same command again",
        ),
    };
    let what = if key.is_empty() { "the store" } else { key };
    Error::new(kind, format!("cannot {verb} {what}: {advice}")).with_source(source)
}

/// Whether a request was sent and no answer came, so that nobody knows whether it was carried out. The client tries those
/// again by itself that may be carried out twice.
pub(super) fn is_unanswered(error: &Error) -> bool {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    sources
        .filter_map(|error| error.downcast_ref::<HttpError>())
        .any(|error| matches!(error.kind(), HttpErrorKind::Timeout | HttpErrorKind::Interrupted))
}

fn cause(error: &E) -> Cause {
    match error {
        E::NotFound { source, .. } if says(source.as_ref(), &NO_BUCKET) => Cause::NoBucket,
        E::NotFound { .. } => Cause::Missing,
        E::AlreadyExists { .. } | E::Precondition { .. } => Cause::Taken,
        E::PermissionDenied { source, .. } => denied(|codes| says(source.as_ref(), codes)),
        E::Unauthenticated { .. } => Cause::Unauthenticated,
        E::NotSupported { .. } | E::NotImplemented { .. } => Cause::NotSupported,
        E::InvalidPath { .. } | E::UnknownConfigurationKey { .. } => Cause::BadName,
        E::JoinError { .. } => Cause::Cancelled,
        _ => cause_by_text(error),
    }
}

/// Address at which a cloud machine asks for its own credentials; asked only when none are configured.
const INSTANCE_METADATA: &str = "169.254.169.254";

/// object_store 0.14 keeps the HTTP status to itself for listings, and for every status it has no variant for, and shows
/// it only in the text of the error or one of its sources.
fn cause_by_text(error: &E) -> Cause {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if text.contains(INSTANCE_METADATA) {
            return Cause::Unauthenticated;
        }
        if let Some((_, rest)) = text.split_once("status code: ") {
            return match rest.get(..3) {
                Some("401") => Cause::Unauthenticated,
                // Amazon S3 tells these by their codes alone
                // (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
                Some("400") if names(rest, &["ExpiredToken", "InvalidToken", "TokenRefreshRequired"]) => {
                    Cause::Unauthenticated
                }
                Some("400") if names(rest, &LOST_ON_THE_WAY) => Cause::Unreachable,
                Some("403") => denied(|codes| names(rest, codes)),
                Some("404") if names(rest, &NO_BUCKET) => Cause::NoBucket,
                Some("404") => Cause::Missing,
                Some("507") => Cause::Full,
                Some("301" | "307" | "400" | "405") => Cause::Misconfigured,
                _ => Cause::Unreachable,
            };
        }
        // One of many deletions that Azure was asked for in one call.
        if let Some((_, rest)) = text.split_once("(code: ") {
            return match rest.get(..3) {
                Some("403") => Cause::Denied,
                Some("409" | "412") => Cause::Kept,
                _ => Cause::Unreachable,
            };
        }
        if text.contains("incorrectly configured region") {
            return Cause::Misconfigured;
        }
        next = error.source();
    }
    Cause::Unreachable
}

/// Bytes of a request were lost or changed on the way to the store, which may well go better the next time; same source.
const LOST_ON_THE_WAY: [&str; 5] = [
    "RequestTimeout",
    "IncompleteBody",
    "BadDigest",
    "XAmzContentSHA256Mismatch",
    "XAmzContentChecksumMismatch",
];

/// The bucket of Amazon S3, or the container of Azure, that is not there.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];

/// Why access is denied: clouds answer so to signatures that they cannot follow, too.
fn denied(names: impl Fn(&[&str]) -> bool) -> Cause {
    if names(&["RequestTimeTooSkewed"]) {
        Cause::WrongClock
    } else if names(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthenticationFailed"]) {
        Cause::Unauthenticated
    } else {
        Cause::Denied
    }
}

/// Whether an error, or what it came from, quotes an answer with one of these codes.
fn says(error: &(dyn std::error::Error + 'static), codes: &[&str]) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| names(&error.to_string(), codes))
}

/// Whether an answer names one of these codes of errors.
fn names(answer: &str, codes: &[&str]) -> bool {
    codes.iter().any(|code| answer.contains(&format!("<Code>{code}</Code>")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    fn kind_of(text: &str) -> ErrorKind {
        let source = Box::new(Outer(std::io::Error::other(text.to_owned())));
        failed(E::Generic { store: "S3", source }, "list", "keys").kind().clone()
    }

    #[test]
    fn causes_hidden_in_the_text_are_found() {
        for (text, kind) in [
            ("Server returned non-2xx status code: 404 Not Found: <Error/>", ErrorKind::NotFound),
            ("Server returned non-2xx status code: 403 Forbidden: ", ErrorKind::PermissionDenied),
            (
                "Server returned non-2xx status code: 400 Bad Request: <Error><Code>ExpiredToken</Code></Error>",
                ErrorKind::PermissionDenied,
            ),
            (
                "Server returned non-2xx status code: 400 Bad Request: <Error><Code>RequestTimeout</Code></Error>",
                ErrorKind::Unavailable,
            ),
            (
                "Server returned non-2xx status code: 400 Bad Request: <Error><Code>InvalidRequest</Code></Error>",
                ErrorKind::InvalidInput,
            ),
            ("Server returned non-2xx status code: 507 Insufficient Storage: ", ErrorKind::NoSpace),
            ("Server returned non-2xx status code: 503 Slow Down: ", ErrorKind::Unavailable),
            ("Error performing PUT http://169.254.169.254/latest/api/token", ErrorKind::PermissionDenied),
            ("this normally indicates an incorrectly configured region", ErrorKind::InvalidInput),
            ("Bulk delete request failed for key k: immutable (code: 409)", ErrorKind::PermissionDenied),
            ("Bulk delete request failed for key k: leased (code: 412)", ErrorKind::PermissionDenied),
            ("Bulk delete request failed for key k: busy (code: 503)", ErrorKind::Unavailable),
            ("connection refused", ErrorKind::Unavailable),
        ] {
            assert_eq!(kind_of(text), kind, "{text}");
        }
    }

    #[test]
    fn what_was_lost_on_the_way_is_worth_another_try() {
        for code in ["IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch"] {
            let text = format!("status code: 400 Bad Request: <Error><Code>{code}</Code></Error>");
            assert_eq!(kind_of(&text), ErrorKind::Unavailable, "{code}");
        }
    }

    #[test]
    fn a_refusal_tells_a_wrong_clock_wrong_keys_and_a_missing_bucket_apart() {
        let answered = |status: &str, code: &str| {
            let text = format!("status code: {status}: <Error><Code>{code}</Code></Error>");
            let source = || Box::new(Outer(std::io::Error::other(text.clone())));
            let path = "keys".to_owned();
            let named = match status {
                "404" => E::NotFound { path, source: source() },
                _ => E::PermissionDenied { path, source: source() },
            };
            let hidden = failed(E::Generic { store: "S3", source: source() }, "list", "");
            (failed(named, "read", "config").to_string(), hidden.to_string())
        };
        for (status, code, advice) in [
            ("403", "RequestTimeTooSkewed", "set this machine's clock"),
            ("403", "SignatureDoesNotMatch", "does not accept the credentials"),
            ("403", "InvalidAccessKeyId", "does not accept the credentials"),
            ("403", "AccessDenied", "check the permissions"),
            ("404", "NoSuchBucket", "there is no such bucket"),
            ("404", "NoSuchKey", "no such object"),
        ] {
            let (named, hidden) = answered(status, code);
            assert!(named.contains(advice) && hidden.contains(advice), "{code}: {named}, {hidden}");
            assert!(hidden.starts_with("cannot list the store: "), "{hidden}");
        }
    }
}
