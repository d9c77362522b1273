//! A snapshot that is being made, looked at: one of a disk, or the copy of another snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use stillpoint_core::{CaptureWindow, Error, ErrorKind, JobState, JobStatus, OpContext, Progress, Result};

use super::super::AzureProvider;
use super::super::compute::{Snapshot, Usable};
use super::super::names::{JobKind, JobName, PointName};
use super::super::tags;
use super::super::under_way::Reason;
use super::{DISK, KEY};

const WRITE: &str = "Microsoft.Compute/snapshots/write";
/// How soon a snapshot is looked at again that is not there yet, while its workspace may stand still.
const POLL_NEW: Duration = Duration::from_secs(2);
/// The same while its data is copied.
const POLL_FILLING: Duration = Duration::from_secs(30);

impl AzureProvider {
    pub(in super::super) async fn poll_snapshot(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        cx.check()?;
        let Some(snapshot) = Snapshot::known(self.connection(), &name.id).await? else {
            return self.not_shown(cx, name).await;
        };
        self.under_way().shown(&name.id.to_string());
        if let Some(wrong) = judged(name, &snapshot)? {
            return Ok(JobStatus::new(JobState::Failed(wrong.record())));
        }
        let usable = snapshot.usable();
        let mut status = JobStatus::new(self.state_of(name, &snapshot, &usable).await?);
        status.snapshot = Some(PointName(name.id.clone()).of(self.provider_id())?);
        let total = snapshot.size_bytes();
        let there = matches!(usable, Usable::Filling | Usable::Now);
        let done = if there { snapshot.copied_bytes() } else { 0 };
        status.progress = Progress::new(done, 0).of(total, None);
        // Before it is there at all, nobody can say that it will be of that moment.
        if name.kind == JobKind::Backup && there {
            status.captured = snapshot.captured().map(|instant| CaptureWindow::new(instant, instant));
            status.counts = total
                .map(|bytes| ("bytes_scanned".to_owned(), bytes))
                .into_iter()
                .collect::<BTreeMap<_, _>>();
        }
        let pause = if usable == Usable::Filling { POLL_FILLING } else { POLL_NEW };
        status.poll_after = Some(pause).filter(|_| !status.state.is_terminal());
        Ok(status)
    }

    async fn state_of(&self, name: &JobName, snapshot: &Snapshot, usable: &Usable) -> Result<JobState> {
        Ok(match usable {
            Usable::Now => JobState::Succeeded,
            Usable::NotYet | Usable::Filling => JobState::Running,
            Usable::Unknown(word) => JobState::Unknown(word.clone()),
            Usable::Never => {
                let asked = self.under_way().ask(self.connection(), WRITE, &name.id.to_string()).await;
                let message = format!("the snapshot {} is {}", name.id, snapshot.in_words());
                JobState::Failed(asked.reason(message).with("snapshot", &name.id).record())
            }
        })
    }

    /// What is not there yet, or never came to be, or is gone.
    async fn not_shown(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        let (id, now) = (name.id.to_string(), cx.clock().now());
        let absent = (POLL_NEW, format!("Azure knows no snapshot {id}"));
        self.under_way().unseen(self.connection(), WRITE, &id, now, absent).await
    }
}

/// Why a snapshot cannot be what the job makes: what will not change, so the job has failed. `NeedsAttention` where somebody
/// took the marks off; `Conflict` where it was taken of a disk that took the other's place.
///
/// # Errors
/// `NotFound` where it carries another's mark; whose it is, a search tells.
fn judged(name: &JobName, snapshot: &Snapshot) -> Result<Option<Error>> {
    let wrong = |kind, what: &str| {
        Error::new(kind, format!("the snapshot {} {what}", name.id)).with("snapshot", &name.id)
    };
    match snapshot.tags.get(tags::JOB).map(String::as_str) {
        None => {
            return Ok(Some(wrong(
                ErrorKind::NeedsAttention,
                "has lost its tags; let nothing remove tags that begin with stillpoint:, and delete it by hand",
            )));
        }
        mark if mark != name.note(KEY) => {
            return Err(wrong(ErrorKind::NotFound, "carries the mark of another request"));
        }
        Some(_) => {}
    }
    let taken_of = snapshot.properties.creation_data.source_unique_id.as_deref();
    Ok(match (taken_of, name.note(DISK).filter(|known| !known.is_empty())) {
        (Some(taken_of), Some(known)) if taken_of != known => Some(wrong(
            ErrorKind::Conflict,
            "was taken of a disk that took the place of the one to be captured; begin another backup",
        )),
        _ => None,
    })
}
