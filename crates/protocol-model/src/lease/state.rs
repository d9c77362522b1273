//! What the catalog, the workspace and the cloud hold, and where every process stands.

use super::record::{Answer, HoldCall, JobCall, Record};

/// Processes at a time; each may be born again after its death.
pub(super) const PROCESSES: usize = 2;

/// The operation's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) record: Record,
    pub(super) epoch: u8,
    /// Who claimed it last.
    pub(super) owner: u8,
    /// Whether the lease runs, by the catalog's clock.
    pub(super) live: bool,
    pub(super) cancel_requested: bool,
}

/// A call that a process has made, or its answer, that is not yet stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call<C, A> {
    None,
    /// On its way; or the process sleeps right before it sends it.
    Sent(C),
    Answered(A),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) drives: bool,
    pub(super) epoch: u8,
    /// It has reason to believe that its lease runs.
    pub(super) sure: bool,
    pub(super) record: Record,
    pub(super) hold: Call<HoldCall, (HoldCall, bool)>,
    pub(super) job: Call<JobCall, Answer>,
    /// Calls of a dead or displaced process, or without an answer in time, that may still arrive.
    pub(super) late_hold: Option<HoldCall>,
    pub(super) late_job: Option<JobCall>,
}

impl Process {
    /// It no longer drives: what is on its way stays so, everything else is forgotten.
    pub(super) fn leave(&mut self) {
        if let Call::Sent(call) = self.hold {
            self.late_hold = Some(call);
        }
        if let Call::Sent(call) = self.job {
            self.late_job = Some(call);
        }
        let (late_hold, late_job) = (self.late_hold, self.late_job);
        *self = Self { late_hold, late_job, ..Self::IDLE };
    }

    pub(super) const IDLE: Self = Self {
        drives: false,
        epoch: 0,
        sure: false,
        record: Record::NEW,
        hold: Call::None,
        job: Call::None,
        late_hold: None,
        late_job: None,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    Nobody,
    Ours,
    /// The next operation on the workspace.
    Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Workspace {
    pub(super) holder: Holder,
    /// Whether its services run.
    pub(super) up: bool,
    /// What ran when it was asked to hold still.
    pub(super) prior: bool,
    /// It was held still by a call that nobody waited for any more.
    pub(super) stray: bool,
    /// The next operation has had its turn.
    pub(super) next_came: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum JobState {
    Absent,
    Running,
    Succeeded,
    Expired,
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub(super) state: JobState,
    /// It shows in lists.
    pub(super) listed: bool,
    /// Its mark shows, which it bears if it is ours.
    pub(super) marked: bool,
    /// The provider still knows the token it was started with.
    pub(super) token: bool,
    /// It was started by a call that nobody waited for any more.
    pub(super) stray: bool,
    pub(super) deleted: bool,
}

impl Job {
    pub(super) const ABSENT: Self = Self {
        state: JobState::Absent,
        listed: false,
        marked: false,
        token: false,
        stray: false,
        deleted: false,
    };
    pub(super) const BORN: Self = Self { state: JobState::Running, token: true, ..Self::ABSENT };
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Processes that die.
    pub(super) deaths: u8,
    /// Leases that run out although their holders live, because they sleep.
    pub(super) sleeps: u8,
    /// Answers that are lost.
    pub(super) losses: u8,
}

/// One state of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) row: Row,
    pub(super) processes: [Process; PROCESSES],
    pub(super) workspace: Workspace,
    /// Ours by attempt, and somebody else's.
    pub(super) jobs: [Job; 3],
    pub(super) budget: Budget,
    /// What a step broke.
    pub(super) broken: Option<Broken>,
}

/// What a step can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Broken {
    StaleCommit,
    SecondJob,
    ForeignStopped,
    OthersHoldReleased,
}
