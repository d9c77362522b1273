//! Why a call could not be signed. No such call was sent.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use stillpoint_core::{Error, ErrorKind};

/// The error of a call that was not sent, where `cause` or one of its own causes is about credentials.
///
/// A source of credentials that has none or is set wrongly stays so; one that failed may answer the next time.
pub(crate) fn unsigned(operation: &str, cause: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(cause);
    while let Some(error) = next {
        if let Some(failed) = error.downcast_ref::<CredentialsError>() {
            return Some(match failed {
                CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "{operation} could not be signed: the source of AWS credentials did not give any"
                    ),
                ),
                _ => Error::new(
                    ErrorKind::Unauthenticated,
                    format!(
                        "{operation} could not be signed: no AWS credentials were found; set them, or see that this \
                         process may ask for those of its role"
                    ),
                ),
            });
        }
        next = error.source();
    }
    None
}
