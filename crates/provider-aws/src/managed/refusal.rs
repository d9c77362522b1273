//! From an SDK's error to the contract's.

use std::error::Error as StdError;

use aws_sdk_backup::config::http::HttpResponse;
use aws_sdk_backup::error::{ProvideErrorMetadata, SdkError};
use stillpoint_core::{Error, ErrorKind};

use crate::connection::{refusal, unsigned};

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
        _ => {
            // To the SDK that is a request which got no answer; it never left.
            if let Some(unsigned) = unsigned(operation, &error) {
                return unsigned.with_source(error);
            }
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

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::{SharedCredentialsProvider, future};
    use aws_types::SdkConfig;
    use aws_types::region::Region;
    use stillpoint_core::{Effect, Retry};

    use super::super::clients::Clients;
    use super::*;
    use crate::connection::Connection;

    /// A source of credentials that fails in this way.
    #[derive(Debug)]
    struct Failing(fn() -> CredentialsError);

    impl aws_credential_types::provider::ProvideCredentials for Failing {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err((self.0)()))
        }
    }

    fn clients(fails: fn() -> CredentialsError) -> Clients {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:1")
            .credentials_provider(SharedCredentialsProvider::new(Failing(fails)))
            .build();
        Clients::new(&Connection::from_config(config, None).unwrap(), "us-east-1").unwrap()
    }

    #[tokio::test]
    async fn a_call_that_cannot_be_signed_changed_nothing_and_says_why() {
        for (fails, kind, again) in [
            (
                (|| CredentialsError::not_loaded("none")) as fn() -> CredentialsError,
                ErrorKind::Unauthenticated,
                false,
            ),
            (|| CredentialsError::invalid_configuration("a profile"), ErrorKind::Unauthenticated, false),
            (|| CredentialsError::provider_error("503"), ErrorKind::Unavailable, true),
            (
                || CredentialsError::provider_timed_out(std::time::Duration::ZERO),
                ErrorKind::Unavailable,
                true,
            ),
        ] {
            let clients = clients(fails);
            let sdk = clients.backup.stop_backup_job().backup_job_id("1").send().await;
            let sdk = sdk.map_err(undone("StopBackupJob")).unwrap_err();
            let own = clients.ec2().volume("vol-1").await.unwrap_err();
            for error in [sdk, own] {
                assert_eq!((error.kind(), error.effect()), (kind, Effect::NotApplied), "{error:?}");
                assert_eq!(matches!(error.retry(), Retry::After { .. }), again, "{error:?}");
            }
        }
    }
}
