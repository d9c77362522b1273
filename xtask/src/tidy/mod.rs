//! The house rules that neither rustfmt nor clippy knows.
//!
//! Each rule is one function from a file, or from all files, to findings; `CONTRIBUTING.md` says why they exist.

mod files;
mod links;
mod names;
mod source;
mod workspace;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Finding {
    /// File, relative to the project's folder.
    pub path: PathBuf,
    /// Line, counted from 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong, as a sentence part.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// A text file of the project.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) path: PathBuf,
    pub(crate) content: String,
}

impl Text {
    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    fn is(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.content.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Checks every rule on the project in `root`; the findings are sorted by place.
///
/// # Errors
/// When the project's files cannot be read.
pub fn check(root: &Path) -> io::Result<Vec<Finding>> {
    let (texts, mut findings) = files::collect(root)?;
    for text in &texts {
        source::check(text, &mut findings);
    }
    links::check(root, &texts, &mut findings);
    names::check(&texts, &mut findings);
    workspace::check(&texts, &mut findings);
    findings.sort();
    Ok(findings)
}
