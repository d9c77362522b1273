//! Workspaces with their summary.

use serde::Deserialize;
use stillpoint_core::{
    BackupQuery, BackupState, CatalogExt, Error, ErrorKind, OperationQuery, OperationRecord, PAGE_LIMIT_MAX,
    Request, Result, StoredOperation, WorkspaceId, WorkspaceRecord,
};
use utoipa::IntoParams;

use super::{LOOK_AT, page_limit};
use crate::access::Caller;
use crate::document::{BackupItem, WorkspaceDetail, WorkspaceItem, WorkspacePage};
use crate::plane::ControlPlane;

/// Pages of a workspace's newest operations in which its last backup is looked for. Retention may have deleted many
/// backups since, each by an operation of its own.
const PAGES_LOOKED_AT: usize = 20;
const PAGE: usize = 50;

/// Which workspaces to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct WorkspaceFilter {
    /// At most so many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    pub(crate) after: Option<WorkspaceId>,
}

impl ControlPlane {
    /// One page of the workspaces that `caller` may see, by id.
    ///
    /// # Errors
    /// `InvalidInput` for a limit that is none; whatever reading can meet.
    pub(crate) async fn workspaces(
        &self,
        caller: &Caller,
        filter: &WorkspaceFilter,
    ) -> Result<WorkspacePage> {
        let wanted = page_limit(filter.limit)?;
        let mut answer = WorkspacePage::default();
        let mut after = filter.after.clone();
        let rows = if caller.environment.is_none() { (wanted + 1).min(PAGE_LIMIT_MAX) } else { LOOK_AT };
        loop {
            let found = self.catalog().workspaces(after.as_ref(), rows).await?;
            // What cannot be read tells no environment that it would belong to.
            if caller.environment.is_none() {
                answer.damaged.extend(found.damaged);
            }
            for record in &found.items {
                if !caller.sees(record.definition.environment.as_deref()) {
                    continue;
                }
                if answer.workspaces.len() == wanted {
                    answer.next = answer.workspaces.last().map(|last| last.id.to_string());
                    return Ok(answer);
                }
                answer.workspaces.push(self.summary(caller, record).await?);
            }
            match found.next {
                Some(next) => after = Some(next.parse()?),
                None => return Ok(answer),
            }
        }
    }

    /// One workspace.
    ///
    /// # Errors
    /// `NotFound` where there is none that `caller` may see.
    pub(crate) async fn workspace(&self, caller: &Caller, id: &WorkspaceId) -> Result<WorkspaceDetail> {
        let record = self.known_workspace(caller, id).await?;
        Ok(WorkspaceDetail::new(self.summary(caller, &record).await?, &record))
    }

    /// What is catalogued of a workspace.
    ///
    /// # Errors
    /// `NotFound` where there is none that `caller` may see.
    pub(crate) async fn known_workspace(&self, caller: &Caller, id: &WorkspaceId) -> Result<WorkspaceRecord> {
        let known = self.catalog().workspace(id).await?;
        let seen = known.filter(|known| caller.sees(known.definition.environment.as_deref()));
        seen.ok_or_else(|| {
            let message = format!(
                "no workspace {id} is catalogued; the list of workspaces shows what there is, and a backup of it makes it \
                 known"
            );
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// Refuses an answer that holds `nothing` where that is so because nobody knows the workspace that was asked for.
    ///
    /// # Errors
    /// `NotFound`, as [`ControlPlane::known_workspace`].
    pub(crate) async fn refuse_unknown(
        &self,
        caller: &Caller,
        workspace: Option<&WorkspaceId>,
        nothing: bool,
    ) -> Result<()> {
        match workspace {
            Some(id) if nothing => self.known_workspace(caller, id).await.map(drop),
            _ => Ok(()),
        }
    }

    /// The backup of a workspace that was begun last, among its newest thousand operations.
    async fn last_backup(&self, id: &WorkspaceId) -> Result<Option<OperationRecord>> {
        let mut newest = OperationQuery::all();
        (newest.workspace, newest.limit) = (Some(id.clone()), PAGE);
        let is_backup = |stored: &StoredOperation| matches!(stored.operation.request, Request::Backup(_));
        for _ in 0..PAGES_LOOKED_AT {
            let page = self.catalog().operations(&newest).await?;
            if let Some(found) = page.items.into_iter().find(is_backup) {
                return Ok(Some(found.operation));
            }
            match page.next {
                Some(next) => newest.after = Some(next),
                None => break,
            }
        }
        Ok(None)
    }

    /// How well a workspace is protected, by the backups of it that `caller` may see.
    async fn summary(&self, caller: &Caller, record: &WorkspaceRecord) -> Result<WorkspaceItem> {
        let (id, environment) = (&record.definition.id, caller.environment.as_deref());
        let last_good = self.catalog().latest_good_within(environment, Some(id)).await?;
        let mut last_good = last_good.map(|backup| BackupItem::new(&backup));
        if let Some(backup) = &mut last_good {
            backup.restored_from = caller.sees_origin(backup.restored_from.take());
        }
        let mut available = 0;
        for state in [BackupState::Completed, BackupState::Partial] {
            let mut query = BackupQuery::of_workspace(id.clone());
            (query.environment, query.state) = (caller.environment.clone(), Some(state));
            available += self.catalog().count_backups(&query).await?;
        }
        let last = self.last_backup(id).await?;
        let now = self.clock().now();
        Ok(WorkspaceItem {
            id: id.clone(),
            environment: record.definition.environment.clone(),
            software_version: record.definition.software_version.clone(),
            seen_at: Some(record.seen_at),
            restored_from: caller.sees_origin(record.origin.clone()),
            last_good_age_seconds: last_good.as_ref().map(|backup| now.since(backup.created_at).as_secs()),
            last_good,
            last_backup_state: last.as_ref().map(|last| last.state),
            last_backup_operation: last.as_ref().map(|last| last.id.to_string()),
            last_backup_at: last.as_ref().map(|last| last.started_at),
            available,
            next_run: self.next_run_of(id).await?,
        })
    }
}
