//! What a lock object says, and when it no longer counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::origin::{Origin, boot, process_may_be_alive, process_namespace};
use crate::random;
use crate::repository::Repository;
use crate::time::Timestamp;

/// Age at which restic and we take a lock for abandoned.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(30 * 60);

/// Contents of an object under `locks/`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LockRecord {
    pub(super) time: Timestamp,
    pub(super) exclusive: bool,
    #[serde(default)]
    pub(super) hostname: String,
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) pid: u32,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    /// Ours alone; restic passes over it, as over the next two. Names the run that holds the lock, while restic's own
    /// name of a lock changes with each refresh.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) session: Option<Id>,
    /// A prune that deletes beside backups of ours, which follow its protocol, and beside nobody else.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(super) sweep: bool,
    /// Containers may share a host name, yet not their process ids.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) process_namespace: Option<u64>,
    /// Hosts may share a name, yet not the run of their kernel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) boot: Option<String>,
}

impl LockRecord {
    pub(super) fn new(origin: &Origin, exclusive: bool) -> Self {
        let session = random::bytes::<32>().ok().map(Id::from_bytes);
        Self {
            session,
            sweep: false,
            time: clock::now(),
            exclusive,
            hostname: origin.hostname.clone(),
            username: origin.username.clone(),
            pid: std::process::id(),
            uid: origin.uid,
            gid: origin.gid,
            process_namespace: process_namespace(),
            boot: boot(),
        }
    }

    pub(super) fn from_json(object: &str, json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|source| Error::corrupt(object, "it is not a lock").with_source(source))
    }

    /// Stores it with the time of now, and returns the new object's identifier.
    pub(super) async fn save(&mut self, repository: &Repository) -> Result<Id> {
        self.time = clock::now();
        let json = serde_json::to_vec(self)
            .map_err(|source| Error::invalid("the lock cannot be written").with_source(source))?;
        repository.save_file(FileKind::Lock, json).await
    }

    /// True if its process is surely gone: one that ran here, of the same run of the kernel and the same process
    /// namespace. Nothing can be said of locks that do not name both, as those of other programs.
    pub(super) fn is_of_dead_process(&self, origin: &Origin) -> bool {
        let (namespace, boot) = (process_namespace(), boot());
        let here = self.hostname == origin.hostname
            && namespace.is_some()
            && self.process_namespace == namespace
            && boot.is_some()
            && self.boot == boot;
        here && !process_may_be_alive(self.pid)
    }

    /// Whether it would be abandoned if this machine's clock were the one that counts.
    pub(super) fn looks_stale(&self) -> bool {
        clock::now().since(self.time) > STALE_AFTER
    }

    /// Whether another program may hold it that deletes data and looks for no other rules than restic's.
    pub(super) fn is_foreign_exclusive(&self) -> bool {
        self.exclusive && self.session.is_none()
    }

    /// Whether this lock and another one must not be held at once.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        let beside = |sweep: &Self, other: &Self| sweep.sweep && !other.exclusive && other.session.is_some();
        (self.exclusive || other.exclusive) && !beside(self, other) && !beside(other, self)
    }

    pub(super) fn holder(&self) -> String {
        let user = if self.username.is_empty() { format!("uid {}", self.uid) } else { self.username.clone() };
        format!("{user}, process {}", self.pid)
    }

    /// Who holds it, where and since when.
    pub(super) fn describe(&self) -> String {
        format!("{} on {} since {}", self.holder(), self.hostname, self.time)
    }

    pub(super) fn conflict(&self) -> Error {
        let (by, host, since) = (self.holder(), self.hostname.clone(), self.time);
        let how = if self.exclusive { "exclusively locked" } else { "locked" };
        let message = format!(
            "the repository is {how} by {by} on {host} since {since}; wait until it ends, or if it is surely dead run \
             `stillpoint unlock` or `restic unlock`"
        );
        Error::new(ErrorKind::Locked { by, host, since }, message)
    }
}
