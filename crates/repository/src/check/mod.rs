//! Proving a repository whole, to a depth that the result names.

pub(crate) mod data;
mod files;
mod history;
mod packs;
mod report;
mod trees;

use std::fmt;
use std::sync::Arc;

pub use report::{CheckReport, Problem, ProblemKind, VerifiedDepth};

use crate::error::{Error, Result};
use crate::id::Id;
use crate::lock::{Lock, LockMode, is_in_the_way};
use crate::repository::Repository;

/// How much of the stored data is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CheckDepth {
    /// Indexes, snapshots, records and directory listings are read; packs are listed and their sizes compared.
    #[default]
    Structure,
    /// As `Structure`, and one part of the packs is read: `part` of `parts`, counted from 1.
    ReadPart {
        /// Which part.
        part: u8,
        /// How many parts there are.
        parts: u8,
    },
    /// As `Structure`, and every byte of every pack is read.
    ReadAll,
}

impl CheckDepth {
    fn selects(self, pack: &Id) -> bool {
        match self {
            Self::Structure => false,
            Self::ReadAll => true,
            Self::ReadPart { part, parts } => pack.as_bytes()[0].checked_rem(parts) == part.checked_sub(1),
        }
    }
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckProgress {
    /// Directory listings walked so far.
    pub trees: u64,
    /// Packs read so far.
    pub packs_read: u64,
    /// Packs that will be read.
    pub packs_to_read: u64,
    /// Bytes of packs read so far.
    pub bytes_read: u64,
    /// Bytes of packs that will be read.
    pub bytes_to_read: u64,
}

/// What a check does.
#[derive(Clone)]
#[non_exhaustive]
pub struct CheckOptions {
    /// How much is read.
    pub depth: CheckDepth,
    /// Take a shared lock meanwhile, so that no prune deletes what is being looked at. On; where the store may only be
    /// read, the check goes on without.
    pub lock: bool,
    progress: Option<Arc<dyn Fn(CheckProgress) + Send + Sync>>,
}

impl CheckOptions {
    /// A check of this depth, with a lock.
    pub fn new(depth: CheckDepth) -> Self {
        Self { depth, lock: true, progress: None }
    }

    /// Calls `progress` now and then, from the task that runs the check.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(CheckProgress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Without a lock, not even where the store can be written.
    #[must_use]
    pub fn without_lock(mut self) -> Self {
        self.lock = false;
        self
    }

    fn report(&self, progress: CheckProgress) {
        if let Some(call) = &self.progress {
            call(progress);
        }
    }
}

impl fmt::Debug for CheckOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckOptions")
            .field("depth", &self.depth)
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

impl Repository {
    /// Checks the repository. Damage is an entry of the report, not an error. Everything is read from the store, whatever this
    /// machine remembers of it.
    ///
    /// # Errors
    /// If the store fails, or another process holds an exclusive lock.
    pub async fn check(&self, options: &CheckOptions) -> Result<CheckReport> {
        if let CheckDepth::ReadPart { part, parts } = options.depth
            && !(1..=parts).contains(&part)
        {
            return Err(Error::invalid(format!(
                "there is no part {part} of {parts}; parts are counted from 1"
            )));
        }
        let lock = if options.lock { self.lock_if_possible().await? } else { None };
        let report = run(&self.unremembered(), options).await;
        if let Some(lock) = lock {
            lock.let_go().await;
        }
        report
    }

    /// A shared lock; none where the store may only be read or is full, or where a lock cannot be read. A prune meanwhile may
    /// then look like damage.
    async fn lock_if_possible(&self) -> Result<Option<Lock>> {
        match self.lock(LockMode::Shared).await {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if is_in_the_way(error.kind()) => {
                tracing::warn!(%error, "checking without a lock");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

async fn run(repository: &Repository, options: &CheckOptions) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    files::check_config(repository, &mut report).await?;
    files::check_names(repository, &mut report).await?;
    files::check_records(repository, &mut report).await?;
    // Before the index: what a snapshot needs is indexed when the snapshot is stored.
    let snapshots = repository.snapshots().await?;
    let compared = packs::compare(repository).await?;
    compared.tell(&mut report);
    history::check(repository, &snapshots, &mut report).await?;
    let mut progress = CheckProgress::default();
    let indexed = repository.with_index(compared.index.clone());
    trees::walk(&indexed, &compared.index, &snapshots, &mut report, |trees| {
        progress.trees = trees;
        options.report(progress);
    })
    .await?;
    data::read(repository, compared, options, progress, &mut report).await?;
    Ok(report)
}
