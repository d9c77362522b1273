//! Walking the source in path order.

use std::path::{Path, PathBuf};

use stillpoint_core::Result;
use stillpoint_localfs::{Directory, FileKind, Metadata, OwnerNames, Selection, Source};
use stillpoint_repository::Cancellation;
use tokio::sync::mpsc::Sender;

use super::fatal;
use super::found::Found;
use super::totals::Totals;
use crate::mirror::manifest::Entry;

/// What one directory still has to be visited.
struct Level {
    path: PathBuf,
    /// Its entries, the next one last.
    entries: Vec<Visit>,
}

enum Visit {
    Ready(Box<Entry>),
    Directory { name: std::ffi::OsString, metadata: Metadata, mount_point: bool },
}

struct Walk<'a> {
    source: &'a Source,
    selection: &'a Selection,
    totals: &'a Totals,
    owners: OwnerNames,
}

/// Sends every entry, a directory before its content and siblings by the bytes of their names. Ends early, without an
/// error, when nobody takes them any more or the job is asked to stop. Entries that cannot be read are issues.
///
/// # Errors
/// Where the source itself cannot be listed.
pub(super) fn run(
    source: &Source,
    selection: &Selection,
    totals: &Totals,
    stop: &Cancellation,
    found: &Sender<Found>,
) -> Result<()> {
    let walk = Walk { source, selection, totals, owners: OwnerNames::new() };
    let (root, level) = walk.look_into(PathBuf::new(), source.metadata(), false).map_err(fatal)?;
    let mut levels = vec![level];
    let send = |entry: Entry| !stop.is_cancelled() && found.blocking_send(Found { entry }).is_ok();
    if !send(root) {
        return Ok(());
    }
    while let Some(level) = levels.last_mut() {
        let next = match level.entries.pop() {
            None => {
                levels.pop();
                continue;
            }
            Some(Visit::Ready(entry)) => *entry,
            Some(Visit::Directory { name, metadata, mount_point }) => {
                let path = level.path.join(name);
                match walk.look_into(path.clone(), &metadata, mount_point) {
                    Ok((entry, below)) => {
                        levels.push(below);
                        entry
                    }
                    Err(error) => {
                        totals.unreadable(&path, &error);
                        continue;
                    }
                }
            }
        };
        if !send(next) {
            return Ok(());
        }
    }
    Ok(())
}

impl Walk<'_> {
    /// Opens and lists a directory; a mount point stays empty.
    fn look_into(
        &self,
        path: PathBuf,
        listed: &Metadata,
        mount_point: bool,
    ) -> stillpoint_localfs::Result<(Entry, Level)> {
        let directory = self.source.directory(&path)?;
        let mut entries = Vec::new();
        if !mount_point {
            let listing = self.selection.list(self.source, &directory)?;
            for error in &listing.errors {
                self.totals.unreadable(error.path().unwrap_or(&path), error);
            }
            for entry in listing.entries {
                if entry.metadata.kind == FileKind::Directory {
                    let (name, metadata, mount_point) = (entry.name, entry.metadata, entry.mount_point);
                    entries.push(Visit::Directory { name, metadata, mount_point });
                } else if let Some(entry) = self.leaf(&directory, &path, &entry) {
                    entries.push(Visit::Ready(Box::new(entry)));
                }
            }
        }
        entries.reverse();
        let metadata = directory.metadata().unwrap_or(*listed);
        let mut own = self.describe(path.clone(), &metadata);
        own.extended = self.totals.readable(&path, directory.extended_attributes()).unwrap_or_default();
        Ok((own, Level { path, entries }))
    }

    /// Everything about an entry but a file's content and extended attributes; `None` where it is gone or unreadable.
    fn leaf(
        &self,
        directory: &Directory,
        parent: &Path,
        listed: &stillpoint_localfs::Entry,
    ) -> Option<Entry> {
        let path = parent.join(&listed.name);
        let mut entry = self.describe(path.clone(), &listed.metadata);
        if entry.kind == FileKind::File {
            return Some(entry);
        }
        if entry.kind == FileKind::Symlink {
            match directory.link_target(&listed.name) {
                Ok(target) => entry.target = target.into(),
                Err(error) => {
                    self.totals.unreadable(&path, &error);
                    return None;
                }
            }
        }
        let extended = directory.entry_extended_attributes(&listed.name);
        entry.extended = self.totals.readable(&path, extended).unwrap_or_default();
        Some(entry)
    }

    fn describe(&self, path: PathBuf, metadata: &Metadata) -> Entry {
        let text = |name: Option<std::ffi::OsString>| {
            name.and_then(|name| name.into_string().ok()).unwrap_or_default()
        };
        let mut entry = Entry::new(path, metadata);
        entry.user = text(self.owners.user(metadata.uid));
        entry.group = text(self.owners.group(metadata.gid));
        entry
    }
}
