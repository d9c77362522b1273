//! What happens outside: calls arrive, jobs run, lists catch up, time passes, others use the workspace.

use super::record::{ATTEMPTS, Answer, End, HoldCall, JobCall, JobId, Step};
use super::state::{Broken, Call, Holder, Job, JobState, PROCESSES, State};
use super::{Fault, Protocol};

/// Where the foreign job is among the jobs.
pub(super) const FOREIGN: usize = 2;

pub(super) fn place(job: JobId) -> usize {
    match job {
        JobId::Ours(attempt) => usize::from(attempt.min(ATTEMPTS - 1)),
        JobId::Foreign => FOREIGN,
    }
}

impl Protocol {
    pub(super) fn outside_steps(&self, state: &State, next: &mut Vec<State>) {
        for which in 0..PROCESSES {
            self.arrivals(state, which, next);
        }
        for which in 0..state.jobs.len() {
            job_steps(state, which, next);
        }
        self.workspace_steps(state, next);
        self.reconcile(state, next);
        if !state.row.record.is_over() && !state.row.cancel_requested && self.cancels {
            let mut after = *state;
            after.row.cancel_requested = true;
            next.push(after);
        }
    }

    /// Calls on their way arrive, with or without an answer; those of the dead arrive late or never.
    fn arrivals(&self, state: &State, which: usize, next: &mut Vec<State>) {
        let process = &state.processes[which];
        let stale = usize::from(state.row.owner) != which;
        if let Call::Sent(call) = process.hold {
            let mut after = *state;
            let done = self.hold_arrives(&mut after, call, stale);
            after.processes[which].hold = Call::Answered((call, done));
            next.push(after);
            if state.budget.losses > 0 {
                let mut lost = after;
                lost.budget.losses -= 1;
                lost.processes[which].hold = Call::Answered((call, false));
                next.push(lost);
                // No answer in time; it arrives afterwards.
                let mut late = lost;
                (late.workspace, late.broken) = (state.workspace, state.broken);
                late.processes[which].late_hold = Some(call);
                next.push(late);
            }
        }
        if let Call::Sent(call) = process.job {
            let mut after = *state;
            let answer = self.job_arrives(&mut after, call, stale);
            after.processes[which].job = Call::Answered(answer);
            next.push(after);
            if state.budget.losses > 0 {
                let mut lost = after;
                lost.budget.losses -= 1;
                lost.processes[which].job = Call::Answered(Answer::Lost);
                next.push(lost);
                let mut late = lost;
                (late.jobs, late.broken) = (state.jobs, state.broken);
                late.processes[which].late_job = Some(call);
                next.push(late);
            }
        }
        if let Some(call) = process.late_hold {
            let mut never = *state;
            never.processes[which].late_hold = None;
            let mut after = never;
            self.hold_arrives(&mut after, call, true);
            next.extend([never, after]);
        }
        if let Some(call) = process.late_job {
            let mut never = *state;
            never.processes[which].late_job = None;
            let mut after = never;
            self.job_arrives(&mut after, call, true);
            next.extend([never, after]);
        }
    }

    fn hold_arrives(&self, after: &mut State, call: HoldCall, stray: bool) -> bool {
        let workspace = &mut after.workspace;
        match (call, workspace.holder) {
            (HoldCall::Quiesce, Holder::Nobody) => {
                (workspace.holder, workspace.stray) = (Holder::Ours, stray);
                (workspace.prior, workspace.up) = (workspace.up, false);
            }
            (HoldCall::Quiesce, Holder::Ours) => {
                workspace.stray &= stray;
                if self.lacks(Fault::PriorOverwritten) {
                    workspace.prior = workspace.up;
                }
            }
            (HoldCall::Quiesce, Holder::Next) => return false,
            (HoldCall::Resume, Holder::Ours) => {
                (workspace.holder, workspace.stray) = (Holder::Nobody, false);
                workspace.up = workspace.prior;
            }
            (HoldCall::Resume, Holder::Next) if self.lacks(Fault::ReleaseAnybody) => {
                workspace.holder = Holder::Nobody;
                workspace.up = workspace.prior;
                after.broken = Some(Broken::OthersHoldReleased);
            }
            (HoldCall::Resume, Holder::Next | Holder::Nobody) => {}
        }
        true
    }

    fn job_arrives(&self, after: &mut State, call: JobCall, stray: bool) -> Answer {
        match call {
            JobCall::Start(attempt) => {
                let at = usize::from(attempt);
                let job = &mut after.jobs[at];
                if job.state == JobState::Absent {
                    *job = Job { stray, ..Job::BORN };
                } else if !job.token || self.lacks(Fault::TokenNotFromKey) {
                    after.broken = Some(Broken::SecondJob);
                } else {
                    job.stray &= stray;
                }
                let running = |job: &Job| job.state == JobState::Running;
                if after.jobs[..FOREIGN].iter().filter(|job| running(job)).count() > 1 {
                    after.broken = Some(Broken::SecondJob);
                }
                Answer::Started(JobId::Ours(attempt))
            }
            JobCall::Stop(job) => {
                let found = &mut after.jobs[place(job)];
                if found.state == JobState::Running {
                    found.state = JobState::Stopped;
                    if job == JobId::Foreign {
                        after.broken = Some(Broken::ForeignStopped);
                    }
                }
                Answer::Asked
            }
            JobCall::Delete(job) => {
                after.jobs[place(job)].deleted = true;
                Answer::Deleted
            }
        }
    }

    fn workspace_steps(&self, state: &State, next: &mut Vec<State>) {
        let over = state.row.record.is_over();
        let mut after = *state;
        let workspace = &mut after.workspace;
        match state.workspace.holder {
            Holder::Nobody if over && !state.workspace.next_came => {
                (workspace.holder, workspace.next_came) = (Holder::Next, true);
                (workspace.prior, workspace.up) = (workspace.up, false);
            }
            Holder::Next => {
                workspace.holder = Holder::Nobody;
                workspace.up = workspace.prior;
            }
            Holder::Ours if over && !self.lacks(Fault::NoWatchdog) => {
                (workspace.holder, workspace.stray) = (Holder::Nobody, false);
                workspace.up = workspace.prior;
            }
            _ => return,
        }
        next.push(after);
    }

    /// What bears our mark and is in no catalog entry, when nothing of the operation runs any more, is deleted.
    fn reconcile(&self, state: &State, next: &mut Vec<State>) {
        if self.lacks(Fault::NoReconciler) {
            return;
        }
        let active = !state.row.record.is_over() && !self.lacks(Fault::ReconcileTooEarly);
        for attempt in 0..ATTEMPTS {
            let job = &state.jobs[usize::from(attempt)];
            let orphan = job.state == JobState::Succeeded && job.marked && !job.deleted;
            if active || !orphan || state.row.record.end == End::Completed(JobId::Ours(attempt)) {
                continue;
            }
            let mut after = *state;
            after.jobs[usize::from(attempt)].deleted = true;
            next.push(after);
        }
    }
}

fn job_steps(state: &State, which: usize, next: &mut Vec<State>) {
    let job = &state.jobs[which];
    let mut change = |change: &dyn Fn(&mut Job)| {
        let mut after = *state;
        change(&mut after.jobs[which]);
        next.push(after);
    };
    match job.state {
        JobState::Absent if which == FOREIGN && !state.row.record.is_over() => {
            change(&|job| *job = Job { listed: true, ..Job::BORN });
        }
        JobState::Running => {
            change(&|job| job.state = JobState::Succeeded);
            // Only the first attempt is let expire, so that the second one is reached and ends.
            if which == 0 {
                change(&|job| job.state = JobState::Expired);
            }
        }
        _ => {}
    }
    if job.state == JobState::Absent || which == FOREIGN {
        return;
    }
    if !job.listed {
        change(&|job| job.listed = true);
    }
    if job.state == JobState::Succeeded && job.listed && !job.marked {
        change(&|job| job.marked = true);
    }
    if job.token && job.listed && !may_be_started(state) {
        change(&|job| job.token = false);
    }
}

/// Whether somebody may start a job on the strength of what it knew before it was listed. A token is remembered longer
/// than that takes: this is assumed of providers and machines, and the only thing that is assumed of time.
fn may_be_started(state: &State) -> bool {
    state.processes.iter().any(|process| {
        matches!(process.record.step, Step::Starting)
            || matches!(process.job, Call::Sent(JobCall::Start(_)) | Call::Answered(Answer::FoundNone))
            || matches!(process.late_job, Some(JobCall::Start(_)))
    })
}
