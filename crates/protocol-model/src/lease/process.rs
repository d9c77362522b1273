//! What a process does: claims, looks, commits under its epoch, and calls what the commit made due.

use super::outside::{FOREIGN, place};
use super::record::{Answer, Hold, JobCall, JobId, Record, Step};
use super::state::{Broken, Call, Job, JobState, Process, State};
use super::{Fault, Protocol};

impl Protocol {
    pub(super) fn process_steps(&self, state: &State, which: usize, next: &mut Vec<State>) {
        let process = &state.processes[which];
        if !process.drives {
            self.claim(state, which, next);
            return;
        }
        self.lease_steps(state, which, next);
        if state.budget.deaths > 0 {
            let mut after = *state;
            after.budget.deaths -= 1;
            after.processes[which].leave();
            next.push(after);
        }
        if let Call::Answered((call, done)) = process.hold {
            let record = self.on_hold(process.record, call, done);
            let mut after = *state;
            after.processes[which].hold = Call::None;
            next.push(self.commit(after, which, record));
        }
        if let Call::Answered(answer) = process.job {
            let record = self.on_answer(process.record, answer);
            let mut after = *state;
            after.processes[which].job = Call::None;
            next.push(self.commit(after, which, record));
        }
        if process.job == Call::None {
            self.looks(state, which, next);
        }
        if state.row.cancel_requested && !process.record.stopping && process.epoch == state.row.epoch {
            next.push(self.commit(*state, which, self.stopped(process.record)));
        }
        if self.lacks(Fault::StartBeforeIntent) && process.job == Call::None {
            self.start_early(state, which, next);
        }
    }

    /// The fault of a process that starts the job while it still waits for the workspace to hold still.
    fn start_early(&self, state: &State, which: usize, next: &mut Vec<State>) {
        let record = &state.processes[which].record;
        if record.hold == Hold::Quiescing && record.step == Step::Pending {
            let mut after = *state;
            after.processes[which].job = Call::Sent(JobCall::Start(record.attempt));
            next.push(after);
        }
    }

    /// Takes the operation over when its lease has run out, reads it under the new epoch and stores that it did.
    fn claim(&self, state: &State, which: usize, next: &mut Vec<State>) {
        let row = &state.row;
        if row.record.is_over() {
            return;
        }
        let process = &state.processes[which];
        // Of what was read before the claim, only a fault makes use.
        if self.lacks(Fault::ReadBeforeClaim) && process.record == Record::NEW && !process.sure {
            let mut read = *state;
            (read.processes[which].record, read.processes[which].sure) = (row.record, true);
            next.push(read);
        }
        if row.live && !self.lacks(Fault::ClaimTooEarly) {
            return;
        }
        let mut after = *state;
        let known =
            if self.lacks(Fault::ReadBeforeClaim) && process.sure { process.record } else { row.record };
        after.row.owner = u8::try_from(which).unwrap_or(u8::MAX);
        after.row.epoch += u8::from(!self.lacks(Fault::EpochKept));
        after.row.live = true;
        let (late_hold, late_job) = (process.late_hold, process.late_job);
        after.processes[which] = Process {
            drives: true,
            epoch: after.row.epoch,
            sure: true,
            late_hold,
            late_job,
            ..Process::IDLE
        };
        let mut record = self.taken_over(known);
        if row.cancel_requested {
            record = self.stopped(record);
        }
        next.push(self.commit(after, which, record));
    }

    /// Time passes: a holder comes to doubt its lease before the catalog lets it go, and renews it if it is awake.
    fn lease_steps(&self, state: &State, which: usize, next: &mut Vec<State>) {
        let process = &state.processes[which];
        if process.sure && state.budget.sleeps > 0 {
            let mut after = *state;
            after.processes[which].sure = false;
            next.push(after);
        }
        if process.sure {
            return;
        }
        let mut after = *state;
        if process.epoch == state.row.epoch {
            after.processes[which].sure = true;
            after.row.live = true;
        } else {
            after.processes[which].leave();
        }
        next.push(after);
    }

    /// The catalog's clock ends the lease of a dead holder, or of one that sleeps.
    pub(super) fn expire(&self, state: &State, next: &mut Vec<State>) {
        if !state.row.live || state.row.record.is_over() {
            return;
        }
        let owner = &state.processes[usize::from(state.row.owner)];
        let awake = owner.drives && owner.epoch == state.row.epoch;
        if awake && (state.budget.sleeps == 0 || owner.sure && !self.lacks(Fault::TrustTooLong)) {
            return;
        }
        let mut after = *state;
        after.row.live = false;
        after.budget.sleeps -= u8::from(awake);
        next.push(after);
    }

    /// Stores a decision if nobody has claimed the operation meanwhile, and makes the calls that are due.
    fn commit(&self, mut after: State, which: usize, record: Record) -> State {
        let process = &mut after.processes[which];
        if process.epoch != after.row.epoch && !self.lacks(Fault::CommitUnfenced) {
            process.leave();
            return after;
        }
        if usize::from(after.row.owner) != which {
            after.broken = Some(Broken::StaleCommit);
        }
        after.row.record = record;
        process.record = record;
        // What the operation knows of, it answers for, whoever began it.
        if let Some(JobId::Ours(attempt)) = record.job() {
            after.jobs[usize::from(attempt)].stray = false;
        }
        if record.is_over() {
            after.row.live = false;
            process.leave();
            return after;
        }
        if let Some(due) = record.hold_due() {
            match process.hold {
                // A quiesce that is no longer wanted is not waited for.
                Call::Sent(sent) if sent != due => {
                    process.late_hold = Some(sent);
                    process.hold = Call::Sent(due);
                }
                Call::None => process.hold = Call::Sent(due),
                Call::Sent(_) | Call::Answered(_) => {}
            }
        }
        if let (Some(due), Call::None) = (record.job_due(), process.job)
            && !is_asked(&after.jobs, due)
        {
            process.job = Call::Sent(due);
        }
        after
    }

    /// What a process learns by looking. Between the look and the commit it may sleep, so the answer is kept.
    fn looks(&self, state: &State, which: usize, next: &mut Vec<State>) {
        let record = &state.processes[which].record;
        let mut answers = [None; 2];
        match record.step {
            Step::Reconciling => answers[0] = Some(self.find(&state.jobs, record.attempt)),
            Step::Running { job, .. } | Step::Stopping { job } => {
                answers[0] = match state.jobs[place(job)].state {
                    JobState::Succeeded => Some(Answer::Ended { snapshot: true }),
                    JobState::Stopped => Some(Answer::Ended { snapshot: false }),
                    JobState::Expired => Some(Answer::Expired),
                    JobState::Running | JobState::Absent => None,
                };
                let fails = self.lacks(Fault::AnewWhileRunning) && state.budget.losses > 0;
                answers[1] = fails.then_some(Answer::NoPoll);
            }
            Step::Captured { job, proven } => {
                let foreign = job == JobId::Foreign;
                let blind = self.lacks(Fault::MemberUnmarked) || foreign && proven;
                answers[0] = if state.jobs[place(job)].marked || blind {
                    Some(Answer::Mark { ours: true })
                } else {
                    foreign.then_some(Answer::Mark { ours: false })
                };
            }
            _ => {}
        }
        for answer in answers.into_iter().flatten().filter(|answer| *answer != Answer::Unclear) {
            let mut after = *state;
            after.processes[which].job = Call::Answered(answer);
            next.push(after);
        }
    }

    /// Ours is proven by its mark; without it, whatever runs on the resource may be ours.
    /// What was there before the attempt began is passed over by its time.
    fn find(&self, jobs: &[Job; 3], attempt: u8) -> Answer {
        let ours = &jobs[usize::from(attempt)];
        if ours.listed && ours.marked {
            return Answer::Found { job: JobId::Ours(attempt), proven: true };
        }
        let likely = [
            (ours.listed && !ours.deleted).then_some(JobId::Ours(attempt)),
            (jobs[FOREIGN].state == JobState::Running).then_some(JobId::Foreign),
        ];
        match likely {
            [Some(_), Some(_)] => Answer::Unclear,
            [Some(job), None] | [None, Some(job)] => Answer::Found { job, proven: false },
            // That there is none is said only when lists have caught up.
            [None, None] if is_hidden(ours) && !self.lacks(Fault::LookTooEarly) => Answer::Unclear,
            [None, None] => Answer::FoundNone,
        }
    }
}

/// A job that was asked to stop, and did, is asked no more; it is looked at.
fn is_asked(jobs: &[Job; 3], call: JobCall) -> bool {
    matches!(call, JobCall::Stop(job) if jobs[place(job)].state != JobState::Running)
}

fn is_hidden(job: &Job) -> bool {
    job.state != JobState::Absent && !job.listed
}
