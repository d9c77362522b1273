//! `stillpoint rebuild`.

use std::collections::BTreeSet;

use serde::Serialize;
use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, Catalog, OpContext, Provider, ProviderId, Result, WorkspaceRecord,
};

use crate::exit::{Exit, Outcome};
use crate::session::Session;

/// What a rebuild found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Backups that only the store knew and that are catalogued now.
    added: Vec<BackupId>,
    /// Backups that the store and the catalog describe alike.
    same: u64,
    /// Backups that the two describe differently; the catalog is left as it is.
    differing: Vec<BackupId>,
    /// Backups that only the catalog knows.
    missing_in_store: Vec<BackupId>,
}

/// Catalogues every backup whose record lies beside the data, and reports where the two disagree. Nothing is removed.
pub(super) async fn run(session: &Session) -> Outcome {
    let catalog = session.catalog().await?;
    let provider = session.provider().await?;
    let records = provider.records(&OpContext::background()).await?;
    let report = rebuild(catalog.as_ref(), &records, provider.id()).await?;
    let agree = report.differing.is_empty() && report.missing_in_store.is_empty();
    if session.output.is_json() {
        session.output.document(&report)?;
    } else {
        let (added, same) = (report.added.len(), report.same);
        session
            .output
            .line(format_args!("{added} backups added to the catalog, {same} were there already"))?;
        for id in &report.differing {
            session.output.line(format_args!("{id}: the catalog and the store describe it differently"))?;
        }
        for id in &report.missing_in_store {
            session
                .output
                .line(format_args!("{id}: the catalog knows it but the store has no record of it"))?;
        }
    }
    Ok(if agree { Exit::Done } else { Exit::Partial })
}

/// Catalogues each of the records that the catalog lacks, and compares the others. Nothing is removed.
pub(crate) async fn add_missing(catalog: &dyn Catalog, records: &[BackupRecord]) -> Result<Report> {
    let mut report = Report::default();
    for record in records {
        match catalog.backup(&record.id).await? {
            None => {
                catalog.put_backup(record, None).await?;
                remember_workspace(catalog, record).await?;
                report.added.push(record.id.clone());
            }
            Some(stored) if stored.backup == *record => report.same += 1,
            Some(_) => report.differing.push(record.id.clone()),
        }
    }
    Ok(report)
}

async fn rebuild(catalog: &dyn Catalog, records: &[BackupRecord], kept: &ProviderId) -> Result<Report> {
    let mut report = add_missing(catalog, records).await?;
    let in_store: BTreeSet<_> = records.iter().map(|record| &record.id).collect();
    let mut query = BackupQuery::all();
    loop {
        let page = catalog.backups(&query).await?;
        let missing = page.items.into_iter().map(|stored| stored.backup);
        let missing = missing.filter(|backup| !in_store.contains(&backup.id) && is_kept_by(backup, kept));
        report.missing_in_store.extend(missing.map(|backup| backup.id));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(report),
        }
    }
}

/// Whether the provider should know of the backup: one that another provider keeps is none of its business.
fn is_kept_by(backup: &BackupRecord, provider: &ProviderId) -> bool {
    let mut snapshots =
        backup.components.iter().filter_map(|component| component.snapshot.as_ref()).peekable();
    snapshots.peek().is_none() || snapshots.any(|snapshot| snapshot.provider == *provider)
}

/// Notes the workspace of a backup, unless a newer description of it is there.
async fn remember_workspace(catalog: &dyn Catalog, record: &BackupRecord) -> Result<()> {
    let known = catalog.workspace(&record.workspace).await?;
    if known.is_some_and(|known| known.seen_at >= record.created_at) {
        return Ok(());
    }
    let components = record.components.iter().map(|component| component.component.clone()).collect();
    catalog
        .put_workspace(&WorkspaceRecord::new(record.definition.clone(), components, record.created_at))
        .await
}

#[cfg(test)]
mod tests {
    use stillpoint_core::memory::MemoryCatalog;
    use stillpoint_core::{Definition, OperationId, Timestamp};

    use super::*;

    fn record(operation: &str) -> BackupRecord {
        let operation: OperationId = operation.parse().unwrap();
        let definition = Definition::new("ada".parse().unwrap());
        BackupRecord::new(BackupId::of(&operation), operation, definition, Timestamp::from_millis(0))
    }

    #[tokio::test]
    async fn a_lost_catalog_comes_back_and_disagreement_is_reported() {
        let catalog = MemoryCatalog::new();
        let records = [record("op-1"), record("op-2")];
        let report = rebuild(&catalog, &records, &"s3sync".parse().unwrap()).await.unwrap();
        assert_eq!((report.added.len(), report.same), (2, 0));
        assert!(catalog.workspace(&"ada".parse().unwrap()).await.unwrap().is_some());

        let mut renamed = records[0].clone();
        renamed.name = Some("renamed".into());
        let report = rebuild(&catalog, &[renamed], &"s3sync".parse().unwrap()).await.unwrap();
        assert_eq!(report.differing, [records[0].id.clone()]);
        assert_eq!(report.missing_in_store, [records[1].id.clone()]);
        let kept = catalog.backup(&records[0].id).await.unwrap().unwrap();
        assert_eq!(kept.backup, records[0]);
    }
}
