//! The directories that an operation works on, by names that no other machine has.

use std::path::{Path, PathBuf};

use stillpoint_core::{Extent, Result};

use crate::error::{blocking, from_io};

/// The directory `path` of this machine with everything below it, wherever links lead.
pub(crate) async fn of(path: &Path) -> Result<Extent> {
    let path = path.to_owned();
    blocking(move || Ok(Extent::directory(machine(), resolved(&path)?))).await
}

/// The path without links. What is not there yet has none; whatever else cannot be looked at is told by those who read it.
fn resolved(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|error| from_io(error, "resolve", path))?;
    for there in path.ancestors() {
        if let (Ok(real), Ok(below)) = (there.canonicalize(), path.strip_prefix(there)) {
            return Ok(real.join(below));
        }
    }
    Ok(path)
}

/// Names this machine: its name, and the id that it was installed with, because machines can have equal names.
fn machine() -> String {
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    format!("{}/{}", text("/proc/sys/kernel/hostname").trim(), text("/etc/machine-id").trim())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn links_lead_to_one_extent_and_what_is_missing_lies_where_it_will_be() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        let at = async |path: PathBuf| of(&path).await.unwrap();
        assert_eq!(at(link.clone()).await, at(real.clone()).await);
        assert_eq!(at(link.join("new/er")).await, at(real.join("new/er")).await);
        assert!(at(link.join("new")).await.overlaps(&at(real).await));
        assert!(!at(link).await.overlaps(&at(dir.path().join("other")).await));
    }
}
