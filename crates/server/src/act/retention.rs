//! Applying retention: previewed first, then done.

use std::collections::HashSet;
use std::time::Duration;

use serde::Deserialize;
use stillpoint_core::{
    BackupId, BackupQuery, Error, ErrorKind, Forgotten, Result, Retention, RetentionPolicy, WorkspaceId,
    forget, preview,
};
use utoipa::ToSchema;

use super::bounds;
use crate::access::{Caller, Role};
use crate::plane::ControlPlane;

/// Backups that one call removes at the most.
const REMOVED_MAX: usize = 1000;

/// What a policy is to be applied to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionOrder {
    /// The workspace; without it all of them.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 4096)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// The policy.
    #[serde(deserialize_with = "bounds::object")]
    pub(crate) policy: Rules,
    /// What the preview said goes; nothing else is deleted. Only for applying.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    pub(crate) remove: Vec<BackupId>,
}

/// Which backups are kept. Nothing that no rule keeps stays, unless it is held or the only good one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rules {
    /// The newest so many.
    #[serde(deserialize_with = "bounds::count")]
    #[schema(maximum = 1000000)]
    pub(crate) keep_last: u32,
    /// The newest of each of so many hours.
    #[serde(deserialize_with = "bounds::count")]
    #[schema(maximum = 1000000)]
    pub(crate) keep_hourly: u32,
    /// The newest of each of so many days.
    #[serde(deserialize_with = "bounds::count")]
    #[schema(maximum = 1000000)]
    pub(crate) keep_daily: u32,
    /// The newest of each of so many weeks.
    #[serde(deserialize_with = "bounds::count")]
    #[schema(maximum = 1000000)]
    pub(crate) keep_weekly: u32,
    /// The newest of each of so many months.
    #[serde(deserialize_with = "bounds::count")]
    #[schema(maximum = 1000000)]
    pub(crate) keep_monthly: u32,
    /// The newest of each of so many years.
    #[serde(deserialize_with = "bounds::count")]
    #[schema(maximum = 1000000)]
    pub(crate) keep_yearly: u32,
    /// Those that were made within so many seconds before the newest one.
    #[serde(deserialize_with = "bounds::any_seconds")]
    #[schema(maximum = 3162240000_u64)]
    pub(crate) keep_within_seconds: Option<u64>,
    /// Those with one of these names.
    pub(crate) keep_names: Vec<String>,
    /// At least so many good ones; without it one.
    #[serde(deserialize_with = "bounds::some_count")]
    #[schema(maximum = 1000000)]
    pub(crate) keep_good: Option<u32>,
    /// Those go whose own retention has ended.
    pub(crate) expired: bool,
}

impl Rules {
    fn policy(&self) -> RetentionPolicy {
        let mut policy = RetentionPolicy::default();
        policy.last = self.keep_last;
        policy.hourly = self.keep_hourly;
        policy.daily = self.keep_daily;
        policy.weekly = self.keep_weekly;
        policy.monthly = self.keep_monthly;
        policy.yearly = self.keep_yearly;
        policy.within = self.keep_within_seconds.map(Duration::from_secs);
        policy.names.clone_from(&self.keep_names);
        policy.good = self.keep_good.unwrap_or(policy.good);
        policy.expired = self.expired;
        policy
    }
}

impl ControlPlane {
    /// What a policy would do. Changes nothing.
    ///
    /// # Errors
    /// `PermissionDenied` where a caller that is bound to an environment names no workspace; `NotFound` where it may not
    /// see the workspace, or nobody knows it.
    pub(crate) async fn preview_retention(
        &self,
        caller: &Caller,
        order: &RetentionOrder,
    ) -> Result<Retention> {
        self.require_retention(caller, order.workspace.as_ref()).await?;
        let _turn = self.heavy_turn().await?;
        let policy = order.policy.policy();
        let (catalog, now) = (self.catalog().as_ref(), self.clock().now());
        let mut previewed = preview(catalog, order.workspace.as_ref(), &policy, now).await?;
        if caller.environment.is_some() {
            // Backups from a time when the workspace was in another environment are that one's.
            let seen = self.seen_of(caller, order.workspace.as_ref()).await?;
            previewed.keep.retain(|kept| seen.contains(&kept.id));
            previewed.remove.retain(|id| seen.contains(id));
        }
        let nothing = previewed.keep.is_empty() && previewed.remove.is_empty();
        self.refuse_unknown(caller, order.workspace.as_ref(), nothing).await?;
        Ok(previewed)
    }

    /// The backups of a workspace that `caller` may see.
    async fn seen_of(&self, caller: &Caller, workspace: Option<&WorkspaceId>) -> Result<HashSet<BackupId>> {
        let mut query = BackupQuery::all();
        query.workspace = workspace.cloned();
        query.environment.clone_from(&caller.environment);
        let mut seen = HashSet::new();
        loop {
            let page = self.catalog().backups(&query).await?;
            seen.extend(page.items.into_iter().map(|stored| stored.backup.id));
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(seen),
            }
        }
    }

    /// Deletes what a preview said goes, each as an operation of its own.
    ///
    /// # Errors
    /// `PermissionDenied` below an administrator; `InvalidInput` for more than a thousand at a time; otherwise as [`ControlPlane::preview_retention`].
    pub(crate) async fn apply_retention(&self, caller: &Caller, order: &RetentionOrder) -> Result<Forgotten> {
        let done = async {
            caller.require(Role::Administrator)?;
            self.require_retention(caller, order.workspace.as_ref()).await?;
            let mut previewed = Retention::default();
            if order.remove.len() > REMOVED_MAX {
                let message =
                    format!("{REMOVED_MAX} backups at the most are removed at a time; do it in parts");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            previewed.remove.clone_from(&order.remove);
            if caller.environment.is_some() {
                let seen = self.seen_of(caller, order.workspace.as_ref()).await?;
                previewed.remove.retain(|id| seen.contains(id));
            }
            let (catalog, orchestrator) = (self.catalog().as_ref(), self.orchestrator().as_ref());
            let (workspace, policy) = (order.workspace.as_ref(), order.policy.policy());
            let now = self.clock().now();
            forget(orchestrator, catalog, workspace, &policy, &previewed, now, self.entropy()).await
        };
        let done = done.await;
        let subject = order.workspace.as_ref().map_or("all workspaces", WorkspaceId::as_str);
        self.noted(caller, "retention-apply", subject, None, done).await
    }

    async fn require_retention(&self, caller: &Caller, workspace: Option<&WorkspaceId>) -> Result<()> {
        match workspace {
            Some(workspace) => self.require_workspace(caller, workspace).await,
            None => caller.require_all_environments(),
        }
    }
}
