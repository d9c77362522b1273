//! What is stored of the operation, and what it says is due: the part of `decide` that leases and jobs depend on.

use super::{Fault, Protocol};

/// Attempts at the job.
pub(super) const ATTEMPTS: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Hold {
    Free,
    Quiescing,
    Held,
    Resuming,
    Released,
}

/// A job outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum JobId {
    /// The operation's own, by attempt.
    Ours(u8),
    /// Somebody else's, which looks like ours until it has ended.
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Pending,
    Starting,
    Reconciling,
    Running {
        job: JobId,
        proven: bool,
    },
    Stopping {
        job: JobId,
    },
    /// Ended; whether its snapshot carries our mark is to be seen.
    Captured {
        job: JobId,
        proven: bool,
    },
    /// Its snapshot is to be deleted.
    Undoing {
        job: JobId,
    },
    /// Its snapshot is ours and whole.
    Verified {
        job: JobId,
    },
    /// Nothing is left of it.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    Active,
    Completed(JobId),
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) hold: Hold,
    pub(super) step: Step,
    pub(super) attempt: u8,
    /// It is to stop: somebody asked for it, or something failed.
    pub(super) stopping: bool,
    pub(super) end: End,
}

/// A call that changes something about the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum HoldCall {
    Quiesce,
    Resume,
}

/// A call about a job that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum JobCall {
    Start(u8),
    Stop(JobId),
    Delete(JobId),
}

/// An answer about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Started(JobId),
    /// No answer came; nobody knows whether it was done.
    Lost,
    /// There is none of ours, as far as is seen.
    FoundNone,
    Found {
        job: JobId,
        proven: bool,
    },
    /// Several may be ours.
    Unclear,
    /// The job ended with a snapshot, or without one.
    Ended {
        snapshot: bool,
    },
    /// The provider let it expire.
    Expired,
    /// The poll failed.
    NoPoll,
    Mark {
        ours: bool,
    },
    Asked,
    Deleted,
}

impl Record {
    pub(super) const NEW: Self =
        Self { hold: Hold::Free, step: Step::Pending, attempt: 0, stopping: false, end: End::Active };

    pub(super) fn is_over(&self) -> bool {
        self.end != End::Active
    }

    /// The job that it names.
    pub(super) fn job(&self) -> Option<JobId> {
        match self.step {
            Step::Running { job, .. }
            | Step::Stopping { job }
            | Step::Captured { job, .. }
            | Step::Undoing { job }
            | Step::Verified { job } => Some(job),
            Step::Pending | Step::Starting | Step::Reconciling | Step::Nothing => None,
        }
    }

    pub(super) fn hold_due(&self) -> Option<HoldCall> {
        match self.hold {
            Hold::Quiescing => Some(HoldCall::Quiesce),
            Hold::Resuming => Some(HoldCall::Resume),
            Hold::Free | Hold::Held | Hold::Released => None,
        }
    }

    /// Looks (find, poll, verify) are not calls here: they change nothing and are made when they are answered.
    pub(super) fn job_due(&self) -> Option<JobCall> {
        match self.step {
            Step::Starting => Some(JobCall::Start(self.attempt)),
            Step::Stopping { job } => Some(JobCall::Stop(job)),
            Step::Undoing { job } => Some(JobCall::Delete(job)),
            _ => None,
        }
    }
}

impl Protocol {
    /// A process begins, or goes on with what another one left.
    pub(super) fn taken_over(&self, record: Record) -> Record {
        let mut after = record;
        if after.step == Step::Starting && !self.lacks(Fault::RepeatWithoutLook) {
            after.step = Step::Reconciling;
        }
        if self.lacks(Fault::HoldForgotten) && matches!(after.hold, Hold::Held | Hold::Resuming) {
            after.hold = Hold::Released;
        }
        self.follows(after)
    }

    pub(super) fn stopped(&self, record: Record) -> Record {
        self.follows(Record { stopping: true, ..record })
    }

    pub(super) fn on_hold(&self, record: Record, call: HoldCall, done: bool) -> Record {
        let mut after = record;
        match (call, record.hold) {
            (HoldCall::Quiesce, Hold::Quiescing) if done => after.hold = Hold::Held,
            // Whether it holds still is unknown.
            (HoldCall::Quiesce, Hold::Quiescing) => (after.hold, after.stopping) = (Hold::Resuming, true),
            (HoldCall::Quiesce, Hold::Resuming | Hold::Released) => after.hold = Hold::Resuming,
            (HoldCall::Resume, Hold::Resuming) if done => after.hold = Hold::Released,
            _ => {}
        }
        self.follows(after)
    }

    pub(super) fn on_answer(&self, record: Record, answer: Answer) -> Record {
        let mut after = record;
        match (answer, record.step) {
            (Answer::Started(job), Step::Starting | Step::Reconciling) => {
                after.step = Step::Running { job, proven: true };
            }
            (Answer::Lost, Step::Starting) if self.lacks(Fault::LostIsFailed) => {
                (after.step, after.stopping) = (Step::Nothing, true);
            }
            (Answer::Lost, Step::Starting) => after.step = Step::Reconciling,
            (Answer::FoundNone, Step::Reconciling) if record.stopping => after.step = Step::Nothing,
            (Answer::FoundNone, Step::Reconciling) => after.step = Step::Starting,
            (Answer::Found { job, proven }, Step::Reconciling) => {
                let proven = proven || self.lacks(Fault::LikelyIsProven);
                after.step = Step::Running { job, proven };
            }
            (Answer::Ended { snapshot }, Step::Running { job, .. } | Step::Stopping { job }) => {
                let proven = !matches!(record.step, Step::Running { proven: false, .. });
                after.step = if snapshot { Step::Captured { job, proven } } else { Step::Nothing };
                after.stopping |= !snapshot;
            }
            (Answer::Expired, Step::Running { .. } | Step::Stopping { .. }) => self.anew(&mut after),
            (Answer::NoPoll, Step::Running { .. }) if self.lacks(Fault::AnewWhileRunning) => {
                self.anew(&mut after);
            }
            (Answer::Mark { ours: true }, Step::Captured { job, .. }) => {
                after.step = if record.stopping { Step::Undoing { job } } else { Step::Verified { job } };
            }
            // It was somebody else's: ours is looked for once more.
            (Answer::Mark { ours: false }, Step::Captured { .. }) => after.step = Step::Reconciling,
            (Answer::Deleted, Step::Undoing { .. }) => after.step = Step::Nothing,
            _ => {}
        }
        self.follows(after)
    }

    fn anew(&self, record: &mut Record) {
        if record.attempt + 1 < ATTEMPTS && !record.stopping {
            record.attempt += 1;
            record.step = Step::Starting;
        } else {
            (record.step, record.stopping) = (Step::Nothing, true);
        }
    }

    /// What follows from a state without any further event.
    fn follows(&self, record: Record) -> Record {
        let mut after = record;
        if after.stopping {
            let in_doubt = matches!(after.step, Step::Starting | Step::Reconciling);
            let unproven = self.lacks(Fault::StopUnproven);
            match after.step {
                Step::Pending => after.step = Step::Nothing,
                Step::Running { job, proven } if proven || unproven => after.step = Step::Stopping { job },
                _ if in_doubt && self.lacks(Fault::EndInDoubt) => after.step = Step::Nothing,
                _ => {}
            }
        }
        let quiet = matches!(
            after.step,
            Step::Captured { .. } | Step::Undoing { .. } | Step::Verified { .. } | Step::Nothing
        );
        match after.hold {
            Hold::Free if !after.stopping => after.hold = Hold::Quiescing,
            Hold::Held if quiet || after.stopping => after.hold = Hold::Resuming,
            Hold::Quiescing if after.stopping => after.hold = Hold::Resuming,
            _ => {}
        }
        if after.hold == Hold::Held && after.step == Step::Pending {
            after.step = Step::Starting;
        }
        let released = matches!(after.hold, Hold::Free | Hold::Released);
        if released || self.lacks(Fault::EndBeforeRelease) {
            match after.step {
                Step::Verified { job } => after.end = End::Completed(job),
                Step::Nothing => after.end = End::Stopped,
                _ => {}
            }
        }
        after
    }
}
