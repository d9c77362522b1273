//! What a restore notes in its marker: the directories it made, and the modes of others that it changed for a while.
//!
//! Records end with a zero byte: `+<path>` for a directory that was made, `<mode>=<path>` for one that stood, with the
//! mode to put back, `@<path>` for one in which entries are built because it is on another mount. `+` alone says that the
//! target itself was empty, so that every directory is the restore's. `^<seconds>.<nanoseconds>` is the moment at which a
//! restore began that replaces, `-<device>:<inode>` an inode of which it took a name away. A record
//! is written before what it tells of is done; one that a power failure takes away leaves a directory as it is. One that
//! was cut short says nothing, and goes before another one is written.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::since::{Since, now};
use super::target::Target;
use super::{ExtractOptions, FileId, Landing, WarningKind};
use crate::error::{Error, Operation, Result};
use crate::metadata::{Metadata, Timestamp};

/// The journal's name in the marker. Entries that are being built there have numbers for names.
pub(super) const JOURNAL: &str = "journal";

/// The longest journal, in bytes. Directories beyond it keep what they have when a restore is taken up again.
const BYTES_MAX: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    length: u64,
    notes: Notes,
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Whether the target was empty when the restore began.
    whole: bool,
    made: HashSet<PathBuf>,
    /// Directories that stood and could not be written into, with their own modes.
    modes: BTreeMap<PathBuf, u32>,
    /// Directories on other mounts in which this restore built, or meant to.
    mounts: BTreeSet<PathBuf>,
    /// When a restore that replaces began.
    began: Option<Timestamp>,
    /// Inodes of which it took a name away and that had one left.
    loosened: HashSet<FileId>,
}

impl Journal {
    /// Opens the journal in `marker`, or begins it. `empty` says that nothing but the marker stands in the target, and
    /// `ours` whether a target of which no journal tells is the restore's.
    pub(super) fn open(marker: &OwnedFd, target: &Path, empty: bool, ours: bool) -> Result<Self> {
        let failed = |source| Error::io(Operation::Open, target.join(JOURNAL), source);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(marker, JOURNAL, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| failed(errno.into()))?;
        let mut file = File::from(fd);
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
        let whole = whole_records(&bytes).len();
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(failed)?;
            bytes.truncate(whole);
        }
        let mut journal = Self { file, length: bytes.len() as u64, notes: Notes::of(&bytes, empty, ours) };
        if bytes.is_empty() && empty {
            journal.note(b"+").map_err(failed)?;
        }
        Ok(journal)
    }

    /// Up to when what stands may be replaced. The moment at which a replacing restore began is noted for the runs after it.
    pub(super) fn since(&mut self, marker: &OwnedFd, options: &ExtractOptions) -> std::io::Result<Since> {
        if options.landing == Landing::Replace && options.unchanged_since.or(self.notes.began).is_none() {
            let began = now(marker)?;
            self.note(format!("^{}.{:09}", began.seconds, began.nanoseconds).as_bytes())?;
            // Nothing is replaced before a power failure cannot take this away any more.
            self.file.sync_all()?;
            self.notes.began = Some(began);
        }
        Ok(self.notes.since(options, Some(marker.try_clone()?)))
    }

    fn note(&mut self, record: &[u8]) -> std::io::Result<()> {
        let line = [record, b"\0"].concat();
        if self.length.saturating_add(line.len() as u64) <= BYTES_MAX {
            if let Err(error) = self.file.write_all(&line) {
                // On a full disk a part of the record may be there.
                self.file.set_len(self.length)?;
                return Err(error);
            }
            self.length += line.len() as u64;
        }
        Ok(())
    }
}

impl Notes {
    /// Reads the journal in the marker of a target, if there is one. The arguments are those of [`Journal::open`].
    pub(super) fn read(root: &OwnedFd, marker: &OsStr, empty: bool, ours: bool) -> Self {
        let path = Path::new(marker).join(JOURNAL);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut bytes = Vec::new();
        if let Ok(fd) = rustix::fs::openat(root, path, flags, Mode::empty())
            && let Err(error) = File::from(fd).take(BYTES_MAX).read_to_end(&mut bytes)
        {
            tracing::debug!(%error, "the journal of an earlier run cannot be read to its end");
        }
        Self::of(&bytes, empty, ours)
    }

    fn of(bytes: &[u8], empty: bool, ours: bool) -> Self {
        let mut notes = Self::default();
        let bytes = whole_records(bytes);
        if bytes.is_empty() {
            notes.whole = ours || empty;
            return notes;
        }
        for record in bytes.split(|byte| *byte == 0) {
            let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
            if let Some(mount) = record.strip_prefix(b"@") {
                notes.mounts.insert(path(mount));
                continue;
            }
            if let Some(moment) = record.strip_prefix(b"^") {
                let moment =
                    pair(moment, '.').map(|(seconds, nanoseconds)| Timestamp { seconds, nanoseconds });
                notes.began = notes.began.or(moment);
                continue;
            }
            if let Some(inode) = record.strip_prefix(b"-") {
                let inode = pair(inode, ':').map(|(device, inode)| FileId { device, inode });
                notes.loosened.extend(inode);
                continue;
            }
            match record.iter().position(|byte| matches!(byte, b'+' | b'=')) {
                Some(0) if record == b"+" => notes.whole = true,
                Some(0) => {
                    notes.made.insert(path(record.get(1..).unwrap_or_default()));
                }
                Some(sign) => {
                    let (mode, named) = record.split_at(sign);
                    let mode =
                        std::str::from_utf8(mode).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok());
                    if let Some(mode) = mode {
                        notes.modes.entry(path(named.get(1..).unwrap_or_default())).or_insert(mode);
                    }
                }
                None => {}
            }
        }
        notes
    }

    /// Up to when what stands may be replaced, by the clock of the file system that `clock` lies on.
    pub(super) fn since(&self, options: &ExtractOptions, clock: Option<OwnedFd>) -> Since {
        let moment = options.unchanged_since.or(self.began).filter(|_| options.landing == Landing::Replace);
        Since::new(moment, clock, self.loosened.clone())
    }

    /// Whether the attributes of a directory that stands are the restore's to set. One that is only `passed` through on the
    /// way to what is wanted keeps its own, unless the restore made it.
    pub(super) fn is_ours(&self, landing: Landing, relative: &Path, passed: bool) -> bool {
        (landing == Landing::Replace && !passed) || self.whole || self.made.contains(relative)
    }

    /// Whether the attributes of the target itself are the restore's to set.
    pub(super) const fn root_is_ours(&self, landing: Landing) -> bool {
        match landing {
            Landing::EmptyTarget => self.whole,
            Landing::Continue | Landing::Replace => true,
            Landing::Merge => false,
        }
    }
}

/// Two numbers of a record.
fn pair<A: FromStr, B: FromStr>(text: &[u8], between: char) -> Option<(A, B)> {
    let (first, second) = std::str::from_utf8(text).ok()?.split_once(between)?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

/// The records that have an end.
fn whole_records(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == 0).map_or(0, |end| end + 1);
    bytes.get(..end).unwrap_or_default()
}

impl Target {
    /// Whether the attributes of a directory that stands are this restore's to set.
    pub(super) fn is_ours(&self, relative: &Path, passed: bool) -> bool {
        self.journal().notes.is_ours(self.options.landing, relative, passed)
    }

    /// Whether the attributes of the target itself are this restore's to set.
    pub(super) fn root_is_ours(&self) -> bool {
        self.journal().notes.root_is_ours(self.options.landing)
    }

    /// Notes a directory that is about to be made, unless one stands there.
    pub(super) fn note_made(&self, parent: &OwnedFd, name: &OsStr, relative: &Path) -> Result<()> {
        let mut journal = self.journal();
        let stands = || Metadata::at(parent.as_fd(), name) != Err(Errno::NOENT);
        if journal.notes.whole || stands() {
            return Ok(());
        }
        let noted = journal.note(&[b"+", relative.as_os_str().as_bytes()].concat());
        noted.map_err(|source| Error::io(Operation::Write, relative, source))
    }

    /// Notes the mode of a directory that stands and is about to be opened for writing.
    pub(super) fn note_mode(&self, relative: &Path, mode: u32) -> Result<()> {
        let mut journal = self.journal();
        let record = [format!("{mode:o}=").as_bytes(), relative.as_os_str().as_bytes()].concat();
        journal.note(&record).map_err(|source| Error::io(Operation::Write, relative, source))?;
        journal.notes.modes.entry(relative.to_path_buf()).or_insert(mode);
        Ok(())
    }

    /// Notes a directory on another mount in which this restore is about to build.
    pub(super) fn note_mount(&self, relative: &Path) -> Result<()> {
        let mut journal = self.journal();
        if journal.notes.mounts.insert(relative.to_path_buf()) {
            let noted = journal.note(&[b"@", relative.as_os_str().as_bytes()].concat());
            noted.map_err(|source| Error::io(Operation::Write, relative, source))?;
        }
        Ok(())
    }

    /// Notes an inode that is about to lose a name and has one left then: that changes its time.
    pub(super) fn note_loosened(&self, id: FileId, relative: &Path) -> Result<()> {
        let record = format!("-{}:{}", id.device, id.inode);
        let noted = self.journal().note(record.as_bytes());
        noted.map_err(|source| Error::io(Operation::Write, relative, source))?;
        self.since.loosen(id);
        Ok(())
    }

    pub(super) fn noted_mounts(&self) -> BTreeSet<PathBuf> {
        self.journal().notes.mounts.clone()
    }

    /// Forgets the mode of a directory that gets another one.
    pub(super) fn forget_mode(&self, relative: &Path) {
        self.journal().notes.modes.remove(relative);
    }

    /// Gives directories that were kept the modes they had, those inside others first.
    pub(super) fn put_modes_back(&self) {
        let modes = std::mem::take(&mut self.journal().notes.modes);
        for (relative, mode) in modes.into_iter().rev() {
            if let Err(error) = self.put_mode_back(&relative, mode) {
                tracing::warn!(?relative, %error, "a directory keeps the mode that let the restore write into it");
                self.warn(&relative, WarningKind::ModeNotSet, None);
            }
        }
    }

    fn put_mode_back(&self, relative: &Path, mode: u32) -> Result<()> {
        let failed = |source| Error::io(Operation::SetAttributes, relative, source);
        let directory = self.directory(relative)?;
        let found = Metadata::of(directory.as_fd()).map_err(failed)?;
        // Any other mode was set by somebody else meanwhile.
        if found.mode == mode | 0o700 {
            rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode)).map_err(failed)?;
        }
        Ok(())
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.put_modes_back();
    }
}
