//! One timestamp.

use std::path::{Path, PathBuf};

use futures::{StreamExt, stream};
use stillpoint_core::{
    BackupId, BackupJob, BackupRecord, BackupState, Component, ComponentRecord, ComponentState, Error,
    ErrorKind, Issue, JobKey, OperationId, Result,
};
use stillpoint_localfs::FileKind;
use stillpoint_repository::{Assembly, Id, Origin, Repository, Snapshot, SnapshotSummary, StoredSnapshot};

use super::content::{Fetched, KnownContent, fetch};
use super::node::{inexact, node, unkept};
use super::{Import, ImportState, ImportedTimestamp};
use crate::error::from_repository;
use crate::jobs::{Issues, Noted};
use crate::mirror::{Entry, Item, Listing, Point, content_key, in_order, script_record};
use crate::path_text;
use crate::repository::{
    Journal, has_record, is_whole, put_record, record_of, reference, store_of, tags_of, to_stored,
};

/// Entries that are fetched together, and how many files at once.
const BATCH: usize = 256;
const FILES_AT_ONCE: usize = 12;

/// Files in an imported backup.
fn files_in(record: &BackupRecord) -> u64 {
    record.components.iter().filter_map(|part| part.counts.get("files_new")).sum()
}

/// What an import works with.
pub(super) struct Run<'a> {
    pub(super) import: &'a Import,
    pub(super) repository: &'a Repository,
    pub(super) journal: &'a Journal,
}

/// What came of one timestamp so far.
#[derive(Default)]
struct Tally {
    files: u64,
    bytes: u64,
    fetched: u64,
    issues: Issues,
    noted: Noted,
}

impl Run<'_> {
    /// Imports a timestamp, unless it was imported before.
    ///
    /// # Errors
    /// The failure of a store.
    pub(super) async fn timestamp(
        &self,
        point: &Point,
        known: &mut KnownContent,
    ) -> Result<ImportedTimestamp> {
        let original = self.original(point).await?;
        let job = self.job(point, &original)?;
        let mut record = self.record(&job, original);
        let mut told = ImportedTimestamp {
            source: point.place().folder(),
            workspace: record.workspace.clone(),
            created_at: record.created_at,
            state: ImportState::Known,
            backup: None,
            files: 0,
            bytes: 0,
            fetched: 0,
            issues: Vec::new(),
            warnings: Vec::new(),
        };
        let snapshot = match self.stored(&job).await? {
            Some(stored) => {
                // Whoever imported it knows what was missing, and somebody may hold it since.
                if let Some(kept) = record_of(self.repository, &job.backup).await? {
                    told.issues = kept.components.iter().flat_map(|part| part.issues.clone()).collect();
                    (told.files, told.bytes) = (files_in(&kept), kept.size_bytes);
                    told.backup = Some(kept);
                    return Ok(told);
                }
                if let Some(summary) = &stored.snapshot.summary {
                    (told.files, told.bytes) = (summary.total_files_processed, summary.total_bytes_processed);
                }
                if stored.snapshot.tags.iter().any(|tag| tag == crate::repository::INCOMPLETE) {
                    told.issues.push(Issue::new("skipped", "", "entries were missing when it was imported"));
                }
                stored.id
            }
            None => match self.store(point, &job, known).await? {
                Ok((id, tally)) => {
                    (told.files, told.bytes, told.fetched) = (tally.files, tally.bytes, tally.fetched);
                    (told.issues, told.warnings) = (tally.issues.into_list(), tally.noted.into_warnings());
                    told.state =
                        if told.issues.is_empty() { ImportState::Imported } else { ImportState::Partial };
                    id
                }
                Err(why) => {
                    told.state = ImportState::Failed;
                    told.issues.push(Issue::new("damaged", told.source.clone(), why));
                    return Ok(told);
                }
            },
        };
        self.complete(&mut record, &told, snapshot, &job)?;
        put_record(self.repository, &record).await?;
        told.backup = Some(record);
        Ok(told)
    }

    /// The snapshot that an earlier import made of the timestamp. One without a record may never have been confirmed, and
    /// is removed if it is not whole.
    async fn stored(&self, job: &BackupJob) -> Result<Option<&StoredSnapshot>> {
        let Some(stored) = self.journal.of_job(&job.key.token()) else { return Ok(None) };
        if has_record(self.repository, &job.backup).await? || is_whole(self.repository, stored).await? {
            return Ok(Some(stored));
        }
        tracing::warn!(snapshot = %stored.id, "the snapshot of an interrupted import is not whole; it is made anew");
        self.repository.delete_snapshot(&stored.id).await.map_err(from_repository)?;
        Ok(None)
    }

    /// The record that lies beside the timestamp, or what follows from the timestamp itself.
    async fn original(&self, point: &Point) -> Result<BackupRecord> {
        match point {
            Point::Script(place) => {
                script_record(&self.import.from, &self.import.provider, place, point).await
            }
            Point::Ours(place, completion) => {
                let claim = &completion.claim;
                if let Some(record) = self.import.from.backup_record(&place.space, &claim.backup).await? {
                    return Ok(record);
                }
                let mut definition = stillpoint_core::Definition::new(claim.workspace.clone());
                for (name, value) in [("root", &*claim.source), ("provider", self.import.provider.as_str())] {
                    definition.settings.insert(name.to_owned(), value.into());
                }
                let (backup, operation) = (claim.backup.clone(), claim.operation.clone());
                Ok(BackupRecord::new(backup, operation, definition, claim.created_at))
            }
        }
    }

    /// The job whose key says of a snapshot that it is this timestamp.
    fn job(&self, point: &Point, original: &BackupRecord) -> Result<BackupJob> {
        let store = self.import.from.store().description();
        let source = format!("{}/{}", store.trim_end_matches('/'), point.place().folder());
        let operation = OperationId::new(format!("import-{}", Id::of(source.as_bytes())))?;
        let component = original.components.first().map(|record| record.component.clone());
        let component = match component {
            Some(component) => component,
            None => {
                let root = match point {
                    Point::Ours(_, completion) => completion.claim.source.clone(),
                    Point::Script(place) => format!("/{}", place.space),
                };
                Component::new("files".parse()?, "directory", self.import.provider.clone(), root)
            }
        };
        let key = JobKey::new(operation.clone(), component.id.clone(), 1);
        let (workspace, backup) = (original.workspace.clone(), BackupId::of(&operation));
        let mut job = BackupJob::new(key, workspace, backup, component, original.created_at);
        job.component.provider = self.import.provider.clone();
        job.tags.insert("imported-from".to_owned(), source);
        Ok(job)
    }

    /// The record of the backup that the timestamp becomes.
    fn record(&self, job: &BackupJob, original: BackupRecord) -> BackupRecord {
        let operation = job.key.operation().clone();
        let mut record =
            BackupRecord::new(job.backup.clone(), operation, original.definition, job.created_at);
        (record.name, record.creator) = (original.name, original.creator);
        (record.consistency, record.finished_at) = (original.consistency, original.finished_at);
        record.downtime = original.downtime;
        record
    }

    /// Completes the record with what was stored.
    fn complete(
        &self,
        record: &mut BackupRecord,
        told: &ImportedTimestamp,
        snapshot: Id,
        job: &BackupJob,
    ) -> Result<()> {
        let whole = told.issues.is_empty();
        let state = if whole { ComponentState::Completed } else { ComponentState::Partial };
        let mut captured = ComponentRecord::new(job.component.clone(), state);
        let store = store_of(self.repository);
        captured.snapshot = Some(reference(&store, &self.import.provider, &snapshot)?);
        captured.issues.clone_from(&told.issues);
        captured.counts = [("files_new", told.files), ("bytes_scanned", told.bytes)]
            .map(|(name, count)| (name.to_owned(), count))
            .into();
        record.components.push(captured);
        record.state = if whole { BackupState::Completed } else { BackupState::Partial };
        record.size_bytes = told.bytes;
        Ok(())
    }

    /// Stores the snapshot, or says why the timestamp cannot be read at all.
    async fn store(
        &self,
        point: &Point,
        job: &BackupJob,
        known: &mut KnownContent,
    ) -> Result<std::result::Result<(Id, Tally), String>> {
        let mut listing = match in_order(self.import.from.store(), point).await {
            Ok(listing) => listing,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let first = listing.next().await?;
        let (root, waiting) = match first {
            Some(Item::Entry(entry)) if entry.path.as_os_str().is_empty() => (*entry, None),
            other => {
                let time = stillpoint_localfs::Timestamp::new(job.created_at.as_millis() / 1000, 0);
                (Entry::plain(PathBuf::new(), FileKind::Directory, 0, time), other)
            }
        };
        let mut assembly =
            Assembly::begin(self.repository, node(&root, None)).await.map_err(from_repository)?;
        match self.fill(&mut assembly, &mut listing, waiting, point, known).await {
            Ok(tally) => self.finish(assembly, point, job, &tally).await.map(|id| Ok((id, tally))),
            Err(error) => {
                if let Err(error) = assembly.abandon().await {
                    tracing::info!(%error, "what was fetched is not kept");
                }
                Err(error)
            }
        }
    }

    /// Adds everything a listing holds.
    async fn fill(
        &self,
        assembly: &mut Assembly,
        listing: &mut Listing,
        mut waiting: Option<Item>,
        point: &Point,
        known: &mut KnownContent,
    ) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut batch = Vec::new();
        loop {
            let item = match waiting.take() {
                Some(item) => Some(item),
                None => listing.next().await?,
            };
            match item {
                Some(Item::Entry(entry)) => {
                    unkept(&entry).for_each(|issue| tally.issues.push(issue));
                    if let Some(inexact) = inexact(&entry) {
                        tally.noted.add(inexact.message, path_text::to_text(&entry.path));
                    }
                    batch.push(*entry);
                }
                Some(Item::Refused(issue)) => tally.issues.push(issue),
                None => break,
            }
            if batch.len() >= BATCH {
                self.add(assembly, std::mem::take(&mut batch), point, known, &mut tally).await?;
            }
        }
        self.add(assembly, batch, point, known, &mut tally).await?;
        Ok(tally)
    }

    /// Fetches what a batch of entries holds and adds them in order.
    async fn add(
        &self,
        assembly: &mut Assembly,
        batch: Vec<Entry>,
        point: &Point,
        known: &mut KnownContent,
        tally: &mut Tally,
    ) -> Result<()> {
        let writer = assembly.content();
        let due = batch.into_iter().map(|entry| {
            let pieces = known.of(&entry).filter(|pieces| pieces.iter().all(|id| assembly.has_content(id)));
            (entry, pieces)
        });
        let due: Vec<_> = due.collect();
        let mut fetched = stream::iter(due)
            .map(|(entry, pieces)| {
                let writer = writer.clone();
                async move {
                    let content = match (entry.kind, pieces) {
                        (FileKind::File, Some(pieces)) => Some(Ok(Fetched { pieces, bytes: 0 })),
                        (FileKind::File, None) => Some(match content_key(point.place(), &entry) {
                            Some(key) => fetch(self.import.from.store(), &key, &entry, &writer).await?,
                            None => Err("its name cannot be that of an object".to_owned()),
                        }),
                        _ => None,
                    };
                    Ok::<_, Error>((entry, content))
                }
            })
            .buffered(FILES_AT_ONCE);
        while let Some(next) = fetched.next().await {
            let (entry, content) = next?;
            let pieces = match content {
                None => None,
                Some(Ok(content)) => {
                    known.remember(&entry, &content.pieces);
                    tally.files += 1;
                    tally.bytes += entry.size;
                    tally.fetched += content.bytes;
                    Some(content.pieces)
                }
                Some(Err(why)) => {
                    tally.issues.push(Issue::new("damaged", path_text::to_text(&entry.path), why));
                    continue;
                }
            };
            let added = assembly.add(&entry.path, node(&entry, pieces)).await;
            match added {
                Ok(()) => {}
                Err(error) if *error.kind() == stillpoint_repository::ErrorKind::InvalidInput => {
                    let path = path_text::to_text(&entry.path);
                    tally.issues.push(Issue::new("refused", path, error.to_string()));
                }
                Err(error) => return Err(from_repository(error)),
            }
        }
        Ok(())
    }

    async fn finish(&self, assembly: Assembly, point: &Point, job: &BackupJob, tally: &Tally) -> Result<Id> {
        let path = Path::new("/").join(&job.component.resource);
        let (from, to) = match point {
            Point::Ours(_, completion) => (completion.captured.from, completion.captured.to),
            Point::Script(_) => (job.created_at, job.created_at),
        };
        let describe = |tree: Id, written: &stillpoint_repository::WriteSummary| {
            let paths = vec![path.to_string_lossy().into_owned()];
            let mut snapshot = Snapshot::new(to_stored(job.created_at), tree, paths, &Origin::detect());
            snapshot.tags = tags_of(job);
            if !tally.issues.is_empty() {
                snapshot.tags.push(crate::repository::INCOMPLETE.to_owned());
            }
            let mut summary = SnapshotSummary::default();
            (summary.backup_start, summary.backup_end) = (to_stored(from), to_stored(to));
            (summary.files_new, summary.total_files_processed) = (tally.files, tally.files);
            summary.total_bytes_processed = tally.bytes;
            (summary.data_blobs, summary.tree_blobs) = (written.data_blobs, written.tree_blobs);
            (summary.data_added, summary.data_added_packed) = (written.plaintext_bytes, written.stored_bytes);
            snapshot.summary = Some(summary);
            snapshot
        };
        assembly.finish(&path, describe).await.map(|(id, _)| id).map_err(from_repository)
    }
}
