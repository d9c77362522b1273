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

/// What such directories are called where they lie in a project and are nothing else.
const OWN_NAMES: [&str; 5] = [".venv", "venv", "env", ".env", ".conda"];
/// The directory that holds environments by name.
const SHELF: &str = "envs";
/// What tools put directly into a Python environment.
const PYTHON_ENTRIES: [&str; 15] = [
    "pyvenv.cfg",
    "bin",
    "lib",
    "lib64",
    "include",
    "share",
    "etc",
    "man",
    "Scripts",
    "Lib",
    "Include",
    "pip-selfcheck.json",
    ".gitignore",
    ".lock",
    "CACHEDIR.TAG",
];
/// What packages put directly into a conda environment.
const CONDA_ENTRIES: [&str; 36] = [
    "conda-meta",
    "bin",
    "cmake",
    "compiler_compat",
    "condabin",
    "doc",
    "docs",
    "etc",
    "extras",
    "fonts",
    "gcc",
    "include",
    "info",
    "lib",
    "lib64",
    "libexec",
    "licenses",
    "man",
    "mkspecs",
    "modules",
    "nvvm",
    "phrasebooks",
    "plugins",
    "qml",
    "resources",
    "sbin",
    "share",
    "shell",
    "ssl",
    "sysroot",
    "targets",
    "translations",
    "var",
    ".gitignore",
    "CACHEDIR.TAG",
    "LICENSE.txt",
];
/// How conda's directories of a compiler's platform end.
const CONDA_PLATFORM: &str = "-linux-gnu";

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

    /// Whether an entry of this name is the tool's, in an environment of this kind.
    fn may_hold(self, name: &OsStr) -> bool {
        let Some(name) = name.to_str() else { return false };
        match self {
            Self::Python => PYTHON_ENTRIES.contains(&name),
            Self::Conda => CONDA_ENTRIES.contains(&name) || name.ends_with(CONDA_PLATFORM),
            Self::NodeModules => true,
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

/// The kind of environment that the directory at `relative` is, if it is one of `described` and nothing else: a project in
/// which an environment was made in place is none. A directory that cannot be looked into is none either.
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
            && (has_a_name_of_its_own(relative) || names.iter().all(|name| kind.may_hold(name)))
    })
}

fn has_a_name_of_its_own(relative: &Path) -> bool {
    let own = |name: &OsStr| OWN_NAMES.iter().any(|own| name == *own);
    let shelf = relative.parent().and_then(Path::file_name);
    relative.file_name().is_some_and(own) || shelf == Some(OsStr::new(SHELF))
}
