//! What every catalog can answer by means of its required methods.

use async_trait::async_trait;

use crate::catalog::{
    BackupQuery, BackupRecord, BackupState, Catalog, Lease, OperationChange, PAGE_LIMIT_MAX, Page,
    StoredBackup,
};
use crate::clock::{SKEW_MAX, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::id::WorkspaceId;

/// Copies that a backup may have without hiding it; each has its original's time.
const SAME_TIME_MAX: usize = 16;
/// What is said where nothing is completed: one that is not whole is taken only where somebody names it.
const PARTIAL: &str = "one that is partial is named by its id";

/// Conveniences for users of a [`Catalog`]; implemented for each one.
#[async_trait]
pub trait CatalogExt: Catalog {
    /// The newest completed backup of `workspace`, or of all workspaces. Never a partial or damaged one, and a copy only
    /// where its original is gone. One whose row cannot be read is logged and passed over.
    ///
    /// # Errors
    /// Whatever reading can meet; none is `None`.
    async fn latest_good(&self, workspace: Option<&WorkspaceId>) -> Result<Option<BackupRecord>> {
        self.latest_good_within(None, workspace).await
    }

    /// As [`CatalogExt::latest_good`], of the backups of `environment` alone where one is named.
    ///
    /// # Errors
    /// Whatever reading can meet; none is `None`.
    async fn latest_good_within(
        &self,
        environment: Option<&str>,
        workspace: Option<&WorkspaceId>,
    ) -> Result<Option<BackupRecord>> {
        self.newest_completed(BackupQuery {
            environment: environment.map(str::to_owned),
            workspace: workspace.cloned(),
            ..BackupQuery::all()
        })
        .await
    }

    /// As [`CatalogExt::latest_good`], of the backups of `workspace` that were begun before a time.
    ///
    /// # Errors
    /// Whatever reading can meet; none is `None`.
    async fn latest_good_before(
        &self,
        workspace: &WorkspaceId,
        before: Timestamp,
    ) -> Result<Option<BackupRecord>> {
        let created_before = Some(before);
        self.newest_completed(BackupQuery { created_before, ..BackupQuery::of_workspace(workspace.clone()) })
            .await
    }

    /// The newest completed one of those that `query` is about; an original before its copies.
    ///
    /// # Errors
    /// Whatever reading can meet; none is `None`.
    async fn newest_completed(&self, query: BackupQuery) -> Result<Option<BackupRecord>> {
        let mut query = BackupQuery { state: Some(BackupState::Completed), limit: SAME_TIME_MAX, ..query };
        let mut page = self.backups(&query).await?;
        page.warn_of_damage("backup");
        // Where none of the newest can be read, an older one is the best there is.
        while let (true, Some(next)) = (page.items.is_empty(), page.next.take()) {
            (query.after, query.limit) = (Some(next), PAGE_LIMIT_MAX);
            page = self.backups(&query).await?;
            page.warn_of_damage("backup");
        }
        let mut found: Vec<_> = page.items.into_iter().map(|stored| stored.backup).collect();
        let newest = found.first().map(|backup| backup.created_at);
        found.retain(|backup| Some(backup.created_at) == newest);
        let original = found.iter().position(|backup| backup.copy_of.is_none()).unwrap_or_default();
        Ok((!found.is_empty()).then(|| found.swap_remove(original)))
    }

    /// Whether a step was committed whose reply was lost ([`Effect::MaybeApplied`](crate::Effect)): the operation
    /// stands where the step left it, and its ledger ends with the step's lines.
    ///
    /// # Errors
    /// `Conflict` once the operation was taken over; whatever reading can meet.
    async fn was_committed(&self, lease: &Lease, change: &OperationChange<'_>) -> Result<bool> {
        let stored = self.operation(&lease.operation).await?;
        let Some(stored) = stored.filter(|stored| stored.lease.epoch == lease.epoch) else {
            let message = format!("operation {} was taken over by another process", lease.operation);
            return Err(Error::new(ErrorKind::Conflict, message));
        };
        Ok(stored.operation == *change.operation
            && self.ledger(&lease.operation).await?.ends_with(change.ledger))
    }

    /// The backup that `text` names: an id, a unique id prefix, `latest`, `WORKSPACE@latest`,
    /// `WORKSPACE@TIMESTAMP`, or a timestamp that only one backup has.
    ///
    /// # Errors
    /// `NotFound` where nothing fits, `InvalidInput` where several do; the message lists them. `Corrupt` where what fits
    /// cannot be read.
    async fn resolve(&self, text: &str) -> Result<BackupRecord> {
        self.resolve_within(None, text).await
    }

    /// As [`CatalogExt::resolve`], among the backups of `environment` alone where one is named: others are neither found
    /// nor stand in the way.
    ///
    /// # Errors
    /// As [`CatalogExt::resolve`].
    async fn resolve_within(&self, environment: Option<&str>, text: &str) -> Result<BackupRecord> {
        self.resolve_at(environment, text, Timestamp::from_millis(i64::MAX)).await
    }

    /// As [`CatalogExt::resolve_within`], at the time `now`: a backup that a clock which was ahead has dated to a time that
    /// has not come yet is `latest` only where there is no other.
    ///
    /// # Errors
    /// As [`CatalogExt::resolve`].
    async fn resolve_at(
        &self,
        environment: Option<&str>,
        text: &str,
        now: Timestamp,
    ) -> Result<BackupRecord> {
        let latest = async |workspace: Option<&WorkspaceId>| {
            let all = BackupQuery {
                environment: environment.map(str::to_owned),
                workspace: workspace.cloned(),
                ..BackupQuery::all()
            };
            let believable = BackupQuery { created_before: Some(now.after(SKEW_MAX)), ..all.clone() };
            match self.newest_completed(believable).await? {
                Some(found) => Ok(Some(found)),
                None => self.newest_completed(all).await,
            }
        };
        let within =
            |query: BackupQuery| BackupQuery { environment: environment.map(str::to_owned), ..query };
        if text == "latest" {
            let found: Result<_> = latest(None).await;
            return found?.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("there is no completed backup yet; {PARTIAL}"))
            });
        }
        if let Some((workspace, point)) = text.rsplit_once('@') {
            let workspace = WorkspaceId::new(workspace)?;
            if point == "latest" {
                let found: Result<_> = latest(Some(&workspace)).await;
                return found?.ok_or_else(|| {
                    Error::new(
                        ErrorKind::NotFound,
                        format!("workspace {workspace} has no completed backup; {PARTIAL}"),
                    )
                });
            }
            let query = at(point.parse()?, within(BackupQuery::of_workspace(workspace)));
            return one(text, of_time(self.backups(&query).await?));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            let query = at(time, within(BackupQuery::all()));
            return one(text, of_time(self.backups(&query).await?));
        }
        let query = BackupQuery { id_prefix: Some(text.to_owned()), limit: 20, ..within(BackupQuery::all()) };
        match self.backup(&text.parse()?).await {
            Ok(Some(exact))
                if environment.is_none() || exact.backup.definition.environment.as_deref() == environment =>
            {
                Ok(exact.backup)
            }
            // What cannot be read may be another environment's.
            Err(error)
                if environment.is_none()
                    || !matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::InvalidConfig) =>
            {
                Err(error)
            }
            _ => one(text, self.backups(&query).await?),
        }
    }
}

impl<C: Catalog + ?Sized> CatalogExt for C {}

/// Restricts a query to the second of `time`, or to its millisecond where it names one.
fn at(time: Timestamp, query: BackupQuery) -> BackupQuery {
    let width = if time.as_millis() % 1000 == 0 { 1000 } else { 1 };
    let end = Timestamp::from_millis(time.as_millis() + width);
    BackupQuery { created_from: Some(time), created_before: Some(end), limit: 20, ..query }
}

/// What a time fits; a copy has its original's and gives way to it.
fn of_time(mut found: Page<StoredBackup>) -> Page<StoredBackup> {
    if found.items.iter().any(|stored| stored.backup.copy_of.is_none()) {
        found.items.retain(|stored| stored.backup.copy_of.is_none());
    }
    found
}

/// The only one that fits. One that cannot be read may be the one that is meant, so it counts.
fn one(text: &str, mut found: Page<StoredBackup>) -> Result<BackupRecord> {
    match (found.items.pop(), found.items.is_empty(), found.damaged.first()) {
        (Some(only), true, None) => Ok(only.backup),
        (None, _, None) => Err(Error::new(
            ErrorKind::NotFound,
            format!("no backup fits {text:?}; the catalog's list shows what there is"),
        )),
        (None, _, Some(row)) if found.damaged.len() == 1 => {
            Err(Error::new(row.error.kind, format!("backup {}: {}", row.id, row.error)))
        }
        (last, ..) => {
            let damaged = &found.damaged;
            let found = found.items.iter().chain(&last).map(|stored| &stored.backup);
            let mut list: Vec<_> =
                found.map(|backup| format!("{} ({})", backup.id, backup.created_at)).collect();
            list.extend(damaged.iter().map(|row| format!("{} (cannot be read)", row.id)));
            Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{text:?} is ambiguous: it fits {}", list.join(", ")),
            ))
        }
    }
}
