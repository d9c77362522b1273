//! What differs between two directory trees.
//!
//! Every aspect that a faithful restore owes is looked at, the two root directories included:
//!
//! ```
//! use stillpoint_testkit::compare::{Comparison, compare};
//! # fn main() -> std::io::Result<()> {
//! let (left, right) = (tempfile::tempdir()?, tempfile::tempdir()?);
//! std::fs::write(left.path().join("notes"), "mind the gap")?;
//! let differences = compare(left.path(), right.path())?;
//! assert!(differences.iter().any(|found| found.to_string() == r#""notes": only in the left tree (file)"#));
//!
//! let loose = Comparison::new().ignoring_root();
//! assert_eq!(loose.run(left.path(), right.path())?.len(), 1);
//! # Ok(())
//! # }
//! ```

mod digest;
mod scan;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use digest::digest;
use scan::{Entry, Kind};

/// One side of what a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// The path exists on one side only.
    Presence,
    /// File, directory, symbolic link, pipe, …
    Kind,
    /// Length of a regular file.
    Size,
    /// Bytes of a regular file, or the target of a symbolic link.
    Content,
    /// Permission bits with set-id and sticky.
    Mode,
    /// User and group id.
    Owner,
    /// Modification time to the nanosecond.
    ModifiedTime,
    /// Which paths share one file.
    HardLinks,
    /// Names and values of extended attributes, ACLs among them.
    Xattrs,
    /// Device number of a device node.
    Device,
    /// Whether a file has holes: one side allocates less than half of the other, and at least 1 MiB less.
    Holes,
}

/// One difference, at a path relative to both roots; the root itself is the empty path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Where.
    pub path: PathBuf,
    /// In what.
    pub aspect: Aspect,
    /// The finding in words.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}", self.path, self.detail)
    }
}

/// Compares two trees in every aspect but [`Aspect::Holes`].
///
/// # Errors
/// When a tree cannot be read.
pub fn compare(left: &Path, right: &Path) -> io::Result<Vec<Difference>> {
    Comparison::new().run(left, right)
}

/// Panics with the first differences when the two trees are not equal in the sense of [`compare`].
#[track_caller]
pub fn assert_same(left: &Path, right: &Path) {
    Comparison::new().assert_same(left, right);
}

/// A comparison that can leave aspects out, for readers and writers that are known not to keep them.
#[derive(Debug, Clone)]
pub struct Comparison {
    ignored: Vec<Aspect>,
    root: bool,
}

impl Default for Comparison {
    fn default() -> Self {
        Self::new()
    }
}

impl Comparison {
    /// Looks at everything but [`Aspect::Holes`].
    pub fn new() -> Self {
        Self { ignored: vec![Aspect::Holes], root: true }
    }

    /// Leaves `aspect` out.
    #[must_use]
    pub fn ignoring(mut self, aspect: Aspect) -> Self {
        self.ignored.push(aspect);
        self
    }

    /// Leaves out the metadata of the two root directories themselves.
    #[must_use]
    pub fn ignoring_root(mut self) -> Self {
        self.root = false;
        self
    }

    /// Looks at holes too.
    #[must_use]
    pub fn with_holes(mut self) -> Self {
        self.ignored.retain(|aspect| *aspect != Aspect::Holes);
        self
    }

    /// The differences in path order, at most one for each path and aspect.
    ///
    /// # Errors
    /// When a tree cannot be read.
    pub fn run(&self, left: &Path, right: &Path) -> io::Result<Vec<Difference>> {
        let (ours, theirs) = (scan::scan(left)?, scan::scan(right)?);
        let mut found = Vec::new();
        for (path, entry) in &ours {
            match theirs.get(path) {
                Some(other) => self.entry(path, (left, entry), (right, other), &mut found)?,
                None => found.push(lone(path, entry, "left")),
            }
        }
        found.extend(
            theirs
                .iter()
                .filter(|(path, _)| !ours.contains_key(*path))
                .map(|(path, entry)| lone(path, entry, "right")),
        );
        hard_links(&ours, &theirs, &mut found);
        found.retain(|difference| !self.ignored.contains(&difference.aspect));
        if !self.root {
            found.retain(|difference| difference.path != Path::new(""));
        }
        found.sort();
        Ok(found)
    }

    /// Panics with the first differences when there are any.
    #[track_caller]
    #[expect(clippy::panic, reason = "the assertion of a test")]
    pub fn assert_same(&self, left: &Path, right: &Path) {
        match self.run(left, right) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                let lines: Vec<String> = found.iter().take(30).map(|line| format!("  {line}\n")).collect();
                panic!("{left:?} and {right:?} differ in {} places:\n{}", found.len(), lines.concat());
            }
            Err(error) => panic!("cannot compare {left:?} with {right:?}: {error}"),
        }
    }

    fn entry(
        &self,
        path: &Path,
        (left, ours): (&Path, &Entry),
        (right, theirs): (&Path, &Entry),
        found: &mut Vec<Difference>,
    ) -> io::Result<()> {
        let mut differ = |aspect, ours: String, theirs: String| {
            if ours != theirs {
                let detail = format!("{aspect:?} is {ours} on the left and {theirs} on the right");
                found.push(Difference { path: path.to_owned(), aspect, detail });
            }
        };
        differ(Aspect::Kind, format!("{:?}", ours.kind), format!("{:?}", theirs.kind));
        differ(Aspect::Owner, ours.owner(), theirs.owner());
        differ(Aspect::ModifiedTime, ours.modified(), theirs.modified());
        differ(Aspect::Xattrs, ours.xattrs(), theirs.xattrs());
        if ours.kind != theirs.kind {
            return Ok(());
        }
        if ours.kind != Kind::Symlink {
            differ(Aspect::Mode, format!("{:04o}", ours.mode), format!("{:04o}", theirs.mode));
        }
        differ(Aspect::Device, format!("{:#x}", ours.device), format!("{:#x}", theirs.device));
        differ(Aspect::Content, format!("{:?}", ours.target), format!("{:?}", theirs.target));
        if ours.kind == Kind::File {
            differ(Aspect::Size, ours.size.to_string(), theirs.size.to_string());
            let less = ours.allocated.abs_diff(theirs.allocated);
            if less >= 1 << 20 && less > ours.allocated.max(theirs.allocated) / 2 {
                differ(Aspect::Holes, ours.allocated.to_string(), theirs.allocated.to_string());
            }
            if ours.size == theirs.size
                && !self.ignored.contains(&Aspect::Content)
                && let Some(offset) = scan::first_difference(&left.join(path), &right.join(path))?
            {
                let detail = format!("content differs from byte {offset} on");
                found.push(Difference { path: path.to_owned(), aspect: Aspect::Content, detail });
            }
        }
        Ok(())
    }
}

fn lone(path: &Path, entry: &Entry, side: &str) -> Difference {
    let detail = format!("only in the {side} tree ({})", format!("{:?}", entry.kind).to_lowercase());
    Difference { path: path.to_owned(), aspect: Aspect::Presence, detail }
}

/// A path belongs to the group named by the first path, in order, that shares its file.
fn hard_links(
    ours: &BTreeMap<PathBuf, Entry>,
    theirs: &BTreeMap<PathBuf, Entry>,
    found: &mut Vec<Difference>,
) {
    let (left, right) = (scan::link_groups(ours), scan::link_groups(theirs));
    for path in ours.keys().filter(|path| theirs.contains_key(*path)) {
        let (first, second) = (left.get(path), right.get(path));
        if first != second {
            let words =
                |group: Option<&&PathBuf>| group.map_or("no other".to_owned(), |path| format!("{path:?}"));
            let detail = format!(
                "shares its file with {} on the left and {} on the right",
                words(first),
                words(second)
            );
            found.push(Difference { path: path.clone(), aspect: Aspect::HardLinks, detail });
        }
    }
}
