//! Listing a snapshot, page by page.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use stillpoint_core::{Entry, EntryPage, Result};
use stillpoint_repository::tree::NodeKind;
use stillpoint_repository::{Id, Repository, SnapshotEntry};

use super::convert::from_stored;
use crate::error::from_repository;
use crate::path_text;

/// Entries on one page.
const PAGE: usize = 2_000;

/// The page of entries below `path` that starts after `after`.
///
/// Directories stand before their content, and siblings are ordered by the bytes of their names.
pub(super) async fn page(
    repository: &Repository,
    id: &Id,
    path: &str,
    after: Option<&str>,
) -> Result<EntryPage> {
    let top = path_text::from_text(path.trim_matches('/'));
    let after = after.map(path_text::from_text);
    let mut entries = Vec::new();
    let mut more = false;
    let visit = |entry: SnapshotEntry| {
        more = entries.len() >= PAGE;
        if !more {
            entries.push(describe(&entry));
        }
        !more
    };
    let visited = match &after {
        Some(after) => repository.visit_entries_after(id, &top, after, visit).await,
        None => repository.visit_entries(id, &top, true, visit).await,
    };
    visited.map_err(from_repository)?;
    let next = more.then(|| entries.last().map(|entry| entry.path.clone())).flatten();
    Ok(EntryPage::new(entries, next))
}

fn describe(entry: &SnapshotEntry) -> Entry {
    let node = &entry.node;
    let kind = match node.kind {
        NodeKind::Dir => "dir",
        NodeKind::File => "file",
        NodeKind::Symlink => "symlink",
        NodeKind::Fifo => "fifo",
        NodeKind::Socket => "socket",
        NodeKind::BlockDevice => "dev",
        NodeKind::CharDevice => "chardev",
        _ => "irregular",
    };
    let mut shown = Entry::new(path_text::to_text(&entry.path), kind, node.size);
    shown.mode = node.mode.unix_permissions() | type_bits(node.kind);
    shown.modified_at = Some(from_stored(node.mtime));
    shown.link_target = (node.kind == NodeKind::Symlink)
        .then(|| path_text::to_text(Path::new(OsStr::from_bytes(&node.link_target))));
    shown
}

/// The file type in `st_mode`.
fn type_bits(kind: NodeKind) -> u32 {
    match kind {
        NodeKind::Dir => 0o040_000,
        NodeKind::File => 0o100_000,
        NodeKind::Symlink => 0o120_000,
        NodeKind::Fifo => 0o010_000,
        NodeKind::Socket => 0o140_000,
        NodeKind::BlockDevice => 0o060_000,
        NodeKind::CharDevice => 0o020_000,
        _ => 0,
    }
}
