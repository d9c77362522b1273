//! Walking the source in path order.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use stillpoint_core::Result;
use stillpoint_localfs::{
    Directory, FileKind, Identity, Lineage, Metadata, OwnerNames, Selection, Source, again_if_stale,
};
use stillpoint_repository::Cancellation;
use tokio::sync::mpsc::Sender;

use super::fatal;
use super::found::Found;
use super::totals::Totals;
use crate::mirror::manifest::Entry;

/// What one directory still has to be visited.
struct Level {
    path: PathBuf,
    lineage: Lineage,
    /// Its entries, the next one last.
    entries: Vec<Visit>,
}

enum Visit {
    Ready(Box<Entry>),
    Directory(Listed),
}

/// A directory as it was listed.
struct Listed {
    name: OsString,
    metadata: Metadata,
    mount_point: bool,
    /// Whether it was looked for since and not found.
    missed: bool,
}

/// A directory that was looked into: its own entry, what it holds, and what it is.
type Looked = (Entry, Level, Identity);

impl Level {
    /// Puts a directory in the place of whatever was to be visited under its name; the order is the caller's to restore.
    fn visit_later(&mut self, entry: stillpoint_localfs::Entry) {
        self.entries.retain(|visit| visit.name() != Some(entry.name.as_os_str()));
        let (name, metadata, mount_point) = (entry.name, entry.metadata, entry.mount_point);
        self.entries.push(Visit::Directory(Listed { name, metadata, mount_point, missed: false }));
    }
}

impl Visit {
    fn identity(&self) -> Option<Identity> {
        match self {
            Self::Ready(_) => None,
            Self::Directory(listed) => Some(Identity::from(&listed.metadata)),
        }
    }

    fn name(&self) -> Option<&OsStr> {
        match self {
            Self::Ready(entry) => entry.path.file_name(),
            Self::Directory(listed) => Some(&listed.name),
        }
    }
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
    let top = Lineage::default();
    let opened = source.directory(Path::new("")).map_err(fatal)?;
    let (root, level, _) = walk.look(&opened, top.clone(), source.metadata(), false).map_err(fatal)?;
    let mut levels = vec![level];
    let send = |entry: Entry, parent: &Lineage| {
        let parent = parent.clone();
        !stop.is_cancelled() && found.blocking_send(Found { entry, parent }).is_ok()
    };
    if !send(root, &top) {
        return Ok(());
    }
    while let Some(level) = levels.last_mut() {
        let parent = level.lineage.clone();
        let next = match level.entries.pop() {
            None => {
                levels.pop();
                continue;
            }
            Some(Visit::Ready(entry)) => *entry,
            Some(Visit::Directory(listed)) => match walk.look_into(level, listed) {
                Some((entry, below)) => {
                    levels.push(below);
                    entry
                }
                None => continue,
            },
        };
        if !send(next, &parent) {
            return Ok(());
        }
    }
    Ok(())
}

impl Walk<'_> {
    /// Looks into the next directory of a level, wherever it was renamed to since it was listed. Nothing where it cannot be
    /// read, or only later under another name.
    fn look_into(&self, level: &mut Level, listed: Listed) -> Option<(Entry, Level)> {
        let path = level.path.join(&listed.name);
        let identity = Identity::from(&listed.metadata);
        let lineage = level.lineage.below(&listed.name, identity);
        let look = |directory: &Directory| {
            self.look(directory, lineage.clone(), &listed.metadata, listed.mount_point)
        };
        let found = again_if_stale(|| self.source.directory(&path).and_then(|directory| look(&directory)));
        let other = match &found {
            Ok((.., other)) => Some(*other),
            Err(error) if error.is_no_directory() => None,
            Err(error) => {
                self.totals.unreadable(&path, error);
                return None;
            }
        };
        let found = if other == Some(identity) {
            found
        } else {
            let parent = self.source.reach(&level.lineage, &level.path);
            let same = parent.and_then(|parent| match &parent {
                Some(parent) => parent.same_directory(&listed.name, &identity),
                None => Ok(None),
            });
            match same {
                Ok(Some(directory)) => look(&directory),
                Ok(None) => {
                    let is_gone = other.is_none_or(|other| other.is_surely_not(&identity));
                    if !listed.missed {
                        self.look_again(level, &listed, is_gone);
                    } else if is_gone {
                        self.totals.vanished(&path);
                    }
                    found
                }
                Err(error) => Err(error),
            }
        };
        match found {
            Ok((entry, below, _)) => Some((entry, below)),
            Err(error) => {
                self.totals.unreadable(&path, &error);
                None
            }
        }
    }

    /// Finds out what the directories of a level that are still to be visited are called by now, and the one that was to be
    /// visited and is another one or gone.
    fn look_again(&self, level: &mut Level, lost: &Listed, is_gone: bool) {
        let sought = level.entries.iter().filter_map(Visit::identity);
        let sought = sought.chain([Identity::from(&lost.metadata)]).collect();
        let found = self.source.reach(&level.lineage, &level.path).and_then(|parent| match &parent {
            Some(parent) => self.selection.seek(self.source, parent, &sought),
            None => Ok(HashMap::new()),
        });
        let mut found = match found {
            Ok(found) => found,
            Err(error) => return self.totals.unreadable(&level.path, &error),
        };
        match found.remove(&Identity::from(&lost.metadata)) {
            Some(Some(entry)) if entry.name > lost.name => level.visit_later(entry),
            Some(Some(_)) => self.totals.renamed(&level.path.join(&lost.name)),
            // Under its new name it is left out, and counted as such.
            Some(None) => {}
            None if is_gone => self.totals.vanished(&level.path.join(&lost.name)),
            None => {}
        }
        let mut renamed = Vec::new();
        level.entries.retain_mut(|visit| {
            let (Some(identity), Visit::Directory(listed)) = (visit.identity(), visit) else { return true };
            match found.remove(&identity) {
                None => listed.missed = true,
                Some(Some(entry)) if entry.name == listed.name => {}
                Some(entry) => {
                    renamed.extend(entry.map(|entry| (listed.name.clone(), entry)));
                    return false;
                }
            }
            true
        });
        for (name, entry) in renamed {
            match entry.name.cmp(&lost.name) {
                Ordering::Greater => level.visit_later(entry),
                // It stands where the lost one stood, and is read in its place.
                Ordering::Equal => {}
                Ordering::Less => self.totals.renamed(&level.path.join(name)),
            }
        }
        level.entries.sort_by(|one, other| other.name().cmp(&one.name()));
    }

    /// Lists an open directory; a mount point stays empty.
    fn look(
        &self,
        directory: &Directory,
        lineage: Lineage,
        listed: &Metadata,
        mount_point: bool,
    ) -> stillpoint_localfs::Result<Looked> {
        let path = directory.relative().to_path_buf();
        let mut entries = Vec::new();
        if !mount_point {
            let listing = self.selection.list(self.source, directory)?;
            for error in &listing.errors {
                self.totals.unreadable(error.path().unwrap_or(&path), error);
            }
            for entry in listing.entries {
                if entry.metadata.kind == FileKind::Directory {
                    let (name, metadata, mount_point) = (entry.name, entry.metadata, entry.mount_point);
                    entries.push(Visit::Directory(Listed { name, metadata, mount_point, missed: false }));
                } else if let Some(entry) = self.leaf(directory, &path, &entry) {
                    entries.push(Visit::Ready(Box::new(entry)));
                }
            }
        }
        entries.reverse();
        let metadata = directory.metadata().unwrap_or(*listed);
        let mut own = self.describe(path.clone(), &metadata);
        own.extended = self.totals.readable(&path, directory.extended_attributes()).unwrap_or_default();
        Ok((own, Level { path, lineage, entries }, Identity::from(&metadata)))
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
        let text = |name: Option<OsString>| name.and_then(|name| name.into_string().ok()).unwrap_or_default();
        let mut entry = Entry::new(path, metadata);
        entry.user = text(self.owners.user(metadata.uid));
        entry.group = text(self.owners.group(metadata.gid));
        entry
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use stillpoint_localfs::Rules;

    use super::*;

    /// The paths that a walk hands on of `a/1`, `big/2`, `big/sub/3` and `z/4`, with `happens` done to them before `big` is
    /// read, and what it remarks.
    fn walked(happens: fn(&Path)) -> (Vec<String>, Totals) {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/1", "big/2", "big/sub/3", "z/4"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "content").unwrap();
        }
        let (source, totals) = (Source::open(folder.path()).unwrap(), Totals::default());
        let selection = Selection::new(&Rules::new()).unwrap();
        let stop = Cancellation::new();
        // Once the root was taken, the walk waits for room for what comes behind `a`.
        let (sender, mut found) = tokio::sync::mpsc::channel(1);
        let mut paths = Vec::new();
        std::thread::scope(|scope| {
            let (source, selection, totals, stop) = (&source, &selection, &totals, &stop);
            let walk = scope.spawn(move || run(source, selection, totals, stop, &sender).unwrap());
            let root = found.blocking_recv().unwrap();
            assert_eq!(root.entry.path, Path::new(""));
            paths.push(String::new());
            happens(folder.path());
            while let Some(next) = found.blocking_recv() {
                paths.push(next.entry.path.to_str().unwrap().to_owned());
            }
            walk.join().unwrap();
        });
        (paths, totals)
    }

    #[test]
    fn directories_renamed_before_their_turn_are_read_under_their_new_names() {
        let (paths, totals) = walked(|root| {
            fs::rename(root.join("big/sub"), root.join("big/other")).unwrap();
            fs::rename(root.join("big"), root.join("big-2026")).unwrap();
            fs::rename(root.join("z"), root.join("big")).unwrap();
        });
        let whole =
            ["", "a", "a/1", "big", "big/4", "big-2026", "big-2026/2", "big-2026/other", "big-2026/other/3"];
        assert_eq!(paths, whole);
        assert!(totals.take_issues().is_empty() && totals.take_remarks().is_empty());
    }

    #[test]
    fn a_directory_renamed_to_a_name_before_its_own_is_an_issue() {
        let (paths, totals) = walked(|root| fs::rename(root.join("big"), root.join("0")).unwrap());
        assert_eq!(paths, ["", "a", "a/1", "z", "z/4"]);
        let issues = totals.take_issues();
        assert_eq!((issues.len(), issues[0].kind.as_str(), issues[0].item.as_str()), (1, "skipped", "big"));
    }

    #[test]
    fn a_directory_that_went_away_is_remarked_on() {
        let (paths, totals) = walked(|root| fs::remove_dir_all(root.join("big")).unwrap());
        assert_eq!(paths, ["", "a", "a/1", "z", "z/4"]);
        assert!(totals.take_issues().is_empty());
        let remarks = totals.take_remarks();
        assert!(remarks.len() == 1 && remarks[0].ends_with("big"), "{remarks:?}");
    }
}
