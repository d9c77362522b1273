//! Applying a retention policy: what was previewed is what is deleted, and nothing that changed its mind since.

use serde::{Deserialize, Serialize};

use crate::catalog::{BackupQuery, BackupRecord, BackupState, Catalog};
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::error::{ErrorKind, ErrorRecord, Result};
use crate::id::{BackupId, OperationId, WorkspaceId};
use crate::operation::{DeleteRequest, OperationState, Request};
use crate::orchestrator::Orchestrator;
use crate::retention::{Retention, RetentionPolicy, retain};

/// What came of applying a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Forgotten {
    /// Backups that are deleted and were read back as gone, wherever their snapshots lay.
    pub deleted: Vec<BackupId>,
    /// Backups that were to go and stay after all, with why: a hold, or a rule that keeps them by now.
    pub kept: Vec<(BackupId, String)>,
    /// Backups whose deletion failed, with why.
    pub failed: Vec<(BackupId, ErrorRecord)>,
}

/// What `policy` would do to the backups of `workspace`, or of all workspaces, across all providers. Changes nothing.
///
/// ```
/// use std::sync::Arc;
/// use stillpoint_core::memory::MemoryCatalog;
/// use stillpoint_core::*;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let catalog = Arc::new(MemoryCatalog::new());
/// for (id, time) in [("older", "2026-03-01T10:00:00Z"), ("newer", "2026-03-02T10:00:00Z")] {
///     let definition = Definition::new("ada".parse()?);
///     let backup = BackupRecord::new(id.parse()?, "op".parse()?, definition, time.parse()?);
///     catalog.put_backup(&backup, None).await?;
/// }
/// let (mut policy, now) = (RetentionPolicy::default(), SystemClock::default().now());
/// policy.last = 1;
/// let previewed = preview(catalog.as_ref(), None, &policy, now).await?;
/// assert_eq!(previewed.remove, ["older".parse()?]);
///
/// let orchestrator = LocalOrchestrator::builder(catalog.clone()).build();
/// let entropy = SystemEntropy::default();
/// let done = forget(&orchestrator, catalog.as_ref(), None, &policy, &previewed, now, &entropy).await?;
/// assert_eq!(done.deleted, previewed.remove);
/// # Ok(()) }
/// ```
///
/// # Errors
/// Whatever reading the catalog can meet.
pub async fn preview(
    catalog: &dyn Catalog,
    workspace: Option<&WorkspaceId>,
    policy: &RetentionPolicy,
    now: Timestamp,
) -> Result<Retention> {
    Ok(retain(&all(catalog, workspace).await?, policy, now))
}

/// Deletes what `previewed` said goes, oldest first, each as an operation of its own that is read back.
///
/// The policy is judged once more before each deletion: a backup that it keeps by now, or that somebody holds, stays
/// and is named; one that it would let go only now is left for the next preview. What is not of `workspace` is passed over.
/// A deletion that was left unfinished, by a lock for example, is taken up.
///
/// # Errors
/// Whatever reading the catalog can meet. What a deletion meets is in the answer and keeps no other one from going on.
pub async fn forget(
    orchestrator: &dyn Orchestrator,
    catalog: &dyn Catalog,
    workspace: Option<&WorkspaceId>,
    policy: &RetentionPolicy,
    previewed: &Retention,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Forgotten> {
    let mut forgotten = Forgotten::default();
    for id in previewed.remove.iter().rev() {
        let Some(stored) = catalog.backup(id).await? else { continue };
        // What is of another workspace was not asked about, and is as if it were not there.
        if workspace.is_some_and(|asked| *asked != stored.backup.workspace) {
            continue;
        }
        // A deletion takes its time, in which another backup may be lost by which this one was let go.
        let fresh = retain(&all(catalog, Some(&stored.backup.workspace)).await?, policy, now);
        if let Some(kept) = fresh.keep.iter().find(|kept| kept.id == *id) {
            forgotten.kept.push((id.clone(), kept.reasons.join("; ")));
            continue;
        }
        let half_gone = stored.backup.state == BackupState::Deleting;
        // What a deletion left unfinished is beyond any policy; everything else is judged here, or stays.
        if !half_gone && !fresh.remove.contains(id) {
            forgotten.kept.push((id.clone(), "no longer among what the policy lets go".into()));
            continue;
        }
        if stored.backup.held {
            forgotten.kept.push((id.clone(), "held".into()));
            continue;
        }
        let operation = OperationId::generate(entropy);
        let mut request = DeleteRequest::new(operation.clone(), id.clone(), stored.backup.workspace);
        request.creator = Some("retention".into());
        let ended = match orchestrator.submit(Request::Delete(request)).await {
            Ok(_) => orchestrator.wait(&operation).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(status) if status.operation.state == OperationState::Completed => {
                forgotten.deleted.push(id.clone());
            }
            Ok(status) => {
                let ended = status.operation;
                let error = ended.error.unwrap_or_else(|| {
                    let message = format!("the deletion ended {}", ended.state.as_str());
                    crate::error::Error::new(ErrorKind::Unexpected, message).record()
                });
                // Somebody held it between the look above and the deletion's own, or reads it. One that is still marked may
                // have lost something.
                match catalog.backup(id).await? {
                    Some(stored) if stored.backup.state == BackupState::Deleting => {
                        forgotten.failed.push((id.clone(), error));
                    }
                    Some(stored) if stored.backup.held => forgotten.kept.push((id.clone(), "held".into())),
                    Some(_) if error.kind == ErrorKind::Busy => {
                        forgotten.kept.push((id.clone(), error.message));
                    }
                    _ => forgotten.failed.push((id.clone(), error)),
                }
            }
            Err(error) if half_gone && error.kind() == ErrorKind::Busy => {
                forgotten.kept.push((id.clone(), "somebody else is deleting it".into()));
            }
            Err(error) => forgotten.failed.push((id.clone(), error.record())),
        }
    }
    Ok(forgotten)
}

async fn all(catalog: &dyn Catalog, workspace: Option<&WorkspaceId>) -> Result<Vec<BackupRecord>> {
    let mut query = BackupQuery { workspace: workspace.cloned(), ..BackupQuery::all() };
    let mut backups = Vec::new();
    loop {
        let page = catalog.backups(&query).await?;
        // What cannot be read stays, and takes nobody's place in the policy.
        page.warn_of_damage("backup");
        backups.extend(page.items.into_iter().map(|stored| stored.backup));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(backups),
        }
    }
}
