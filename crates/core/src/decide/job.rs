//! The life of one job inside an operation: started, found again, followed, stopped, ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::decide::effect::{Effect, Outcome};
use crate::decide::witness::witnessed;
use crate::decide::{UNREGISTERED, is_outage, waits};
use crate::error::{Effect as Applied, Error, ErrorKind, ErrorRecord};
use crate::id::{ComponentId, JobId};
use crate::provider::{CancelOutcome, Issue, JobKey, JobRef, JobRequest, JobState, JobStatus, Progress};

/// How many attempts a job gets when the provider lets it expire unstarted.
const ATTEMPTS_MAX: u32 = 3;
/// How often in a row a job may refuse to be polled before a person is called: six hours.
const POLL_REFUSALS_MAX: u32 = 720;
/// How long a job that was asked to stop is waited for: a day.
pub(super) const STOP_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// The least time between two polls of a job outside.
const POLL_EVERY_MIN: Duration = Duration::from_secs(1);
/// So many looks under a hold that find a job in its queue prove that it begins under it: the first may have been taken before.
const LOOKS_THAT_PROVE: u32 = 2;
/// How often a start may be answered "busy" before the job fails.
pub(super) const BUSY_WAITS_MAX: u32 = 1000;

/// Where a job stands in its operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobStep {
    /// Not begun.
    Pending,
    /// Its intent is written; the start is due or under way.
    Starting,
    /// Whether it was started is unknown: look before acting.
    Reconciling,
    /// The resource is busy; try again then.
    Waiting {
        /// When to try again.
        until: Timestamp,
    },
    /// It runs outside.
    Running {
        /// The job.
        job: JobRef,
    },
    /// It was asked to stop.
    Stopping {
        /// The job.
        job: JobRef,
        /// Whether the provider was told.
        asked: bool,
    },
    /// It ended.
    Ended(JobEnd),
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobEnd {
    /// It has a result; its status may list issues.
    Succeeded,
    /// It has none.
    Failed(ErrorRecord),
    /// It was stopped, or never begun because the operation stopped first.
    Cancelled,
}

/// One job of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobRun {
    /// What is asked for; its key carries the attempt.
    pub request: JobRequest,
    /// Whether it runs inside the process.
    pub in_process: bool,
    /// Where it stands.
    pub step: JobStep,
    /// When the intent of the newest start was written.
    pub since: Option<Timestamp>,
    /// The newest answer to a poll.
    pub status: Option<JobStatus>,
    /// Polls in a row that failed, or starts in a row that found the resource busy.
    pub misses: u32,
    /// The provider said that it cannot stop the job.
    pub unstoppable: bool,
    /// The job followed was found outside and nothing proves yet that it is ours: it is polled, but neither stopped
    /// nor relied upon.
    pub unproven: bool,
    /// How often a job that was ours was not there any more.
    #[serde(default)]
    pub losses: u32,
    /// Jobs that may have been ours, as far as could be seen, and ended without a result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ruled_out: Vec<JobId>,
    /// Since when it has been kept from beginning, by whatever it is: a refused start, an unknown one, or the queue outside.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "behind_since")]
    pub idle_since: Option<Timestamp>,
    /// Somebody else took over since the attempt began, so that nobody knows when exactly it ended.
    #[serde(default)]
    pub unwatched: bool,
    /// When it was seen to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The most progress that was seen of it, over all attempts.
    #[serde(default)]
    pub reached: Progress,
    /// Its content was not yet known to be captured when the workspace was told to let go.
    #[serde(default)]
    pub outlasted_hold: bool,
    /// When its progress last grew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advanced_at: Option<Timestamp>,
    /// How often it was seen in the queue outside since the newest hold stands, where it was begun before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_under_hold: Option<u32>,
}

impl JobRun {
    /// A job that has not begun.
    pub fn new(request: JobRequest, in_process: bool) -> Self {
        Self {
            request,
            in_process,
            step: JobStep::Pending,
            since: None,
            status: None,
            misses: 0,
            unstoppable: false,
            unproven: false,
            losses: 0,
            ruled_out: Vec::new(),
            idle_since: None,
            unwatched: false,
            ended_at: None,
            reached: Progress::default(),
            outlasted_hold: false,
            advanced_at: None,
            queued_under_hold: None,
        }
    }

    /// The component it works on.
    pub fn component(&self) -> &ComponentId {
        self.request.key().component()
    }

    /// How far it is. Never goes back, whatever becomes of its attempts.
    pub fn progress(&self) -> Progress {
        self.reached
    }

    /// Notes what a poll said of its progress.
    fn reach(&mut self, seen: Progress, now: Timestamp) {
        let before = self.reached;
        self.reached.bytes_done = before.bytes_done.max(seen.bytes_done);
        self.reached.files_done = before.files_done.max(seen.files_done);
        self.reached = self.reached.of(seen.bytes_total, seen.files_total);
        let done = |progress: Progress| (progress.bytes_done, progress.files_done);
        if done(self.reached) != done(before) {
            self.advanced_at = Some(now);
        }
    }

    /// Whether it ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.step, JobStep::Ended(_))
    }

    /// Whether nothing of it runs: it ended, or never began.
    pub(super) fn is_idle(&self) -> bool {
        self.has_ended() || self.step == JobStep::Pending
    }

    /// Whether the whole content is captured, so that the workspace need not hold still for it.
    pub fn is_captured(&self) -> bool {
        self.has_ended() || self.status.as_ref().is_some_and(|status| status.captured.is_some())
    }

    /// How long it took: the span of its capture, or of its whole run where somebody watched it.
    pub fn took(&self) -> Option<Duration> {
        let captured = self.status.as_ref().and_then(|status| status.captured);
        let span = captured.map(|window| window.to.since(window.from)).filter(|span| !span.is_zero());
        let seen = self.since.zip(self.ended_at).map(|(since, ended)| ended.since(since));
        span.or_else(|| seen.filter(|_| !self.unwatched))
    }

    /// The job is no longer waited for. What becomes of it is for a person to find out.
    pub(super) fn give_up_waiting(&mut self) {
        if self.is_idle() {
            return;
        }
        let job = match &self.step {
            JobStep::Running { job } | JobStep::Stopping { job, .. } => format!("job {}", job.id),
            _ => "a job that may have been started".into(),
        };
        let message = format!("{job} did not end in time and may still run; stop it by hand");
        self.fail(Error::new(ErrorKind::NeedsAttention, message).record());
    }

    /// What is left of it outside although the operation was to be undone.
    pub(super) fn not_undone(&self) -> Option<Issue> {
        match &self.step {
            JobStep::Ended(JobEnd::Failed(error)) if error.kind == ErrorKind::NeedsAttention => {
                Some(Issue::new("not-undone", self.component().as_str(), error.to_string()))
            }
            _ => None,
        }
    }

    /// Whether a job of it may be outside of which nobody knows what became.
    pub(super) fn may_be_lost(&self) -> bool {
        self.unproven || self.losses > 0 || !self.ruled_out.is_empty() || self.not_undone().is_some()
    }

    /// A new hold stands: whether what was begun under an earlier one is still in its queue is to be seen.
    pub(super) fn meet_hold(&mut self) {
        self.idle_since = None;
        self.queued_under_hold = (!self.is_idle()).then_some(0);
    }

    /// Whether it has surely begun to capture under the newest hold, whatever the clock of the other side says.
    pub(super) fn began_under_hold(&self) -> bool {
        self.queued_under_hold.is_none_or(|seen| seen >= LOOKS_THAT_PROVE)
    }

    /// Begins it: the intent is written with the state that this makes.
    pub(super) fn begin(&mut self, now: Timestamp) {
        if self.step == JobStep::Pending {
            self.step = JobStep::Starting;
            self.since = Some(now);
            self.queued_under_hold = None;
        }
    }

    /// After a takeover: a start that was cut short is looked for before it is repeated.
    pub(super) fn recover(&mut self) {
        if self.step == JobStep::Starting {
            self.step = JobStep::Reconciling;
        }
        if let JobStep::Stopping { asked, .. } = &mut self.step {
            *asked = false;
        }
        self.misses = 0;
        self.unwatched |= !matches!(self.step, JobStep::Pending | JobStep::Ended(_));
    }

    /// Stops it: what has not begun never begins, what may run is asked to stop.
    pub(super) fn stop(&mut self) {
        match &self.step {
            JobStep::Pending | JobStep::Waiting { .. } => self.step = JobStep::Ended(JobEnd::Cancelled),
            JobStep::Running { job } if !self.unstoppable && !self.unproven => {
                self.step = JobStep::Stopping { job: job.clone(), asked: false };
            }
            // A start under way is stopped once its answer names the job.
            JobStep::Starting
            | JobStep::Reconciling
            | JobStep::Running { .. }
            | JobStep::Stopping { .. }
            | JobStep::Ended(_) => {}
        }
    }

    /// Time passed: a wait may be over.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if let JobStep::Waiting { until } = self.step
            && waits(Some(until), now).is_none()
        {
            self.step = JobStep::Starting;
            // What is looked for later was started from now on.
            self.since = Some(now);
            self.queued_under_hold = None;
        }
    }

    /// What is due for this job.
    pub(super) fn due(&self) -> Option<Effect> {
        let component = self.component().clone();
        match &self.step {
            JobStep::Starting => Some(Effect::Start(self.request.clone())),
            JobStep::Reconciling => {
                let after = if self.misses > 0 { backoff(self.misses) } else { Duration::ZERO };
                Some(Effect::Find { request: self.request.clone(), since: self.since?, after })
            }
            JobStep::Running { job } => {
                Some(Effect::Poll { component, job: job.clone(), after: self.poll_delay() })
            }
            JobStep::Stopping { job, asked: false } => {
                Some(Effect::CancelJob { component, job: job.clone() })
            }
            JobStep::Stopping { job, asked: true } => {
                Some(Effect::Poll { component, job: job.clone(), after: self.poll_delay() })
            }
            JobStep::Pending | JobStep::Waiting { .. } | JobStep::Ended(_) => None,
        }
    }

    /// When time alone changes something.
    pub(super) fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.step {
            JobStep::Waiting { until } => Some(waits(Some(until), now).unwrap_or(now)),
            _ => None,
        }
    }

    fn poll_delay(&self) -> Duration {
        if self.misses > 0 {
            return backoff(self.misses);
        }
        let told = self.status.as_ref().and_then(|status| status.poll_after).unwrap_or_default();
        // A provider that neither waits nor says when to ask again would be asked without a pause.
        if self.in_process { told } else { told.max(POLL_EVERY_MIN) }
    }

    /// The answer to a start or to the search for one.
    pub(super) fn on_start(&mut self, result: &Result<Outcome, ErrorRecord>, now: Timestamp) {
        if !matches!(self.step, JobStep::Starting | JobStep::Reconciling) {
            return;
        }
        match result {
            Ok(Outcome::Started(job)) => self.run(job.clone()),
            Ok(Outcome::Found(candidates)) => self.on_found(candidates, now),
            Ok(_) => self.fail(unexpected("an answer to a start was of another kind")),
            Err(error) if self.step == JobStep::Reconciling => {
                self.idle_since.get_or_insert(now);
                self.look_again(error.clone());
            }
            Err(error) if error.effect == Applied::MaybeApplied => {
                self.idle_since.get_or_insert(now);
                self.step = JobStep::Reconciling;
                self.misses = 0;
            }
            Err(error) if error.kind == ErrorKind::Busy || is_outage(error) => self.wait(now, error.clone()),
            Err(error) => self.fail(error.clone()),
        }
    }

    /// Follows a job that is ours.
    pub(super) fn run(&mut self, job: JobRef) {
        self.step = JobStep::Running { job };
        self.idle_since = None;
        self.unproven = false;
        self.misses = 0;
    }

    pub(super) fn wait(&mut self, now: Timestamp, error: ErrorRecord) {
        self.misses += 1;
        self.idle_since.get_or_insert(now);
        if self.misses > BUSY_WAITS_MAX {
            self.fail(error);
        } else {
            self.step = JobStep::Waiting { until: now.after(backoff(self.misses + 3)) };
        }
    }

    /// The answer to a poll. A poll that failed says nothing about the job, so it is repeated.
    pub(super) fn on_poll(&mut self, result: &Result<Outcome, ErrorRecord>, now: Timestamp) {
        let stopping = match &self.step {
            JobStep::Running { .. } => false,
            JobStep::Stopping { .. } => true,
            _ => return,
        };
        match result {
            Ok(Outcome::Polled(status)) => self.on_status(status, stopping, now),
            Ok(_) => self.misses += 1,
            Err(error) if error.kind == ErrorKind::NotFound => {
                self.losses += u32::from(!self.unproven);
                self.search_anew();
            }
            Err(error) => {
                self.misses += 1;
                if self.misses >= POLL_REFUSALS_MAX && !is_outage(error) {
                    self.give_up(error);
                }
            }
        }
    }

    /// Nobody may look at the job any more. What becomes of it is for a person to find out.
    fn give_up(&mut self, error: &ErrorRecord) {
        let job = match &self.step {
            JobStep::Running { job } | JobStep::Stopping { job, .. } => job.id.to_string(),
            _ => return,
        };
        let message = format!("job {job} could not be followed to its end and may still run: {error}");
        self.fail(Error::new(ErrorKind::NeedsAttention, message).with("job", job).record());
    }

    fn on_status(&mut self, status: &JobStatus, stopping: bool, now: Timestamp) {
        let without_result = status.state.is_terminal()
            && !matches!(status.state, JobState::Succeeded | JobState::SucceededWithIssues);
        if self.unproven && without_result {
            // How somebody else's job ends says nothing about ours, and nothing is left that could prove whose it was.
            return self.rule_out();
        }
        self.misses = 0;
        let mut status = status.clone();
        self.reach(status.progress, now);
        status.progress = self.reached;
        // A job in this process tells our own clock's time, and one that may be somebody else's began whenever it did.
        if let Some(since) = self.since.filter(|_| !self.in_process && !self.unproven) {
            let before = self.status.as_ref().and_then(|before| before.captured);
            status.captured = status.captured.map(|told| witnessed(told, since, now, before));
        }
        if status.state.is_terminal() {
            self.ended_at = Some(now);
        }
        let state = status.state.clone();
        if let Some(seen) = self.queued_under_hold.as_mut().filter(|_| state == JobState::Queued) {
            *seen = (*seen + 1).min(LOOKS_THAT_PROVE);
        }
        self.idle_since = (state == JobState::Queued).then(|| self.idle_since.unwrap_or(now));
        self.status = Some(status);
        match state {
            JobState::Succeeded | JobState::SucceededWithIssues => {
                self.step = JobStep::Ended(JobEnd::Succeeded)
            }
            JobState::Failed(error) => self.fail(error),
            JobState::Cancelled => self.step = JobStep::Ended(JobEnd::Cancelled),
            JobState::Lost | JobState::Expired if stopping => self.step = JobStep::Ended(JobEnd::Cancelled),
            // A wait that is over at once still lets a stop come first.
            JobState::Lost => self.step = JobStep::Waiting { until: now },
            JobState::Expired => self.try_anew("the provider let the job expire unstarted", now),
            // It was asked and runs on as if it had not been: ask again.
            JobState::Queued | JobState::Running if stopping => self.ask_again(),
            JobState::Queued | JobState::Running | JobState::Cancelling | JobState::Unknown(_) => {}
        }
    }

    fn ask_again(&mut self) {
        if let JobStep::Stopping { asked, .. } = &mut self.step {
            *asked = false;
        }
    }

    /// A new attempt, because of `what` became of this one.
    pub(super) fn try_anew(&mut self, what: &str, now: Timestamp) {
        let key = self.request.key();
        if key.attempt() >= ATTEMPTS_MAX {
            let message = format!("{what} {ATTEMPTS_MAX} times");
            self.fail(Error::new(ErrorKind::Unavailable, message).record());
            return;
        }
        let next = JobKey::new(key.operation().clone(), key.component().clone(), key.attempt() + 1);
        self.request.set_key(next);
        self.step = JobStep::Waiting { until: now };
        self.status = None;
        self.ended_at = None;
        self.unwatched = false;
    }

    /// The answer to asking the job to stop.
    pub(super) fn on_cancel(&mut self, result: &Result<Outcome, ErrorRecord>) {
        let JobStep::Stopping { job, .. } = &self.step else {
            return;
        };
        let job = job.clone();
        match result {
            Ok(Outcome::CancelAsked(CancelOutcome::Unsupported)) => {
                self.unstoppable = true;
                self.step = JobStep::Running { job };
            }
            Ok(_) => self.step = JobStep::Stopping { job, asked: true },
            // Whoever stops what nobody can follow gives it up, and says so.
            Err(error) if error.context(UNREGISTERED).is_some() => {
                let message = format!("job {} may still run, and is to be stopped by hand: {error}", job.id);
                self.fail(Error::new(ErrorKind::NeedsAttention, message).with("job", &job.id).record());
            }
            // The poll that follows shows whether it ended by itself; if not, it is asked again.
            Err(_) => {
                self.misses += 1;
                self.step = JobStep::Stopping { job, asked: true };
            }
        }
    }

    pub(super) fn fail(&mut self, error: ErrorRecord) {
        self.step = JobStep::Ended(JobEnd::Failed(error));
    }
}

pub(super) fn unexpected(message: &str) -> ErrorRecord {
    Error::new(ErrorKind::Unexpected, message).record()
}

/// Doubling delays from half a second to half a minute.
pub(super) fn backoff(misses: u32) -> Duration {
    Duration::from_millis(500u64.saturating_mul(1 << misses.min(7).saturating_sub(1)))
        .min(Duration::from_secs(60))
}
