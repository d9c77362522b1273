//! Whether a restore's content has room at its target.

use std::path::Path;

use stillpoint_core::{Finding, Result, Severity};

use crate::error::from_io;

/// The check that finds too little room.
const CHECK: &str = "target-room";

/// A warning where the file system of `path`, or of the nearest directory above that is there, has less room for the running
/// user than `needed` bytes of content. A full home keeps its user from working and the next backup from being noted. No more
/// than a warning, for holes and further names of a file take no room, and a backup does not tell them from content.
pub(crate) fn look(path: &Path, needed: u64) -> Result<Option<Finding>> {
    let Some(nearest) = path.ancestors().find(|ancestor| ancestor.is_dir()) else { return Ok(None) };
    let system = rustix::fs::statvfs(nearest).map_err(|error| from_io(error.into(), "look at", nearest))?;
    Ok(judge(nearest, needed, system.f_bavail.saturating_mul(system.f_frsize)))
}

fn judge(nearest: &Path, needed: u64, free: u64) -> Option<Finding> {
    let message = format!(
        "the files have {} MiB and {} MiB are free at {nearest:?}: unless many are sparse or names of one file, the restore \
         ends when nothing is free; make room or choose another target",
        needed.div_ceil(1 << 20),
        free >> 20,
    );
    (needed > free).then(|| Finding::new(CHECK, Severity::Warning, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_just_fit_have_room_and_one_byte_more_has_none() {
        let there = Path::new("/home");
        assert_eq!(judge(there, 5 << 20, 5 << 20), None);
        let found = judge(there, (5 << 20) + 1, 5 << 20).unwrap();
        assert_eq!((found.check.as_str(), found.severity), ("target-room", Severity::Warning));
        assert!(
            found.message.starts_with("the files have 6 MiB and 5 MiB are free at \"/home\""),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_not_there_yet_is_looked_at_where_it_will_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert_eq!(look(&path, 1).unwrap(), None);
        let found = look(&path, u64::MAX).unwrap().unwrap();
        assert!(found.message.contains(folder.path().to_str().unwrap()), "{found:?}");
    }
}
