//! What a restore notes in its marker: the directories it made, and the modes of others that it changed for a while.
//!
//! Records end with a zero byte: `+<path>` for a directory that was made, `<mode>=<path>` for one that stood, with the
//! mode to put back. `+` alone says that the target itself was empty, so that every directory is the restore's. A record
//! is written before the next one is needed; one that a power failure takes away leaves a directory as it is.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};

use super::target::Target;
use super::{Landing, WarningKind};
use crate::error::{Error, Operation, Result};
use crate::metadata::Metadata;

/// The journal's name in the marker. Entries that are being built there have numbers for names.
pub(super) const JOURNAL: &str = "journal";

/// The longest journal, in bytes. Directories beyond it keep what they have when a restore is taken up again.
const BYTES_MAX: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    length: u64,
    /// Whether the target was empty when the restore began.
    whole: bool,
    made: HashSet<PathBuf>,
    /// Directories that stood and could not be written into, with their own modes.
    modes: BTreeMap<PathBuf, u32>,
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
        let mut journal = Self { file, length: 0, whole: ours, made: HashSet::new(), modes: BTreeMap::new() };
        if bytes.is_empty() && empty {
            journal.note(b"+").map_err(failed)?;
            journal.whole = true;
        }
        journal.length = journal.length.max(bytes.len() as u64);
        journal.read(&bytes);
        Ok(journal)
    }

    fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.whole = false;
        // A record that was cut short has no end.
        for record in bytes.split_inclusive(|byte| *byte == 0).filter_map(|record| record.strip_suffix(b"\0"))
        {
            let path = |bytes: &[u8]| PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()));
            match record.iter().position(|byte| matches!(byte, b'+' | b'=')) {
                Some(0) if record == b"+" => self.whole = true,
                Some(0) => {
                    self.made.insert(path(record.get(1..).unwrap_or_default()));
                }
                Some(sign) => {
                    let (mode, named) = record.split_at(sign);
                    let mode =
                        std::str::from_utf8(mode).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok());
                    if let Some(mode) = mode {
                        self.modes.entry(path(named.get(1..).unwrap_or_default())).or_insert(mode);
                    }
                }
                None => {}
            }
        }
    }

    fn note(&mut self, record: &[u8]) -> std::io::Result<()> {
        let line = [record, b"\0"].concat();
        if self.length.saturating_add(line.len() as u64) <= BYTES_MAX {
            self.length += line.len() as u64;
            self.file.write_all(&line)?;
        }
        Ok(())
    }
}

impl Target {
    /// Whether the attributes of a directory that stands are this restore's to set.
    pub(super) fn is_ours(&self, relative: &Path) -> bool {
        let journal = self.journal();
        self.options.landing == Landing::Replace || journal.whole || journal.made.contains(relative)
    }

    /// Whether the attributes of the target itself are this restore's to set.
    pub(super) fn root_is_ours(&self) -> bool {
        match self.options.landing {
            Landing::EmptyTarget => self.journal().whole,
            Landing::Continue | Landing::Replace => true,
            Landing::Merge => false,
        }
    }

    /// Notes a directory that was made.
    pub(super) fn note_made(&self, relative: &Path) -> Result<()> {
        let mut journal = self.journal();
        if journal.whole {
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
        journal.modes.entry(relative.to_path_buf()).or_insert(mode);
        Ok(())
    }

    /// Forgets the mode of a directory that gets another one.
    pub(super) fn forget_mode(&self, relative: &Path) {
        self.journal().modes.remove(relative);
    }

    /// Gives directories that were kept the modes they had, those inside others first.
    pub(super) fn put_modes_back(&self) {
        let modes = std::mem::take(&mut self.journal().modes);
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
