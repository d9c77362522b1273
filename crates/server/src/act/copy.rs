//! Copying backups to another place.

use std::time::Duration;

use serde::Deserialize;
use stillpoint_core::{CopyRequest, OperationId, OperationStatus, ProviderId, Request, Result, Settings};
use utoipa::ToSchema;

use super::bounds;
use crate::access::{Caller, Role};
use crate::plane::ControlPlane;

/// What a copy is asked for with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CopyOrder {
    /// The provider that makes the copy and keeps it; without it the one that keeps the backup.
    #[schema(value_type = Option<String>)]
    pub(crate) provider: Option<ProviderId>,
    /// Where the copy is to lie: a vault, an account, a region, as the provider names them.
    #[schema(value_type = Object)]
    pub(crate) destination: Settings,
    /// Keep the copy for so many seconds; without it for ever.
    #[serde(deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 1, maximum = 3162240000_u64)]
    pub(crate) retain_seconds: Option<u64>,
    /// Seconds from now to the deadline.
    #[serde(deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 1, maximum = 3162240000_u64)]
    pub(crate) timeout_seconds: Option<u64>,
    /// Preflight checks to waive, by name.
    pub(crate) waivers: Vec<String>,
}

impl CopyOrder {
    /// `request` with what the order says.
    fn applied_to(&self, mut request: CopyRequest) -> CopyRequest {
        request.destination.clone_from(&self.destination);
        request.provider.clone_from(&self.provider);
        request.retain = self.retain_seconds.map(Duration::from_secs);
        request.waivers.clone_from(&self.waivers);
        if let Some(seconds) = self.timeout_seconds {
            request.timeout = Duration::from_secs(seconds);
        }
        request
    }
}

impl ControlPlane {
    /// Begins a copy, or answers the operation of the same id. It may go to another account, so it is an administrator's.
    ///
    /// # Errors
    /// `PermissionDenied` below an administrator; `NotFound` where the caller may not see the backup; `Conflict` where the
    /// id is that of another request; whatever submitting can meet.
    pub(crate) async fn copy(
        &self,
        caller: &Caller,
        id: OperationId,
        backup: &str,
        order: &CopyOrder,
    ) -> Result<OperationStatus> {
        let done = async {
            caller.require(Role::Administrator)?;
            let (backup, workspace) = match self.repeated(caller, &id, backup).await? {
                Some(Request::Copy(begun)) => (begun.backup, begun.workspace),
                _ => self.backup(caller, backup).await.map(|found| (found.id, found.workspace))?,
            };
            let mut request = CopyRequest::new(id.clone(), backup, workspace, Settings::default());
            request.creator = Some(caller.name.clone());
            self.submit(Request::Copy(order.applied_to(request))).await
        };
        let done = done.await;
        self.noted(caller, "copy", backup, Some(&id), done).await
    }
}
