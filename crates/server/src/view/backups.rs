//! The list of backups, and one of them.

use serde::Deserialize;
use stillpoint_core::{
    BackupQuery, BackupRecord, BackupSort, BackupState, CatalogExt, Error, ErrorKind, Result, Timestamp,
    WorkspaceId,
};
use utoipa::IntoParams;

use super::page_limit;
use crate::access::Caller;
use crate::document::{BackupItem, BackupPage};
use crate::plane::ControlPlane;

/// The longest text that is searched for, in letters.
const SEARCH_CHARS_MAX: usize = 200;

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
    #[param(max_length = 200)]
    pub(crate) search: Option<String>,
    /// Only those that are held, or only those that are not.
    pub(crate) held: Option<bool>,
    /// Created at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) created_from: Option<Timestamp>,
    /// Created before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) created_before: Option<Timestamp>,
    /// What to sort by: `created`, `name`, `workspace`, `state`, `size` or `added`, upwards, or with `-` before it
    /// downwards; then by time and id. `-created` unless something else is said.
    #[param(pattern = "^-?(created|name|workspace|state|size|added)$")]
    pub(crate) sort: Option<String>,
    /// The oldest first, not the newest: the same as `sort=created`.
    pub(crate) oldest_first: bool,
    /// At most so many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

impl BackupFilter {
    /// What to ask the catalog for, so that `caller` sees nothing that it may not see; `None` where that is nothing.
    fn query(&self, caller: &Caller) -> Result<Option<BackupQuery>> {
        if self.search.as_ref().is_some_and(|text| text.chars().count() > SEARCH_CHARS_MAX) {
            let message = format!("search takes {SEARCH_CHARS_MAX} letters at the most");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        // No name has any, and a catalog would take the text before one for all of it.
        let given = [&self.search, &self.name, &self.environment];
        if given.into_iter().flatten().any(|text| text.contains(char::is_control)) {
            let message = "search, name and environment are text without control characters";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.environment.is_some() && !caller.sees(self.environment.as_deref()) {
            return Ok(None);
        }
        let mut query = BackupQuery::all();
        query.workspace.clone_from(&self.workspace);
        query.environment = caller.environment.clone().or_else(|| self.environment.clone());
        query.state = self.state;
        query.name.clone_from(&self.name);
        query.search.clone_from(&self.search);
        query.held = self.held;
        query.created_from = self.created_from;
        query.created_before = self.created_before;
        (query.sort, query.oldest_first) = self.order()?;
        query.limit = page_limit(self.limit)?;
        query.after.clone_from(&self.after);
        Ok(Some(query))
    }

    /// What to sort by, and whether upwards.
    fn order(&self) -> Result<(BackupSort, bool)> {
        match self.sort.as_deref().map(|sort| (sort, sort.strip_prefix('-'))) {
            None => Ok((BackupSort::Created, self.oldest_first)),
            Some(_) if self.oldest_first => Err(Error::new(
                ErrorKind::InvalidInput,
                "sort says the order already; leave oldest_first out",
            )),
            Some((_, Some(downwards))) => Ok((downwards.parse()?, false)),
            Some((upwards, None)) => Ok((upwards.parse()?, true)),
        }
    }
}

impl ControlPlane {
    /// One page of the backups that `caller` may see.
    ///
    /// # Errors
    /// `InvalidInput` for a limit or cursor that is none; whatever reading can meet.
    pub(crate) async fn backups(&self, caller: &Caller, filter: &BackupFilter) -> Result<BackupPage> {
        let Some(query) = filter.query(caller)? else { return Ok(BackupPage::default()) };
        let _turn = match query.search.is_some() {
            true => Some(self.heavy_turn().await?),
            false => None,
        };
        let page = self.catalog().backups(&query).await?;
        let mut backups: Vec<_> = page.items.iter().map(|stored| BackupItem::new(&stored.backup)).collect();
        for item in &mut backups {
            item.restored_from = caller.sees_origin(item.restored_from.take());
        }
        Ok(BackupPage { backups, next: page.next, damaged: page.damaged })
    }

    /// The backup that `text` names, as [`CatalogExt::resolve_at`] understands it. A caller that is bound to one
    /// environment names it among those of that one: what it may not see neither fits nor stands in the way.
    ///
    /// # Errors
    /// `NotFound` where there is none that `caller` may see; whatever reading can meet.
    pub(crate) async fn backup(&self, caller: &Caller, text: &str) -> Result<BackupRecord> {
        let mut found =
            self.catalog().resolve_at(caller.environment.as_deref(), text, self.clock().now()).await?;
        found.restored_from = caller.sees_origin(found.restored_from);
        Ok(found)
    }
}
