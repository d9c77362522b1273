//! Workspaces with their summary.

use stillpoint_core::{
    BackupQuery, BackupState, CatalogExt, Error, ErrorKind, PAGE_LIMIT_MAX, Result, WorkspaceId,
    WorkspaceRecord,
};

use super::backups::limit;
use super::{LOOK_AT, LOOKED_AT_MAX};
use crate::access::Caller;
use crate::document::{BackupItem, WorkspaceDetail, WorkspaceItem, WorkspacePage};
use crate::plane::ControlPlane;

impl ControlPlane {
    /// One page of the workspaces that `caller` may see, by id, after `after`.
    ///
    /// # Errors
    /// `InvalidInput` for a limit that is none; whatever reading can meet.
    pub(crate) async fn workspaces(
        &self,
        caller: &Caller,
        after: Option<&WorkspaceId>,
        asked: Option<usize>,
    ) -> Result<WorkspacePage> {
        let wanted = limit(asked)?;
        let mut answer = WorkspacePage::default();
        let mut last = after.cloned();
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
