//! The target directory, its marker, and the step that gives a complete entry its final name.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::ground::Ground;
use super::journal::{JOURNAL, Journal};
use super::{ExtractOptions, Landing, Warning, WarningKind};
use crate::attributes::{ACL_ACCESS, ACL_DEFAULT};
use crate::beneath;
use crate::error::{Error, Operation, Result};
use crate::itemised::Itemised;
use crate::metadata::{FileKind, Metadata};

/// The beginning of the name of the directory in which a restore works inside its target; the operation's id follows.
pub const RESTORE_MARKER_PREFIX: &str = ".stillpoint-restore-";

/// Stands on the target from just before the marker goes until the target's own attributes are set.
pub(super) const FINISHING_ATTRIBUTE: &std::ffi::CStr = c"user.stillpoint.restore";

#[derive(Debug)]
pub(super) struct Target {
    pub(super) root: OwnedFd,
    pub(super) path: PathBuf,
    pub(super) staging: OwnedFd,
    pub(super) id: String,
    pub(super) options: ExtractOptions,
    pub(super) resumed: bool,
    pub(super) warnings: Mutex<Itemised<Warning>>,
    pub(super) journal: Mutex<Journal>,
    /// User and group that new files in the staging directory get.
    pub(super) fresh_owner: (u32, u32),
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
        let marker = marker_name(id);
        let staging = open_marker(&root, path, &marker, id)?;
        // Two restores may have found the target empty at the same moment; the one that sees the other yields.
        if let Some(other) = TargetState::read(&root, path, id)?.other {
            if !state.resumable() {
                remove_marker(&root, path, &marker)?;
            }
            return Err(Error::TargetHeld { path: path.to_path_buf(), id: other });
        }
        let fresh_owner = probe_owner(&staging, path, &marker)?;
        let fills_target = matches!(options.landing, Landing::EmptyTarget | Landing::Continue);
        let journal = Journal::open(&staging, path, !state.occupied, state.resumable() && fills_target)?;
        let target = Self {
            root,
            path: path.to_path_buf(),
            staging,
            id: id.to_owned(),
            options,
            resumed: state.resumable(),
            warnings: Mutex::default(),
            journal: Mutex::new(journal),
            fresh_owner,
            sequence: AtomicU64::new(0),
        };
        target.clear_staging(&[JOURNAL])?;
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
        let Self { root, id, options, resumed, .. } = self;
        Ground { root: root.as_fd(), id, landing: options.landing, resumed: *resumed }
    }

    /// A name nothing in the staging directory has.
    pub(super) fn staged_name(&self) -> OsString {
        self.sequence.fetch_add(1, Ordering::Relaxed).to_string().into()
    }

    pub(super) fn discard_staged(&self, staged: &OsStr) -> Result<()> {
        rustix::fs::unlinkat(&self.staging, staged, AtFlags::empty())
            .map_err(|source| Error::io(Operation::Remove, staged, source))
    }

    /// Moves a complete entry from the staging directory to its final name.
    pub(super) fn publish(&self, staged: &OsStr, relative: &Path) -> Result<()> {
        let (parent, name) = self.parent(relative)?;
        self.publish_in(staged, &parent, name, relative)
    }

    /// As [`Self::publish`], into a directory that is open already.
    pub(super) fn publish_in(
        &self,
        staged: &OsStr,
        parent: &OwnedFd,
        name: &OsStr,
        relative: &Path,
    ) -> Result<()> {
        let failed = |source| Error::io(Operation::Publish, relative, source);
        let (from, to) = (&self.staging, parent);
        match rustix::fs::renameat_with(from, staged, to, name, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            // NFS and some others do not know the flag; linking refuses an existing name just as well.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match rustix::fs::linkat(from, staged, to, name, AtFlags::empty()) {
                    Ok(()) => return self.discard_staged(staged),
                    Err(Errno::EXIST) => {}
                    Err(source) => return Err(failed(source)),
                }
            }
            Err(source) => return Err(failed(source)),
        }
        self.allow_replacing(parent, name, relative)?;
        rustix::fs::renameat(from, staged, to, name).map_err(failed)
    }

    /// Whether the entry that stands at a final name may go.
    pub(super) fn allow_replacing(&self, parent: &OwnedFd, name: &OsStr, relative: &Path) -> Result<()> {
        let existing = Metadata::at(parent.as_fd(), name)
            .map_err(|source| Error::io(Operation::Stat, relative, source))?;
        if existing.kind == FileKind::Directory || self.options.landing != Landing::Replace {
            return Err(Error::AlreadyExists { path: relative.to_path_buf() });
        }
        Ok(())
    }

    pub(super) fn warn(&self, path: &Path, kind: WarningKind, reason: Option<Errno>) {
        let reason = reason.map(|errno| std::io::Error::from(errno).to_string());
        let warning = Warning { path: path.to_path_buf(), kind, reason };
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    /// Removes what a killed run left behind, but for `kept`. Everything in the staging directory is a plain entry of ours.
    pub(super) fn clear_staging(&self, kept: &[&str]) -> Result<()> {
        let list = |source| Error::io(Operation::List, &self.path, source);
        let mut leftovers = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.staging).map_err(list)? {
            let name = entry.map_err(list)?.file_name().to_owned();
            let stays = kept.iter().any(|kept| kept.as_bytes() == name.as_bytes());
            if name.as_bytes() != b"." && name.as_bytes() != b".." && !stays {
                leftovers.push(name);
            }
        }
        leftovers.iter().try_for_each(|name| self.discard_staged(OsStr::from_bytes(name.as_bytes())))
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

pub(super) fn marker_name(id: &str) -> OsString {
    format!("{RESTORE_MARKER_PREFIX}{id}").into()
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

/// Lets the owner write into a target whose final mode a finished run has already set.
fn make_writable(root: &OwnedFd, path: &Path) -> Result<()> {
    let failed = |source| Error::io(Operation::SetAttributes, path, source);
    let metadata = Metadata::of(root.as_fd()).map_err(failed)?;
    if metadata.mode & 0o300 == 0o300 || metadata.uid != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    rustix::fs::fchmod(root, Mode::from_raw_mode(metadata.mode | 0o700)).map_err(failed)
}

/// Makes or takes over the marker directory and locks it against other runs of the same restore.
fn open_marker(root: &OwnedFd, path: &Path, marker: &OsStr, id: &str) -> Result<OwnedFd> {
    let failed = |source| Error::io(Operation::Create, path.join(marker), source);
    match rustix::fs::mkdirat(root, marker, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(source) => return Err(failed(source)),
    }
    let staging = beneath::open_directory(root.as_fd(), Path::new(marker)).map_err(failed)?;
    let opened = Metadata::of(staging.as_fd()).map_err(failed)?;
    if opened.uid != rustix::process::geteuid().as_raw() {
        return Err(Error::TargetHeld { path: path.to_path_buf(), id: id.to_owned() });
    }
    let busy = || Error::TargetBusy { path: path.to_path_buf(), id: id.to_owned() };
    match rustix::fs::flock(&staging, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(busy()),
        Err(source) => return Err(Error::io(Operation::Lock, path.join(marker), source)),
    }
    // The run that held the lock may have finished and removed the marker between our opening and locking it.
    match Metadata::at(root.as_fd(), marker) {
        Ok(found) if found.same_inode(&opened) => {}
        _ => return Err(busy()),
    }
    rustix::fs::fchmod(&staging, Mode::RWXU).map_err(failed)?;
    // An access list inherited from the target would pass to every file built here.
    for name in [ACL_DEFAULT, ACL_ACCESS] {
        match rustix::fs::fremovexattr(&staging, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(source) => return Err(failed(source)),
        }
    }
    Ok(staging)
}

/// Learns the user and group that new files get, which mount options and network file systems may decide.
fn probe_owner(staging: &OwnedFd, path: &Path, marker: &OsStr) -> Result<(u32, u32)> {
    let failed = |source| Error::io(Operation::Create, path.join(marker), source);
    let name = "owner";
    match rustix::fs::unlinkat(staging, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(source) => return Err(failed(source)),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let probe = rustix::fs::openat(staging, name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
    let metadata = Metadata::of(probe.as_fd()).map_err(failed);
    rustix::fs::unlinkat(staging, name, AtFlags::empty()).map_err(failed)?;
    metadata.map(|metadata| (metadata.uid, metadata.gid))
}

pub(super) fn remove_marker(root: &OwnedFd, path: &Path, marker: &OsStr) -> Result<()> {
    rustix::fs::unlinkat(root, marker, AtFlags::REMOVEDIR)
        .map_err(|source| Error::io(Operation::Remove, path.join(marker), source))
}
