//! What the store holds and where everybody stands.

/// The two blobs of the first snapshot; there is one more, which only the first backup has.
pub(super) const FIRST: u8 = 0b011;
/// The pack that is there at first and holds the blobs of the first snapshot.
pub(super) const INITIAL_PACK: u8 = 0;
/// Packs: the first one, two for each backup, two for copies that prunes make.
pub(super) const LOOSE: u8 = 7;
/// The first of the two packs for copies.
pub(super) const COPIES: u8 = 5;

/// A set of snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Snapshots(u8);

/// The snapshot that is there at first.
pub(super) const INITIAL: Snapshots = Snapshots(1);
/// The snapshot of the backup that changes nothing, and of the one it is based on.
pub(super) const UNCHANGED: Snapshots = Snapshots(8);
pub(super) const BASE: Snapshots = Snapshots(4);

impl Snapshots {
    pub(super) const NONE: Self = Self(0);

    /// The snapshot that a backup writes.
    pub(super) fn of_writer(which: usize) -> Self {
        if which == 0 { Self(2) } else { BASE }
    }

    /// Every snapshot there can be.
    #[expect(clippy::unused_self, reason = "it reads as a list beginning with the first")]
    pub(super) fn list(self) -> impl Iterator<Item = Self> {
        [INITIAL, Self(2), BASE, UNCHANGED].into_iter()
    }

    pub(super) fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// The blobs that these snapshots refer to together: the first backup shares one with all others.
    pub(super) fn blobs(self) -> u8 {
        let first_backup = if self.0 & 2 != 0 { 0b101 } else { 0 };
        first_backup | if self.0 & !2 != 0 { FIRST } else { 0 }
    }
}

/// An object of a prune: the round it belongs to, zero if there is none, and the packs it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Mark {
    pub(super) round: u8,
    pub(super) packs: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum WriterStep {
    Open,
    LoadIndex,
    Upload,
    StoreIndex,
    StoreSnapshot,
    Look,
    Verify,
    TakeBack,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Writer {
    pub(super) step: WriterStep,
    pub(super) attempt: u8,
    /// Others may take its lock for abandoned.
    pub(super) lock_lost: bool,
    /// Its lock was taken from it, and it does not know.
    pub(super) robbed: bool,
    /// Rounds that were done at its opening.
    pub(super) done: u8,
    /// Packs it must not rely on, later the packs of its index, each for a step or two.
    pub(super) packs: u8,
    pub(super) list: u8,
    pub(super) missing: u8,
    pub(super) base_listed: bool,
}

impl Writer {
    pub(super) fn is_live(&self) -> bool {
        self.step != WriterStep::Ended && !self.lock_lost && !self.robbed
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PruneStep {
    Look,
    MarkRoots,
    MarkIndex,
    Publish,
    SweepRoots,
    SweepIndex,
    Announce,
    AgainRoots,
    AgainIndex,
    StoreCopy,
    IndexCopy,
    Unindex,
    Delete,
    Done,
    WithdrawList,
    WithdrawSweep,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Late {
    Nothing,
    /// Takes these packs out of the index.
    Unindex(u8),
    /// Deletes these packs, of which there is one.
    Delete(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Prune {
    pub(super) step: PruneStep,
    pub(super) rounds: u8,
    pub(super) deaths: u8,
    pub(super) roots: Snapshots,
    pub(super) list: u8,
    pub(super) index: u8,
    pub(super) needed: u8,
    /// A request that a dead prune has sent and that has not arrived yet.
    pub(super) late: Late,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum UnchangedStep {
    Waiting,
    /// Its base was reported as done, and is remembered.
    Ready,
    Stored,
    Ended,
    /// Only where a rule is broken: looked before it stored.
    Looked,
}

/// One state of the store and of everybody who uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) stored: u8,
    pub(super) indexed: u8,
    /// Packs that a backup indexed whose lock had been taken from it: they may be gone.
    pub(super) doubtful: u8,
    pub(super) content: [u8; 7],
    pub(super) snapshots: Snapshots,
    pub(super) confirmed: Snapshots,
    pub(super) condemned: Mark,
    /// Backups that ran when the list was published.
    pub(super) sessions: u8,
    pub(super) sweep: Mark,
    pub(super) done: u8,
    pub(super) prune: Prune,
    pub(super) writers: [Writer; 2],
    pub(super) unchanged: UnchangedStep,
}

impl State {
    pub(super) fn new(rounds: u8, deaths: u8) -> Self {
        let writer = Writer {
            step: WriterStep::Open,
            attempt: 0,
            lock_lost: false,
            robbed: false,
            done: 0,
            packs: 0,
            list: 0,
            missing: 0,
            base_listed: false,
        };
        let prune = Prune {
            step: PruneStep::Look,
            rounds,
            deaths,
            roots: Snapshots::NONE,
            list: 0,
            index: 0,
            needed: 0,
            late: Late::Nothing,
        };
        Self {
            stored: 1 << INITIAL_PACK,
            indexed: 1 << INITIAL_PACK,
            doubtful: 0,
            content: [FIRST, 0, 0, 0, 0, 0, 0],
            snapshots: INITIAL,
            confirmed: INITIAL,
            condemned: Mark::default(),
            sessions: 0,
            sweep: Mark::default(),
            done: 0,
            prune,
            writers: [writer; 2],
            unchanged: UnchangedStep::Waiting,
        }
    }

    /// All blobs in a set of packs.
    pub(super) fn blobs(&self, packs: u8) -> u8 {
        (0..LOOSE)
            .filter(|pack| packs & (1 << pack) != 0)
            .fold(0, |all, pack| all | self.content[usize::from(pack)])
    }

    /// For each pack, the used blobs that it and no pack before it holds.
    pub(super) fn keepers(&self, packs: u8, used: u8) -> [u8; 7] {
        let mut waiting = used;
        let mut kept = [0; 7];
        for pack in (0..LOOSE).filter(|pack| packs & (1 << pack) != 0) {
            let at = usize::from(pack);
            kept[at] = self.content[at] & waiting;
            waiting &= !self.content[at];
        }
        kept
    }

    pub(super) fn store_pack(&mut self, pack: u8, blobs: u8) {
        self.stored |= 1 << pack;
        self.content[usize::from(pack)] = blobs;
    }
}
