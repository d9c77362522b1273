//! Deleting a snapshot, and reading back what became of it.

use stillpoint_core::{DeleteState, Error, ErrorKind, OpContext, Result};

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
        if let Some(policy) = &snapshot.properties.immutability_policy
            && let Some(until) = policy.holds_until(cx.clock().now())
        {
            let kind = policy.kind.as_deref().unwrap_or("an unknown kind");
            let ends = until.map_or_else(String::new, |until| format!(" until {until}"));
            let reason = format!("an immutability policy ({kind}) keeps the snapshot{ends}");
            return Ok(DeleteState::Locked { until, reason });
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
