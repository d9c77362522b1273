//! Files to the root: AWS puts what it restores into a folder, also in a new file system.
//!
//! Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-efs.html>. The folder's name ends with a time
//! in more than one form, so only its beginning is looked at.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stillpoint_core::{Error, ErrorKind, Result};

use super::Plan;
use crate::managed::clients::Clients;
use crate::managed::efs::FileSystem;

const FOLDER: &str = "aws-backup-restore_";
/// What AWS Backup may leave beside the folder.
const FRAGMENTS: &str = "aws-backup-";
/// Says on the file system how far the move has come, so that no marker lies among the user's files.
const TAG: &str = "stillpoint:reroot";
const BEGUN: &str = "begun";
const DONE: &str = "done";

/// How the move ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reroot {
    /// The files lie at the root.
    Done,
    /// The mount does not show the folder yet.
    Waiting,
    /// Nothing says where this host sees the file system.
    Impossible,
}

/// Moves the children of AWS's folder to the root of the mount, by renames.
///
/// # Errors
/// `NeedsAttention` where the mount shows something else than a new file system, or a name is taken.
pub(super) async fn reroot(clients: &Clients, system: &FileSystem, plan: &Plan) -> Result<Reroot> {
    let Some(mount) = plan.mount.as_ref().map(PathBuf::from) else { return Ok(Reroot::Impossible) };
    let begun = match system.tags.get(TAG).map(String::as_str) {
        Some(DONE) => return Ok(Reroot::Done),
        said => said.is_some(),
    };
    let place = mount.clone();
    let folder = match blocking(move || find(&place, begun)).await? {
        Found::Folder(folder) => folder,
        Found::Nothing if begun => return note(clients, system, DONE).await.map(|()| Reroot::Done),
        Found::Nothing => return Ok(Reroot::Waiting),
    };
    if !begun {
        note(clients, system, BEGUN).await?;
    }
    blocking(move || lift(&mount, &folder)).await?;
    note(clients, system, DONE).await?;
    Ok(Reroot::Done)
}

async fn note(clients: &Clients, system: &FileSystem, word: &str) -> Result<()> {
    clients.efs().tag(&system.id, &[(TAG.to_owned(), word.to_owned())].into()).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorKind::Unexpected, "moving restored files to their root broke off").with_source(error)
    })?
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Folder(PathBuf),
}

/// The one folder that a restore made in `mount`. Before anything was moved nothing else may be there: a file system in
/// use is not the new one.
fn find(mount: &Path, begun: bool) -> Result<Found> {
    let entries = match fs::read_dir(mount) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        other => other.map_err(|error| unreadable(mount, error))?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(mount, error))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(FOLDER) {
            folders.push(entry.path());
        } else if !begun && !name.starts_with(FRAGMENTS) && name != "lost+found" {
            let message = format!(
                "{} holds {name}, so it is not the new file system, or in use already; nothing was moved",
                mount.display()
            );
            return Err(Error::new(ErrorKind::NeedsAttention, message));
        }
    }
    match folders.len() {
        0 => Ok(Found::Nothing),
        1 => Ok(folders.pop().map_or(Found::Nothing, Found::Folder)),
        many => Err(Error::new(
            ErrorKind::NeedsAttention,
            format!("{} holds {many} folders {FOLDER}…; move the right one by hand", mount.display()),
        )),
    }
}

/// Moves the children of `folder` to `mount`, never over anything, and removes it once it is empty.
fn lift(mount: &Path, folder: &Path) -> Result<()> {
    let names: Vec<OsString> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .map_err(|error| unreadable(folder, error))?;
    for name in names {
        let target = mount.join(&name);
        if target.symlink_metadata().is_ok() {
            let message =
                format!("{} is taken; move {} by hand", target.display(), folder.join(&name).display());
            return Err(Error::new(ErrorKind::NeedsAttention, message));
        }
        fs::rename(folder.join(&name), &target).map_err(|error| unreadable(&target, error))?;
    }
    fs::remove_dir(folder).map_err(|error| unreadable(folder, error))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Unavailable,
    };
    let message = format!("{} could not be changed for moving restored files to their root", path.display());
    Error::new(kind, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount() -> tempfile::TempDir {
        let mount = tempfile::tempdir().unwrap();
        let folder = mount.path().join("aws-backup-restore_2026-05-14T17-27-00-417720408Z");
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(folder.join("deep/file"), b"1").unwrap();
        fs::write(folder.join(".hidden"), b"2").unwrap();
        mount
    }

    #[test]
    fn children_move_to_the_root_and_the_folder_goes() {
        let mount = mount();
        fs::create_dir(mount.path().join("aws-backup-lost+found")).unwrap();
        let Found::Folder(folder) = find(mount.path(), false).unwrap() else { panic!("no folder") };
        lift(mount.path(), &folder).unwrap();
        assert_eq!(fs::read(mount.path().join("deep/file")).unwrap(), b"1");
        assert_eq!(fs::read(mount.path().join(".hidden")).unwrap(), b"2");
        assert!(!folder.exists());
        assert_eq!(find(mount.path(), true).unwrap(), Found::Nothing);
    }

    #[test]
    fn a_move_that_was_cut_short_goes_on() {
        let mount = mount();
        let Found::Folder(folder) = find(mount.path(), false).unwrap() else { panic!("no folder") };
        fs::rename(folder.join("deep"), mount.path().join("deep")).unwrap();
        assert_eq!(find(mount.path(), true).unwrap(), Found::Folder(folder.clone()));
        lift(mount.path(), &folder).unwrap();
        assert!(mount.path().join(".hidden").exists());
    }

    #[test]
    fn a_file_system_in_use_is_left_alone() {
        let mount = mount();
        fs::write(mount.path().join("notes"), b"mine").unwrap();
        assert_eq!(find(mount.path(), false).unwrap_err().kind(), ErrorKind::NeedsAttention);
    }

    #[test]
    fn nothing_is_moved_over_anything() {
        let mount = mount();
        let Found::Folder(folder) = find(mount.path(), false).unwrap() else { panic!("no folder") };
        fs::write(mount.path().join(".hidden"), b"mine").unwrap();
        assert_eq!(lift(mount.path(), &folder).unwrap_err().kind(), ErrorKind::NeedsAttention);
        assert_eq!(fs::read(mount.path().join(".hidden")).unwrap(), b"mine");
    }

    #[test]
    fn an_absent_or_empty_mount_is_waited_for_and_two_folders_are_not_guessed_between() {
        let mount = tempfile::tempdir().unwrap();
        assert_eq!(find(&mount.path().join("absent"), false).unwrap(), Found::Nothing);
        assert_eq!(find(mount.path(), false).unwrap(), Found::Nothing);
        for name in ["aws-backup-restore_1", "aws-backup-restore_2"] {
            fs::create_dir(mount.path().join(name)).unwrap();
        }
        assert_eq!(find(mount.path(), true).unwrap_err().kind(), ErrorKind::NeedsAttention);
    }
}
