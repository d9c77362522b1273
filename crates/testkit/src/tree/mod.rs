//! Directory trees made from a seed.
//!
//! ```
//! use stillpoint_testkit::tree::{Edits, TreeSpec};
//! # fn main() -> std::io::Result<()> {
//! let dir = tempfile::tempdir()?;
//! let made = TreeSpec::small(7).generate(dir.path())?;
//! assert!(made.files > 50 && made.bytes > 1_000_000);
//! Edits::few(8).apply(dir.path())?;
//! # Ok(())
//! # }
//! ```

mod build;
mod content;
mod edit;
mod name;

use std::io;
use std::path::Path;

pub use content::{Texture, write_file};
pub use edit::{Edited, Edits};
pub use name::odd_names;

/// What a tree shall hold. Start from a size, then switch parts off that a test cannot use.
#[derive(Debug, Clone)]
pub struct TreeSpec {
    /// The same seed and spec make the same tree.
    pub seed: u64,
    /// Regular files, beside the few that the special parts add.
    pub files: usize,
    /// Content of the regular files taken together, roughly, in bytes.
    pub bytes: u64,
    /// Deepest directory below the root.
    pub depth: usize,
    /// Names that are not UTF-8, hold a newline, start with a dash, are 255 bytes long and so on.
    pub odd_names: bool,
    /// Symbolic links: relative, absolute, dangling, to themselves, very long.
    pub symlinks: bool,
    /// A symbolic link whose target is not UTF-8, when there are symbolic links at all.
    pub raw_link_targets: bool,
    /// Groups of hard-linked files, some of them across directories.
    pub hard_links: bool,
    /// User extended attributes with text, empty and binary values; skipped where the file system has none.
    pub xattrs: bool,
    /// Named pipes.
    pub fifos: bool,
    /// Files with holes.
    pub sparse: bool,
    /// Modes other than 0644 and 0755 and, when run by root, other owners.
    pub modes_and_owners: bool,
    /// Modification times before 1970, far in the future and at both ends of a second.
    pub odd_times: bool,
}

impl TreeSpec {
    /// About 120 files and 3 MB, with everything in it. Takes some 20 ms to make.
    pub fn small(seed: u64) -> Self {
        Self::sized(seed, 120, 3_000_000)
    }

    /// About 1,500 files and 48 MB, with everything in it.
    pub fn medium(seed: u64) -> Self {
        Self::sized(seed, 1_500, 48_000_000)
    }

    /// Everything switched on, at a size of your choice.
    pub fn sized(seed: u64, files: usize, bytes: u64) -> Self {
        Self {
            seed,
            files,
            bytes,
            depth: 6,
            odd_names: true,
            symlinks: true,
            raw_link_targets: true,
            hard_links: true,
            xattrs: true,
            fifos: true,
            sparse: true,
            modes_and_owners: true,
            odd_times: true,
        }
    }

    /// Directories and regular files only, with ordinary names, modes and times.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.odd_names = false;
        self.symlinks = false;
        self.hard_links = false;
        self.xattrs = false;
        self.fifos = false;
        self.sparse = false;
        self.modes_and_owners = false;
        self.odd_times = false;
        self
    }

    /// Without what stock restic is known to lose: link targets that are not UTF-8, which version 0.14 restores with
    /// replacement characters.
    #[must_use]
    pub fn restic_safe(mut self) -> Self {
        self.raw_link_targets = false;
        self
    }

    /// Makes the tree in `root`, which is created when absent and must be empty.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub fn generate(&self, root: &Path) -> io::Result<Made> {
        build::Builder::new(self, root)?.run()
    }
}

/// What [`TreeSpec::generate`] made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// Names of regular files; each name of a hard-linked file counts.
    pub files: usize,
    /// Directories below the root.
    pub dirs: usize,
    /// Symbolic links.
    pub symlinks: usize,
    /// Extra names of files that already had one.
    pub hard_links: usize,
    /// Named pipes.
    pub fifos: usize,
    /// Entries that carry at least one extended attribute.
    pub with_xattrs: usize,
    /// Apparent size of all regular files, each hard-linked file once, in bytes.
    pub bytes: u64,
}
