//! When AWS deletes a recovery point by itself, changed.

use aws_sdk_backup::types::Lifecycle;
use stillpoint_core::{OpContext, Result, Timestamp};

use super::super::AwsProvider;
use super::super::backup::retention_days;
use super::super::names::PointName;
use super::super::refusal::undone;
use super::PointState;
use super::delete::check_ours;

/// What AWS calls a retention without an end.
/// Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Lifecycle.html>.
const FOR_EVER: i64 = -1;

impl AwsProvider {
    pub(in super::super) async fn keep_point(
        &self,
        cx: &OpContext,
        name: &PointName,
        until: Option<Timestamp>,
    ) -> Result<()> {
        let clients = self.clients(&name.arn.region)?;
        let state = PointState::describe(&clients, name).await?;
        if until.is_none() && state.delete_at.is_none() {
            return Ok(());
        }
        check_ours(&clients, name, &state).await?;
        let created = state.created.unwrap_or_else(|| cx.clock().now());
        let days = until.map_or(FOR_EVER, |until| retention_days(until.since(created)));
        let call = clients.backup.update_recovery_point_lifecycle().backup_vault_name(&name.vault);
        let call = call.recovery_point_arn(name.arn.to_string());
        let call = call.lifecycle(Lifecycle::builder().delete_after_days(days).build());
        call.send().await.map_err(undone("UpdateRecoveryPointLifecycle")).map(drop)
    }
}
