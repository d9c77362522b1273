//! From an SDK's error to the contract's.

use std::error::Error as StdError;

use aws_sdk_backup::config::http::HttpResponse;
use aws_sdk_backup::error::{ProvideErrorMetadata, SdkError};
use stillpoint_core::{Error, ErrorKind};

use crate::connection::refusal;

/// The error of a call that only reads.
pub(super) fn unread<E>(operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    move |error| refused(operation, false, error)
}

/// The error of a call that changes something: where no answer came, it may have been carried out.
pub(super) fn undone<E>(operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    move |error| refused(operation, true, error)
}

fn refused<E>(operation: &'static str, mutates: bool, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    if let Some((status, code, message)) = said(&error) {
        let refusal = refusal(status, &code, &message, operation);
        let open = mutates && status >= 500;
        return if open { refusal.maybe_applied() } else { refusal };
    }
    let unsent = |kind, message: String| Error::new(kind, message);
    match error {
        SdkError::ConstructionFailure(_) => {
            unsent(ErrorKind::InvalidInput, format!("the request of {operation} could not be made"))
                .with_source(error)
        }
        SdkError::DispatchFailure(ref failure) if failure.is_user() => unsent(
            ErrorKind::Unauthenticated,
            format!("{operation} could not be signed; check the AWS credentials of this process"),
        )
        .with_source(error),
        _ => {
            let lost =
                unsent(ErrorKind::Unavailable, format!("{operation} got no answer")).with_source(error);
            if mutates { lost.maybe_applied() } else { lost }
        }
    }
}

/// What the service said: status, code and message.
fn said<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<(u16, String, String)> {
    let SdkError::ServiceError(context) = error else { return None };
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    let refusal = context.err();
    Some((context.raw().status().as_u16(), text(refusal.code()), text(refusal.message())))
}
