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
use super::mounts::{self, Mount};
use crate::managed::clients::Clients;
use crate::managed::efs::FileSystem;

const FOLDER: &str = "aws-backup-restore_";
/// What AWS Backup may leave beside the folder.
const FRAGMENTS: &str = "aws-backup-";
/// What a file system may have at its root from the beginning.
const LOST: &str = "lost+found";
/// Says on the file system how far the move has come, so that no marker lies among the user's files.
const TAG: &str = "stillpoint:reroot";

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

/// How far the move of a file system has come, as its tag says. The tag names the file system: tags are copied, and what
/// another one's say counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Move {
    NotBegun,
    /// The children of this folder are on their way.
    Begun(String),
    Done,
}

impl Move {
    fn said(tag: Option<&str>, id: &str) -> Self {
        let parts: Vec<&str> = tag.unwrap_or_default().splitn(3, ':').collect();
        match parts.as_slice() {
            ["begun", of, folder] if *of == id && folder.starts_with(FOLDER) => {
                Self::Begun((*folder).to_owned())
            }
            ["done", of] if *of == id => Self::Done,
            _ => Self::NotBegun,
        }
    }

    fn word(&self, id: &str) -> String {
        match self {
            Self::NotBegun => String::new(),
            Self::Begun(folder) => format!("begun:{id}:{folder}"),
            Self::Done => format!("done:{id}"),
        }
    }
}

/// Moves the children of AWS's folder to the root of the mount, by renames. `table` is where the kernel says what is
/// mounted.
///
/// # Errors
/// `NeedsAttention` where the mount shows something else than the new file system, or a name is taken.
pub(super) async fn reroot(
    clients: &Clients,
    system: &FileSystem,
    plan: &Plan,
    table: &Path,
) -> Result<Reroot> {
    let Some(mount) = plan.mount.as_ref().map(PathBuf::from) else { return Ok(Reroot::Impossible) };
    let so_far = Move::said(system.tags.get(TAG).map(String::as_str), &system.id);
    if so_far == Move::Done {
        return Ok(Reroot::Done);
    }
    let addresses: Vec<String> =
        clients.efs().mount_targets(&system.id).await?.into_iter().filter_map(|at| at.address).collect();
    let (id, table) = (system.id.clone(), table.to_owned());
    let place = blocking(move || prove(&mount, &id, &addresses, &table)).await?;
    let Some(place) = place else { return Ok(Reroot::Waiting) };
    let (looked_at, known) = (place.clone(), so_far.clone());
    match blocking(move || find(&looked_at, &known)).await? {
        Found::Nothing => return Ok(Reroot::Waiting),
        Found::Lifted => {}
        Found::Folder(folder) => {
            if so_far == Move::NotBegun {
                note(clients, system, &Move::Begun(folder.clone())).await?;
            }
            blocking(move || lift(&place, &place.join(folder))).await?;
        }
    }
    note(clients, system, &Move::Done).await?;
    Ok(Reroot::Done)
}

/// Whether the tag `key` with `value` was written by the move of the file system `id`.
pub(super) fn says_itself_of(id: &str, key: &str, value: &str) -> bool {
    key == TAG && Move::said(Some(value), id) != Move::NotBegun
}

async fn note(clients: &Clients, system: &FileSystem, said: &Move) -> Result<()> {
    clients.efs().tag(&system.id, &[(TAG.to_owned(), said.word(&system.id))].into()).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorKind::Unexpected, "moving restored files to their root broke off").with_source(error)
    })?
}

/// Where `mount` leads, once it proves to be the root of the file system `id`; `None` where nothing is mounted yet.
///
/// # Errors
/// `NeedsAttention` where something else is mounted.
fn prove(mount: &Path, id: &str, addresses: &[String], table: &Path) -> Result<Option<PathBuf>> {
    let Some(place) = mounts::resolved(mount)? else { return Ok(None) };
    let Some(found) = Mount::at(&mounts::table(table)?, &place) else { return Ok(None) };
    if found.shows(id, addresses, &mounts::helper()) {
        return Ok(Some(place));
    }
    let message = format!(
        "{} shows {}, which does not prove to be the root of {id}; mount that by its name, by the address of a mount \
         target or with the mount helper of EFS. Nothing was moved",
        mount.display(),
        found.source()
    );
    Err(Error::new(ErrorKind::NeedsAttention, message))
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Nothing at all yet.
    Nothing,
    /// The folder of this name is to be emptied.
    Folder(String),
    /// The folder is gone, and the files are at the root.
    Lifted,
}

/// What a mount that proved to be the file system shows. Before anything was moved nothing may be there beside the one
/// folder of the restore; later only the folder that was begun with counts.
fn find(mount: &Path, so_far: &Move) -> Result<Found> {
    let attention = |what: String| {
        let message = format!("{} {what}", mount.display());
        Err(Error::new(ErrorKind::NeedsAttention, message))
    };
    let entries = fs::read_dir(mount)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>())
        .map_err(|error| unreadable(mount, error))?;
    let names: Vec<_> = entries.iter().map(|name| name.to_string_lossy()).collect();
    let other = names.iter().find(|name| !name.starts_with(FRAGMENTS) && *name != LOST);
    if let Move::Begun(folder) = so_far {
        return match other {
            _ if names.iter().any(|name| name == folder) => Ok(Found::Folder(folder.clone())),
            Some(_) => Ok(Found::Lifted),
            None => attention(format!("holds neither {folder} nor what was in it; look where its files are")),
        };
    }
    if let Some(name) = other {
        return attention(format!(
            "holds {name}, so the new file system is in use already; nothing was moved"
        ));
    }
    let folders: Vec<_> = names.iter().filter(|name| name.starts_with(FOLDER)).collect();
    match folders.as_slice() {
        [] => Ok(Found::Nothing),
        [folder] => Ok(Found::Folder(folder.to_string())),
        many => attention(format!("holds {} folders {FOLDER}…; move the right one by hand", many.len())),
    }
}

/// Moves the children of `folder` to `mount`, never over anything, and removes it once it is empty.
fn lift(mount: &Path, folder: &Path) -> Result<()> {
    let names: Vec<OsString> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .map_err(|error| unreadable(folder, error))?;
    for name in names {
        let target = mount.join(&name);
        match target.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&target, error)),
            Ok(_) => {
                let message =
                    format!("{} is taken; move {} by hand", target.display(), folder.join(&name).display());
                return Err(Error::new(ErrorKind::NeedsAttention, message));
            }
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

    const NAME: &str = "aws-backup-restore_2026-05-14T17-27-00-417720408Z";

    fn mount() -> (tempfile::TempDir, PathBuf) {
        let mount = tempfile::tempdir().unwrap();
        let folder = mount.path().join(NAME);
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(folder.join("deep/file"), b"1").unwrap();
        fs::write(folder.join(".hidden"), b"2").unwrap();
        (mount, folder)
    }

    fn begun() -> Move {
        Move::Begun(NAME.to_owned())
    }

    #[test]
    fn children_move_to_the_root_and_the_folder_goes() {
        let (mount, folder) = mount();
        fs::create_dir(mount.path().join("aws-backup-lost+found")).unwrap();
        assert_eq!(find(mount.path(), &Move::NotBegun).unwrap(), Found::Folder(NAME.to_owned()));
        lift(mount.path(), &folder).unwrap();
        assert_eq!(fs::read(mount.path().join("deep/file")).unwrap(), b"1");
        assert_eq!(fs::read(mount.path().join(".hidden")).unwrap(), b"2");
        assert!(!folder.exists());
        assert_eq!(find(mount.path(), &begun()).unwrap(), Found::Lifted);
    }

    #[test]
    fn a_move_that_was_cut_short_goes_on_with_its_own_folder_alone() {
        let (mount, folder) = mount();
        fs::rename(folder.join("deep"), mount.path().join("deep")).unwrap();
        fs::create_dir(mount.path().join("aws-backup-restore_later")).unwrap();
        assert_eq!(find(mount.path(), &begun()).unwrap(), Found::Folder(NAME.to_owned()));
        lift(mount.path(), &folder).unwrap();
        assert!(mount.path().join(".hidden").exists());
        assert_eq!(find(mount.path(), &begun()).unwrap(), Found::Lifted, "the later folder is none of ours");
    }

    #[test]
    fn an_empty_root_never_says_that_a_move_is_done() {
        let mount = tempfile::tempdir().unwrap();
        assert_eq!(find(mount.path(), &Move::NotBegun).unwrap(), Found::Nothing);
        assert_eq!(find(mount.path(), &begun()).unwrap_err().kind(), ErrorKind::NeedsAttention);
        fs::create_dir(mount.path().join(LOST)).unwrap();
        assert_eq!(find(mount.path(), &begun()).unwrap_err().kind(), ErrorKind::NeedsAttention);
        assert!(find(&mount.path().join("absent"), &begun()).is_err());
    }

    #[test]
    fn only_the_root_of_the_new_file_system_is_touched() {
        let (mount, _) = mount();
        let place = fs::canonicalize(mount.path()).unwrap();
        let table = tempfile::NamedTempFile::new().unwrap();
        let proven = |origin: &str| {
            fs::write(table.path(), format!("40 36 0:50 / {} rw - {origin}\n", place.display())).unwrap();
            prove(mount.path(), "fs-1", &[], table.path())
        };
        assert_eq!(proven("nfs4 fs-1.efs.r.amazonaws.com:/ rw").unwrap(), Some(place.clone()));
        let error = proven("nfs4 fs-2.efs.r.amazonaws.com:/ rw").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NeedsAttention);
        assert!(error.to_string().contains("fs-2"), "{error}");
        fs::write(table.path(), "36 35 98:0 / / rw - ext4 /dev/root rw\n").unwrap();
        assert_eq!(prove(mount.path(), "fs-1", &[], table.path()).unwrap(), None, "no mount yet");
        assert_eq!(prove(&place.join("absent"), "fs-1", &[], table.path()).unwrap(), None);
    }

    #[test]
    fn what_the_tag_of_another_file_system_says_counts_for_nothing() {
        for said in [begun(), Move::Done] {
            let word = said.word("fs-1");
            assert_eq!(Move::said(Some(&word), "fs-1"), said);
            assert_eq!(Move::said(Some(&word), "fs-2"), Move::NotBegun, "{word}");
        }
        for word in [None, Some(""), Some("done"), Some("begun"), Some("begun:fs-1:../home")] {
            assert_eq!(Move::said(word, "fs-1"), Move::NotBegun, "{word:?}");
        }
    }

    #[test]
    fn a_file_system_in_use_is_left_alone_and_two_folders_are_not_guessed_between() {
        let (mount, _) = mount();
        fs::create_dir(mount.path().join("aws-backup-restore_2")).unwrap();
        assert_eq!(find(mount.path(), &Move::NotBegun).unwrap_err().kind(), ErrorKind::NeedsAttention);
        fs::remove_dir(mount.path().join("aws-backup-restore_2")).unwrap();
        fs::write(mount.path().join("notes"), b"mine").unwrap();
        assert_eq!(find(mount.path(), &Move::NotBegun).unwrap_err().kind(), ErrorKind::NeedsAttention);
    }

    #[test]
    fn nothing_is_moved_over_anything() {
        let (mount, folder) = mount();
        fs::write(mount.path().join(".hidden"), b"mine").unwrap();
        assert_eq!(lift(mount.path(), &folder).unwrap_err().kind(), ErrorKind::NeedsAttention);
        assert_eq!(fs::read(mount.path().join(".hidden")).unwrap(), b"mine");
    }
}
