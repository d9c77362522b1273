//! File shares of Azure Files, NFS and SMB, through their snapshots.
//!
//! The service names a snapshot by its time and takes another one for each request, so what makes one ours is its metadata,
//! and each start looks for it first. A snapshot lives in its share and dies with it, and nothing can be made of it but by
//! copying files: that is for the data plane of files.

mod backup;
mod points;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use stillpoint_core::{Component, Error, ErrorKind, ProviderId, Result, Settings, SnapshotId, SnapshotRef};

use super::kind::FILE_SHARE;
use super::resource_id::ResourceId;
use super::storage::{SHARES, Share};

/// How many snapshots one share may have.
/// Source: <https://learn.microsoft.com/azure/storage/files/storage-snapshots-files>.
pub(super) const SNAPSHOTS_MAX: usize = 200;
/// The most snapshots whose times are kept in memory.
const TIMES_MAX: usize = 256;

/// The share that `component` is.
///
/// # Errors
/// `InvalidInput` where the resource does not name one.
pub(super) fn source(component: &Component) -> Result<ResourceId> {
    let id: ResourceId = component.resource.parse()?;
    if id.is(SHARES) {
        return Ok(id);
    }
    let message = format!("{id} does not name what component {} of kind {FILE_SHARE} is", component.id);
    Err(Error::new(ErrorKind::InvalidInput, message).with("component", &component.id))
}

/// What a share says of itself that a restore of it will need.
pub(super) fn settings(share: &Share) -> Settings {
    let properties = &share.properties;
    let settings: [(&str, Value); 4] = [
        ("protocol", json!(properties.enabled_protocols)),
        ("size_gib", json!(properties.share_quota)),
        ("access_tier", json!(properties.access_tier)),
        ("root_squash", json!(properties.root_squash)),
    ];
    let settings = settings.into_iter().filter(|(_, value)| !value.is_null());
    settings.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A snapshot of a share: `/subscriptions/…/shares/NAME@TIME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SharePoint {
    pub(super) share: ResourceId,
    /// When it was taken, as the service writes it.
    pub(super) time: String,
}

impl SharePoint {
    /// The snapshot of this name.
    ///
    /// # Errors
    /// `InvalidInput` where the name is longer than an id may be.
    pub(super) fn of(&self, provider: &ProviderId) -> Result<SnapshotRef> {
        Ok(SnapshotRef::new(provider.clone(), SnapshotId::new(self.to_string())?))
    }
}

impl fmt::Display for SharePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.share, self.time)
    }
}

impl FromStr for SharePoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::new(ErrorKind::NotFound, format!("{text:?} is no snapshot of this provider"));
        let (share, time) = text.split_once('@').ok_or_else(unknown)?;
        let share: ResourceId = share.parse().map_err(|error: Error| unknown().with_source(error))?;
        let fits =
            share.is(SHARES) && time.bytes().all(|byte| byte.is_ascii_digit() || b"-:.TZ".contains(&byte));
        if fits { Ok(Self { share, time: time.to_owned() }) } else { Err(unknown()) }
    }
}

/// The times of the snapshots that this process took: the list of a share may show them late. A help, and no truth.
#[derive(Debug, Default)]
pub(super) struct Times {
    known: Mutex<(BTreeMap<String, String>, VecDeque<String>)>,
}

impl Times {
    fn keep(&self, job: &str, time: &str) {
        let mut guard = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, order) = &mut *guard;
        if known.insert(job.to_owned(), time.to_owned()).is_none() {
            order.push_back(job.to_owned());
        }
        if order.len() > TIMES_MAX
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
    }

    fn of(&self, job: &str) -> Option<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0.get(job).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: &str = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a/fileServices/default/shares/s";

    #[test]
    fn a_snapshots_name_survives_being_stored() {
        let name = format!("{SHARE}@2026-01-05T00:00:00.0000000Z");
        let point: SharePoint = name.parse().unwrap();
        assert_eq!((point.share.name(), point.to_string()), ("s", name));
        for bad in [SHARE, "s@2026", &format!("{SHARE}@yesterday"), &format!("{}/x/y@2026", SHARE)] {
            assert_eq!(bad.parse::<SharePoint>().unwrap_err().kind(), ErrorKind::NotFound, "{bad}");
        }
    }

    #[test]
    fn the_memory_of_times_is_bounded() {
        let times = Times::default();
        for at in 0..=TIMES_MAX {
            times.keep(&at.to_string(), "t");
        }
        assert_eq!((times.of("0"), times.of("1").as_deref()), (None, Some("t")));
    }
}
