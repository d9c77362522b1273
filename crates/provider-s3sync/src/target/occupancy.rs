//! What stands at the place where a restore is to go.

use std::path::Path;

use stillpoint_core::Result;
use stillpoint_localfs::RESTORE_MARKER_PREFIX;

use super::mark;
use crate::error::from_io;

/// What stands at a restore's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Occupancy {
    /// Nothing.
    Missing,
    /// An empty directory.
    Empty,
    /// What an interrupted run of the same restore left.
    Unfinished,
    /// The finished work of the same operation.
    Finished,
    /// What an interrupted run of another restore left; the name of that restore.
    Held(String),
    /// Somebody's files.
    Taken,
    /// Something that is no directory.
    NotADirectory,
}

impl Occupancy {
    /// Whether the restore may go on here.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Missing | Self::Empty | Self::Unfinished | Self::Finished)
    }
}

/// Looks at `path` with the eyes of the restore named `restore` in `operation`. Changes nothing.
pub(crate) fn look(path: &Path, restore: &str, operation: &str) -> Result<Occupancy> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            return match error.kind() {
                std::io::ErrorKind::NotFound => Ok(Occupancy::Missing),
                std::io::ErrorKind::NotADirectory => Ok(Occupancy::NotADirectory),
                _ => Err(from_io(error, "look into", path)),
            };
        }
    };
    let mut occupied = false;
    for entry in entries {
        let name = entry.map_err(|error| from_io(error, "look into", path))?.file_name();
        match name.as_encoded_bytes().strip_prefix(RESTORE_MARKER_PREFIX.as_bytes()) {
            Some(holder) if holder == restore.as_bytes() => return Ok(Occupancy::Unfinished),
            Some(holder) => return Ok(Occupancy::Held(String::from_utf8_lossy(holder).into_owned())),
            None => occupied = true,
        }
    }
    if !occupied {
        return Ok(Occupancy::Empty);
    }
    let own = mark::read(path)?.is_some_and(|mark| mark.operation == operation);
    Ok(if own { Occupancy::Finished } else { Occupancy::Taken })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_place_is_seen_as_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("place");
        let see = || look(&place, "restore-1", "op").unwrap();
        assert_eq!(see(), Occupancy::Missing);
        fs::create_dir(&place).unwrap();
        assert_eq!(see(), Occupancy::Empty);
        fs::write(place.join("file"), "x").unwrap();
        assert_eq!(see(), Occupancy::Taken);
        mark::write(&place, &mark::Mark::new(&"op".parse().unwrap(), mark::Met::Missing)).unwrap();
        assert_eq!(see(), Occupancy::Finished);
        assert_eq!(look(&place, "restore-1", "another").unwrap(), Occupancy::Taken);
        fs::create_dir(place.join(".stillpoint-restore-restore-1")).unwrap();
        assert_eq!(see(), Occupancy::Unfinished);
        assert_eq!(look(&place, "restore-2", "op").unwrap(), Occupancy::Held("restore-1".into()));
        assert_eq!(look(&place.join("file"), "r", "op").unwrap(), Occupancy::NotADirectory);
    }
}
