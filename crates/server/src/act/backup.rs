//! Backing up, and finding out what a backup would do.

use std::time::Duration;

use serde::Deserialize;
use stillpoint_core::{
    BackupRequest, Error, ErrorKind, OnDeadline, OperationId, OperationStatus, Plan, Request, Result,
    WhenBusy, WorkspaceId,
};
use utoipa::ToSchema;

use super::bounds;
use crate::access::{Caller, Role};
use crate::plane::ControlPlane;

/// The longest id of an operation that a caller may choose, in bytes.
const KEY_BYTES_MAX: usize = 200;

/// What a backup is asked for with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BackupOrder {
    /// A name for people.
    pub(crate) name: Option<String>,
    /// Seconds from now to the deadline; without it the forecast decides.
    #[serde(deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 1, maximum = 3162240000_u64)]
    pub(crate) timeout_seconds: Option<u64>,
    /// The longest time without progress, in seconds.
    #[serde(deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 1, maximum = 3162240000_u64)]
    pub(crate) stall_timeout_seconds: Option<u64>,
    /// The longest time that services are held still, in seconds; without it until the deadline.
    #[serde(deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 1, maximum = 3162240000_u64)]
    pub(crate) hold_at_most_seconds: Option<u64>,
    /// What to do when a clock runs out: `detach`, `cancel` or `extend`.
    #[schema(value_type = Option<String>)]
    pub(crate) on_deadline: Option<OnDeadline>,
    /// Keep it for so many seconds; without it for ever.
    #[serde(deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 1, maximum = 3162240000_u64)]
    pub(crate) retain_seconds: Option<u64>,
    /// Preflight checks to waive, by name.
    pub(crate) waivers: Vec<String>,
    /// What to do when the workspace is busy: `refuse`, `attach` or `resume`; in a schedule `queue` too.
    #[schema(value_type = Option<String>)]
    pub(crate) when_busy: Option<WhenBusy>,
}

impl BackupOrder {
    pub(super) fn request(&self, id: OperationId, workspace: WorkspaceId, caller: &Caller) -> BackupRequest {
        let mut request = BackupRequest::new(id, workspace);
        request.name.clone_from(&self.name);
        request.creator = Some(caller.name.clone());
        request.timeout = self.timeout_seconds.map(Duration::from_secs);
        request.stall_timeout = self.stall_timeout_seconds.map(Duration::from_secs);
        request.hold_at_most = self.hold_at_most_seconds.map(Duration::from_secs);
        request.on_deadline = self.on_deadline.unwrap_or_default();
        request.retain = self.retain_seconds.map(Duration::from_secs);
        request.waivers.clone_from(&self.waivers);
        request.when_busy = self.when_busy.unwrap_or_default();
        request
    }
}

/// The operation that a caller named by its idempotency key, or a fresh one.
///
/// # Errors
/// `InvalidInput` for a key that cannot be an id.
pub(crate) fn operation_id(plane: &ControlPlane, key: Option<&str>) -> Result<OperationId> {
    match key {
        None => Ok(OperationId::generate(plane.entropy())),
        Some(key) if key.len() <= KEY_BYTES_MAX => OperationId::new(key),
        Some(_) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("an idempotency key has at most {KEY_BYTES_MAX} bytes"),
        )),
    }
}

impl ControlPlane {
    /// Begins a backup, or answers the operation of the same id.
    ///
    /// # Errors
    /// `PermissionDenied` below an operator; `NotFound` where the caller may not see the workspace; `Conflict` where the
    /// id is that of another request; `InvalidInput` for a backup that would wait in line until the workspace is free;
    /// whatever submitting can meet.
    pub(crate) async fn back_up(
        &self,
        caller: &Caller,
        id: OperationId,
        workspace: &WorkspaceId,
        order: &BackupOrder,
    ) -> Result<OperationStatus> {
        let done = async {
            caller.require(Role::Operator)?;
            self.require_workspace(caller, workspace).await?;
            if order.when_busy == Some(WhenBusy::Queue) {
                let message = "nothing is stored of a backup that waits in line, so a server lets none wait; say `attach` \
                               or `resume`, or let a schedule wait";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            let request = order.request(id.clone(), workspace.clone(), caller);
            // A host may know what nobody has catalogued yet; a plan tells, and nothing is stored of a wrong name.
            if self.catalog().workspace(workspace).await?.is_none() {
                self.planned(caller, &request).await?;
            }
            self.submit(Request::Backup(request)).await
        };
        let done = done.await;
        self.noted(caller, "back-up", workspace.as_str(), Some(&id), done).await
    }

    /// What a backup would do.
    ///
    /// # Errors
    /// As [`ControlPlane::back_up`], without `Conflict`.
    pub(crate) async fn plan_backup(
        &self,
        caller: &Caller,
        workspace: &WorkspaceId,
        order: &BackupOrder,
    ) -> Result<Plan> {
        caller.require(Role::Operator)?;
        self.require_workspace(caller, workspace).await?;
        let id = OperationId::generate(self.entropy());
        self.planned(caller, &order.request(id, workspace.clone(), caller)).await
    }

    /// The plan of `request`, or that nobody knows its workspace.
    async fn planned(&self, caller: &Caller, request: &BackupRequest) -> Result<Plan> {
        let planned = self.orchestrator().plan(request).await;
        if planned.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            self.known_workspace(caller, &request.workspace).await?;
        }
        planned
    }
}
