//! The target directory, its marker, and the step that gives a complete entry its final name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::ground::Ground;
use super::journal::{JOURNAL, Journal};
use super::since::Since;
use super::staging::{Mount, RESTORE_MARKER_PREFIX, Staging, make_writable};
use super::{ExtractOptions, FileId, Landing, Warning, WarningKind};
use crate::error::{Error, Operation, Result};
use crate::itemised::Itemised;
use crate::metadata::{FileKind, Metadata};

/// Stands on the target from just before the marker goes until the target's own attributes are set.
pub(super) const FINISHING_ATTRIBUTE: &std::ffi::CStr = c"user.stillpoint.restore";

#[derive(Debug)]
pub(super) struct Target {
    pub(super) root: OwnedFd,
    pub(super) path: PathBuf,
    pub(super) staging: Arc<Staging>,
    /// Where entries below mount points are built, by mount.
    pub(super) mounted: Mutex<BTreeMap<Mount, Arc<Staging>>>,
    pub(super) id: String,
    pub(super) options: ExtractOptions,
    pub(super) resumed: bool,
    pub(super) warnings: Mutex<Itemised<Warning>>,
    pub(super) journal: Mutex<Journal>,
    pub(super) since: Since,
    sequence: AtomicU64,
}

impl Target {
    pub(super) fn open(path: &Path, id: &str, options: ExtractOptions) -> Result<Self> {
        validate_id(id)?;
        let root = open_or_create(path)?;
        let state = TargetState::read(&root, path, id)?;
        state.admit(path, options.landing)?;
        if options.landing == Landing::Continue {
            make_writable(&root, path)?;
        }
        let staging = Staging::open(&root, path, id)?;
        // Two restores may have found the target empty at the same moment; the one that sees the other yields.
        if let Some(other) = TargetState::read(&root, path, id)?.other {
            if !state.resumable() {
                staging.remove()?;
            }
            return Err(Error::TargetHeld { path: path.to_path_buf(), id: other });
        }
        let fills_target = matches!(options.landing, Landing::EmptyTarget | Landing::Continue);
        let mut journal =
            Journal::open(&staging.fd, path, !state.occupied, state.resumable() && fills_target)?;
        let since = journal.since(&staging.fd, &options);
        let since = since.map_err(|source| Error::io(Operation::Write, path.join(JOURNAL), source))?;
        let target = Self {
            root,
            path: path.to_path_buf(),
            staging: Arc::new(staging),
            mounted: Mutex::default(),
            id: id.to_owned(),
            options,
            resumed: state.resumable(),
            warnings: Mutex::default(),
            journal: Mutex::new(journal),
            since,
            sequence: AtomicU64::new(0),
        };
        target.staging.clear(&[JOURNAL])?;
        target.clear_mounts()?;
        Ok(target)
    }

    /// Opens the parent of `relative` and names the last component.
    pub(super) fn parent<'a>(&self, relative: &'a Path) -> Result<(OwnedFd, &'a OsStr)> {
        self.ground().parent(relative)
    }

    pub(super) fn directory(&self, relative: &Path) -> Result<OwnedFd> {
        self.ground().directory(relative)
    }

    /// The target as it is decided upon.
    pub(super) fn ground(&self) -> Ground<'_> {
        let Self { root, id, options, resumed, since, .. } = self;
        Ground { root: root.as_fd(), id, landing: options.landing, resumed: *resumed, since }
    }

    /// A name nothing in the staging directory has.
    pub(super) fn staged_name(&self) -> OsString {
        self.sequence.fetch_add(1, Ordering::Relaxed).to_string().into()
    }

    /// Moves a complete entry from the staging directory to its final name.
    pub(super) fn publish(
        &self,
        staging: &Staging,
        staged: &OsStr,
        parent: &OwnedFd,
        name: &OsStr,
        relative: &Path,
    ) -> Result<()> {
        let failed = |source| Error::io(Operation::Publish, relative, source);
        let (from, to) = (&staging.fd, parent);
        match rustix::fs::renameat_with(from, staged, to, name, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            // NFS and some others do not know the flag; linking refuses an existing name just as well.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match rustix::fs::linkat(from, staged, to, name, AtFlags::empty()) {
                    Ok(()) => return staging.discard(staged),
                    Err(Errno::EXIST) => {}
                    Err(source) => return Err(failed(source)),
                }
            }
            Err(source) => return Err(failed(source)),
        }
        self.allow_replacing(parent, name, relative)?;
        rustix::fs::renameat(from, staged, to, name).map_err(failed)
    }

    /// Sees to it that the entry that stands at a final name may go.
    pub(super) fn allow_replacing(&self, parent: &OwnedFd, name: &OsStr, relative: &Path) -> Result<()> {
        let existing = Metadata::at(parent.as_fd(), name)
            .map_err(|source| Error::io(Operation::Stat, relative, source))?;
        if existing.kind == FileKind::Directory || self.options.landing != Landing::Replace {
            return Err(Error::AlreadyExists { path: relative.to_path_buf() });
        }
        // Its time was looked at before its content came, which may take long.
        self.ground().spare(&existing, relative)?;
        if existing.links == 2 {
            self.note_loosened(FileId::of(&existing), relative)?;
        }
        Ok(())
    }

    pub(super) fn warn(&self, path: &Path, kind: WarningKind, reason: Option<Errno>) {
        let reason = reason.map(|errno| std::io::Error::from(errno).to_string());
        let warning = Warning { path: path.to_path_buf(), kind, reason };
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }
}

/// What stands in a target before a restore begins.
#[derive(Debug, Default)]
pub(super) struct TargetState {
    own: bool,
    finishing: bool,
    other: Option<String>,
    pub(super) occupied: bool,
}

impl TargetState {
    pub(super) fn read(root: &OwnedFd, path: &Path, id: &str) -> Result<Self> {
        let list = |source| Error::io(Operation::List, path, source);
        let mut state = Self::default();
        let mut stamp = [0; 256];
        if let Ok(length) = rustix::fs::fgetxattr(root, FINISHING_ATTRIBUTE, &mut stamp) {
            state.finishing = stamp.get(..length) == Some(id.as_bytes());
        }
        for entry in rustix::fs::Dir::read_from(root).map_err(list)? {
            let entry = entry.map_err(list)?;
            let name = entry.file_name().to_bytes();
            match name.strip_prefix(RESTORE_MARKER_PREFIX.as_bytes()) {
                _ if name == b"." || name == b".." => {}
                Some(holder) if holder == id.as_bytes() => state.own = true,
                Some(holder) => state.other = Some(String::from_utf8_lossy(holder).into_owned()),
                None => state.occupied = true,
            }
        }
        Ok(state)
    }

    pub(super) const fn resumable(&self) -> bool {
        self.own || self.finishing
    }

    pub(super) fn admit(&self, path: &Path, landing: Landing) -> Result<()> {
        if let Some(id) = &self.other {
            return Err(Error::TargetHeld { path: path.to_path_buf(), id: id.clone() });
        }
        if landing == Landing::EmptyTarget && self.occupied && !self.resumable() {
            return Err(Error::TargetNotEmpty { path: path.to_path_buf() });
        }
        Ok(())
    }
}

pub(super) fn validate_id(id: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if id.is_empty() || id.len() > 200 || !id.bytes().all(plain) {
        return Err(Error::InvalidRestoreId { id: id.to_owned() });
    }
    Ok(())
}

fn open_or_create(path: &Path) -> Result<OwnedFd> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|source| Error::io(Operation::Create, parent, source))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::io(Operation::Create, path, error));
        }
        Ok(()) | Err(_) => {}
    }
    match rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOTDIR) => Err(Error::NotADirectory { path: path.to_path_buf() }),
        other => other.map_err(|source| Error::io(Operation::Open, path, source)),
    }
}
