//! Directories and files that stand no longer where they were listed when their turn comes.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stillpoint_localfs::{Directory, Entry, FileKind, Identity, JobStack};

use super::directory::DirectoryJob;
use super::earlier::EarlierEntry;
use super::file::FileJob;
use super::walk::{Finished, Job, OpenDirectory, Place, Walk, guard};
use crate::browse::path_of;
use crate::issue::{Issue, IssueKind};

/// How often the entries that are missing from one are looked for under other names.
const ROUNDS_MAX: u8 = 3;

/// What is missing from an open directory.
#[derive(Debug, Default)]
pub(super) struct Missing {
    sought: Vec<Sought>,
    rounds: u8,
    renamed: bool,
}

/// An entry that was listed under a name that leads to it no longer.
#[derive(Debug)]
struct Sought {
    kind: FileKind,
    identity: Identity,
    path: PathBuf,
    /// Whether nothing is there instead that might be the same after all.
    is_gone: bool,
}

impl Missing {
    /// Notes that `other`, or nothing, stands where a directory was listed.
    pub(super) fn note(&mut self, job: &DirectoryJob, other: Option<Identity>) {
        let is_gone = other.is_none_or(|other| other.is_surely_not(&job.identity));
        let kind = FileKind::Directory;
        self.sought.push(Sought { kind, identity: job.identity, path: job.path.clone(), is_gone });
    }

    /// Notes that a file is not where it was listed. One that `is_gone` left nothing under its name; else another one has it,
    /// as after every save that writes a new file and renames it over the old one.
    pub(super) fn note_file(&mut self, path: &Path, identity: Identity, is_gone: bool) {
        self.sought.push(Sought { kind: FileKind::File, identity, path: path.to_path_buf(), is_gone });
    }

    /// Whether an entry is called otherwise than it was listed, so that they are out of order.
    pub(super) const fn has_renamed(&self) -> bool {
        self.renamed
    }
}

impl OpenDirectory {
    /// What a finished entry is called; nothing of one that is left out.
    pub(super) fn name_of(&self, entry: &Finished) -> Vec<u8> {
        match entry {
            Finished::LeftOut => Vec::new(),
            Finished::Seen(seen) => seen.node.name.clone(),
            Finished::Remembered(at) => {
                let block = self.listing.block();
                block.and_then(|block| block.record(*at)).map_or_else(Vec::new, |record| record.name.to_vec())
            }
        }
    }
}

impl Walk {
    /// The directory that was listed, where only one above it was renamed since.
    pub(super) fn same_directory(
        &self,
        job: &DirectoryJob,
        above: &OpenDirectory,
    ) -> stillpoint_localfs::Result<Option<Directory>> {
        match self.source.reach(&above.lineage, &above.path)? {
            Some(parent) => parent.same_directory(path_of(&job.name).as_os_str(), &job.identity),
            None => Ok(None),
        }
    }

    /// Whether a directory all of whose entries are finished has yet more of them: those that were renamed within it before
    /// they could be read.
    pub(super) fn goes_on(&self, directory: &Arc<OpenDirectory>, stack: &JobStack<Job>) -> bool {
        let sought = {
            let mut missing = guard(&directory.missing);
            if missing.sought.is_empty() {
                return false;
            }
            missing.rounds += 1;
            if missing.rounds > ROUNDS_MAX {
                for sought in missing.sought.drain(..) {
                    self.renamed_again(sought, "again and again");
                }
                return false;
            }
            std::mem::take(&mut missing.sought)
        };
        let jobs = self.seek(directory, sought).unwrap_or_else(|error| {
            self.totals.skip(Issue::unreadable(&directory.path, &error));
            Vec::new()
        });
        if jobs.is_empty() {
            return false;
        }
        guard(&directory.missing).renamed = true;
        directory.remaining.store(jobs.len(), Ordering::Release);
        stack.push_all(jobs);
        true
    }

    fn seek(
        &self,
        directory: &Arc<OpenDirectory>,
        sought: Vec<Sought>,
    ) -> stillpoint_localfs::Result<Vec<Job>> {
        let Some(parent) = self.source.reach(&directory.lineage, &directory.path)? else {
            if sought.iter().any(|sought| sought.is_gone) {
                self.totals.warn(Issue::vanished(&directory.path));
            }
            return Ok(Vec::new());
        };
        let identities: HashSet<Identity> = sought.iter().map(|sought| sought.identity).collect();
        let mut found = self.selection.seek(&self.source, &parent, &identities)?;
        let parent = Arc::new(parent);
        let mut jobs = Vec::new();
        for sought in sought {
            match found.remove(&sought.identity) {
                Some(Some(entry)) if entry.metadata.kind == sought.kind => {
                    jobs.extend(self.renamed(directory, &parent, sought, &entry));
                }
                // Under its new name it is left out, and counted as such.
                Some(None) => {}
                _ if sought.is_gone => self.totals.warn(Issue::vanished(sought.path)),
                _ => {}
            }
        }
        Ok(jobs)
    }

    /// The job that reads an entry under its new name, unless what had that name was read already.
    fn renamed(
        &self,
        directory: &Arc<OpenDirectory>,
        parent: &Arc<Directory>,
        sought: Sought,
        entry: &Entry,
    ) -> Option<Job> {
        let mut entries = guard(&directory.entries);
        let taken = entries.iter().find(|finished| directory.name_of(finished) == entry.name.as_bytes());
        match taken {
            None => {}
            Some(Finished::Seen(seen))
                if (seen.stat.device, seen.stat.inode) == (entry.metadata.device, entry.metadata.inode) =>
            {
                return None;
            }
            Some(_) => {
                self.renamed_again(sought, "to a name that was another entry's");
                return None;
            }
        }
        let place = Place { directory: Arc::clone(directory), number: entries.len() };
        entries.push(Finished::LeftOut);
        if sought.kind == FileKind::File {
            self.progress.found(1, entry.metadata.size);
            return Some(Job::File(FileJob::new(place, parent, entry, None)));
        }
        Some(Job::Directory(Box::new(DirectoryJob {
            path: directory.path.join(&entry.name),
            name: entry.name.as_bytes().to_vec(),
            identity: sought.identity,
            place: Some(place),
            earlier: EarlierEntry::None,
            mount_point: entry.mount_point,
        })))
    }

    /// Tells of an entry that cannot be in the backup under its new name. A file whose name another one has now, or that one
    /// was renamed to, is told as a warning: it is how programs save, and the file that they save is in the backup.
    fn renamed_again(&self, sought: Sought, how: &str) {
        let message =
            format!("it was renamed {how} while the backup ran, and is not in it; back it up again");
        let issue = Issue::new(sought.path, IssueKind::Vanished, message);
        match sought.kind {
            FileKind::File => self.totals.warn(issue),
            _ => self.totals.skip(issue),
        }
    }
}
