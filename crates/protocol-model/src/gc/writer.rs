//! What a backup does, step by step: each step is one request to the store.

use super::state::{BASE, FIRST, INITIAL, Snapshots, State, UNCHANGED, UnchangedStep, Writer, WriterStep};
use super::{Fault, Protocol};

/// A backup that lost its blobs to a prune is begun once more.
const ATTEMPTS: u8 = 2;

impl Protocol {
    pub(super) fn writer_steps(&self, state: &State, which: usize, next: &mut Vec<State>) {
        let writer = state.writers[which];
        if writer.step == WriterStep::Ended {
            return;
        }
        let mut after = *state;
        // What a lost lock changes lies before the index is written.
        let counts =
            matches!(writer.step, WriterStep::LoadIndex | WriterStep::Upload | WriterStep::StoreIndex);
        if !writer.lock_lost && !writer.robbed && counts {
            let mut expired = *state;
            expired.writers[which].lock_lost = true;
            next.push(expired);
            if self.robberies {
                let mut robbed = *state;
                robbed.writers[which].robbed = true;
                next.push(robbed);
            }
        }
        let own = &mut after.writers[which];
        let snapshot = Snapshots::of_writer(which);
        match writer.step {
            WriterStep::Open => self.open(state, which, own),
            WriterStep::LoadIndex => self.load_index(state, which, own),
            WriterStep::Upload => {
                let (pack, missing) = (own_pack(which, &writer), own.missing);
                own.step = WriterStep::StoreIndex;
                after.store_pack(pack, missing);
            }
            WriterStep::StoreIndex if writer.lock_lost && !self.lacks(Fault::IndexWithoutLock) => {
                own.step = WriterStep::Ended;
            }
            WriterStep::StoreIndex => {
                own.step =
                    if self.lacks(Fault::SnapshotBeforeIndex) { WriterStep::Ended } else { self.storing() };
                after.indexed |= 1 << own_pack(which, &writer);
                after.doubtful |= if writer.robbed { 1 << own_pack(which, &writer) } else { 0 };
                if self.lacks(Fault::SnapshotBeforeIndex) {
                    conclude(&mut after, which, snapshot);
                }
            }
            WriterStep::StoreSnapshot => {
                after.snapshots.insert(snapshot);
                self.stored_snapshot(&mut after, which, snapshot);
            }
            WriterStep::Look => self.look(state, &mut after, which, snapshot),
            WriterStep::Verify => self.verify(state, &mut after, which, snapshot),
            WriterStep::TakeBack => {
                after.snapshots.remove(snapshot);
                let own = &mut after.writers[which];
                own.attempt += 1;
                own.step = if own.attempt < ATTEMPTS { WriterStep::Open } else { WriterStep::Ended };
                (own.base_listed, own.lock_lost) = (false, false);
            }
            WriterStep::Ended => {}
        }
        forget(&mut after.writers[which]);
        next.push(after);
    }

    fn storing(&self) -> WriterStep {
        if self.lacks(Fault::CommitLooksFirst) { WriterStep::Look } else { WriterStep::StoreSnapshot }
    }

    fn open(&self, state: &State, which: usize, own: &mut Writer) {
        own.done = state.done;
        own.list = state.sweep.packs;
        // The second backup builds on the first snapshot as far as it is listed, and asks no index for that.
        own.base_listed = which == 1 && own.attempt == 0 && state.snapshots.contains(INITIAL);
        own.step = WriterStep::LoadIndex;
    }

    fn load_index(&self, state: &State, which: usize, own: &mut Writer) {
        if self.lacks(Fault::OpenedAfterIndex) && own.packs == 0 {
            // Loads first, and looks which rounds are done afterwards.
            own.packs = state.indexed | 1 << 7;
            return;
        }
        let mut index = if own.packs == 0 { state.indexed } else { own.packs };
        if !self.lacks(Fault::OpeningTrustsIndex) {
            index &= state.stored;
        }
        if own.packs != 0 {
            own.done = state.done;
        }
        let known = if own.base_listed { FIRST } else { state.blobs(index & !own.list & !(1 << 7)) };
        own.missing = Snapshots::of_writer(which).blobs() & !known;
        own.packs = 0;
        own.step = if own.missing == 0 { self.storing() } else { WriterStep::Upload };
        if own.missing != 0 && self.lacks(Fault::SnapshotBeforeIndex) {
            own.step = WriterStep::StoreSnapshot;
        }
    }

    fn stored_snapshot(&self, after: &mut State, which: usize, snapshot: Snapshots) {
        let own = &mut after.writers[which];
        if self.lacks(Fault::CommitBlindly) || self.lacks(Fault::CommitLooksFirst) {
            own.step = WriterStep::Ended;
            after.confirmed.insert(snapshot);
        } else if self.lacks(Fault::SnapshotBeforeIndex) && own.missing != 0 {
            own.step = WriterStep::Upload;
            after.confirmed.insert(snapshot);
        } else {
            own.step = WriterStep::Look;
        }
    }

    fn look(&self, state: &State, after: &mut State, which: usize, snapshot: Snapshots) {
        let own = &mut after.writers[which];
        let swept = state.done != own.done && !self.lacks(Fault::CommitIgnoresDone);
        let sweeping = state.sweep.round != 0 && !self.lacks(Fault::CommitIgnoresSweep);
        own.list = if sweeping { state.sweep.packs } else { 0 };
        if self.lacks(Fault::CommitLooksFirst) {
            own.step = if swept || sweeping { WriterStep::Ended } else { WriterStep::StoreSnapshot };
        } else if swept || sweeping {
            own.step = WriterStep::Verify;
        } else {
            conclude(after, which, snapshot);
        }
    }

    fn verify(&self, state: &State, after: &mut State, which: usize, snapshot: Snapshots) {
        let writer = state.writers[which];
        let mut trusted = state.indexed;
        if !self.lacks(Fault::VerifyTrustsIndex) {
            trusted &= state.stored;
        }
        if !self.lacks(Fault::VerifyTrustsList) {
            trusted &= !writer.list;
        }
        if snapshot.blobs() & !state.blobs(trusted) == 0 {
            conclude(after, which, snapshot);
        } else {
            after.writers[which].step = WriterStep::TakeBack;
        }
    }

    /// The backup that found nothing changed since its base, and takes no lock.
    pub(super) fn unchanged_steps(&self, state: &State, next: &mut Vec<State>) {
        let mut after = *state;
        let fine = state.snapshots.contains(BASE) || self.lacks(Fault::UnchangedIgnoresBase);
        let fine = fine && state.sweep.round == 0;
        match state.unchanged {
            UnchangedStep::Waiting if !state.confirmed.contains(BASE) => return,
            UnchangedStep::Waiting => after.unchanged = UnchangedStep::Ready,
            UnchangedStep::Ready if self.lacks(Fault::UnchangedLooksFirst) => {
                after.unchanged = if fine { UnchangedStep::Looked } else { UnchangedStep::Ended };
            }
            UnchangedStep::Ready => {
                after.snapshots.insert(UNCHANGED);
                after.unchanged = UnchangedStep::Stored;
            }
            UnchangedStep::Looked => {
                after.snapshots.insert(UNCHANGED);
                after.confirmed.insert(UNCHANGED);
                after.unchanged = UnchangedStep::Ended;
            }
            UnchangedStep::Stored => {
                after.unchanged = UnchangedStep::Ended;
                if fine {
                    after.confirmed.insert(UNCHANGED);
                } else {
                    after.snapshots.remove(UNCHANGED);
                }
            }
            UnchangedStep::Ended => return,
        }
        next.push(after);
    }
}

fn conclude(after: &mut State, which: usize, snapshot: Snapshots) {
    after.writers[which].step = WriterStep::Ended;
    after.confirmed.insert(snapshot);
}

fn own_pack(which: usize, writer: &Writer) -> u8 {
    let first = if which == 0 { 1 } else { 3 };
    first + writer.attempt
}

/// What it no longer needs must not tell states apart.
fn forget(writer: &mut Writer) {
    match writer.step {
        WriterStep::StoreSnapshot | WriterStep::Look => {
            (writer.packs, writer.list, writer.missing, writer.base_listed) = (0, 0, 0, false);
            (writer.lock_lost, writer.robbed) = (true, false);
        }
        WriterStep::Open | WriterStep::TakeBack => {
            (writer.done, writer.packs, writer.list, writer.missing) = (0, 0, 0, 0);
        }
        WriterStep::Ended => {
            *writer = Writer {
                step: WriterStep::Ended,
                attempt: 0,
                lock_lost: true,
                robbed: false,
                done: 0,
                packs: 0,
                list: 0,
                missing: 0,
                base_listed: false,
            };
        }
        _ => {}
    }
}
