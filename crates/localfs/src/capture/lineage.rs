//! Finding a directory again that was renamed since it was listed.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Directory, Source};
use crate::error::Result;
use crate::metadata::{FileKind, Metadata, Timestamp};

/// What tells a directory from every other one, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    device: u64,
    inode: u64,
    /// An inode number that is used again has another time of creation, where the file system keeps one.
    created: Option<Timestamp>,
}

impl Identity {
    /// Whether `self` is known to be another directory than `earlier`, and not one and the same to which a file system
    /// without lasting inode numbers gave a new one.
    pub fn is_surely_not(&self, earlier: &Self) -> bool {
        self.device == earlier.device
            && self.created.is_some()
            && earlier.created.is_some()
            && self.created != earlier.created
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.device, inode: metadata.inode, created: metadata.created }
    }
}

/// How a directory is reached from the root of its source, by what stays the same when it is renamed, or one above it.
/// The default is the root itself.
#[derive(Clone, Debug, Default)]
pub struct Lineage(Option<Arc<Link>>);

#[derive(Debug)]
struct Link {
    above: Lineage,
    identity: Identity,
    /// What it was called when it was looked for last.
    name: Mutex<OsString>,
}

impl Lineage {
    /// The directory that was listed in this one as `name`.
    #[must_use]
    pub fn below(&self, name: impl Into<OsString>, identity: Identity) -> Self {
        let name = Mutex::new(name.into());
        Self(Some(Arc::new(Link { above: self.clone(), identity, name })))
    }

    fn downwards(&self) -> Vec<&Link> {
        let mut links = Vec::new();
        let mut lineage = self;
        while let Some(link) = &lineage.0 {
            links.push(link.as_ref());
            lineage = &link.above;
        }
        links.reverse();
        links
    }
}

impl Link {
    fn open_in(&self, parent: &Directory) -> Result<Option<Directory>> {
        let mut name = self.name();
        if let Some(directory) = parent.same_directory(&name, &self.identity)? {
            return Ok(Some(directory));
        }
        let renamed = parent.list()?.entries.into_iter().find(|entry| {
            entry.metadata.kind == FileKind::Directory && Identity::from(&entry.metadata) == self.identity
        });
        let Some(entry) = renamed else { return Ok(None) };
        name.clone_from(&entry.name);
        parent.same_directory(&entry.name, &self.identity)
    }

    fn name(&self) -> MutexGuard<'_, OsString> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// Opens the directory `name`, if it is the one that is meant; another one, or none, under this name is `None`.
    ///
    /// # Errors
    /// The system's reason.
    pub fn same_directory(&self, name: &OsStr, identity: &Identity) -> Result<Option<Self>> {
        let opened = match self.subdirectory(name) {
            Err(error) if error.is_no_directory() => return Ok(None),
            other => other?,
        };
        let same = Identity::from(&opened.metadata()?) == *identity;
        Ok(same.then_some(opened))
    }
}

impl Source {
    /// Opens a directory wherever it and those above it were renamed to within the directories that hold them; `None` if
    /// it is not there. It goes on being called `relative`, as it was listed.
    ///
    /// # Errors
    /// The system's reason.
    pub fn reach(&self, lineage: &Lineage, relative: &Path) -> Result<Option<Directory>> {
        let mut directory = self.directory(Path::new(""))?;
        for link in lineage.downwards() {
            match link.open_in(&directory)? {
                Some(below) => directory = below,
                None => return Ok(None),
            }
        }
        Ok(Some(directory.called(relative)))
    }
}
