//! Deleting a snapshot, and reading back what became of it.

use stillpoint_core::{DeleteState, Error, ErrorKind, Locked, OpContext, Result, Timestamp};

use super::super::AzureProvider;
use super::super::compute::Snapshot;
use super::super::names::PointName;
use super::super::tags;
use super::state_of;

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
        if let Some(kept) = immutable(&snapshot, cx.clock().now()) {
            return Ok(DeleteState::Locked { until: kept.until, reason: kept.reason });
        }
        match Snapshot::delete(self.connection(), id).await {
            Err(error)
                if error.kind() == ErrorKind::Busy
                    && snapshot.properties.disk_state.as_deref() == Some("ActiveSAS") =>
            {
                let reason = format!(
                    "somebody reads {id} by a shared access signature; revoke it (az snapshot revoke-access) or wait for its end"
                );
                return Ok(DeleteState::Stuck { reason });
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return state_of(error, "its resource group");
            }
            _ => {}
        }
        Ok(match Snapshot::known(self.connection(), id).await? {
            None => DeleteState::Gone,
            Some(_) => DeleteState::Pending,
        })
    }
}

/// The immutability policy that keeps a snapshot at `now`.
pub(super) fn immutable(snapshot: &Snapshot, now: Timestamp) -> Option<Locked> {
    let policy = snapshot.properties.immutability_policy.as_ref()?;
    let until = policy.holds_until(now)?;
    let kind = policy.kind.as_deref().unwrap_or("an unknown kind");
    let ends = until.map_or_else(String::new, |until| format!(" until {until}"));
    Some(Locked::new(until, format!("an immutability policy ({kind}) keeps the snapshot{ends}")))
}
