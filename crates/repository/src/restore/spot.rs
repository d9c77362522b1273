//! Places in the target, each by its name and the directory above it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stillpoint_localfs::{Extractor, Folder};

/// A place in the target. It shares the directories above it with its neighbours, so that its size does not grow with
/// its depth.
#[derive(Debug)]
pub(super) struct Spot {
    folder: Option<Arc<Self>>,
    name: Box<OsStr>,
}

impl Spot {
    /// The target itself.
    pub(super) fn root() -> Arc<Self> {
        Arc::new(Self { folder: None, name: OsString::new().into() })
    }

    /// The place `name` in the directory `folder`.
    pub(super) fn new(folder: &Arc<Self>, name: &[u8]) -> Self {
        Self { folder: Some(Arc::clone(folder)), name: OsStr::from_bytes(name).into() }
    }

    /// The last component.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The path relative to the target.
    pub(super) fn path(&self) -> PathBuf {
        let mut names = Vec::new();
        let mut spot = Some(self);
        while let Some(Self { folder, name }) = spot {
            if folder.is_some() {
                names.push(name);
            }
            spot = folder.as_deref();
        }
        names.into_iter().rev().map(Path::new).collect()
    }
}

/// The directory that was written into last, kept open for the next file.
#[derive(Debug, Default)]
pub(super) struct OpenFolder {
    held: Option<(Arc<Spot>, Folder)>,
}

impl OpenFolder {
    /// The directory above `spot`.
    pub(super) fn above(
        &mut self,
        extractor: &Extractor,
        spot: &Spot,
    ) -> stillpoint_localfs::Result<&Folder> {
        let wanted = spot.folder.clone().unwrap_or_else(Spot::root);
        let held = match self.held.take().filter(|(held, _)| Arc::ptr_eq(held, &wanted)) {
            Some(held) => held,
            None => {
                let folder = extractor.folder(&wanted.path())?;
                (wanted, folder)
            }
        };
        Ok(&self.held.insert(held).1)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_place_knows_its_path() {
        let root = Spot::root();
        assert_eq!(root.path(), Path::new(""));
        let a = Arc::new(Spot::new(&root, b"a"));
        assert_eq!(a.path(), Path::new("a"));
        let deep = Spot::new(&a, b"\xff");
        assert_eq!(deep.path(), Path::new("a").join(OsStr::from_bytes(b"\xff")));
        assert_eq!(deep.name(), OsStr::from_bytes(b"\xff"));
    }

    #[test]
    fn the_deepest_tree_is_dropped_without_exhausting_the_stack() {
        let mut spot = Spot::root();
        for _ in 0..stillpoint_localfs::DEPTH_MAX {
            spot = Arc::new(Spot::new(&spot, b"d"));
        }
        assert_eq!(spot.path().components().count(), stillpoint_localfs::DEPTH_MAX);
    }
}
