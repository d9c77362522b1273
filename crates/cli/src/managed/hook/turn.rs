//! One hook of a workspace at a time, across processes and crashes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process_group};
use stillpoint_core::{Error, ErrorKind, Holder, OpContext, Result, WorkspaceId, process_holder};
use stillpoint_repository::Id;

use super::command::{Ended, Running, STDOUT_MAX};
use super::{Hook, HookCall, TRY_AGAIN};

/// How often a lock that another process has is tried.
const TRY_EVERY: Duration = Duration::from_millis(100);
/// How long a killed hook may take to be gone, in tries.
const GONE_TRIES: u32 = 100;
/// Lines of standard error that an error shows.
const LINES_SHOWN: usize = 3;

/// Where hooks of this host take turns.
#[derive(Clone, Debug)]
pub(crate) struct Hooks {
    folder: PathBuf,
}

/// The right to run hooks of one workspace, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    note: PathBuf,
    _lock: File,
}

impl Hooks {
    /// Hooks that keep their locks in `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Waits until no other process runs a hook of `workspace`. What a process that is gone left running is stopped.
    ///
    /// # Errors
    /// `Cancelled`, or whatever the file system meets.
    pub(crate) async fn turn(&self, cx: &OpContext, workspace: &WorkspaceId) -> Result<Turn> {
        let name = Id::of(workspace.as_str().as_bytes()).to_hex();
        let path = self.folder.join(format!("{name}.lock"));
        let unusable = |error: io::Error| file_error(&path, error);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(unusable)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = lock.map_err(unusable)?;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(unusable(error.into())),
            }
            cx.check()?;
            cx.clock().sleep(TRY_EVERY).await;
        }
        let turn = Turn { note: self.folder.join(format!("{name}.running")), _lock: lock };
        turn.stop_orphan(cx).await?;
        Ok(turn)
    }
}

impl Turn {
    /// Runs a hook to its end and answers what it printed.
    ///
    /// # Errors
    /// What the exit code says: 75 is `Unavailable` and tried again; any other is final, `NeedsAttention` where the hook
    /// was to undo something. `DeadlineExceeded` where it took too long: it is stopped with all it started.
    pub(crate) async fn run(&self, cx: &OpContext, call: HookCall<'_>) -> Result<Vec<u8>> {
        let name = call.hook.as_str();
        cx.check()?;
        let cannot = |error: io::Error| {
            Error::new(ErrorKind::InvalidConfig, format!("the hook {name} cannot be run")).with_source(error)
        };
        let mut running = Running::spawn(&call).map_err(cannot)?;
        if let Some(holder) = running.id().and_then(process_holder) {
            let text = serde_json::to_vec(&holder).map_err(|error| cannot(error.into()))?;
            fs::write(&self.note, text).map_err(|error| file_error(&self.note, error))?;
        }
        running.begin().map_err(cannot)?;
        tracing::debug!(hook = name, "a hook runs");
        let late = async {
            match call.limit {
                Some(limit) => cx.clock().sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            ended = running.ended() => ended.map_err(|error| cannot(error).maybe_applied())?,
            () = cx.cancellation().cancelled() => {
                let message = format!("the hook {name} was stopped on request");
                return Err(Error::new(ErrorKind::Cancelled, message).maybe_applied());
            }
            () = late => {
                let message = format!("the hook {name} did not end in time and was stopped");
                return Err(Error::new(ErrorKind::DeadlineExceeded, message).maybe_applied());
            }
        };
        remove(&self.note)?;
        answer(call.hook, ended)
    }

    /// Kills a hook whose caller is gone, with all it started.
    async fn stop_orphan(&self, cx: &OpContext) -> Result<()> {
        let noted = match fs::read(&self.note) {
            Ok(text) => serde_json::from_slice::<Holder>(&text).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(file_error(&self.note, error)),
        };
        // A note that was cut short was written before its hook began, and the closed gate has ended that one.
        let mut tries = 0;
        while let Some(group) = noted.as_ref().and_then(alive) {
            if tries == 0 {
                tracing::warn!("a hook that a stopped process left running is killed");
            }
            if tries == GONE_TRIES {
                let message = "a hook that a stopped process left running cannot be killed";
                return Err(Error::new(ErrorKind::Busy, message));
            }
            tries += 1;
            let _gone = kill_process_group(group, Signal::KILL).is_err();
            cx.clock().sleep(TRY_EVERY).await;
        }
        remove(&self.note)
    }
}

/// The process group of a note whose leader is certainly still the noted one.
fn alive(noted: &Holder) -> Option<Pid> {
    let id: u32 = noted.process.strip_prefix("pid ")?.split_whitespace().next()?.parse().ok()?;
    (process_holder(id).as_ref() == Some(noted)).then(|| Pid::from_raw(i32::try_from(id).ok()?))?
}

fn remove(path: &PathBuf) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(path, error)),
        _ => Ok(()),
    }
}

/// The error of a file that hooks need.
pub(crate) fn file_error(path: &std::path::Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::QuotaExceeded,
        _ => ErrorKind::PermissionDenied,
    };
    Error::new(kind, format!("{} cannot be used", path.display())).with_source(error)
}

fn answer(hook: Hook, ended: Ended) -> Result<Vec<u8>> {
    let name = hook.as_str();
    let said = last_lines(&ended.stderr);
    tracing::debug!(hook = name, status = %ended.status, said, "a hook has ended");
    if ended.status.success() {
        return ended.stdout.ok_or_else(|| {
            let message = format!("the hook {name} printed more than {STDOUT_MAX} bytes");
            Error::new(ErrorKind::InvalidConfig, message).maybe_applied()
        });
    }
    let how = match (ended.status.code(), ended.status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let kind = match ended.status.code() {
        Some(TRY_AGAIN) => ErrorKind::Unavailable,
        _ if hook.undoes() => ErrorKind::NeedsAttention,
        _ => ErrorKind::InvalidConfig,
    };
    let said = if said.is_empty() { "it said nothing on standard error".to_owned() } else { said };
    Err(Error::new(kind, format!("the hook {name} {how}: {said}")).with("hook", name).maybe_applied())
}

/// The last lines with something in them, as one.
fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join(" / ")
}
