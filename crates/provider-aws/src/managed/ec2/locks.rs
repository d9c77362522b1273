//! Locks of snapshots: who may not delete one, and until when.

use serde::Deserialize;
use stillpoint_core::{Result, Timestamp};

use super::Ec2;
use crate::connection::{Form, Items};

/// The state of a lock that has run out.
const EXPIRED: &str = "expired";

/// A lock of a snapshot that holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotLock {
    /// AWS's own word: `governance`, `compliance`, `compliance-cooloff`.
    pub(crate) state: String,
    /// When it runs out, where EC2 says so.
    pub(crate) until: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    snapshot_set: Items<LockItem>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LockItem {
    snapshot_id: String,
    #[serde(default)]
    lock_state: String,
    lock_expires_on: Option<String>,
}

impl Ec2<'_> {
    /// The lock of the snapshot `id`; `None` where nothing locks it.
    ///
    /// # Errors
    /// Whatever the call meets.
    pub(crate) async fn snapshot_lock(&self, id: &str) -> Result<Option<SnapshotLock>> {
        let form = Form::new().list("SnapshotId", [id]);
        let answer: Answer = self.call("DescribeLockedSnapshots", false).query(&form).await?;
        let locks = answer.snapshot_set.items.into_iter();
        let lock = locks.into_iter().find(|item| item.snapshot_id == id && item.lock_state != EXPIRED);
        Ok(lock.map(|item| SnapshotLock {
            state: item.lock_state,
            until: item.lock_expires_on.and_then(|time| time.parse().ok()),
        }))
    }
}
