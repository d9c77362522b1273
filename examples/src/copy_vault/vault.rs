//! The vault's folders. `snapshots/ID/` holds a copy (`files/`) and what is known of it (`about.json`);
//! `restores/ID.json` remembers what a restore made. Each appears by one rename, so that what is visible is whole.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stillpoint_core::{
    BackupJob, CaptureWindow, Error, ErrorKind, Issue, JobRequest, JobStatus, OperationId, Progress,
    ProviderId, RestoreJob, RestoredResource, Result, SnapshotId, SnapshotInfo, SnapshotRef, Timestamp,
};

/// One file of a copy, relative to its root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopiedFile {
    pub(super) path: String,
    pub(super) bytes: u64,
}

/// What is known of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    info: SnapshotInfo,
    captured: CaptureWindow,
    files: Vec<CopiedFile>,
}

/// What is known of a finished restore.
#[derive(Debug, Serialize, Deserialize)]
struct Restored {
    operation: OperationId,
    resource: RestoredResource,
}

#[derive(Clone, Debug)]
pub(super) struct Vault {
    root: PathBuf,
}

/// The id of a request's job: it follows from the key, so that every process knows it.
pub(super) fn job_id(request: &JobRequest) -> String {
    match request {
        JobRequest::Backup(job) => format!("backup-{}", job.key.token()),
        other => format!("restore-{}", other.key().token()),
    }
}

impl Vault {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn snapshot(&self, id: &str) -> PathBuf {
        self.root.join("snapshots").join(id)
    }

    fn restored(&self, id: &str) -> PathBuf {
        self.root.join("restores").join(format!("{id}.json"))
    }

    /// Copies the component's directory. A key that has its snapshot already does nothing.
    pub(super) fn capture(&self, provider: &ProviderId, job: &BackupJob, now: Timestamp) -> Result<String> {
        let id = job_id(&JobRequest::Backup(job.clone()));
        let place = self.snapshot(&id);
        if place.exists() {
            return Ok(id);
        }
        let unfinished = self.root.join("unfinished").join(&id);
        remove_tree(&unfinished)?;
        let mut files = Vec::new();
        copy_tree(Path::new(&job.component.resource), &unfinished.join("files"), "", &mut files)?;
        let reference = SnapshotRef::new(provider.clone(), SnapshotId::new(id.clone())?);
        let mut info = SnapshotInfo::new(reference, job.created_at);
        info.workspace = Some(job.workspace.clone());
        info.component = Some(job.component.id.clone());
        info.backup = Some(job.backup.clone());
        info.operation = Some(job.key.operation().clone());
        write_json(
            &unfinished.join("about.json"),
            &About { info, captured: CaptureWindow::new(now, now), files },
        )?;
        publish(&unfinished, &place)?;
        Ok(id)
    }

    /// Copies a snapshot to a new directory.
    pub(super) fn bring_back(&self, job: &RestoreJob) -> Result<String> {
        let id = job_id(&JobRequest::Restore(job.clone()));
        if self.restored(&id).exists() {
            return Ok(id);
        }
        if !job.include.is_empty() {
            return super::unsupported("restore single paths");
        }
        let about = self.about(job.snapshot.id.as_str())?;
        let place = job.destination.get("path").and_then(|path| path.as_str());
        let place =
            place.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the destination names no path"))?;
        let resource = RestoredResource::new(about.info.snapshot.provider, job.component.id.clone(), place);
        let restored = Restored { operation: job.key.operation().clone(), resource };

        // The copy carries this job's mark until the restore is noted, so that a repeat knows its own work.
        let mark = format!(".restored-by-{id}");
        let place = Path::new(place);
        if place.exists()
            && !place.join(&mark).exists()
            && fs::read_dir(place).map_err(io_error)?.next().is_some()
        {
            let message = format!("{} is not empty; choose another target", place.display());
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        if !place.join(&mark).exists() {
            // Beside the target, because a rename cannot cross file systems.
            let unfinished = place.with_extension("unfinished");
            remove_tree(&unfinished)?;
            copy_tree(
                &self.snapshot(job.snapshot.id.as_str()).join("files"),
                &unfinished,
                "",
                &mut Vec::new(),
            )?;
            fs::write(unfinished.join(&mark), b"").map_err(io_error)?;
            publish(&unfinished, place)?;
        }
        write_json(&self.restored(&id), &restored)?;
        fs::remove_file(place.join(&mark)).map_err(io_error)?;
        Ok(id)
    }

    /// A job that left its result is done; one that did not was never started, as far as anybody can tell.
    pub(super) fn status(&self, id: &str) -> Result<JobStatus> {
        let mut status = super::done();
        if id.starts_with("backup-") {
            let about = self.about(id)?;
            let bytes = about.files.iter().map(|file| file.bytes).sum();
            status.progress = Progress::new(bytes, about.files.len() as u64);
            status.counts = [("bytes_scanned".to_owned(), bytes), ("bytes_stored".to_owned(), bytes)].into();
            status.captured = Some(about.captured);
            status.snapshot = Some(about.info.snapshot);
        } else {
            status.restored = Some(read_json::<Restored>(&self.restored(id))?.resource);
        }
        Ok(status)
    }

    fn about(&self, id: &str) -> Result<About> {
        read_json(&self.snapshot(id).join("about.json"))
    }

    pub(super) fn info(&self, id: &str) -> Result<SnapshotInfo> {
        Ok(self.about(id)?.info)
    }

    pub(super) fn list(&self) -> Result<Vec<SnapshotInfo>> {
        let folder = self.root.join("snapshots");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).map_err(io_error)? {
            all.push(self.info(&entry.map_err(io_error)?.file_name().to_string_lossy())?);
        }
        all.sort_by(|a, b| (a.created_at, &a.snapshot).cmp(&(b.created_at, &b.snapshot)));
        Ok(all)
    }

    pub(super) fn files(&self, id: &str) -> Result<Vec<CopiedFile>> {
        Ok(self.about(id)?.files)
    }

    /// What differs from what was noted at capture time.
    pub(super) fn problems(&self, id: &str) -> Result<Vec<Issue>> {
        let mut problems = Vec::new();
        for file in self.about(id)?.files {
            let found =
                fs::metadata(self.snapshot(id).join("files").join(&file.path)).map(|found| found.len());
            if found.as_ref().ok() != Some(&file.bytes) {
                problems.push(Issue::new("damaged", file.path, format!("{} bytes are due", file.bytes)));
            }
        }
        Ok(problems)
    }

    /// Moves the snapshot out of sight in one step, then removes it.
    pub(super) fn delete(&self, id: &str) -> Result<()> {
        let doomed = self.root.join("unfinished").join(format!("deleted-{id}"));
        if self.snapshot(id).exists() {
            remove_tree(&doomed)?;
            publish(&self.snapshot(id), &doomed)?;
        }
        remove_tree(&doomed)
    }

    /// Removes a restored directory if the restore that made it belongs to `operation`.
    pub(super) fn discard(&self, operation: Option<&OperationId>, resource: &RestoredResource) -> Result<()> {
        if !Path::new(&resource.resource).exists() {
            return Ok(());
        }
        let folder = self.root.join("restores");
        let notes =
            fs::read_dir(&folder).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
        for note in notes {
            let restored: Restored = read_json(&note.path())?;
            if restored.resource == *resource && Some(&restored.operation) == operation {
                remove_tree(Path::new(&resource.resource))?;
                return fs::remove_file(note.path()).map_err(io_error);
            }
        }
        let message = format!("{} was not made by this restore", resource.resource);
        Err(Error::new(ErrorKind::PermissionDenied, message))
    }
}

/// Copies regular files and folders; `name` is the path so far.
fn copy_tree(from: &Path, to: &Path, name: &str, files: &mut Vec<CopiedFile>) -> Result<()> {
    fs::create_dir_all(to).map_err(io_error)?;
    let mut entries: Vec<_> =
        fs::read_dir(from).map_err(io_error)?.collect::<io::Result<_>>().map_err(io_error)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file_name = entry.file_name();
        let path = format!("{name}{}", file_name.to_string_lossy());
        if entry.file_type().map_err(io_error)?.is_dir() {
            copy_tree(&entry.path(), &to.join(&file_name), &format!("{path}/"), files)?;
        } else {
            let bytes = fs::copy(entry.path(), to.join(&file_name)).map_err(io_error)?;
            files.push(CopiedFile { path, bytes });
        }
    }
    Ok(())
}

/// Makes a finished folder or file visible under its final name in one step.
fn publish(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(io_error)?;
    }
    fs::rename(from, to).map_err(io_error)
}

fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(io_error),
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io_error)?;
    }
    let mut file = fs::File::create(&unfinished).map_err(io_error)?;
    file.write_all(&serde_json::to_vec(value).map_err(json_error)?).map_err(io_error)?;
    file.sync_all().map_err(io_error)?;
    publish(&unfinished, path)
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(io_error)?;
    serde_json::from_slice(&text).map_err(json_error)
}

fn io_error(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::QuotaExceeded,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "the vault's folder could not be read or written").with_source(error)
}

fn json_error(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "a note in the vault is damaged").with_source(error)
}
