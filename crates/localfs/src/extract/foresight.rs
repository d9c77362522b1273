//! Walking what a restore would do: the same questions in the same order, and no answer carried out.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::ground::{EntryFound, FileFound, Ground};
use super::journal::Notes;
use super::preview::{Fate, Foreseen, Preview};
use super::since::Since;
use super::staging::{Mount, RESTORE_MARKER_PREFIX, is_marker, marker_name};
use super::target::{TargetState, validate_id};
use super::{ExtractOptions, FileId, HardLinks, Landing, LinkKey, SharedFile};
use crate::attributes::Attributes;
use crate::capture::{Directory, OpenFile};
use crate::error::{Error, Operation, Result};
use crate::metadata::{FileKind, Metadata};

/// A look at what an extraction into one target would do. It decides as the [`Extractor`](super::Extractor) does, by the
/// same code, reads what that would read, and changes nothing: no marker, no lock, no time of access beyond what reading
/// costs. What others write meanwhile makes it wrong, as it makes any look.
///
/// Entries come in the order in which a restore meets them, each directory before what is in it.
#[derive(Debug)]
pub struct Foresight {
    root: Option<OwnedFd>,
    id: String,
    options: ExtractOptions,
    resumed: bool,
    since: Since,
    notes: Notes,
    preview: Preview,
    links: HardLinks<PathBuf>,
    /// What the file that carries a key became: `None` where it would be new.
    carried: HashMap<LinkKey, Option<FileId>>,
    /// Digests of the paths of the backup that stand, eight bytes each.
    met: HashSet<u64>,
    /// Those of directories, and whether all that stands in them is compared.
    entered: HashMap<u64, bool>,
}

impl Foresight {
    /// Looks at the directory `target`, which may be missing, with the eyes of the restore `id`.
    ///
    /// # Errors
    /// As [`Extractor::open`](super::Extractor::open).
    pub fn open(target: &Path, id: &str, options: ExtractOptions) -> Result<Self> {
        validate_id(id)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match rustix::fs::open(target, flags, Mode::empty()) {
            Ok(root) => Some(root),
            Err(Errno::NOENT) => None,
            Err(Errno::NOTDIR) => return Err(Error::NotADirectory { path: target.to_path_buf() }),
            Err(source) => return Err(Error::io(Operation::Open, target, source)),
        };
        let (mut resumed, mut notes) = (false, Notes::default());
        if let Some(root) = &root {
            let state = TargetState::read(root, target, id)?;
            state.admit(target, options.landing)?;
            resumed = state.resumable();
            let fills_target = matches!(options.landing, Landing::EmptyTarget | Landing::Continue);
            notes = Notes::read(root, &marker_name(id), !state.occupied, resumed && fills_target);
        }
        // Nothing is touched to learn the time.
        let since = notes.since(&options, None);
        Ok(Self {
            root,
            id: id.to_owned(),
            options,
            resumed,
            since,
            notes,
            preview: Preview::default(),
            links: HardLinks::default(),
            carried: HashMap::new(),
            met: HashSet::new(),
            entered: HashMap::new(),
        })
    }

    /// A directory. `whole` says that everything below it is wanted, so that what only the target has there is told.
    /// Answers whether the restore would go on below it.
    pub fn directory(&mut self, path: &Path, attributes: &Attributes, whole: bool) -> bool {
        let (fate, enters) = match self.existing(path) {
            Err(fate) => (fate, true),
            Ok(None) => (Fate::Created, true),
            Ok(Some(found)) if found.kind == FileKind::Directory => {
                self.entered.insert(digest(path), whole);
                let ours = self.notes.is_ours(self.options.landing, path, !whole);
                (self.fate_of(path, &found, attributes, ours), true)
            }
            Ok(Some(_)) => (self.in_the_way(), false),
        };
        self.add(path, FileKind::Directory, fate, 0);
        enters
    }

    /// A regular file. `is_right` is as [`Extractor::file_stands`](super::Extractor::file_stands) has it, `link` what tells
    /// its further names, if it has any.
    pub fn file(
        &mut self,
        path: &Path,
        size: u64,
        attributes: &Attributes,
        link: Option<LinkKey>,
        is_right: impl FnOnce(&mut OpenFile) -> Result<bool>,
    ) {
        if let Some(link) = link.filter(|link| self.links.is_carried(link)) {
            self.links.add(link, path.to_path_buf());
            return;
        }
        let found = match self.ground() {
            None => Ok(FileFound::Missing),
            Some(ground) => ground.file(path, size, attributes, is_right),
        };
        let mut carrier = Some(None);
        let (fate, bytes) = match found {
            Err(error) => {
                carrier = None;
                (refusal(&error), 0)
            }
            Ok(FileFound::Missing) => (Fate::Created, size),
            Ok(FileFound::Replaced | FileFound::Lacking(_)) => (Fate::Replaced, size),
            Ok(FileFound::Other) => {
                carrier = None;
                (self.in_the_way(), 0)
            }
            Ok(FileFound::Right(file)) => {
                carrier = self.carrier_of(path, &file, link);
                (self.fate_of_open(path, &file, attributes), 0)
            }
        };
        if let Some((link, id)) = link.zip(carrier) {
            self.links.carry(link, path.to_path_buf());
            self.carried.insert(link, id);
        }
        self.add(path, FileKind::File, fate, bytes);
    }

    /// A symbolic link that leads to `to`.
    pub fn symlink(&mut self, path: &Path, to: &Path, attributes: &Attributes) {
        let found = match self.ground() {
            None => Ok(EntryFound::Other(None)),
            Some(ground) => ground.entry(path, FileKind::Symlink, attributes, |_| {
                Ok(ground.existing_link(path)? == to.as_os_str())
            }),
        };
        let fate = self.fate_of_entry(path, found, attributes);
        self.add(path, FileKind::Symlink, fate, 0);
    }

    /// A pipe, a socket or the node of a device.
    pub fn special(&mut self, path: &Path, kind: FileKind, special_device: u64, attributes: &Attributes) {
        let is_same = |found: &Metadata| Ok(found.special_device == special_device);
        let found = match self.ground() {
            None => Ok(EntryFound::Other(None)),
            Some(ground) => ground.entry(path, kind, attributes, is_same),
        };
        let mut fate = self.fate_of_entry(path, found, attributes);
        if !matches!(fate, Fate::Unchanged | Fate::Attributes | Fate::Kept)
            && kind != FileKind::Fifo
            && !self.options.special_files
        {
            fate = Fate::Withheld;
        }
        self.add(path, kind, fate, 0);
    }

    /// An entry that the backup names and does not hold. Of a directory, what stands below it is not compared.
    pub fn damaged(&mut self, path: &Path, kind: FileKind) {
        self.entered.remove(&digest(path));
        self.add(path, kind, Fate::Damaged, 0);
    }

    /// Ends the look: further names of files, the target itself, which gets these attributes where there are any, and what
    /// only the target has. `whole` is as in [`directory`](Self::directory).
    ///
    /// # Errors
    /// The system's reason if a directory of the target cannot be listed any more.
    pub fn finish(mut self, root: Option<&Attributes>, whole: bool) -> Result<Preview> {
        for (path, key) in self.links.take_further() {
            let fate = self.fate_of_name(&path, &key);
            self.add(&path, FileKind::File, fate, 0);
        }
        let fate = match &self.root {
            None => Fate::Created,
            Some(fd) => {
                let found = Metadata::of(fd.as_fd());
                let found = found.map_err(|source| Error::io(Operation::Stat, Path::new(""), source))?;
                let ours = self.notes.root_is_ours(self.options.landing);
                root.map_or(Fate::Unchanged, |root| self.fate_of(Path::new(""), &found, root, ours))
            }
        };
        self.add(Path::new(""), FileKind::Directory, fate, 0);
        if self.root.is_some() {
            self.entered.insert(digest(Path::new("")), whole);
            self.foreign()?;
        }
        Ok(self.preview)
    }

    /// Finds what only the target has.
    fn foreign(&mut self) -> Result<()> {
        let mut waiting = vec![PathBuf::new()];
        while let Some(path) = waiting.pop() {
            let Some(whole) = self.entered.get(&digest(&path)).copied() else { continue };
            let Some(ground) = self.ground() else { return Ok(()) };
            let directory = Directory::new(ground.directory(&path)?, path.clone());
            let below = waiting.len();
            for name in directory.names()? {
                let at_root = path.as_os_str().is_empty();
                let works_here = at_root && name.as_bytes().starts_with(RESTORE_MARKER_PREFIX.as_bytes());
                let is_marker = works_here || is_marker(&name, &self.id);
                let child = path.join(&name);
                if self.met.contains(&digest(&child)) {
                    waiting.push(child);
                } else if whole && !is_marker {
                    match directory.entry_metadata(&name) {
                        Ok(found) => self.add(&child, found.kind, Fate::Foreign, 0),
                        Err(error) if error.is_not_found() => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            if let Some(below) = waiting.get_mut(below..) {
                below.reverse();
            }
        }
        Ok(())
    }
}

impl Foresight {
    fn ground(&self) -> Option<Ground<'_>> {
        let root = self.root.as_ref()?.as_fd();
        let (id, landing) = (&self.id, self.options.landing);
        Some(Ground { root, id, landing, resumed: self.resumed, since: &self.since })
    }

    fn add(&mut self, path: &Path, kind: FileKind, fate: Fate, bytes: u64) {
        if !matches!(fate, Fate::Created | Fate::Foreign) {
            self.met.insert(digest(path));
        }
        self.preview.add(Foreseen { path: path.to_path_buf(), kind, fate, bytes });
    }

    fn existing(&self, path: &Path) -> std::result::Result<Option<Metadata>, Fate> {
        self.ground().map_or(Ok(None), |ground| ground.existing(path)).map_err(|error| refusal(&error))
    }

    /// What becomes of something that may not be replaced.
    fn in_the_way(&self) -> Fate {
        match self.ground() {
            Some(ground) if ground.keeps_what_stands() => Fate::Kept,
            _ => Fate::Conflict,
        }
    }

    /// What becomes of a directory that stands.
    fn fate_of(&self, path: &Path, found: &Metadata, wanted: &Attributes, ours: bool) -> Fate {
        let opened = self.ground().map(|ground| ground.directory(path));
        let Some(Ok(directory)) = opened else { return Fate::Unseen };
        match wanted.changes_of_open(directory.as_fd(), found, &self.options) {
            Ok(changes) if changes.is_empty() => Fate::Unchanged,
            Ok(_) if ours => Fate::Attributes,
            Ok(_) => Fate::Kept,
            Err(_) => Fate::Unseen,
        }
    }

    /// What becomes of a file of the right content.
    fn fate_of_open(&self, path: &Path, file: &OpenFile, wanted: &Attributes) -> Fate {
        let keeps = self.in_the_way() == Fate::Kept;
        match wanted.changes_of_open(file.as_fd(), file.metadata(), &self.options) {
            Ok(changes) if changes.is_empty() => Fate::Unchanged,
            Ok(_) if keeps => Fate::Kept,
            Ok(_) => Fate::Attributes,
            Err(errno) => {
                tracing::debug!(?path, %errno, "the attributes of a file cannot be read");
                Fate::Unseen
            }
        }
    }

    /// What becomes of something else than a directory that differs from what belongs there.
    fn fate_of_other(&self, path: &Path, found: &Metadata) -> Fate {
        match self.ground().map_or(Ok(false), |ground| ground.replaces(found, path)) {
            Ok(true) => Fate::Replaced,
            Ok(false) => self.in_the_way(),
            Err(error) => refusal(&error),
        }
    }

    fn fate_of_entry(&self, path: &Path, found: Result<EntryFound>, wanted: &Attributes) -> Fate {
        match found {
            Err(error) => refusal(&error),
            Ok(EntryFound::Other(None)) => Fate::Created,
            Ok(EntryFound::Other(Some(found))) => self.fate_of_other(path, &found),
            Ok(EntryFound::Stands(found)) if wanted.are_those_of(&found) => Fate::Unchanged,
            Ok(EntryFound::Stands(_)) => Fate::Kept,
            Ok(EntryFound::Bare(_)) => Fate::Attributes,
        }
    }

    /// Whether a file that stands carries further names, and as what.
    fn carrier_of(&mut self, path: &Path, file: &OpenFile, link: Option<LinkKey>) -> Option<Option<FileId>> {
        let (found, link) = (file.metadata(), link?);
        let id = FileId::of(found);
        if found.links < 2 {
            return Some(Some(id));
        }
        let shared = SharedFile { id, links: found.links, is_right: true };
        self.links.stands(link, path.to_path_buf(), shared).map(|_| Some(id))
    }

    /// What becomes of a further name of a file.
    fn fate_of_name(&self, path: &Path, key: &LinkKey) -> Fate {
        match self.existing(path) {
            Err(fate) => fate,
            Ok(None) if self.is_apart(path, key) => Fate::Conflict,
            Ok(None) => Fate::Created,
            Ok(Some(found)) if self.carried.get(key) == Some(&Some(FileId::of(&found))) => Fate::Unchanged,
            Ok(Some(found)) => self.fate_of_other(path, &found),
        }
    }

    /// Whether a mount lies between two names of a file.
    fn is_apart(&self, path: &Path, key: &LinkKey) -> bool {
        let mount = |path: &Path| {
            let opened = self.ground()?.directory(path.parent()?).ok()?;
            Mount::of(opened.as_fd()).ok()
        };
        let carrier = self.links.carrier(key).and_then(|carrier| mount(carrier));
        carrier.zip(mount(path)).is_some_and(|(carrier, name)| carrier != name)
    }
}

/// What an error of looking at a place means for the entry that belongs there.
fn refusal(error: &Error) -> Fate {
    if error.is_permission_denied() { Fate::Unseen } else { Fate::Conflict }
}

fn digest(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.as_os_str().as_bytes().hash(&mut hasher);
    hasher.finish()
}
