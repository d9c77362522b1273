//! Writing a tree below one target directory, and nothing outside it.

mod apply;
mod compare;
mod entries;
mod file;
mod finish;
mod foresight;
mod ground;
mod journal;
mod links;
mod mounts;
mod names;
mod preview;
mod scratch;
mod since;
mod small;
mod sparse;
mod staging;
mod standing;
mod target;
mod warning;

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

pub use file::FileWriter;
pub use finish::ExtractReport;
pub use foresight::Foresight;
pub use links::{HardLinks, LinkKey, SharedFile};
pub use names::{EntryId, Names, Unfinished};
pub use preview::{Fate, Foreseen, Preview};
pub use scratch::Pile;
pub use since::time_in;
pub use small::Folder;
pub use staging::RESTORE_MARKER_PREFIX;
pub use standing::Standing;
pub use warning::{Warning, WarningKind};

use crate::attributes::Attributes;
use crate::error::Result;
use crate::metadata::{FileKind, Metadata, Timestamp};
use scratch::Scratch;
use target::Target;

/// How a restore treats a target that already holds entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Landing {
    /// The target must be new or empty, or hold an unfinished run of the same restore.
    #[default]
    EmptyTarget,
    /// As `EmptyTarget`, for a caller whose own records say that this restore began before. If that run was in fact
    /// finished, no marker tells of it any more: then entries that stand are kept, as in `Merge`.
    Continue,
    /// Entries that exist are kept; only missing ones are written.
    Merge,
    /// Entries that exist are replaced; a directory never replaces a file, nor a file a directory. What somebody changes
    /// after the restore began stays, also where a later run goes on with it ([`ExtractOptions::unchanged_since`]).
    Replace,
}

/// What an extraction may do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExtractOptions {
    /// How existing entries are treated.
    pub landing: Landing,
    /// Whether owners are set. Off, every entry belongs to the running user.
    pub owners: bool,
    /// Whether set-user-id and set-group-id bits and `security.*` and `trusted.*` attributes are restored. Off by
    /// default, because a snapshot from elsewhere could plant privileges with them; what is withheld is reported. Those
    /// that stand as the snapshot has them stay either way, unless a change of owner, mode or access list would let others
    /// use them.
    pub privileged: bool,
    /// Whether device nodes and sockets are created. Off by default, for the same reason; pipes always are.
    pub special_files: bool,
    /// Whether blocks of zeros, of 4 KiB counted from the start of a file, become holes. On by default: a snapshot does
    /// not say where a file had holes, so a sparse file stays sparse, and one that had zeros written takes less room.
    pub sparse: bool,
    /// Up to when entries may have been changed that [`Landing::Replace`] replaces, by the clock of the target's file
    /// system: the moment from which on a copy of what stood is known to be safe. One that was changed later stays, and is
    /// [`WrittenSince`](crate::Error::WrittenSince). `None` for the moment at which the first run of the restore began,
    /// which its marker keeps.
    pub unchanged_since: Option<Timestamp>,
}

impl Default for ExtractOptions {
    fn default() -> Self {
        Self {
            landing: Landing::default(),
            owners: true,
            privileged: false,
            special_files: false,
            sparse: true,
            unchanged_since: None,
        }
    }
}

impl ExtractOptions {
    /// The defaults with another landing.
    #[must_use]
    pub fn landing(landing: Landing) -> Self {
        Self { landing, ..Self::default() }
    }
}

/// Proof that this run wrote or verified a file: the only thing a hard link may be made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    pub(crate) const fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.device, inode: metadata.inode }
    }
}

/// An extraction into one target directory.
///
/// Guarantees, under crash and kill at any point:
/// - Every entry is reached from the target's descriptor through directories only, never through a link, so no inode
///   outside the target is touched.
/// - A file or link appears under its final name only when its content and attributes are complete; it is built in the
///   marker directory `.stillpoint-restore-<id>` inside the target, mode 0700; below a mount point, in one on that mount.
/// - While the marker stands the target is recognisably unfinished. A run with the same id takes it over: it removes
///   the leftovers and goes on, and overwrites nothing that was written since. A run with another id is refused.
/// - [`finish`](Self::finish) flushes everything before it removes the marker.
///
/// Every call may be made from several threads.
#[derive(Debug)]
pub struct Extractor {
    target: Arc<Target>,
}

impl Extractor {
    /// Opens or creates the directory `target` for the restore `id` (1 to 200 letters, digits, `-`, `_`, `.`).
    ///
    /// # Errors
    /// [`crate::Error::TargetNotEmpty`], [`crate::Error::TargetHeld`], [`crate::Error::TargetBusy`], [`crate::Error::InvalidRestoreId`],
    /// [`crate::Error::NotADirectory`], or the system's reason. Nothing has been changed then, except that a missing target
    /// may have been created.
    pub fn open(target: &Path, id: &str, options: ExtractOptions) -> Result<Self> {
        Ok(Self { target: Arc::new(Target::open(target, id, options)?) })
    }

    /// Whether an earlier run of this restore left work in the target.
    pub fn resumed(&self) -> bool {
        self.target.resumed
    }

    /// Creates the directory at `relative` with mode 0700; its attributes come later, through
    /// [`set_directory_attributes`](Self::set_directory_attributes). A directory that an earlier run or, when merging,
    /// anybody made is accepted. Answers whether its attributes are this restore's to set, which they are not where
    /// somebody else made it and it is kept; if it cannot be written into, it can until the end of the extraction.
    ///
    /// # Errors
    /// [`crate::Error::AlreadyExists`] if something else stands there; [`crate::Error::InvalidName`]; the system's reason.
    pub fn create_directory(&self, relative: &Path) -> Result<bool> {
        self.target.create_directory(relative, false)
    }

    /// As [`create_directory`](Self::create_directory), of one that only leads to what is wanted: where it stands already
    /// its attributes are not this restore's to set, also when replacing.
    ///
    /// # Errors
    /// As [`create_directory`](Self::create_directory).
    pub fn pass_through(&self, relative: &Path) -> Result<bool> {
        self.target.create_directory(relative, true)
    }

    /// Starts the regular file `relative` of `size` bytes, all zero until written.
    ///
    /// # Errors
    /// [`crate::Error::InvalidName`]; the system's reason ([`crate::Error::is_storage_full`] tells a full disk).
    pub fn create_file(&self, relative: &Path, size: u64) -> Result<FileWriter> {
        FileWriter::create(Arc::clone(&self.target), relative, size)
    }

    /// Opens the directory at `relative` to write files into it with [`write_file`](Self::write_file).
    ///
    /// # Errors
    /// [`crate::Error::InvalidName`]; the system's reason, also when a part of the path is no directory or is a link.
    pub fn folder(&self, relative: &Path) -> Result<Folder> {
        let depth = relative.components().count();
        let fd = self.target.directory(relative)?;
        let staging = self.target.staging_for(fd.as_fd(), relative)?;
        Ok(Folder { fd, relative: relative.to_path_buf(), depth, staging })
    }

    /// Writes the regular file `name` of `folder` with its whole content, blocks of zeros as holes, and gives it its
    /// attributes and then its name. The shortest way there is for small files.
    ///
    /// # Errors
    /// As [`FileWriter::finish`].
    pub fn write_file(
        &self,
        folder: &Folder,
        name: &OsStr,
        content: &[u8],
        attributes: &Attributes,
    ) -> Result<()> {
        self.target.write_file(folder, name, content, attributes)
    }

    /// Creates the symbolic link `relative` with any bytes as its target. No entry is ever reached through it.
    ///
    /// # Errors
    /// [`crate::Error::AlreadyExists`], [`crate::Error::InvalidName`], or the system's reason.
    pub fn create_symlink(&self, relative: &Path, to: &Path, attributes: &Attributes) -> Result<()> {
        self.target.create_symlink(relative, to, attributes)
    }

    /// Creates the pipe, socket or device node `relative`; sockets and devices only if the options allow them, else
    /// they are reported and `false` is returned.
    ///
    /// # Errors
    /// [`crate::Error::AlreadyExists`], [`crate::Error::InvalidName`], or the system's reason.
    pub fn create_special(
        &self,
        relative: &Path,
        kind: FileKind,
        special_device: u64,
        attributes: &Attributes,
    ) -> Result<bool> {
        self.target.create_special(relative, kind, special_device, attributes)
    }

    /// Makes `relative` another name of the file `original`, provided that name still leads to the inode `id`.
    ///
    /// # Errors
    /// [`crate::Error::Replaced`] if it does not; [`crate::Error::AlreadyExists`], [`crate::Error::InvalidName`], or the system's reason.
    pub fn create_hard_link(&self, relative: &Path, original: &Path, id: FileId) -> Result<()> {
        self.target.create_hard_link(relative, original, id)
    }

    /// Names that the caller will come back to. Beyond a MiB they lie in a file that has no name and is gone with what keeps
    /// it, on the target's file system: a restore whose tree is large needs disk for them, not memory. It is to be dropped
    /// before [`finish`](Self::finish), as the following two are.
    pub fn names(&self) -> Names {
        Names::new(self.scratch())
    }

    /// Directories that wait for their attributes, kept as [`names`](Self::names) are.
    pub fn unfinished(&self) -> Unfinished {
        Unfinished::new(self.pile())
    }

    /// Records of the caller's own, kept as [`names`](Self::names) are.
    pub fn pile(&self) -> Pile {
        Pile::new(self.scratch())
    }

    fn scratch(&self) -> Scratch {
        Scratch::new(Arc::clone(&self.target))
    }

    /// Gives the directory at `relative` those of its attributes that it lacks. Call it when nothing below will be written
    /// any more.
    ///
    /// # Errors
    /// The system's reason if the directory cannot be opened; attributes that cannot be set become warnings.
    pub fn set_directory_attributes(&self, relative: &Path, attributes: &Attributes) -> Result<()> {
        let directory = self.target.directory(relative)?;
        self.target.forget_mode(relative);
        self.target.settle(directory.as_fd(), FileKind::Directory, relative, attributes);
        Ok(())
    }

    /// Flushes the file system, removes the marker, and gives the target itself its attributes. Afterwards the restore
    /// is complete and durable.
    ///
    /// # Errors
    /// The system's reason; the marker may then still stand, and a further run with the same id completes the restore.
    pub fn finish(self, root: Option<&Attributes>) -> Result<ExtractReport> {
        self.target.finish(root)
    }
}
