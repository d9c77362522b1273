//! This host's backups and those of others, where the same path is a workspace of each (decision 45).

use std::path::Path;

use stillpoint_core::{BackupQuery, BackupRecord, BackupState, Catalog, Result, Timestamp, WorkspaceId};

use super::Session;

impl Session {
    /// The id of the directory `home`: that of this run's space, or its path.
    pub(crate) fn workspace_of(&self, home: &Path) -> String {
        match &self.settings.space {
            Some((user, space)) => format!("{user}/{space}"),
            None => home.display().to_string(),
        }
    }

    /// The other host that `backup` is of; `None` where it is this one's, or no host's.
    pub(crate) fn elsewhere<'a>(&self, backup: &'a BackupRecord) -> Option<&'a str> {
        backup.host().filter(|host| *host != self.settings.host)
    }

    /// What `text` means here, which is `found` wherever it lies: the latest one is this host's where it has any. Where it
    /// has none, that is said.
    pub(crate) async fn nearest(
        &self,
        catalog: &dyn Catalog,
        text: &str,
        found: BackupRecord,
    ) -> Result<BackupRecord> {
        let workspace = text.strip_suffix("@latest").map(WorkspaceId::new).transpose()?;
        let Some(host) = self.elsewhere(&found).filter(|_| text == "latest" || workspace.is_some()) else {
            return Ok(found);
        };
        if let Some(own) = self.newest_here(catalog, workspace, found.created_at).await? {
            if own.workspace == found.workspace && own.created_at < found.created_at {
                self.output.note(format_args!(
                    "backup {} of {} on the host {host}, of {}, is newer than this host's; name it by its id, or give \
                     --host {host}",
                    found.id, found.workspace, found.created_at
                ));
            }
            return Ok(own);
        }
        self.output.note(format_args!(
            "backup {} is of {} on the host {host}; this host, {}, has none there",
            found.id, found.workspace, self.settings.host
        ));
        Ok(found)
    }

    /// The newest completed backup up to a time that is not another host's; an original before its copies.
    pub(crate) async fn newest_here(
        &self,
        catalog: &dyn Catalog,
        workspace: Option<WorkspaceId>,
        until: Timestamp,
    ) -> Result<Option<BackupRecord>> {
        let mut query = BackupQuery::all();
        query.workspace = workspace;
        query.state = Some(BackupState::Completed);
        query.created_before = Some(Timestamp::from_millis(until.as_millis() + 1));
        loop {
            let page = catalog.backups(&query).await?;
            let backups = page.items.into_iter().map(|stored| stored.backup);
            let mut own: Vec<_> = backups.filter(|backup| self.elsewhere(backup).is_none()).collect();
            let newest = own.first().map(|backup| backup.created_at);
            let original =
                own.iter().position(|backup| backup.copy_of.is_none() && Some(backup.created_at) == newest);
            match (own.is_empty(), page.next) {
                (false, _) => return Ok(Some(own.swap_remove(original.unwrap_or_default()))),
                (true, Some(next)) => query.after = Some(next),
                (true, None) => return Ok(None),
            }
        }
    }
}
