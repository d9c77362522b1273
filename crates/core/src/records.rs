//! What lies beside the data to describe backups, as a provider finds it.

use serde::{Deserialize, Serialize};

use crate::catalog::BackupRecord;
use crate::error::ErrorRecord;
use crate::id::BackupId;

/// The records that a provider keeps beside the data. One that cannot be read keeps no other from being known.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Records {
    /// Those that can be read.
    pub readable: Vec<BackupRecord>,
    /// Those that cannot: they are damaged, or a newer version wrote them.
    pub damaged: Vec<DamagedRecord>,
}

/// A record beside the data that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DamagedRecord {
    /// The object in the store.
    pub object: String,
    /// Whose record it is, where its name tells.
    #[serde(default)]
    pub backup: Option<BackupId>,
    /// Why it cannot be read.
    pub error: ErrorRecord,
}

impl Records {
    /// The backup records that were found, all of them readable.
    pub fn new(readable: impl IntoIterator<Item = BackupRecord>) -> Self {
        Self { readable: readable.into_iter().collect(), damaged: Vec::new() }
    }

    /// Whether there is none, readable or not.
    pub fn is_empty(&self) -> bool {
        self.readable.is_empty() && self.damaged.is_empty()
    }
}

impl DamagedRecord {
    /// The record of `backup` that is the object `object` and cannot be read because of `error`.
    pub fn new(object: impl Into<String>, backup: Option<BackupId>, error: ErrorRecord) -> Self {
        Self { object: object.into(), backup, error }
    }
}
