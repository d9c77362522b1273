//! Holding a backup: it stays whatever the retention says, also where a provider would let it end by itself.

use std::sync::Arc;

use crate::catalog::{BackupRecord, BackupState, Catalog};
use crate::clock::Timestamp;
use crate::context::OpContext;
use crate::error::{Error, ErrorKind, Result};
use crate::id::BackupId;
use crate::provider::Provider;

/// Holds `backup`, or lets it go again, and answers its record.
///
/// The providers and the records beside the data learn of a hold before the catalog does, and of its end after it. So
/// nothing that the catalog calls held ends by itself, or is no longer held once the catalog is rebuilt, wherever this is
/// cut off; the same again goes on from there. A backup that is let go ends when its own retention does, which may be at
/// once.
///
/// ```
/// use stillpoint_core::memory::MemoryCatalog;
/// use stillpoint_core::*;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let catalog = MemoryCatalog::new();
/// let definition = Definition::new("ada".parse()?);
/// let backup = BackupRecord::new("b-1".parse()?, "op".parse()?, definition, Timestamp::from_millis(0));
/// catalog.put_backup(&backup, None).await?;
///
/// assert!(hold(&OpContext::background(), &catalog, &[], &backup.id, true).await?.held);
/// let stored = catalog.backup(&backup.id).await?.map(|stored| stored.backup.held);
/// assert_eq!(stored, Some(true));
/// # Ok(()) }
/// ```
///
/// # Errors
/// `NotFound` where the catalog has no such backup, or a snapshot of it does not exist; `InvalidConfig` where one of its
/// providers is not among `providers`; `Conflict` where it is to be held and is being deleted, or
/// somebody else changed it meanwhile; whatever a provider refuses.
pub async fn hold(
    cx: &OpContext,
    catalog: &dyn Catalog,
    providers: &[Arc<dyn Provider>],
    backup: &BackupId,
    held: bool,
) -> Result<BackupRecord> {
    let stored = catalog
        .backup(backup)
        .await?
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("backup {backup} is not in the catalog")))?;
    let was_held = stored.backup.held;
    let mut record = stored.backup;
    if held && record.state == BackupState::Deleting {
        return Err(too_late(backup));
    }
    record.held = held;
    if held {
        // The providers first: a hold that one of them refuses is noted nowhere.
        keep(cx, providers, &record, None).await?;
        if !write_record(cx, catalog, providers, &record).await? {
            return Err(too_late(backup));
        }
    }
    if was_held != held {
        catalog.put_backup(&record, Some(stored.revision)).await?;
        if held {
            // Somebody who was still letting it go may have told the providers so since.
            keep(cx, providers, &record, None).await?;
            write_record(cx, catalog, providers, &record).await?;
        }
    }
    if !held {
        write_record(cx, catalog, providers, &record).await?;
        keep(cx, providers, &record, record.expires_at).await?;
        // Somebody may have held it since the catalog let it go, and have told the providers before they were told this.
        if let Some(again) = catalog.backup(backup).await?.filter(|stored| stored.backup.held) {
            keep(cx, providers, &again.backup, None).await?;
            write_record(cx, catalog, providers, &again.backup).await?;
        }
    }
    Ok(record)
}

fn too_late(backup: &BackupId) -> Error {
    let message = format!("backup {backup} is being deleted, which nothing holds up any more");
    Error::new(ErrorKind::Conflict, message)
}

/// Writes `record` beside the data of its snapshots, wherever records are kept; answers whether the backup is there to
/// stay. Where a deletion overtook it, the record would tell of a backup that is gone, so it is taken away again.
pub(crate) async fn write_record(
    cx: &OpContext,
    catalog: &dyn Catalog,
    providers: &[Arc<dyn Provider>],
    record: &BackupRecord,
) -> Result<bool> {
    let keepers = record_keepers(providers, record);
    for provider in &keepers {
        provider.put_record(cx, record).await?;
    }
    let now = catalog.backup(&record.id).await?;
    let stays = now.is_some_and(|stored| stored.backup.state != BackupState::Deleting);
    if !stays {
        for provider in &keepers {
            provider.delete_record(cx, &record.id).await?;
        }
    }
    Ok(stays)
}

/// Those of `providers` that keep a snapshot of `record`, and records.
pub(crate) fn record_keepers<'a>(
    providers: &'a [Arc<dyn Provider>],
    record: &BackupRecord,
) -> Vec<&'a Arc<dyn Provider>> {
    let snapshots = || record.components.iter().filter_map(|component| component.snapshot.as_ref());
    let keeps = |provider: &&Arc<dyn Provider>| {
        provider.capabilities().holds_records
            && snapshots().any(|snapshot| snapshot.provider == *provider.id())
    };
    providers.iter().filter(keeps).collect()
}

/// Lets every snapshot of `record` end at `until`, or never.
async fn keep(
    cx: &OpContext,
    providers: &[Arc<dyn Provider>],
    record: &BackupRecord,
    until: Option<Timestamp>,
) -> Result<()> {
    for snapshot in record.components.iter().filter_map(|component| component.snapshot.as_ref()) {
        let provider = providers.iter().find(|provider| *provider.id() == snapshot.provider);
        let provider = provider.ok_or_else(|| {
            let message = format!("provider {} of backup {} is not configured", snapshot.provider, record.id);
            Error::new(ErrorKind::InvalidConfig, message)
        })?;
        provider.keep(cx, snapshot, until).await?;
    }
    Ok(())
}
