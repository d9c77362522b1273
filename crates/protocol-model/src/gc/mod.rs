//! Two backups, one backup that changes nothing, deletions of snapshots, and prunes, on two blobs and seven packs.

mod fault;
mod prune;
mod state;
mod writer;

pub use fault::Fault;
pub use state::State;

use crate::search::Model;
use state::{INITIAL, INITIAL_PACK, LOOSE, Snapshots};

/// The protocol, whole or with one rule taken out.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Protocol {
    /// The rule that is taken out.
    pub fault: Option<Fault>,
    /// Prunes that die, at any step.
    pub deaths: u8,
    /// Rounds of a prune that are begun.
    pub rounds: u8,
    /// Whether locks of backups are taken from them without their notice.
    pub robberies: bool,
}

impl Protocol {
    /// The protocol with this many rounds of pruning, during which this many prunes die.
    pub fn new(rounds: u8, deaths: u8) -> Self {
        Self { fault: None, deaths, rounds, robberies: false }
    }

    /// The same where locks of backups may be taken from them, which they do not notice.
    #[must_use]
    pub fn with_robberies(mut self) -> Self {
        self.robberies = true;
        self
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
        State::new(self.rounds, self.deaths)
    }

    fn steps(&self, state: &State, next: &mut Vec<State>) {
        self.prune_steps(state, next);
        for which in 0..state.writers.len() {
            self.writer_steps(state, which, next);
        }
        self.unchanged_steps(state, next);
        // Whoever may do so deletes any backup that was reported as done, at any time.
        for snapshot in INITIAL.list().filter(|one| state.confirmed.contains(*one)) {
            let mut after = *state;
            after.confirmed.remove(snapshot);
            after.snapshots.remove(snapshot);
            next.push(after);
        }
    }

    fn violation(&self, state: &State) -> Option<&'static str> {
        if state.indexed & !state.stored & !state.doubtful != 0 {
            return Some("the index names a pack that is gone");
        }
        let readable = state.blobs(state.indexed & state.stored);
        let lost = |one: Snapshots| state.confirmed.contains(one) && one.blobs() & !readable != 0;
        INITIAL.list().any(lost).then_some("a backup that was reported as done has lost a blob")
    }
}

/// A choice of the prune that the model leaves open: whether packs with some waste are condemned.
fn wasteful_choices(state: &State, packs: u8, used: u8) -> [u8; 2] {
    let keepers = state.keepers(packs, used);
    let mut unused = 0;
    let mut wasteful = 0;
    for pack in 0..LOOSE {
        let bit = 1 << pack;
        if packs & bit == 0 {
            continue;
        }
        let kept = keepers[usize::from(pack)];
        unused |= if kept == 0 { bit } else { 0 };
        wasteful |= if kept != state.content[usize::from(pack)] { bit } else { 0 };
    }
    const { assert!(INITIAL_PACK < LOOSE) };
    [unused, unused | wasteful]
}
