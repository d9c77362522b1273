//! The rules of the protocol, each as the fault of a program that does not follow it.

/// A rule that is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A backup is reported as done without a look at the prunes.
    CommitBlindly,
    /// That look passes over rounds that ended meanwhile.
    CommitIgnoresDone,
    /// That look passes over a sweep that stands.
    CommitIgnoresSweep,
    /// The look is taken before the snapshot is stored.
    CommitLooksFirst,
    /// Finished rounds are counted only after the index was loaded.
    OpenedAfterIndex,
    /// A backup in doubt counts packs of the sweep's list as safe.
    VerifyTrustsList,
    /// A backup in doubt counts whatever an index names as stored, without a look at the packs.
    VerifyTrustsIndex,
    /// A backup counts whatever an index names as stored when it begins, without a look at the packs.
    OpeningTrustsIndex,
    /// The snapshot is stored before the index.
    SnapshotBeforeIndex,
    /// A backup whose lock is lost still writes its index.
    IndexWithoutLock,
    /// A backup without changes looks at the store before it stores its snapshot.
    UnchangedLooksFirst,
    /// A backup without changes does not look whether the snapshot it repeats is still there.
    UnchangedIgnoresBase,
    /// The sweep relies on the snapshots it saw before it was announced.
    RootsBeforeSweep,
    /// A sweep keeps packs of its list that are needed after all, instead of copying out of them.
    KeepInPlace,
    /// Copies are not indexed before the packs they came from leave the index.
    CopiesNotIndexed,
    /// Packs are deleted before they leave the index.
    DeleteBeforeUnindex,
    /// The sweep's mark is withdrawn before its packs are deleted.
    WithdrawBeforeDelete,
    /// The sweep's mark is withdrawn before the round is counted as done.
    WithdrawBeforeDone,
    /// The successor of a dead prune clears its mark away and begins anew.
    ForgetPredecessor,
    /// A sweep begins although a backup that ran when its list was published still runs.
    IgnoreSessions,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::CommitBlindly,
        Self::CommitIgnoresDone,
        Self::CommitIgnoresSweep,
        Self::CommitLooksFirst,
        Self::OpenedAfterIndex,
        Self::VerifyTrustsList,
        Self::VerifyTrustsIndex,
        Self::OpeningTrustsIndex,
        Self::SnapshotBeforeIndex,
        Self::IndexWithoutLock,
        Self::UnchangedLooksFirst,
        Self::UnchangedIgnoresBase,
        Self::RootsBeforeSweep,
        Self::KeepInPlace,
        Self::CopiesNotIndexed,
        Self::DeleteBeforeUnindex,
        Self::WithdrawBeforeDelete,
        Self::WithdrawBeforeDone,
        Self::ForgetPredecessor,
        Self::IgnoreSessions,
    ];
}
