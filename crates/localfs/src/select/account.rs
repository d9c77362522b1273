//! Choosing the entries of a directory and accounting for the rest.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Preset;
use super::environments::{Environment, described_by, of_directory};
use super::rules::{CompiledRules, RuleOrigin, Rules};
use crate::capture::{Directory, Entry, Identity, Listing, Source};
use crate::error::Result;
use crate::extract::RESTORE_MARKER_PREFIX;
use crate::metadata::FileKind;

/// What one rule left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleReport {
    /// Where the rule was written.
    pub origin: RuleOrigin,
    /// The pattern as written; a description for rules that are not patterns.
    pub pattern: String,
    /// Entries left out that are not directories.
    pub files: u64,
    /// Directories left out, those inside left-out directories included.
    pub directories: u64,
    /// Sizes of the regular files left out, in bytes. What lies on another file system is not measured.
    pub bytes: u64,
    /// Directories inside a left-out directory that could not be counted.
    pub uncounted: u64,
}

/// The choice of what a capture includes, with counters that may be fed from several threads.
#[derive(Debug)]
pub struct Selection {
    patterns: CompiledRules,
    pattern_counts: Vec<Counts>,
    device: Option<u64>,
    foreign: Counts,
    bytes_max: Option<u64>,
    oversized: Counts,
    unfinished: Counts,
    /// One for each kind of environment, if those that can be made again are left out.
    environments: Option<[Counts; Environment::ALL.len()]>,
}

#[derive(Debug, Default)]
struct Counts {
    files: AtomicU64,
    directories: AtomicU64,
    bytes: AtomicU64,
    uncounted: AtomicU64,
}

impl Selection {
    /// Everything that `rules` do not leave out.
    ///
    /// # Errors
    /// [`Error::InvalidPattern`](crate::Error::InvalidPattern).
    pub fn new(rules: &Rules) -> Result<Self> {
        let patterns = rules.compile()?;
        let pattern_counts = patterns.rules.iter().map(|_| Counts::default()).collect();
        Ok(Self {
            patterns,
            pattern_counts,
            device: None,
            foreign: Counts::default(),
            bytes_max: None,
            oversized: Counts::default(),
            unfinished: Counts::default(),
            environments: rules.environments.then(Default::default),
        })
    }

    /// Leaves out the content of other file systems mounted below `source`; mount points stay as empty directories.
    #[must_use]
    pub fn one_file_system(mut self, source: &Source) -> Self {
        self.device = Some(source.metadata().device);
        self
    }

    /// Leaves out regular files of more than `bytes` bytes.
    #[must_use]
    pub fn files_up_to(mut self, bytes: u64) -> Self {
        self.bytes_max = Some(bytes);
        self
    }

    /// Lists `directory` without what the selection leaves out, and counts that.
    ///
    /// # Errors
    /// The system's reason if the directory cannot be listed.
    pub fn list(&self, source: &Source, directory: &Directory) -> Result<Listing> {
        let mut listing = directory.list()?;
        listing.entries.retain_mut(|entry| self.keeps(source, directory.relative(), entry));
        // What the capture does not hold brings nothing back.
        let described = self.described(&listing);
        if !described.is_empty() {
            listing.entries.retain(|entry| self.keeps_environment(source, directory, &described, entry));
        }
        Ok(listing)
    }

    /// Looks in `directory` for directories and files that were listed there under other names. Each that is found comes with
    /// its entry, or with nothing where the selection leaves it out, which is counted.
    ///
    /// # Errors
    /// The system's reason if the directory cannot be listed.
    pub fn seek(
        &self,
        source: &Source,
        directory: &Directory,
        sought: &HashSet<Identity>,
    ) -> Result<HashMap<Identity, Option<Entry>>> {
        let listing = directory.list()?;
        let described = self.described(&listing);
        let mut found = HashMap::new();
        for mut entry in listing.entries {
            let identity = Identity::from(&entry.metadata);
            let kind = entry.metadata.kind;
            if matches!(kind, FileKind::Directory | FileKind::File) && sought.contains(&identity) {
                let kept = self.keeps(source, directory.relative(), &mut entry)
                    && (kind == FileKind::File
                        || self.keeps_environment(source, directory, &described, &entry));
                found.insert(identity, kept.then_some(entry));
            }
        }
        Ok(found)
    }

    /// What each rule left out so far; rules that left out nothing are listed with zeros.
    pub fn report(&self) -> Vec<RuleReport> {
        let mut reports: Vec<_> = (self.patterns.rules.iter().zip(&self.pattern_counts))
            .map(|((origin, pattern), counts)| counts.report(origin.clone(), pattern.clone()))
            .collect();
        for (kind, counts) in Environment::ALL.iter().zip(self.environments.iter().flatten()) {
            let origin = RuleOrigin::Preset(Preset::Environments);
            reports.push(counts.report(origin, kind.description().to_owned()));
        }
        if self.device.is_some() {
            reports.push(self.foreign.report(RuleOrigin::OneFileSystem, "other file systems".to_owned()));
        }
        if let Some(bytes) = self.bytes_max {
            reports.push(self.oversized.report(RuleOrigin::SizeLimit, format!("files over {bytes} bytes")));
        }
        let unfinished =
            self.unfinished.report(RuleOrigin::UnfinishedRestore, format!("{RESTORE_MARKER_PREFIX}*/"));
        if unfinished.directories > 0 {
            reports.push(unfinished);
        }
        reports
    }

    fn keeps(&self, source: &Source, parent: &Path, entry: &mut Entry) -> bool {
        let relative = parent.join(&entry.name);
        let is_directory = entry.metadata.kind == FileKind::Directory;
        if let Some(counts) = self.excluding(&relative, is_directory, entry) {
            return counts.leave_out(source, relative, entry);
        }
        if is_directory && self.device.is_some_and(|device| device != entry.metadata.device) {
            entry.mount_point = true;
            self.foreign.directories.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    fn excluding(&self, relative: &Path, is_directory: bool, entry: &Entry) -> Option<&Counts> {
        if is_directory && is_restore_marker(relative) {
            return Some(&self.unfinished);
        }
        if let Some(number) = self.patterns.excluding(relative, is_directory) {
            return self.pattern_counts.get(number);
        }
        let oversized = entry.metadata.kind == FileKind::File
            && self.bytes_max.is_some_and(|bytes| entry.metadata.size > bytes);
        oversized.then_some(&self.oversized)
    }
}

impl Selection {
    /// The kinds of environments that can be made again from what is listed.
    fn described(&self, listing: &Listing) -> Vec<Environment> {
        if self.environments.is_some() { described_by(&listing.entries) } else { Vec::new() }
    }

    fn keeps_environment(
        &self,
        source: &Source,
        directory: &Directory,
        described: &[Environment],
        entry: &Entry,
    ) -> bool {
        let relative = directory.relative().join(&entry.name);
        let environment = self.environment(source, &relative, described, entry);
        environment.is_none_or(|counts| counts.leave_out(source, relative, entry))
    }

    /// The counts of the kind of environment that an entry is, if it is to be left out as one.
    fn environment(
        &self,
        source: &Source,
        relative: &Path,
        described: &[Environment],
        entry: &Entry,
    ) -> Option<&Counts> {
        let counts = self.environments.as_ref()?;
        let inside = entry.metadata.device == source.metadata().device;
        if described.is_empty() || !inside || entry.metadata.kind != FileKind::Directory {
            return None;
        }
        let found = of_directory(source, relative, described)?;
        counts.get(Environment::ALL.iter().position(|kind| *kind == found)?)
    }
}

fn is_restore_marker(relative: &Path) -> bool {
    let name = relative.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(RESTORE_MARKER_PREFIX.as_bytes())
}

impl Counts {
    /// Counts an entry with all that is in it, and keeps it no longer.
    fn leave_out(&self, source: &Source, relative: PathBuf, entry: &Entry) -> bool {
        self.add(entry);
        let inside = entry.metadata.device == source.metadata().device;
        if entry.metadata.kind == FileKind::Directory && inside {
            self.add_below(source, relative);
        }
        false
    }

    fn add(&self, entry: &Entry) {
        if entry.metadata.kind == FileKind::Directory {
            self.directories.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.files.fetch_add(1, Ordering::Relaxed);
        if entry.metadata.kind == FileKind::File {
            self.bytes.fetch_add(entry.metadata.size, Ordering::Relaxed);
        }
    }

    /// Counts a left-out directory's content, staying on the source's file system.
    fn add_below(&self, source: &Source, top: PathBuf) {
        let mut waiting = vec![top];
        while let Some(relative) = waiting.pop() {
            let listing = source.directory(&relative).and_then(|directory| directory.list());
            let Ok(listing) = listing else {
                self.uncounted.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            for entry in &listing.entries {
                self.add(entry);
                let inside = entry.metadata.device == source.metadata().device;
                if entry.metadata.kind == FileKind::Directory && inside {
                    waiting.push(relative.join(&entry.name));
                }
            }
        }
    }

    fn report(&self, origin: RuleOrigin, pattern: String) -> RuleReport {
        RuleReport {
            origin,
            pattern,
            files: self.files.load(Ordering::Relaxed),
            directories: self.directories.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            uncounted: self.uncounted.load(Ordering::Relaxed),
        }
    }
}
