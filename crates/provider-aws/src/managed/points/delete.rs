//! Deleting a recovery point, and reading back what became of it.

use stillpoint_core::{DeleteState, Error, ErrorKind, OpContext, Result};

use super::super::AwsProvider;
use super::super::clients::Clients;
use super::super::names::PointName;
use super::super::refusal::undone;
use super::PointState;
use super::locks::{explain, snapshot_lock};

impl AwsProvider {
    pub(in super::super) async fn delete_point(
        &self,
        _cx: &OpContext,
        name: &PointName,
    ) -> Result<DeleteState> {
        let clients = self.clients(&name.arn.region)?;
        let Some(state) = known(&clients, name).await? else { return Ok(DeleteState::Gone) };
        if state.status == "DELETING" {
            return Ok(DeleteState::Pending);
        }
        check_ours(&clients, name, &state).await?;
        if let Some(kept) = snapshot_lock(&clients, name).await? {
            return Ok(DeleteState::Locked { until: kept.until, reason: kept.reason });
        }
        let call = clients.backup.delete_recovery_point().backup_vault_name(&name.vault);
        let asked = call.recovery_point_arn(name.arn.to_string()).send().await;
        match asked.map_err(undone("DeleteRecoveryPoint")) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Something else is done with the point: a copy, a restore.
            Err(error) if error.kind() == ErrorKind::Busy => return Ok(DeleteState::Pending),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::PermissionDenied) => {
                return explain(&clients, name, &state, error).await;
            }
            Err(error) => return Err(error),
        }
        read_back(&clients, name).await
    }
}

async fn known(clients: &Clients, name: &PointName) -> Result<Option<PointState>> {
    match PointState::describe(clients, name).await {
        Ok(state) => Ok(Some(state)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses to change what is not proven to be ours.
pub(super) async fn check_ours(clients: &Clients, name: &PointName, state: &PointState) -> Result<()> {
    let ours = match name.tags(clients).await {
        Ok(tags) => state.is_ours(&tags),
        // Somebody deleted the snapshot, and its mark with it. What remains in the vault holds nothing any more.
        Err(error) if error.kind() == ErrorKind::NotFound => state.plan.is_none(),
        Err(error) => return Err(error),
    };
    if ours {
        return Ok(());
    }
    let message = format!("{} carries no mark of ours and is left alone", name.arn);
    Err(Error::new(ErrorKind::PermissionDenied, message).with("snapshot", &name.arn))
}

/// AWS answers success although it will not delete the point: where the role that made it is gone, the point turns
/// `EXPIRED` after a while and stays.
/// Source: the model of `DeleteRecoveryPoint`.
async fn read_back(clients: &Clients, name: &PointName) -> Result<DeleteState> {
    let Some(state) = known(clients, name).await? else { return Ok(DeleteState::Gone) };
    if state.status != "EXPIRED" {
        return Ok(DeleteState::Pending);
    }
    let role = state.role.as_deref().unwrap_or("that made it");
    let said = state.message.as_deref().unwrap_or("nothing more");
    let reason = format!(
        "AWS answered success and kept it as EXPIRED; bring back the role {role} with the right to delete \
         snapshots, or let whoever deletes use iam:CreateServiceLinkedRole, then delete it again (AWS says: {said})"
    );
    Ok(DeleteState::Stuck { reason })
}
