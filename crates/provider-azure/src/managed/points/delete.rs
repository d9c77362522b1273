//! Deleting a snapshot, and reading back what became of it.

use stillpoint_core::{DeleteState, Error, ErrorKind, OpContext, Result};

use super::super::AzureProvider;
use super::super::compute::Snapshot;
use super::super::names::PointName;
use super::super::tags;

impl AzureProvider {
    pub(in super::super) async fn delete_point(
        &self,
        cx: &OpContext,
        name: &PointName,
    ) -> Result<DeleteState> {
        let id = &name.0;
        let Some(snapshot) = Snapshot::known(self.connection(), id).await? else {
            return Ok(DeleteState::Gone);
        };
        if snapshot.is_deleting() {
            return Ok(DeleteState::Pending);
        }
        if tags::point_of_ours(id, &snapshot.tags).is_none() {
            let message = format!("{id} carries no mark of ours and is left alone");
            return Err(Error::new(ErrorKind::PermissionDenied, message).with("snapshot", id));
        }
        if let Some(policy) = &snapshot.properties.immutability_policy
            && let Some(until) = policy.holds_until(cx.clock().now())
        {
            let kind = policy.kind.as_deref().unwrap_or("an unknown kind");
            let ends = until.map_or_else(String::new, |until| format!(" until {until}"));
            let reason = format!("an immutability policy ({kind}) keeps the snapshot{ends}");
            return Ok(DeleteState::Locked { until, reason });
        }
        match Snapshot::delete(self.connection(), id).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return self.explain(name, &snapshot, error).await,
        }
        Ok(match Snapshot::known(self.connection(), id).await? {
            None => DeleteState::Gone,
            Some(_) => DeleteState::Pending,
        })
    }

    /// Why Azure refused to delete `name`.
    ///
    /// # Errors
    /// The refusal itself, where nothing keeps the snapshot.
    async fn explain(&self, name: &PointName, snapshot: &Snapshot, refusal: Error) -> Result<DeleteState> {
        let locked = |reason: String| Ok(DeleteState::Locked { until: None, reason });
        match (refusal.context("code"), refusal.kind()) {
            (Some("ScopeLocked"), _) => locked(format!(
                "a lock of its resource group, subscription or of itself keeps it; whoever locked it must lift the \
                 lock ({refusal})"
            )),
            (Some("RequestDisallowedByPolicy" | "DenyAssignmentAuthorizationFailed"), _) => {
                locked(format!("a policy or deny assignment keeps it; ask whoever owns that ({refusal})"))
            }
            (_, ErrorKind::Busy) if snapshot.properties.disk_state.as_deref() == Some("ActiveSAS") => {
                Ok(DeleteState::Stuck {
                    reason: format!(
                        "somebody reads {} by a shared access signature; revoke it (az snapshot revoke-access) or wait \
                     for its end",
                        name.0
                    ),
                })
            }
            // Something else is done with the snapshot: a copy, a restore.
            (_, ErrorKind::Busy) => Ok(DeleteState::Pending),
            _ => Err(refusal),
        }
    }
}
