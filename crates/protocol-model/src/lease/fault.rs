//! The rules of the protocol, each as the fault of a program that does not follow it.

/// A rule that is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A commit is not refused because the lease was claimed by somebody else.
    CommitUnfenced,
    /// A claim does not raise the epoch.
    EpochKept,
    /// A lease is claimed although it still runs.
    ClaimTooEarly,
    /// A holder relies on its lease for longer than the catalog does.
    TrustTooLong,
    /// Whoever takes over goes on from what it read before it claimed the operation.
    ReadBeforeClaim,
    /// A job is started before the intent is stored.
    StartBeforeIntent,
    /// The token of a start is drawn anew by each process and for each try.
    TokenNotFromKey,
    /// After a takeover a start is repeated without a look for what it may have begun.
    RepeatWithoutLook,
    /// A start whose answer was lost counts as one that failed.
    LostIsFailed,
    /// A look that finds nothing counts although lists may lag behind what was started.
    LookTooEarly,
    /// A poll that fails begins another attempt, while the job of the first one may still run.
    AnewWhileRunning,
    /// What is found and may be ours is taken for ours.
    LikelyIsProven,
    /// What a job made joins the backup without a look at its mark.
    MemberUnmarked,
    /// A job of which nothing proves that it is ours is stopped with the operation.
    StopUnproven,
    /// An operation that is to stop does not wait for the answer to its start.
    EndInDoubt,
    /// A takeover does not know that the workspace is held still.
    HoldForgotten,
    /// The operation ends before the workspace is let go.
    EndBeforeRelease,
    /// A quiesce that is repeated notes the stopped services as what ran before.
    PriorOverwritten,
    /// A workspace is let go whoever holds it.
    ReleaseAnybody,
    /// Nobody lets a workspace go that is held by an operation that has ended.
    NoWatchdog,
    /// Nobody looks for what starts made that arrived after everything had ended.
    NoReconciler,
    /// The reconciler takes what an operation makes that still runs for an orphan.
    ReconcileTooEarly,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::CommitUnfenced,
        Self::EpochKept,
        Self::ClaimTooEarly,
        Self::TrustTooLong,
        Self::ReadBeforeClaim,
        Self::StartBeforeIntent,
        Self::TokenNotFromKey,
        Self::RepeatWithoutLook,
        Self::LostIsFailed,
        Self::LookTooEarly,
        Self::AnewWhileRunning,
        Self::LikelyIsProven,
        Self::MemberUnmarked,
        Self::StopUnproven,
        Self::EndInDoubt,
        Self::HoldForgotten,
        Self::EndBeforeRelease,
        Self::PriorOverwritten,
        Self::ReleaseAnybody,
        Self::NoWatchdog,
        Self::NoReconciler,
        Self::ReconcileTooEarly,
    ];
}
