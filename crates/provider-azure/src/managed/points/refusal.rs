//! What keeps a snapshot although it was asked to go.

use stillpoint_core::{DeleteState, Error, ErrorKind, Result};

/// What `refusal`, with which Azure answered a deletion, says of the snapshot, which `who` may hold beside itself: its
/// resource group, its account. A lock has no end that anybody could wait for.
///
/// # Errors
/// The refusal itself, where nothing keeps the snapshot.
pub(in super::super) fn state_of(refusal: Error, who: &str) -> Result<DeleteState> {
    let locked = |reason: String| Ok(DeleteState::Locked { until: None, reason });
    match (refusal.context("code"), refusal.kind()) {
        (_, ErrorKind::NotFound) => Ok(DeleteState::Gone),
        (Some("ScopeLocked"), _) => locked(format!(
            "a lock of {who}, its subscription or of itself keeps it; whoever locked it must lift the lock ({refusal})"
        )),
        (Some("RequestDisallowedByPolicy" | "DenyAssignmentAuthorizationFailed"), _) => {
            locked(format!("a policy or deny assignment keeps it; ask whoever owns that ({refusal})"))
        }
        (Some("LeaseIdMissing" | "SnapshotLeased"), _) => locked(format!(
            "somebody leases it, as Azure Backup does with the snapshots of its own restores ({refusal})"
        )),
        // Something else is done with it: a copy, a restore, a backup.
        (_, ErrorKind::Busy) => Ok(DeleteState::Pending),
        _ => Err(refusal),
    }
}
