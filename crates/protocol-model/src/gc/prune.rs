//! What a prune does, step by step: each step is one request, or several whose order does not matter.

use super::state::{COPIES, LOOSE, Late, Mark, Prune, PruneStep, Snapshots, State};
use super::{Fault, Protocol, wasteful_choices};

impl Protocol {
    pub(super) fn prune_steps(&self, state: &State, next: &mut Vec<State>) {
        next.extend(arrived(state));
        if state.prune.step == PruneStep::Ended {
            return;
        }
        if state.prune.deaths > 0 && state.prune.step != PruneStep::Look {
            next.push(died(state));
        }
        let mut after = *state;
        match state.prune.step {
            PruneStep::Look => self.look_at_marks(state, &mut after),
            PruneStep::MarkRoots => list_roots(state, &mut after, PruneStep::MarkIndex),
            PruneStep::SweepRoots => list_roots(state, &mut after, PruneStep::SweepIndex),
            PruneStep::MarkIndex => return condemn(state, u8::MAX, PruneStep::Publish, next),
            PruneStep::SweepIndex => {
                return condemn(state, state.condemned.packs, PruneStep::Announce, next);
            }
            PruneStep::Publish => {
                after.condemned = Mark { round: state.done + 1, packs: state.prune.list };
                after.sessions = live(state);
                rest(&mut after);
            }
            PruneStep::Announce
                if state.sessions & live(state) != 0 && !self.lacks(Fault::IgnoreSessions) =>
            {
                return;
            }
            PruneStep::Announce => {
                after.sweep = Mark { round: state.condemned.round, packs: state.prune.list };
                let early = self.lacks(Fault::RootsBeforeSweep);
                after.prune.step = if early { PruneStep::AgainIndex } else { PruneStep::AgainRoots };
            }
            PruneStep::AgainRoots => list_roots(state, &mut after, PruneStep::AgainIndex),
            PruneStep::AgainIndex => {
                after.prune.index = state.indexed;
                self.need(state, &mut after, state.indexed);
            }
            PruneStep::StoreCopy => store_copy(state, &mut after),
            PruneStep::IndexCopy => {
                if !self.lacks(Fault::CopiesNotIndexed) {
                    after.indexed |= 1 << last_copy(state);
                }
                after.prune.step = self.first_removal();
            }
            PruneStep::Unindex => {
                after.indexed &= !(state.prune.list & state.prune.index);
                after.prune.step =
                    if self.lacks(Fault::DeleteBeforeUnindex) { PruneStep::Done } else { self.removal() };
            }
            PruneStep::Delete => self.delete(state, &mut after),
            PruneStep::Done => {
                after.done = state.sweep.round.max(state.condemned.round);
                after.prune.step = PruneStep::WithdrawList;
            }
            PruneStep::WithdrawList => {
                after.condemned = Mark::default();
                after.sessions = 0;
                after.prune.step = PruneStep::WithdrawSweep;
            }
            PruneStep::WithdrawSweep => self.withdraw_sweep(state, &mut after),
            PruneStep::Ended => {}
        }
        next.push(after);
    }

    fn withdraw_sweep(&self, state: &State, after: &mut State) {
        after.sweep = Mark::default();
        after.prune.step = PruneStep::Look;
        if self.lacks(Fault::WithdrawBeforeDelete) && state.prune.list != 0 {
            after.prune.step = PruneStep::Delete;
        } else if self.lacks(Fault::WithdrawBeforeDone) && state.done < state.sweep.round {
            after.prune.step = PruneStep::Done;
            after.condemned.round = state.sweep.round;
        } else {
            rest(after);
        }
    }

    fn look_at_marks(&self, state: &State, after: &mut State) {
        let prune = &mut after.prune;
        if state.sweep.round != 0 && self.lacks(Fault::ForgetPredecessor) {
            (after.sweep, after.condemned, after.sessions) = (Mark::default(), Mark::default(), 0);
        } else if state.sweep.round > state.done {
            prune.list = state.sweep.packs;
            prune.step = PruneStep::AgainRoots;
        } else if state.sweep.round != 0 || state.condemned.round != 0 && state.condemned.round <= state.done
        {
            prune.step = PruneStep::WithdrawList;
        } else if state.condemned.round != 0 {
            prune.step = PruneStep::SweepRoots;
        } else if prune.rounds == 0 {
            *prune = Prune { step: PruneStep::Ended, deaths: 0, ..*prune };
        } else {
            prune.rounds -= 1;
            prune.step = PruneStep::MarkRoots;
        }
    }

    fn first_removal(&self) -> PruneStep {
        if self.lacks(Fault::DeleteBeforeUnindex) { PruneStep::Delete } else { PruneStep::Unindex }
    }

    fn removal(&self) -> PruneStep {
        if self.lacks(Fault::WithdrawBeforeDelete) { PruneStep::WithdrawSweep } else { PruneStep::Delete }
    }

    /// Works out what must be copied out of the packs of the list.
    fn need(&self, state: &State, after: &mut State, index: u8) {
        let list = state.prune.list;
        let safe = state.blobs(index & state.stored & !list);
        let needed = after.prune.roots.blobs() & !safe;
        after.prune.needed = needed;
        if self.lacks(Fault::KeepInPlace) {
            let kept = (0..LOOSE).filter(|pack| state.content[usize::from(*pack)] & needed != 0);
            after.prune.list = kept.fold(list, |list, pack| list & !(1 << pack));
            after.prune.needed = 0;
        }
        after.prune.step = if after.prune.needed == 0 { self.first_removal() } else { PruneStep::StoreCopy };
    }

    fn delete(&self, state: &State, after: &mut State) {
        let waiting = state.prune.list & state.stored;
        if waiting == 0 {
            after.prune.step = match () {
                () if self.lacks(Fault::WithdrawBeforeDelete) => PruneStep::Ended,
                () if self.lacks(Fault::WithdrawBeforeDone) => PruneStep::WithdrawSweep,
                () if self.lacks(Fault::DeleteBeforeUnindex) => PruneStep::Unindex,
                () => PruneStep::Done,
            };
        } else {
            after.stored &= !(1 << waiting.trailing_zeros());
        }
    }
}

fn live(state: &State) -> u8 {
    let [first, second] = &state.writers;
    let open =
        |writer: &super::state::Writer| writer.is_live() && writer.step != super::state::WriterStep::Open;
    u8::from(open(first)) | u8::from(open(second)) << 1
}

fn list_roots(state: &State, after: &mut State, then: PruneStep) {
    after.prune.roots = state.snapshots;
    after.prune.step = then;
}

/// Chooses the packs that go, out of `among`; with none there is nothing to do.
fn condemn(state: &State, among: u8, then: PruneStep, next: &mut Vec<State>) {
    let used = state.prune.roots.blobs();
    // Packs that no index names hold nothing that is used.
    let [unused, wasteful] = wasteful_choices(state, state.stored & state.indexed, used);
    let orphans = state.stored & !state.indexed;
    for list in [(unused | orphans) & among, (wasteful | orphans) & among] {
        let mut after = *state;
        after.prune.list = list;
        after.prune.step = then;
        if list == 0 && then == PruneStep::Announce {
            (after.condemned, after.sessions) = (Mark::default(), 0);
        }
        if list == 0 {
            rest(&mut after);
        }
        if next.last() != Some(&after) {
            next.push(after);
        }
    }
}

fn store_copy(state: &State, after: &mut State) {
    let pack = if state.stored & (1 << COPIES) == 0 && state.content[usize::from(COPIES)] == 0 {
        COPIES
    } else {
        COPIES + 1
    };
    let reachable = state.blobs(state.stored & state.prune.list);
    let taken = state.content[usize::from(pack)] != 0;
    // A blob that is nowhere, or no room in the model: the prune stops and leaves everything as it is.
    if taken || state.prune.needed & !reachable != 0 {
        after.prune.step = PruneStep::Ended;
        return;
    }
    after.store_pack(pack, state.prune.needed);
    after.prune.needed = 0;
    after.prune.step = PruneStep::IndexCopy;
}

fn last_copy(state: &State) -> u8 {
    if state.content[usize::from(COPIES + 1)] == 0 { COPIES } else { COPIES + 1 }
}

/// One run of the command ends; the next begins with a look.
fn rest(after: &mut State) {
    let prune = after.prune;
    after.prune =
        Prune { step: PruneStep::Look, roots: Snapshots::NONE, list: 0, index: 0, needed: 0, ..prune };
}

/// The state once a request of a dead prune, which was still on its way, has arrived.
fn arrived(state: &State) -> Option<State> {
    let mut after = *state;
    after.prune.late = Late::Nothing;
    match state.prune.late {
        Late::Delete(packs) => after.stored &= !packs,
        Late::Unindex(packs) => after.indexed &= !packs,
        Late::Nothing => return None,
    }
    Some(after)
}

/// The process dies. The request it has sent may still arrive, at any time.
fn died(state: &State) -> State {
    let mut after = *state;
    let waiting = state.prune.list & state.stored;
    after.prune.late = match state.prune.step {
        PruneStep::Delete if waiting != 0 => Late::Delete(1 << waiting.trailing_zeros()),
        PruneStep::Unindex => Late::Unindex(state.prune.list & state.prune.index),
        _ => Late::Nothing,
    };
    after.prune.deaths -= 1;
    rest(&mut after);
    after
}
