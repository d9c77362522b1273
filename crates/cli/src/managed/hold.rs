//! Who holds a managed workspace still, kept on this host so that any process can let it go.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stillpoint_core::{BackupId, Error, ErrorKind, HoldInfo, OperationId, Result, WorkspaceId};
use stillpoint_repository::Id;

use super::hook::file_error;

/// A hold as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Whose it is, since when and for how long.
    pub(super) hold: HoldInfo,
    /// Whose workspace; the file's name is only a digest of it.
    pub(super) workspace: WorkspaceId,
    /// The operation that took it, for whoever lets go without it.
    #[serde(default)]
    pub(super) operation: Option<OperationId>,
    /// The backup that it serves.
    #[serde(default)]
    pub(super) backup: Option<BackupId>,
    /// Whether `quiesce` has succeeded.
    #[serde(default)]
    pub(super) still: bool,
}

/// The file that keeps the hold of one workspace.
#[derive(Clone, Debug)]
pub(super) struct HoldFile(PathBuf);

impl HoldFile {
    /// The file of `workspace` below `folder`.
    pub(super) fn of(folder: &Path, workspace: &WorkspaceId) -> Self {
        Self(folder.join(format!("{}.json", Id::of(workspace.as_str().as_bytes()).to_hex())))
    }

    /// The hold, if there is one.
    ///
    /// # Errors
    /// `Corrupt` where the file says nothing that can be understood.
    pub(super) fn read(&self) -> Result<Option<Held>> {
        let text = match fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error(&self.0, error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let message = format!(
                "{} does not say who holds the workspace still; let it go by hand and remove the file",
                self.0.display()
            );
            Error::new(ErrorKind::Corrupt, message).with_source(error)
        })
    }

    /// Stores a hold, durably and all at once.
    ///
    /// # Errors
    /// Whatever writing can meet.
    pub(super) fn write(&self, held: &Held) -> Result<()> {
        let text = serde_json::to_vec_pretty(held).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "a hold cannot be written as JSON").with_source(error)
        })?;
        let folder = self.folder();
        let written = DirBuilder::new().recursive(true).mode(0o700).create(folder).and_then(|()| {
            let mut draft = tempfile::NamedTempFile::new_in(folder)?;
            draft.write_all(&text)?;
            draft.as_file().sync_all()?;
            draft.persist(&self.0).map_err(|error| error.error)?;
            sync(folder)
        });
        written.map_err(|error| file_error(&self.0, error))
    }

    /// Forgets the hold, durably.
    ///
    /// # Errors
    /// Whatever removing can meet.
    pub(super) fn remove(&self) -> Result<()> {
        let removed = match fs::remove_file(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other,
        };
        removed.and_then(|()| sync(self.folder())).map_err(|error| file_error(&self.0, error))
    }

    /// All holds that are noted below `folder`, and what is wrong with notes that cannot be read.
    ///
    /// # Errors
    /// Whatever reading the folder can meet.
    pub(super) fn all(folder: &Path) -> Result<(Vec<Held>, Vec<Error>)> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(file_error(folder, error)),
        };
        let (mut all, mut unread) = (Vec::new(), Vec::new());
        for entry in entries {
            let path = entry.map_err(|error| file_error(folder, error))?.path();
            // A draft has no such name, and one that was let go meanwhile is not there.
            if path.extension().is_some_and(|extension| extension == "json") {
                match Self(path).read() {
                    Ok(held) => all.extend(held),
                    Err(error) => unread.push(error),
                }
            }
        }
        all.sort_by(|a, b| a.workspace.cmp(&b.workspace));
        Ok((all, unread))
    }

    fn folder(&self) -> &Path {
        self.0.parent().unwrap_or(Path::new("."))
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}
