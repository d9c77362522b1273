//! Choosing and claiming the place of a restore.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use stillpoint_core::{Error, ErrorKind, OperationId, Result, SnapshotId, Timestamp};
use stillpoint_repository::Id;

use super::mark::{self, Mark, Met};
use super::occupancy::{Occupancy, look};
use crate::error::from_io;

/// Where a restore of files goes and what it is called there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The directory.
    pub(crate) path: PathBuf,
    /// The name of the restore, which its marker inside the directory carries.
    pub(crate) restore: String,
}

/// How many side folders of one backup may stand beside each other.
const SIDES_MAX: u32 = 100;

/// The name of a restore. It follows from what is restored and not from the operation, so that another restore of
/// the same thing goes on where an abandoned one stopped.
pub(crate) fn restore_id(snapshot: &SnapshotId, include: &[String]) -> String {
    let mut text = snapshot.as_str().to_owned();
    for path in include {
        text.push('\0');
        text.push_str(path);
    }
    Id::of(text.as_bytes()).to_hex().chars().take(32).collect()
}

/// The folder of its own in which a restore lands beside what stands in `target`: `restored-files/<time>`, or the
/// first of `restored-files/<time>-2`, … that is free or already this operation's.
pub(crate) fn side_place(
    target: &Path,
    time: Timestamp,
    restore: &str,
    operation: &OperationId,
) -> Result<PathBuf> {
    let folder = target.join("restored-files");
    for number in 1..=SIDES_MAX {
        let mut name = time.to_directory_name();
        if number > 1 {
            name.push_str(&format!("-{number}"));
        }
        let place = folder.join(name);
        if look(&place, restore, operation.as_str())?.is_open() {
            return Ok(place);
        }
    }
    let message = format!("{folder:?} holds {SIDES_MAX} restores of this backup; remove some");
    Err(Error::new(ErrorKind::AlreadyExists, message))
}

/// What stands at a place that the restore is to have for itself.
///
/// # Errors
/// `AlreadyExists` where that is anything but this restore's own work.
pub(crate) fn admit(place: &Place, operation: &OperationId) -> Result<Occupancy> {
    let path = &place.path;
    let taken = |why: String| Err(Error::new(ErrorKind::AlreadyExists, why).with("path", path.display()));
    match look(path, &place.restore, operation.as_str())? {
        Occupancy::Held(id) => taken(format!("{path:?} holds the unfinished restore {id}")),
        Occupancy::Taken => taken(format!("the target {path:?} is not empty")),
        Occupancy::NotADirectory => taken(format!("{path:?} is not a directory")),
        open => Ok(open),
    }
}

/// Makes the directory where it is missing and puts the operation's mark on it, before anything is written into it.
/// Answers what stood there.
///
/// # Errors
/// `AlreadyExists` where it holds anything but this restore's own work; nothing is changed then.
pub(crate) fn claim(place: &Place, operation: &OperationId) -> Result<Occupancy> {
    let path = &place.path;
    let found = admit(place, operation)?;
    let met = match &found {
        Occupancy::Missing => Met::Missing,
        Occupancy::Empty => mark::read(path)?.map_or(Met::Empty, |mark| mark.met),
        Occupancy::Unfinished => Met::Unfinished,
        // Nothing else is admitted.
        _ => return Ok(found),
    };
    if found == Occupancy::Missing {
        make(path)?;
    }
    mark::write(path, &Mark::new(operation, met))?;
    Ok(found)
}

/// Makes a directory that only its owner may enter until the restore gives it its own mode.
fn make(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| from_io(error, "create", parent))?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(from_io(error, "create", path))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn operation(name: &str) -> OperationId {
        name.parse().unwrap()
    }

    #[test]
    fn a_claim_is_repeated_by_its_operation_and_refused_to_files_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { path: dir.path().join("deep/new"), restore: "r".into() };
        assert_eq!(claim(&place, &operation("a")).unwrap(), Occupancy::Missing);
        assert_eq!(claim(&place, &operation("a")).unwrap(), Occupancy::Empty);
        fs::write(place.path.join("file"), "x").unwrap();
        assert_eq!(claim(&place, &operation("a")).unwrap(), Occupancy::Finished);
        let refused = claim(&place, &operation("b")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert!(refused.to_string().contains("not empty"), "{refused}");
    }

    #[test]
    fn side_folders_do_not_run_into_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let time = Timestamp::from_millis(0);
        let first = side_place(dir.path(), time, "r", &operation("a")).unwrap();
        assert!(first.ends_with("restored-files/1970-01-01-00-00-00"), "{first:?}");
        claim(&Place { path: first.clone(), restore: "r".into() }, &operation("a")).unwrap();
        fs::write(first.join("file"), "x").unwrap();
        assert_eq!(side_place(dir.path(), time, "r", &operation("a")).unwrap(), first);
        let second = side_place(dir.path(), time, "r", &operation("b")).unwrap();
        assert!(second.ends_with("restored-files/1970-01-01-00-00-00-2"), "{second:?}");
    }

    #[test]
    fn the_name_of_a_restore_follows_from_what_is_restored() {
        let id = |text: &str| SnapshotId::new(text).unwrap();
        assert_eq!(restore_id(&id("a"), &[]), restore_id(&id("a"), &[]));
        assert_ne!(restore_id(&id("a"), &[]), restore_id(&id("a"), &["x".into()]));
        assert_ne!(restore_id(&id("a"), &[]), restore_id(&id("b"), &[]));
    }
}
