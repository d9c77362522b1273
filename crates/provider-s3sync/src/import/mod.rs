//! From mirrored timestamps to snapshots of a repository.

mod content;
mod node;
mod timestamp;

use std::sync::Arc;

use stillpoint_core::{BackupRecord, Issue, ProviderId, Result, Timestamp, WorkspaceId};

use crate::mirror::MirrorSource;
use crate::repository::{Journal, RepositorySource};

/// What became of one timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportState {
    /// It is a snapshot now.
    Imported,
    /// It was one before.
    Known,
    /// It is one now, but something of it could not be read and is missing.
    Partial,
    /// It could not be read.
    Failed,
}

/// One timestamp that an import came across.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportedTimestamp {
    /// Where it lies: `USER/SPACE/TIMESTAMP` below the store that it came from.
    pub source: String,
    /// The workspace it belongs to.
    pub workspace: WorkspaceId,
    /// When the backup was begun.
    pub created_at: Timestamp,
    /// What became of it.
    pub state: ImportState,
    /// The backup it became; none where it failed.
    pub backup: Option<BackupRecord>,
    /// Files in it.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Bytes that were fetched for it.
    pub fetched: u64,
    /// What could not be read.
    pub issues: Vec<Issue>,
    /// What is whole, though not exactly as it was.
    pub warnings: Vec<String>,
}

/// Turns mirrored timestamps, those of the sample script too, into snapshots of a repository.
///
/// Each timestamp becomes one snapshot with the time, the metadata and the workspace that it has, and a backup record
/// beside it. The snapshot carries where it came from, so that a second import adds nothing, and one that was cut short
/// goes on where it stopped.
#[derive(Debug)]
pub struct Import {
    from: MirrorSource,
    into: Arc<RepositorySource>,
    provider: ProviderId,
}

impl Import {
    /// An import of the timestamps `from` into the repository `into`, whose provider is called `provider`.
    pub fn new(from: MirrorSource, into: impl Into<Arc<RepositorySource>>, provider: ProviderId) -> Self {
        Self { from, into: into.into(), provider }
    }

    /// Imports every whole timestamp, oldest first within each space, and calls `told` with each. The repository is made
    /// where there is none.
    ///
    /// Damage of a timestamp is told and costs no other one. Dropping the future stops the import; what was stored is
    /// not stored again by the next.
    ///
    /// # Errors
    /// Failures of a store, and whatever `told` answers.
    pub async fn run(&self, mut told: impl AsyncFnMut(ImportedTimestamp) -> Result<()>) -> Result<()> {
        let repository = self.into.open_or_create().await?;
        let journal = Journal::read(&repository).await?;
        for space in self.from.spaces().await? {
            let mut known = content::KnownContent::new();
            for point in self.from.points(&space).await? {
                let run = timestamp::Run { import: self, repository: &repository, journal: &journal };
                told(Box::pin(run.timestamp(&point, &mut known)).await?).await?;
            }
        }
        Ok(())
    }
}
