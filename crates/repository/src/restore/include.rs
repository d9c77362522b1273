//! Which paths of a snapshot are restored.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A choice of paths.
#[derive(Debug)]
pub(super) struct Include {
    paths: Vec<PathBuf>,
}

impl Include {
    /// Everything if `paths` is empty, else each of them with what lies below.
    pub(super) fn new(paths: &[PathBuf]) -> Result<Self> {
        let paths =
            paths.iter().map(|path| {
                let path = path.strip_prefix("/").unwrap_or(path);
                match stillpoint_localfs::validate_path(path) {
                    Ok(()) => Ok(path.to_path_buf()),
                    Err(error) => Err(Error::invalid(format!("{path:?} is not a path inside a snapshot"))
                        .with_source(error)),
                }
            });
        Ok(Self { paths: paths.collect::<Result<_>>()? })
    }

    /// Whether `path` itself is restored.
    pub(super) fn covers(&self, path: &Path) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|chosen| path.starts_with(chosen))
    }

    /// Whether something at or below the directory `path` is restored.
    pub(super) fn leads_through(&self, path: &Path) -> bool {
        self.covers(path) || self.paths.iter().any(|chosen| chosen.starts_with(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_covers_what_lies_below_it_and_no_neighbour() {
        let include = Include::new(&["a/b".into(), "/c".into()]).unwrap();
        for covered in ["a/b", "a/b/c", "c", "c/d"] {
            assert!(include.covers(Path::new(covered)), "{covered}");
        }
        for outside in ["a", "a/bc", "d", ""] {
            assert!(!include.covers(Path::new(outside)), "{outside}");
        }
        assert!(include.leads_through(Path::new("a")) && !include.leads_through(Path::new("a/x")));
        assert!(Include::new(&[]).unwrap().covers(Path::new("anything")));
        assert!(Include::new(&["../x".into()]).is_err());
    }
}
