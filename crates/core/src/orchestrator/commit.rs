//! Making a turn durable under a lease that is surely held.

use std::time::Duration;

use crate::catalog::{CatalogExt, Lease, OperationChange};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::orchestrator::builder::Parts;

/// Commits, again while the catalog cannot be reached and the lease is surely ours.
pub(super) async fn commit(
    parts: &Parts,
    clock: &dyn Clock,
    lease: &Lease,
    confirmed_at: Timestamp,
    change: &OperationChange<'_>,
) -> Result<()> {
    let mut delay = Duration::from_millis(50);
    let mut doubtful = false;
    loop {
        // Made again, a step whose reply was lost would stand in the ledger twice.
        let done = if doubtful { parts.catalog.was_committed(lease, change).await } else { Ok(false) };
        let tried = match done {
            Ok(true) => return Ok(()),
            Ok(false) => {
                doubtful = false;
                parts.catalog.commit(lease, change).await
            }
            Err(error) => Err(error),
        };
        match tried {
            Ok(()) => return Ok(()),
            Err(error) if is_passing(&error) && is_sure(clock, confirmed_at, parts.lease_ttl) => {
                doubtful |= error.effect() == crate::error::Effect::MaybeApplied;
                clock.sleep(delay).await;
                delay = (delay * 2).min(Duration::from_secs(2));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether less than half the lease has passed since the catalog last confirmed it.
pub(super) fn is_sure(clock: &dyn Clock, confirmed_at: Timestamp, lease_ttl: Duration) -> bool {
    clock.now().since(confirmed_at) < lease_ttl / 2
}

/// Whether the catalog may well answer the same call soon.
pub(super) fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy | ErrorKind::RateLimited)
}
