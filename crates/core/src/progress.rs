//! How far each component of an operation is: progress that never goes back, its rate, and when it will be done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::decide::{JobEnd, JobRun, JobStep, Machine};
use crate::id::ComponentId;
use crate::operation::OperationRecord;
use crate::provider::Progress;

/// How far one component is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComponentProgress {
    /// The component.
    pub component: ComponentId,
    /// Where its job stands: `pending`, `starting`, `waiting`, `running`, `stopping`, `succeeded`, `failed` or
    /// `cancelled`.
    pub step: String,
    /// What is done. Never goes back.
    pub progress: Progress,
    /// Bytes a second since the job was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Files a second since the job was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_per_second: Option<u64>,
    /// When it will be done if it goes on as it went; `None` where the whole is unknown, or nothing is done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_end: Option<Timestamp>,
    /// When it last advanced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_advance: Option<Timestamp>,
}

impl OperationRecord {
    /// How far each component is; follows from the stored state alone. Empty where an operation has no jobs.
    pub fn components(&self) -> Vec<ComponentProgress> {
        match &self.machine {
            Machine::Backup(backup) => backup.members.iter().map(|member| of(&member.run)).collect(),
            Machine::Restore(restore) => restore.members.iter().map(|member| of(&member.run)).collect(),
            Machine::Copy(copy) => copy.members.iter().map(|member| of(&member.run)).collect(),
            _ => Vec::new(),
        }
    }
}

fn of(run: &JobRun) -> ComponentProgress {
    let progress = run.progress();
    let span = run.since.zip(run.advanced_at).map(|(since, at)| (since, at, at.since(since)));
    let rate = |done: u64| span.and_then(|(_, _, passed)| per_second(done, passed));
    let end = |done: u64, total: Option<u64>| {
        let (since, at, _) = span?;
        done_at(since, at, done, total?)
    };
    let by_bytes = end(progress.bytes_done, progress.bytes_total);
    let by_files = end(progress.files_done, progress.files_total);
    ComponentProgress {
        component: run.component().clone(),
        step: word(&run.step).to_owned(),
        progress,
        bytes_per_second: rate(progress.bytes_done),
        files_per_second: rate(progress.files_done),
        expected_end: by_bytes.max(by_files).filter(|_| !run.has_ended()),
        last_advance: run.advanced_at,
    }
}

fn word(step: &JobStep) -> &'static str {
    match step {
        JobStep::Pending => "pending",
        JobStep::Starting | JobStep::Reconciling => "starting",
        JobStep::Waiting { .. } => "waiting",
        JobStep::Running { .. } => "running",
        JobStep::Stopping { .. } => "stopping",
        JobStep::Ended(JobEnd::Succeeded) => "succeeded",
        JobStep::Ended(JobEnd::Failed(_)) => "failed",
        JobStep::Ended(JobEnd::Cancelled) => "cancelled",
    }
}

fn per_second(done: u64, passed: Duration) -> Option<u64> {
    let millis = passed.as_millis();
    let rate = (u128::from(done) * 1000).checked_div(millis).filter(|_| done > 0)?;
    u64::try_from(rate).ok()
}

/// When all is done, if the rest goes as what was done between `since` and `at`.
fn done_at(since: Timestamp, at: Timestamp, done: u64, total: u64) -> Option<Timestamp> {
    let left = u128::from(total.saturating_sub(done));
    let rest = (at.since(since).as_millis() * left).checked_div(u128::from(done))?;
    Some(at.after(Duration::from_millis(u64::try_from(rest).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_in_an_hour_leaves_three_hours() {
        let hour = Duration::from_secs(3600);
        let begun = Timestamp::from_millis(1_000);
        let at = begun.after(hour);
        assert_eq!(done_at(begun, at, 25, 100), Some(at.after(hour * 3)));
        assert_eq!(done_at(begun, at, 100, 100), Some(at), "done is done");
        assert_eq!(done_at(begun, at, 0, 100), None, "nothing tells how fast it goes");
        assert_eq!(per_second(7200, hour), Some(2));
        assert_eq!((per_second(0, hour), per_second(5, Duration::ZERO)), (None, None));
    }
}
