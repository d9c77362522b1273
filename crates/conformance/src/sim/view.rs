//! What a test sees of the simulated cloud from outside.

use std::collections::BTreeMap;

use stillpoint_core::{JobId, JobKey, OperationId, SnapshotId, Tags, Timestamp};

/// One job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimJob {
    /// Its id.
    pub id: JobId,
    /// The key it was started with; `None` for somebody else's.
    pub key: Option<JobKey>,
    /// Whether it restores.
    pub restore: bool,
    /// The resource it reads or makes.
    pub resource: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Bytes it had to move.
    pub bytes: u64,
    /// How it ended, in one word; `running` or `queued` before that.
    pub word: String,
    /// Whether the cloud made it by itself as a second run.
    pub twin: bool,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimSnapshot {
    /// Its id.
    pub id: SnapshotId,
    /// The operation in its tags; `None` for somebody else's.
    pub operation: Option<OperationId>,
    /// The resource it was made of.
    pub resource: String,
    /// Whether a restore can use it.
    pub usable: bool,
    /// Whether nothing was written to the resource while it was captured.
    pub still: bool,
    /// Whether the cloud made it by itself in a second run.
    pub twin: bool,
}

/// One resource.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimResource {
    /// Its name.
    pub name: String,
    /// Its files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Its tags.
    pub tags: Tags,
    /// Whether a restore made it.
    pub restored: bool,
}
