//! One timestamp, as the contract sees it.

use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, Depth, Entry, EntryPage, Error, ErrorKind, OpContext, OperationId, ProviderId, Result,
    Snapshot, SnapshotInfo, SnapshotQuery, SnapshotRef, Timestamp, Verification,
};
use stillpoint_localfs::FileKind;

use super::listing;
use super::manifest::{self, Item};
use super::place::Place;
use super::source::Point;
use super::{MirrorSource, verify};
use crate::path_text;

/// Entries on one page.
const PAGE: usize = 2_000;

/// A timestamp that was whole when it was opened.
#[derive(Debug)]
pub(super) struct MirrorSnapshot {
    source: Arc<MirrorSource>,
    reference: SnapshotRef,
    place: Place,
}

impl MirrorSnapshot {
    /// Opens the timestamp.
    ///
    /// # Errors
    /// `NotFound` where it does not exist or is not whole.
    pub(super) async fn open(source: Arc<MirrorSource>, reference: SnapshotRef) -> Result<Self> {
        let place = Place::of_snapshot(&reference.id)?;
        source.whole(&place).await?;
        Ok(Self { source, reference, place })
    }
}

#[async_trait]
impl Snapshot for MirrorSnapshot {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        info(&self.source.whole(&self.place).await?, self.reference.clone())
    }

    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        verify::run(&self.source, &self.source.whole(&self.place).await?, depth).await
    }

    async fn entries(&self, _cx: &OpContext, path: &str, after: Option<&str>) -> Result<EntryPage> {
        page(&self.source, &self.source.whole(&self.place).await?, path, after).await
    }
}

/// What the timestamps that fit a query say of themselves.
pub(super) async fn fitting(
    source: &MirrorSource,
    provider: &ProviderId,
    query: &SnapshotQuery,
) -> Result<Vec<SnapshotInfo>> {
    let spaces = match &query.workspace {
        Some(workspace) => vec![super::Space::of_workspace(workspace)],
        None => source.spaces().await?,
    };
    let mut found = Vec::new();
    for space in spaces {
        for point in source.points(&space).await? {
            let reference = source.reference(provider, point.place())?;
            let fits = match &point {
                Point::Ours(_, completion) => completion.claim.fits(query),
                Point::Script(place) => {
                    query.operation.as_ref().is_none_or(|id| operation_of(place).ok().as_ref() == Some(id))
                        && query.backup.as_ref().is_none_or(|id| {
                            operation_of(place).is_ok_and(|operation| BackupId::of(&operation) == *id)
                        })
                }
            };
            if fits {
                found.push(info(&point, reference)?);
            }
        }
    }
    Ok(found)
}

/// The operation that stands for the sample script's work at a timestamp; it follows from the place.
pub(super) fn operation_of(place: &Place) -> Result<OperationId> {
    OperationId::new(format!("script:{}", place.folder()))
}

fn info(point: &Point, reference: SnapshotRef) -> Result<SnapshotInfo> {
    match point {
        Point::Ours(_, completion) => Ok(completion.claim.info(reference)),
        Point::Script(place) => {
            let operation = operation_of(place)?;
            let created_at = place.time().unwrap_or(Timestamp::from_millis(0));
            let mut info = SnapshotInfo::new(reference, created_at);
            info.workspace = Some(place.space.workspace()?);
            info.component = Some("files".parse()?);
            info.backup = Some(BackupId::of(&operation));
            info.operation = Some(operation);
            Ok(info)
        }
    }
}

async fn page(source: &MirrorSource, point: &Point, path: &str, after: Option<&str>) -> Result<EntryPage> {
    let top = path_text::from_text(path.trim_matches('/'));
    let after = after.map(path_text::from_text);
    let mut entries = Vec::new();
    let (mut exists, mut more) = (top.as_os_str().is_empty(), false);
    let mut look = |entry: &manifest::Entry| {
        if !entry.path.starts_with(&top) || entry.path.as_os_str().is_empty() {
            return true;
        }
        exists = true;
        if after.as_ref().is_some_and(|after| entry.path <= *after) || is_own_line(entry, &top) {
            return true;
        }
        more = entries.len() >= PAGE;
        if !more {
            entries.push(describe(entry));
        }
        !more
    };
    let mut listing = listing::in_order(source.store(), point).await?;
    while let Some(item) = listing.next().await? {
        if matches!(&item, Item::Entry(entry) if !look(entry)) {
            break;
        }
    }
    if !exists {
        let message = format!("nothing stands at {path:?} in {}", point.place().folder());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let next = more.then(|| entries.last().map(|entry: &Entry| entry.path.clone())).flatten();
    Ok(EntryPage::new(entries, next))
}

/// Whether it is the directory that was asked for, which its own listing does not show.
fn is_own_line(entry: &manifest::Entry, top: &std::path::Path) -> bool {
    entry.path == top && entry.kind == FileKind::Directory
}

fn describe(entry: &manifest::Entry) -> Entry {
    let mut shown = Entry::new(path_text::to_text(&entry.path), manifest::word(entry.kind), entry.size);
    let type_bits = match entry.kind {
        FileKind::File => 0o100_000,
        FileKind::Directory => 0o040_000,
        FileKind::Symlink => 0o120_000,
        FileKind::Fifo => 0o010_000,
        FileKind::Socket => 0o140_000,
        FileKind::BlockDevice => 0o060_000,
        FileKind::CharDevice => 0o020_000,
    };
    shown.mode = entry.mode | type_bits;
    let millis = entry.modified.seconds.saturating_mul(1000);
    shown.modified_at = Some(Timestamp::from_millis(
        millis.saturating_add(i64::from(entry.modified.nanoseconds / 1_000_000)),
    ));
    shown.link_target = (entry.kind == FileKind::Symlink).then(|| path_text::to_text(&entry.target));
    shown
}
