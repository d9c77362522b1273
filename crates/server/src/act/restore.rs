//! Restoring, and finding out what a restore would do.

use std::fmt::Debug;
use std::time::Duration;

use serde::Deserialize;
use stillpoint_core::{
    BackupRecord, ComponentId, Error, ErrorKind, Landing, OnFailure, OperationId, OperationStatus, Request,
    RestorePlan, RestoreRequest, Result, Settings, WorkspaceId,
};
use utoipa::ToSchema;

use super::bounds;
use super::operation::unknown_workspace;
use crate::access::{Caller, Role};
use crate::plane::ControlPlane;

/// What a restore is asked for with.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestoreOrder {
    /// The new workspace.
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    pub(crate) target: WorkspaceId,
    /// The environment of the new workspace; without it that of the old one.
    #[serde(default)]
    pub(crate) environment: Option<String>,
    /// Only these components; without them all. What a cloud keeps stays there, and the files beside it go anywhere.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(crate) components: Vec<ComponentId>,
    /// Only these paths; without them all.
    #[serde(default)]
    pub(crate) include: Vec<String>,
    /// How files meet what already stands at the target: `empty`, `side`, `merge` or `replace`.
    #[serde(default)]
    #[schema(value_type = Option<LandingWord>)]
    pub(crate) landing: Option<Landing>,
    /// The software version to run; without it the newest.
    #[serde(default)]
    pub(crate) software_version: Option<String>,
    /// Seconds from now to the deadline.
    #[serde(default, deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 1, maximum = 3162240000_u64)]
    pub(crate) timeout_seconds: Option<u64>,
    /// Preflight checks to waive, by name.
    #[serde(default)]
    pub(crate) waivers: Vec<String>,
    /// Accept a backup in which something is missing; so it is unless told otherwise.
    #[serde(default)]
    pub(crate) allow_partial: Option<bool>,
    /// Keep what a failed restore made, so that the same restore can go on from there.
    #[serde(default)]
    pub(crate) keep_on_failure: bool,
}

impl RestoreOrder {
    /// `request` with what the order says besides where it goes.
    fn applied_to(&self, mut request: RestoreRequest) -> RestoreRequest {
        request.components.clone_from(&self.components);
        request.include.clone_from(&self.include);
        request.landing = self.landing.unwrap_or_default();
        request.software_version.clone_from(&self.software_version);
        request.timeout = self.timeout_seconds.map(Duration::from_secs);
        request.waivers.clone_from(&self.waivers);
        request.allow_partial = self.allow_partial.unwrap_or(true);
        request.on_failure = if self.keep_on_failure { OnFailure::Keep } else { OnFailure::Discard };
        request
    }
}

/// What `order` asks for, where the restore `begun` is of a backup that is gone. Where it went is told by its target alone,
/// which may be a folder of that name.
fn asked_again(begun: RestoreRequest, order: &RestoreOrder) -> RestoreRequest {
    let mut request = order.applied_to(begun);
    let name = order.target.as_str();
    let same =
        request.target.as_str().strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    if !same {
        request.target = order.target.clone();
    }
    request
}

/// How files meet what already stands at the target.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes the words of `Landing`, which is not ours to describe")]
pub(crate) enum LandingWord {
    Empty,
    Side,
    Merge,
    Replace,
}

/// Where a restore goes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Routed {
    /// The new workspace.
    pub target: WorkspaceId,
    /// The registered provisioner that makes it.
    pub provisioner: String,
    /// What the provisioner needs to know.
    pub settings: Settings,
    /// Whether the host itself knows the target, catalogued or not.
    pub known: bool,
    /// The environment of a target that is known.
    pub environment: Option<String>,
}

impl Routed {
    /// To `target`, made by `provisioner` with `settings`.
    pub fn new(target: WorkspaceId, provisioner: impl Into<String>, settings: Settings) -> Self {
        Self { target, provisioner: provisioner.into(), settings, known: false, environment: None }
    }

    /// To a target that the host itself knows, in `environment`: only who may see that may restore there.
    #[must_use]
    pub fn to_known(mut self, environment: Option<String>) -> Self {
        (self.known, self.environment) = (true, environment);
        self
    }
}

/// Decides which provisioner makes a new workspace, and where: callers name workspaces, never places on the server.
///
/// ```
/// use stillpoint_core::*;
/// use stillpoint_server::{RestoreRoute, SameProvisioner};
///
/// let definition = Definition::new("ada".parse().unwrap());
/// let backup = BackupRecord::new("b-1".parse().unwrap(), "op".parse().unwrap(), definition, Timestamp::from_millis(0));
/// let routed = SameProvisioner::new("cloud").route(&backup, &"ada-2".parse().unwrap(), None).unwrap();
/// assert_eq!((routed.provisioner.as_str(), routed.target.as_str()), ("cloud", "ada-2"));
/// ```
pub trait RestoreRoute: Debug + Send + Sync + 'static {
    /// Where `backup` goes as `target` in `environment`.
    ///
    /// # Errors
    /// `InvalidInput` for a target that cannot be one; `Unsupported` where this host makes no such workspaces.
    fn route(&self, backup: &BackupRecord, target: &WorkspaceId, environment: Option<&str>)
    -> Result<Routed>;
}

/// One provisioner makes every new workspace. It is told the environment in its setting `environment`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SameProvisioner(String);

impl SameProvisioner {
    /// The provisioner registered as `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl RestoreRoute for SameProvisioner {
    fn route(&self, _: &BackupRecord, target: &WorkspaceId, environment: Option<&str>) -> Result<Routed> {
        let environment = environment.map(|name| ("environment".to_owned(), name.into()));
        Ok(Routed::new(target.clone(), &self.0, environment.into_iter().collect()))
    }
}

impl ControlPlane {
    /// Begins a restore, or answers the operation of the same id. It grants no roles: those of the old workspace are
    /// reported.
    ///
    /// # Errors
    /// `PermissionDenied` below an operator, for another environment than the caller's, and where a caller that is bound
    /// to one would land on what may be somebody else's; `NotFound` where the caller may not see the backup or the target;
    /// `Conflict` where the id is that of another request; whatever submitting can meet.
    pub(crate) async fn restore(
        &self,
        caller: &Caller,
        id: OperationId,
        backup: &str,
        order: &RestoreOrder,
    ) -> Result<OperationStatus> {
        let done = async {
            caller.require(Role::Operator)?;
            let backup = match self.repeated(caller, &id, backup).await? {
                Some(Request::Restore(begun)) => match self.catalog().backup(&begun.backup).await? {
                    Some(stored) => stored.backup,
                    // Its backup is gone by now; what is asked for is compared with what was begun all the same.
                    None => return self.submit(Request::Restore(asked_again(begun, order))).await,
                },
                _ => self.backup(caller, backup).await?,
            };
            let request = self.restore_request(caller, id.clone(), backup, order).await?;
            self.submit(Request::Restore(request)).await
        };
        let done = done.await;
        self.noted(caller, "restore", &format!("{backup} as {}", order.target), Some(&id), done).await
    }

    /// What a restore would do.
    ///
    /// # Errors
    /// As [`ControlPlane::restore`], without `Conflict`.
    pub(crate) async fn plan_restore(
        &self,
        caller: &Caller,
        backup: &str,
        order: &RestoreOrder,
    ) -> Result<RestorePlan> {
        caller.require(Role::Operator)?;
        let id = OperationId::generate(self.entropy());
        let backup = self.backup(caller, backup).await?;
        let request = self.restore_request(caller, id, backup, order).await?;
        let mut plan = self.orchestrator().plan_restore(&request).await?;
        plan.backup.restored_from = caller.sees_origin(plan.backup.restored_from);
        Ok(plan)
    }

    async fn restore_request(
        &self,
        caller: &Caller,
        id: OperationId,
        backup: BackupRecord,
        order: &RestoreOrder,
    ) -> Result<RestoreRequest> {
        let environment = order.environment.as_deref();
        if environment.is_some() && !caller.sees(environment) {
            let message = format!("the token {} is not for that environment", caller.token);
            return Err(Error::new(ErrorKind::PermissionDenied, message));
        }
        let route = self.restores().ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "this server makes no new workspaces; no provisioner is configured",
            )
        })?;
        let wanted =
            RestoreRequest::new(id, backup.id.clone(), order.target.clone(), "", Settings::default());
        let mut request = order.applied_to(wanted);
        let routed = route.route(&request.narrowed(backup)?, &order.target, environment)?;
        self.require_target(caller, order, &routed).await?;
        (request.target, request.provisioner, request.settings) =
            (routed.target, routed.provisioner, routed.settings);
        request.creator = Some(caller.name.clone());
        Ok(request)
    }

    /// Refuses a target that is another environment's, and a landing on what nobody can say whose it is.
    async fn require_target(&self, caller: &Caller, order: &RestoreOrder, routed: &Routed) -> Result<()> {
        if routed.known && !caller.sees(routed.environment.as_deref()) {
            return Err(unknown_workspace(caller, &order.target));
        }
        let mut owned = routed.known;
        for target in [&order.target, &routed.target] {
            if self.catalog().workspace(target).await?.is_some() {
                self.require_workspace(caller, target).await?;
                owned |= *target == routed.target;
            }
        }
        let lands_on_nothing = order.landing.unwrap_or_default() == Landing::Empty;
        if caller.environment.is_none() || owned || lands_on_nothing {
            return Ok(());
        }
        let message = format!(
            "the token {} is for one environment, and what stands at {} may be of another; restore to a new name",
            caller.token, order.target
        );
        Err(Error::new(ErrorKind::PermissionDenied, message))
    }
}
