//! Whether anything is mounted where a component's files are to be seen.
//!
//! A mount that is missing shows an empty directory of this machine: a backup of it would be empty and look well, and a
//! restore into it would fill the wrong disk.

use std::path::Path;

use stillpoint_core::{Component, Error, ErrorKind, Result, Settings};

use super::mount_of;

/// The setting of a component that says, where it is false, that nothing is ever mounted at its mount: it is a directory like
/// any other, and may be empty.
const MOUNTED: &str = "mounted";

/// Whether a file system is mounted at `path`: it is on another device than the directory above it. It is looked into first,
/// so that an automounter mounts what it would.
///
/// # Errors
/// Those of the operating system.
pub fn is_mount_point(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    std::fs::read_dir(path)?.next().transpose()?;
    let path = path.canonicalize()?;
    let Some(above) = path.parent() else { return Ok(true) };
    Ok(path.metadata()?.dev() != above.metadata()?.dev())
}

/// Whether `settings` leave open that something is mounted there.
pub fn expects_mount(settings: &Settings) -> bool {
    settings.get(MOUNTED).and_then(serde_json::Value::as_bool) != Some(false)
}

/// Proves that the files of `component` are those of its mount. A directory that holds anything is believed.
///
/// # Errors
/// `NotFound` where its mount is an empty directory and nothing is mounted there. What cannot be looked at is told elsewhere.
pub(crate) fn prove(component: &Component) -> Result<()> {
    let Some(mount) = mount_of(component).filter(|_| expects_mount(&component.settings)) else {
        return Ok(());
    };
    let path = Path::new(mount);
    let empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if !empty || is_mount_point(path).unwrap_or(true) {
        return Ok(());
    }
    let message = format!(
        "nothing is mounted at {path:?}, which is an empty directory, so the files of {} are not there; mount them, or say \
         {MOUNTED} = false in the component's settings if that directory is all there is",
        component.resource
    );
    Err(Error::new(ErrorKind::NotFound, message).with("component", &component.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_is_no_mount_unless_it_is_said_to_be_one() {
        let dir = tempfile::tempdir().unwrap();
        let component =
            Component::new("c".parse().unwrap(), "file-share", "s3sync".parse().unwrap(), "share")
                .with_setting("mount", dir.path().to_str().unwrap());
        let refused = prove(&component).unwrap_err();
        assert!(refused.kind() == ErrorKind::NotFound && refused.to_string().contains("nothing is mounted"));
        assert!(prove(&component.clone().with_setting(MOUNTED, false)).is_ok());
        std::fs::write(dir.path().join("file"), "x").unwrap();
        assert!(prove(&component).is_ok(), "what holds files is believed");
        let gone = component.with_setting("mount", "/no/such/directory");
        assert!(prove(&gone).is_ok(), "that it is not there is told elsewhere");
    }

    #[test]
    fn a_mount_is_on_another_device_than_what_it_is_mounted_in() {
        assert!(is_mount_point(Path::new("/")).unwrap() && is_mount_point(Path::new("/proc")).unwrap());
        assert!(!is_mount_point(tempfile::tempdir().unwrap().path()).unwrap());
    }
}
