//! `stillpoint demo`: the embedded default end to end on a generated workspace.

mod compare;
mod generate;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stillpoint_core::{BackupQuery, BackupRecord, Error, ErrorKind, Result, Timestamp};
use stillpoint_repository::Credentials;
use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_server::document::{BackupDocument, BackupItem, RestoreDocument};
use stillpoint_server::text::{Bytes, Span};

use crate::args::{BackupArgs, DemoArgs, RestoreArgs};
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::run::drive::Driven;
use crate::session::Session;
use crate::settings::{Settings, write_new_key};
use compare::{Comparison, compare};
use generate::{edit, generate};

/// The workspace's id in the demonstration.
const WORKSPACE: &str = "demo";

/// Runs the demonstration in a temporary place of its own, which is removed afterwards.
pub(super) async fn run(output: &Output, args: &DemoArgs) -> Outcome {
    let place = tempfile::Builder::new().prefix("stillpoint-demo-").tempdir().map_err(|error| {
        Error::new(ErrorKind::PermissionDenied, "no temporary directory can be made").with_source(error)
    })?;
    let session = Session::new(
        Settings::contained(&place.path().join("data")),
        Output::new(output.is_json()).without_steps(),
    );
    let outcome = Demo { session, root: place.path().to_path_buf(), steps: Vec::new() }.run(args).await;
    if args.keep {
        output.note(format_args!("kept: {}", place.keep().display()));
    } else {
        let root = place.path().to_path_buf();
        blocking(move || make_removable(&root)).await?;
        place.close().map_err(|error| failed("the temporary directory cannot be removed", error))?;
    }
    outcome
}

struct Demo {
    session: Session,
    root: PathBuf,
    steps: Vec<Value>,
}

impl Demo {
    async fn run(mut self, args: &DemoArgs) -> Outcome {
        let (workspace, lost, restored) =
            (self.root.join("workspace"), self.root.join("lost"), self.root.join("restored"));
        self.prepare()?;

        let (at, files, seed) = (workspace.clone(), args.files, args.seed);
        blocking(move || generate(&at, files, seed)).await?;
        self.say(1, "a workspace was generated", &format!("{} files, seed {seed}", args.files))?;

        let first = self.back_up(&workspace, "first").await?;
        self.say(2, "first backup", &summary(&first))?;

        let at = workspace.clone();
        blocking(move || edit(&at, seed)).await?;
        self.say(3, "a day of work", "files edited, added, removed, moved; modes changed")?;

        let second = self.back_up(&workspace, "after a day of work").await?;
        self.say(4, "incremental backup", &summary(&second))?;
        let small = second.added_bytes * 4 < first.added_bytes;

        let (from, to) = (workspace.clone(), lost.clone());
        blocking(move || fs::rename(from, to)).await?;
        self.say(5, "the workspace is lost", "moved out of reach, kept only for the comparison")?;

        let driven = self.restore(&restored).await?;
        let counts = driven.status.operation.started_at;
        let took = driven.status.operation.finished_at.unwrap_or(counts).since(counts);
        let whole = driven.exit() == Exit::Done;
        let document = RestoreDocument::new(&driven.status.operation);
        self.say(6, "restored into a new workspace", &format!("in {}", Span(took)))?;
        self.steps.push(json!({ "restore": document }));

        let found = blocking(move || compare(&lost, &restored)).await?;
        self.say(7, "compared byte for byte, with all metadata", &comparison(&found))?;

        let sound = self.check().await?;
        self.conclude(
            [("the incremental backup is small", small), ("the restore is whole", whole)],
            &found,
            sound,
        )
        .await
    }

    /// Makes the key, so that no advice about a key that is about to vanish is given.
    fn prepare(&self) -> Result<()> {
        let data_dir = &self.session.settings.data_dir;
        data_dir.make()?;
        let (_, key) = Credentials::generate().map_err(engine::error)?;
        write_new_key(&data_dir.key_file(), &key).map(drop)
    }

    async fn back_up(&mut self, directory: &Path, name: &str) -> Result<BackupRecord, Failure> {
        let args = BackupArgs {
            directory: Some(directory.to_path_buf()),
            workspace: Some(WORKSPACE.to_owned()),
            name: Some(name.to_owned()),
            ..BackupArgs::default()
        };
        let driven = super::backup::back_up(&self.session, &args).await?;
        self.steps.push(json!({ "backup": BackupDocument::new(&driven.status) }));
        let exit = driven.exit();
        match driven.status.backup {
            Some(backup) if exit == Exit::Done => Ok(backup),
            _ => {
                let issues = driven
                    .status
                    .operation
                    .issues
                    .iter()
                    .map(|issue| format!("{}: {}", issue.item, issue.message));
                let message =
                    format!("the backup is not complete: {}", issues.collect::<Vec<_>>().join("; "));
                Err(Error::new(ErrorKind::Unexpected, message).into())
            }
        }
    }

    async fn restore(&self, into: &Path) -> Result<Driven, Failure> {
        let backup = format!("{WORKSPACE}@latest");
        let args = RestoreArgs { backup, into: Some(into.to_path_buf()), ..RestoreArgs::default() };
        let (driven, claim) = super::restore::restore(&self.session, &args).await?;
        claim.told();
        Ok(driven)
    }

    async fn check(&self) -> Result<bool, Failure> {
        let repository = self.session.repository().await?;
        let report =
            repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.map_err(engine::error)?;
        let detail = format!("{} packs, {} read and decrypted", report.packs, Bytes(report.bytes_read));
        self.say(8, "the repository was checked", &detail)?;
        Ok(report.is_sound())
    }

    /// Prints the catalog and the verdict.
    async fn conclude(self, claims: [(&str, bool); 2], found: &Comparison, sound: bool) -> Outcome {
        let catalog = self.session.catalog().await?;
        let backups: Vec<_> =
            catalog.backups(&BackupQuery::all()).await?.items.into_iter().map(|s| s.backup).collect();
        let mut claims = claims.to_vec();
        claims.extend([
            ("the restored workspace is equal", found.is_equal()),
            ("the repository is sound", sound),
        ]);
        claims.push(("the catalog lists both backups", backups.len() == 2));
        let held = claims.iter().all(|(_, holds)| *holds);
        let output = &self.session.output;
        if output.is_json() {
            output.document(&json!({
                "held": held,
                "claims": claims.iter().map(|(claim, holds)| json!({ "claim": claim, "holds": holds })).collect::<Vec<_>>(),
                "entries_compared": found.entries,
                "bytes_compared": found.bytes,
                "differences": found.differences,
                "steps": self.steps,
                "backups": backups.iter().map(BackupItem::new).collect::<Vec<_>>(),
            }))?;
        } else {
            output.line("\nThe catalog:")?;
            for backup in &backups {
                output.line(catalog_line(backup))?;
            }
            output.line("")?;
            found.differences.iter().try_for_each(|text| output.line(format_args!("  differs  {text}")))?;
            for (claim, holds) in &claims {
                output.line(format_args!("  {}  {claim}", if *holds { "held  " } else { "FAILED" }))?;
            }
        }
        Ok(if held { Exit::Done } else { Exit::Failed })
    }

    fn say(&self, number: u8, what: &str, detail: &str) -> Result<()> {
        let line = format!("{number}. {what}: {detail}");
        if self.session.output.is_json() {
            self.session.output.note(line);
            return Ok(());
        }
        self.session.output.line(line)
    }
}

fn catalog_line(backup: &BackupRecord) -> String {
    format!(
        "  {}  {}  {}  {} of {} added  {}",
        backup.id,
        backup.created_at,
        backup.state.as_str(),
        Bytes(backup.added_bytes),
        Bytes(backup.size_bytes),
        backup.name.as_deref().unwrap_or("")
    )
}

fn summary(backup: &BackupRecord) -> String {
    let took = Span(took(backup.created_at, backup.finished_at));
    format!("{} of {} added to the store in {took}", Bytes(backup.added_bytes), Bytes(backup.size_bytes))
}

fn took(from: Timestamp, to: Timestamp) -> std::time::Duration {
    to.since(from)
}

fn comparison(found: &Comparison) -> String {
    let differences = u64::try_from(found.differences.len()).unwrap_or(u64::MAX).saturating_add(found.more);
    format!("{} entries, {}, {differences} differences", found.entries, Bytes(found.bytes))
}

/// Makes every directory writable again, so that the temporary place can be removed by any user.
fn make_removable(root: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    let done =
        done.map_err(|error| Error::new(ErrorKind::Unexpected, "a task ended early").with_source(error))?;
    done.map_err(|error| failed("the demonstration's files cannot be used", error))
}

fn failed(what: &str, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull => ErrorKind::QuotaExceeded,
        _ => ErrorKind::PermissionDenied,
    };
    Error::new(kind, what).with_source(error)
}
