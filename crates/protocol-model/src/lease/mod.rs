//! A backup of one component by several orchestrators: lease, fence, hold, job, adoption and cancellation.
//!
//! Every process may sleep before each of its steps for as long as it likes and then go on with what it knew, or die and
//! be born again; a call may arrive after its sender's death, or without an answer; lists and marks lag; somebody else runs
//! a job on the same resource that looks like ours; another operation follows on the same workspace. Which function of the
//! program does which step is written in `docs/decisions`.

mod fault;
mod outside;
mod process;
mod record;
mod state;

pub use fault::Fault;
pub use state::State;

use crate::search::{Ending, Model};
use outside::{FOREIGN, place};
use record::{End, JobId, Record};
use state::{Broken, Budget, Call, Holder, Job, JobState, PROCESSES, Process, Row, Workspace};

/// The protocol, whole or with one rule taken out.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Protocol {
    /// The rule that is taken out.
    pub fault: Option<Fault>,
    /// Processes that die.
    pub deaths: u8,
    /// Leases that run out while their holders sleep.
    pub sleeps: u8,
    /// Answers that are lost.
    pub losses: u8,
    /// Whether somebody may ask the operation to stop.
    pub cancels: bool,
}

impl Protocol {
    /// The protocol with so many deaths, sleeps past the lease and lost answers, and a wish to stop at any time.
    pub fn new(deaths: u8, sleeps: u8, losses: u8) -> Self {
        Self { fault: None, deaths, sleeps, losses, cancels: true }
    }

    /// The same without one of its rules.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    fn lacks(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

impl Model for Protocol {
    type State = State;

    fn start(&self) -> State {
        let record = self.taken_over(Record::NEW);
        let row = Row { record, epoch: 0, owner: 0, live: true, cancel_requested: false };
        let mut processes = [Process::IDLE; PROCESSES];
        let hold = record.hold_due().map_or(Call::None, Call::Sent);
        processes[0] = Process { drives: true, sure: true, record, hold, ..Process::IDLE };
        let workspace =
            Workspace { holder: Holder::Nobody, up: true, prior: false, stray: false, next_came: false };
        let budget = Budget { deaths: self.deaths, sleeps: self.sleeps, losses: self.losses };
        State { row, processes, workspace, jobs: [Job::ABSENT; 3], budget, broken: None }
    }

    fn steps(&self, state: &State, next: &mut Vec<State>) {
        for which in 0..PROCESSES {
            self.process_steps(state, which, next);
        }
        self.expire(state, next);
        self.outside_steps(state, next);
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        let step = state.broken.map(|broken| match broken {
            Broken::StaleCommit => "a process committed that another one had displaced",
            Broken::SecondJob => "a second job was started for what one works on",
            Broken::ForeignStopped => "somebody else's job was stopped",
            Broken::OthersHoldReleased => "a workspace was let go that another operation held still",
        });
        step.or_else(|| both_sure(state)).or_else(|| wrong_end(state))
    }
}

fn both_sure(state: &State) -> Option<&'static str> {
    let sure = state.processes.iter().filter(|process| process.drives && process.sure).count();
    (sure > 1).then_some("two processes drive one operation and both are sure of their lease")
}

/// What must hold from the moment the operation has ended.
fn wrong_end(state: &State) -> Option<&'static str> {
    let end = state.row.record.end;
    if end == End::Active {
        return None;
    }
    if let End::Completed(member) = end {
        if member == JobId::Foreign {
            return Some("somebody else's snapshot is in the backup");
        }
        let job = &state.jobs[place(member)];
        if job.state != JobState::Succeeded || job.deleted {
            return Some("a completed backup has no snapshot");
        }
    }
    if state.workspace.holder == Holder::Ours && !state.workspace.stray {
        return Some("the operation ended and the workspace is still held still");
    }
    for (at, job) in state.jobs[..FOREIGN].iter().enumerate().filter(|(_, job)| !job.stray) {
        let member = matches!(end, End::Completed(member) if place(member) == at);
        if job.state == JobState::Running {
            return Some("the operation ended and its job runs on");
        }
        // A job that was given up for a later one may have ended with a snapshot after all.
        if job.state == JobState::Succeeded && !member && !job.deleted {
            return Some("the operation ended and a snapshot of it is in no backup");
        }
    }
    let free = state.workspace.holder == Holder::Nobody;
    (free && !state.workspace.up).then_some("the workspace was let go and its services do not run")
}

impl Ending for Protocol {
    /// The operation is over, nothing is on its way, nothing is held, and nothing is left that nobody knows of.
    fn has_ended(&self, state: &State) -> bool {
        let quiet =
            |process: &Process| !process.drives && process.late_hold.is_none() && process.late_job.is_none();
        let known = |(at, job): (usize, &Job)| {
            let member = matches!(state.row.record.end, End::Completed(member) if place(member) == at);
            match job.state {
                JobState::Running => false,
                JobState::Succeeded => member || job.deleted,
                JobState::Absent | JobState::Expired | JobState::Stopped => true,
            }
        };
        state.row.record.is_over()
            && state.processes.iter().all(quiet)
            && state.workspace.holder == Holder::Nobody
            && state.workspace.up
            && state.jobs[..FOREIGN].iter().enumerate().all(known)
    }
}
