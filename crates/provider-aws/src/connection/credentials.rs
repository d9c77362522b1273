//! Credentials, kept until they are about to expire; and why a call could not be signed. No such call was sent.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use stillpoint_core::{Error, ErrorKind, Timestamp};
use tokio::sync::Mutex;

/// How long before they expire credentials are looked up again.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// How long credentials are kept that do not say when they expire: a profile file may be written anew.
const KEPT: Duration = Duration::from_secs(15 * 60);
/// How long a source of credentials may take.
const LOOKUP: Duration = Duration::from_secs(30);

/// The credentials that were found last, for all calls of a connection. One looks them up while others wait.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Option<(Credentials, Timestamp)>>>);

impl Kept {
    /// Credentials that are good for a while from `now`.
    ///
    /// # Errors
    /// Whatever `source` answers; a time-out where it does not.
    pub(super) async fn get(
        &self,
        source: &SharedCredentialsProvider,
        now: Timestamp,
    ) -> Result<Credentials, CredentialsError> {
        let mut kept = self.0.lock().await;
        if let Some((credentials, until)) = &*kept
            && now < *until
        {
            return Ok(credentials.clone());
        }
        let found = tokio::time::timeout(LOOKUP, source.provide_credentials()).await;
        let found = found.unwrap_or_else(|_late| Err(CredentialsError::provider_timed_out(LOOKUP)))?;
        let until = match found.expiry().and_then(|expiry| expiry.duration_since(UNIX_EPOCH).ok()) {
            Some(expiry) => Timestamp::from_millis(0).after(expiry.saturating_sub(EARLY)),
            None => now.after(KEPT),
        };
        *kept = Some((found.clone(), until));
        Ok(found)
    }

    /// The next call looks credentials up again: those that are kept were refused.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_credential_types::provider::future;

    use super::*;

    /// Counts how often it was asked; what it gives is good for an hour.
    #[derive(Debug, Default)]
    struct Source(Arc<AtomicU64>, bool);

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let asked = self.0.fetch_add(1, Ordering::Relaxed);
            let expiry = self.1.then(|| UNIX_EPOCH + Duration::from_secs(3600 * (asked + 1)));
            future::ProvideCredentials::ready(Ok(Credentials::new("key", "secret", None, expiry, "a test")))
        }
    }

    fn source(expires: bool) -> (Arc<AtomicU64>, SharedCredentialsProvider) {
        let asked = Arc::new(AtomicU64::new(0));
        (Arc::clone(&asked), SharedCredentialsProvider::new(Source(asked, expires)))
    }

    async fn ask(kept: &Kept, source: &SharedCredentialsProvider, minute: u64) {
        let now = Timestamp::from_millis(0).after(Duration::from_secs(60 * minute));
        kept.get(source, now).await.unwrap();
    }

    #[tokio::test]
    async fn credentials_are_looked_up_once_until_they_are_about_to_expire() {
        let (asked, source) = source(true);
        let kept = Kept::default();
        for (minute, lookups) in [(0, 1), (30, 1), (54, 1), (56, 2), (90, 2), (116, 3)] {
            ask(&kept, &source, minute).await;
            assert_eq!(asked.load(Ordering::Relaxed), lookups, "after {minute} minutes");
        }
    }

    #[tokio::test]
    async fn credentials_without_an_end_and_refused_ones_are_looked_up_again() {
        let (asked, source) = source(false);
        let kept = Kept::default();
        for minute in [0, 14] {
            ask(&kept, &source, minute).await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        ask(&kept, &source, 16).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        kept.forget().await;
        ask(&kept, &source, 16).await;
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }
}
