//! What stands against a deletion and can be read before anything is marked or deleted: a lock or hold on one of its
//! snapshots, credentials of another account.

use crate::catalog::{BackupRecord, BackupState};
use crate::context::OpContext;
use crate::error::{Error, ErrorKind, ErrorRecord, Result};
use crate::orchestrator::builder::Parts;
use crate::provider::Provider;
use crate::snapshot::SnapshotRef;
use crate::workspace::Definition;

/// Refuses a snapshot that lies elsewhere than where its provider looks: in another store, or where nobody noted the
/// store, in another account than the backup's.
pub(crate) async fn reaches(
    cx: &OpContext,
    provider: &dyn Provider,
    definition: &Definition,
    snapshot: &SnapshotRef,
) -> Result<()> {
    provider.reaches(cx, snapshot).await?;
    match (&snapshot.store, &definition.account) {
        (None, Some(account)) => provider.reaches_account(cx, snapshot, account).await,
        _ => Ok(()),
    }
}

/// Why the backup cannot be deleted as a whole: the first snapshot that something keeps. Where the first of several is
/// deleted before the second turns out to be kept, half a backup remains.
///
/// A backup that is being deleted already is not asked about, since what is left of it is to go. What cannot be told is left to
/// the deletion itself, unless the other side is only away.
pub(super) async fn refusal(
    parts: &Parts,
    cx: &OpContext,
    backup: &BackupRecord,
) -> Result<Option<ErrorRecord>> {
    let snapshots =
        || backup.components.iter().filter_map(|part| Some((&part.component.id, part.snapshot.as_ref()?)));
    if backup.state == BackupState::Deleting || snapshots().count() < 2 {
        return Ok(None);
    }
    for (id, snapshot) in snapshots() {
        let looked = async { parts.provider(&snapshot.provider)?.open(cx, snapshot).await?.locked(cx).await };
        match looked.await {
            Ok(None) => {}
            Ok(Some(kept)) => {
                let until = kept.until.map(|until| format!(" until {until}")).unwrap_or_default();
                let message =
                    format!("{id} is locked{until}: {}; nothing of the backup was deleted", kept.reason);
                return Ok(Some(Error::new(ErrorKind::PermissionDenied, message).record()));
            }
            Err(error) if matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Unavailable) => {
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(component = %id, %error, "cannot see whether its snapshot is locked")
            }
        }
    }
    Ok(None)
}
