//! Telling directories that a file beside them can bring back.

use std::ffi::OsStr;
use std::path::Path;

use crate::capture::{Entry, Source};
use crate::metadata::FileKind;

/// A kind of directory that a package tool makes from a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Environment {
    Python,
    Conda,
    NodeModules,
}

const PYTHON_SOURCES: [&str; 7] =
    ["uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "pyproject.toml", "setup.py"];
const CONDA_SOURCES: [&str; 5] =
    ["environment.yml", "environment.yaml", "conda-lock.yml", "pixi.lock", "conda-linux-64.lock"];
const NODE_SOURCES: [&str; 5] =
    ["package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "npm-shrinkwrap.json"];

impl Environment {
    pub(super) const ALL: [Self; 3] = [Self::Python, Self::Conda, Self::NodeModules];

    /// What a report calls it.
    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::Python => "Python environments beside a lock or requirements file",
            Self::Conda => "conda environments beside a specification",
            Self::NodeModules => "node_modules beside a lock file",
        }
    }

    fn can_be_made_from(self, name: &OsStr) -> bool {
        let Some(name) = name.to_str() else { return false };
        match self {
            Self::Python => {
                PYTHON_SOURCES.contains(&name) || name.starts_with("requirements") && name.ends_with(".txt")
            }
            Self::Conda => CONDA_SOURCES.contains(&name),
            Self::NodeModules => NODE_SOURCES.contains(&name),
        }
    }
}

/// The kinds of environments that the regular files of one directory describe.
pub(super) fn described_by(entries: &[Entry]) -> Vec<Environment> {
    let described = |kind: &Environment| {
        let mut files = entries.iter().filter(|entry| entry.metadata.kind == FileKind::File);
        files.any(|entry| entry.metadata.size > 0 && kind.can_be_made_from(&entry.name))
    };
    Environment::ALL.into_iter().filter(described).collect()
}

/// The kind of environment that the directory at `relative` is, if it is one of `described`. A directory that cannot
/// be looked into is none.
pub(super) fn of_directory(
    source: &Source,
    relative: &Path,
    described: &[Environment],
) -> Option<Environment> {
    let mut names = None;
    described.iter().copied().find(|kind| {
        if *kind == Environment::NodeModules {
            return relative.file_name() == Some(OsStr::new("node_modules"));
        }
        let names = names.get_or_insert_with(|| {
            source.directory(relative).and_then(|directory| directory.names()).unwrap_or_default()
        });
        let mark = if *kind == Environment::Python { "pyvenv.cfg" } else { "conda-meta" };
        names.iter().any(|name| name == mark)
    })
}
