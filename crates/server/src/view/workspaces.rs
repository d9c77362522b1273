//! Workspaces with their summary.

use serde::Deserialize;
use stillpoint_core::{
    BackupQuery, BackupState, CatalogExt, Error, ErrorKind, PAGE_LIMIT_MAX, Result, WorkspaceId,
    WorkspaceRecord,
};
use utoipa::IntoParams;

use super::{LOOK_AT, LOOKED_AT_MAX, page_limit};
use crate::access::Caller;
use crate::document::{BackupItem, WorkspaceDetail, WorkspaceItem, WorkspacePage};
use crate::plane::ControlPlane;

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
        let mut last = filter.after.clone();
        let mut looked_at = 0;
        while looked_at < LOOKED_AT_MAX {
            let rows = if caller.environment.is_none() { wanted } else { LOOK_AT };
            let found = self.catalog().workspaces(last.as_ref(), rows).await?;
            for record in &found {
                if answer.workspaces.len() == wanted {
                    answer.next = last.map(String::from);
                    return Ok(answer);
                }
                last = Some(record.definition.id.clone());
                if caller.sees(record.definition.environment.as_deref()) {
                    answer.workspaces.push(self.summary(record).await?);
                }
            }
            looked_at += found.len().max(1);
            if found.len() < rows {
                return Ok(answer);
            }
            if answer.workspaces.len() == wanted {
                break;
            }
        }
        answer.next = last.map(String::from);
        Ok(answer)
    }

    /// One workspace.
    ///
    /// # Errors
    /// `NotFound` where there is none that `caller` may see.
    pub(crate) async fn workspace(&self, caller: &Caller, id: &WorkspaceId) -> Result<WorkspaceDetail> {
        let record = self.known_workspace(caller, id).await?;
        Ok(WorkspaceDetail::new(self.summary(&record).await?, &record))
    }

    /// What is catalogued of a workspace.
    ///
    /// # Errors
    /// `NotFound` where there is none that `caller` may see.
    pub(crate) async fn known_workspace(&self, caller: &Caller, id: &WorkspaceId) -> Result<WorkspaceRecord> {
        let known = self.catalog().workspace(id).await?;
        let seen = known.filter(|known| caller.sees(known.definition.environment.as_deref()));
        seen.ok_or_else(|| {
            let message = format!("no workspace {id} is catalogued; a backup of it makes it known");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    async fn summary(&self, record: &WorkspaceRecord) -> Result<WorkspaceItem> {
        let id = &record.definition.id;
        let last_good = self.catalog().latest_good(Some(id)).await?.map(|backup| BackupItem::new(&backup));
        let mut query = BackupQuery::of_workspace(id.clone());
        query.limit = PAGE_LIMIT_MAX;
        let page = self.catalog().backups(&query).await?;
        let available = page
            .items
            .iter()
            .filter(|stored| matches!(stored.backup.state, BackupState::Completed | BackupState::Partial));
        let now = self.clock().now();
        Ok(WorkspaceItem {
            id: id.clone(),
            environment: record.definition.environment.clone(),
            software_version: record.definition.software_version.clone(),
            seen_at: Some(record.seen_at),
            last_good_age_seconds: last_good.as_ref().map(|backup| now.since(backup.created_at).as_secs()),
            last_good,
            available: available.count() as u64,
            available_is_least: page.next.is_some(),
            next_run: self.next_run_of(id).await?,
        })
    }
}
