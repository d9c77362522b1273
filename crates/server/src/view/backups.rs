//! The list of backups, and one of them.

use serde::Deserialize;
use stillpoint_core::{
    BackupQuery, BackupRecord, BackupState, CatalogExt, Error, ErrorKind, Result, Timestamp, WorkspaceId,
};
use utoipa::IntoParams;

use super::{LOOK_AT, LOOKED_AT_MAX, page_limit};
use crate::access::Caller;
use crate::document::{BackupItem, BackupPage};
use crate::plane::ControlPlane;

/// Which backups to list, newest first unless the oldest are wanted first. Every condition that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct BackupFilter {
    /// Of this workspace.
    #[param(value_type = Option<String>)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// Of workspaces in this environment.
    pub(crate) environment: Option<String>,
    /// In this state: `completed`, `partial`, `deleting` or `damaged`.
    #[param(value_type = Option<String>)]
    pub(crate) state: Option<BackupState>,
    /// With exactly this name.
    pub(crate) name: Option<String>,
    /// With this text in id, name, workspace, creator or software version, in small letters or capitals.
    pub(crate) search: Option<String>,
    /// Only those that are held, or only those that are not.
    pub(crate) held: Option<bool>,
    /// Created at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) created_from: Option<Timestamp>,
    /// Created before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) created_before: Option<Timestamp>,
    /// The oldest first, not the newest.
    pub(crate) oldest_first: bool,
    /// At most so many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

impl BackupFilter {
    fn query(&self) -> BackupQuery {
        let mut query = BackupQuery::all();
        query.workspace.clone_from(&self.workspace);
        query.state = self.state;
        query.name.clone_from(&self.name);
        query.created_from = self.created_from;
        query.created_before = self.created_before;
        query.oldest_first = self.oldest_first;
        query.after.clone_from(&self.after);
        query
    }

    /// Whether the catalog's own conditions are all there are for `caller`.
    fn is_plain(&self, caller: &Caller) -> bool {
        caller.environment.is_none()
            && self.environment.is_none()
            && self.search.is_none()
            && self.held.is_none()
    }

    /// Whether it fits, as far as the catalog cannot tell.
    fn fits(&self, backup: &BackupRecord) -> bool {
        let environment = backup.definition.environment.as_deref();
        let of_environment = self.environment.as_deref().is_none_or(|wanted| environment == Some(wanted));
        let searched = self.search.as_deref().map(str::to_lowercase);
        let contains =
            |text: Option<&str>, wanted: &str| text.is_some_and(|text| text.to_lowercase().contains(wanted));
        let found = searched.is_none_or(|wanted| {
            let texts = [
                Some(backup.id.as_str()),
                backup.name.as_deref(),
                Some(backup.workspace.as_str()),
                backup.creator.as_deref(),
                backup.definition.software_version.as_deref(),
            ];
            texts.into_iter().any(|text| contains(text, &wanted))
        });
        of_environment && found && self.held.is_none_or(|held| backup.held == held)
    }
}

impl ControlPlane {
    /// One page of the backups that `caller` may see.
    ///
    /// What the catalog itself cannot filter by is looked for in at most so many rows; the page then holds what was
    /// found and says where to go on.
    ///
    /// # Errors
    /// `InvalidInput` for a limit or cursor that is none; whatever reading can meet.
    pub(crate) async fn backups(&self, caller: &Caller, filter: &BackupFilter) -> Result<BackupPage> {
        let wanted = page_limit(filter.limit)?;
        let mut query = filter.query();
        if filter.is_plain(caller) {
            query.limit = wanted;
            let page = self.catalog().backups(&query).await?;
            let backups = page.items.iter().map(|stored| BackupItem::new(&stored.backup)).collect();
            return Ok(BackupPage { backups, next: page.next, damaged: page.damaged });
        }
        let mut answer = BackupPage::default();
        let mut looked_at = 0;
        while looked_at < LOOKED_AT_MAX {
            query.limit = LOOK_AT;
            let page = self.catalog().backups(&query).await?;
            // A row that cannot be read has no environment that would let a bound caller see it.
            if caller.environment.is_none() {
                answer.damaged.extend(page.damaged);
            }
            for (index, stored) in page.items.iter().enumerate() {
                let backup = &stored.backup;
                if !caller.sees(backup.definition.environment.as_deref()) || !filter.fits(backup) {
                    continue;
                }
                answer.backups.push(BackupItem::new(backup));
                if answer.backups.len() == wanted {
                    answer.next = self.cursor_after(query, index + 1).await?;
                    return Ok(answer);
                }
            }
            looked_at += page.items.len().max(1);
            answer.next.clone_from(&page.next);
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        Ok(answer)
    }

    /// Where to go on after the first `rows` of what `query` answers.
    async fn cursor_after(&self, mut query: BackupQuery, rows: usize) -> Result<Option<String>> {
        query.limit = rows;
        Ok(self.catalog().backups(&query).await?.next)
    }

    /// The backup that `text` names, as [`CatalogExt::resolve`] understands it.
    ///
    /// # Errors
    /// `NotFound` where there is none that `caller` may see; whatever reading can meet.
    pub(crate) async fn backup(&self, caller: &Caller, text: &str) -> Result<BackupRecord> {
        let found = match self.catalog().resolve(text).await {
            Ok(found) => found,
            // What stands in the way may be what a bound caller must not hear of.
            Err(error) if caller.environment.is_none() => return Err(error),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown(text)),
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                let message = format!("{text:?} names no backup; give the whole id");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            Err(error) => return Err(error),
        };
        let seen = caller.sees(found.definition.environment.as_deref());
        seen.then_some(found).ok_or_else(|| unknown(text))
    }
}

fn unknown(text: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no backup fits {text:?}; the list shows what there is"))
}
