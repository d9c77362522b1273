//! The store's own clock: every age is measured by it, and a local clock that disagrees stops a prune.

use std::time::Duration;

use super::options::PruneOptions;
use super::rounds::KIND;
use crate::error::{Error, ErrorKind, Result};
use crate::repository::Repository;
use crate::store::Stat;
use crate::time::Timestamp;

/// Most that the two clocks may differ.
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);

/// Writes a small object and asks the store when that was.
///
/// # Errors
/// `Unsupported` if the local clock is more than five minutes off: one of the two is wrong, and deletion by a wrong
/// clock cannot be undone.
pub(super) async fn ask(repository: &Repository, options: &PruneOptions) -> Result<Stat> {
    let key = format!("stillpoint/{KIND}/clock");
    let before = options.now();
    repository.replace_record(KIND, "clock", b"asked").await?;
    let stat = stat(repository, "clock").await?;
    let after = options.now();
    repository.store().delete(&key).await?;
    let off = before.since(stat.written).max(stat.written.since(after));
    if off > SKEW_MAX {
        let message = format!(
            "the clock of this machine and that of the store differ by {} minutes; nothing is deleted until they agree",
            off.as_secs() / 60
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(stat)
}

/// Time since a record was written, both by the store's clock.
pub(super) async fn written(repository: &Repository, name: &str) -> Result<Timestamp> {
    Ok(stat(repository, name).await?.written)
}

/// What the store says of a record of a prune.
///
/// # Errors
/// `Busy` if another prune has removed it meanwhile.
async fn stat(repository: &Repository, name: &str) -> Result<Stat> {
    let stat = repository.store().stat(&format!("stillpoint/{KIND}/{name}")).await;
    stat.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let message = "another prune went on meanwhile; run the same command again";
            Error::new(ErrorKind::Busy, message).with_source(error)
        }
        _ => error,
    })
}

/// `time` and a span.
pub(super) fn after(time: Timestamp, span: Duration) -> Timestamp {
    let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    let nanoseconds = time.nanoseconds.saturating_add(span.subsec_nanos());
    let carried = time.seconds.saturating_add(seconds).saturating_add((nanoseconds / 1_000_000_000).into());
    Timestamp::new(carried, nanoseconds % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credentials, Origin, Store};

    #[tokio::test]
    async fn a_record_that_another_prune_took_away_means_that_it_is_busy() {
        let credentials = Credentials::generate().unwrap().0;
        let repository = Repository::init(Store::memory(), &credentials, Origin::detect()).await.unwrap();
        let error = written(&repository, "clock").await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Busy);
        assert!(error.to_string().contains("another prune"), "{error}");
    }
}
