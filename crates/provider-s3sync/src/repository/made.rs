//! Verifying a snapshot that this process has just made, without reading again what it has written.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stillpoint_core::{Depth, Result, Verification};
use stillpoint_repository::{Id, Repository, Timestamp};

use super::verify::compare_all_packs;
use crate::error::from_repository;

/// How old the last full look at the snapshots before may be.
const LOOK_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Snapshots that are known at once; one process makes and verifies them one after another.
const KNOWN_MAX: usize = 64;

/// What is known of a snapshot from having made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) parent: Option<Id>,
    /// Whether all packs were seen with their lengths when it was made.
    pub(super) packs_seen: bool,
    pub(super) at: Timestamp,
}

/// The snapshots this process has made and not yet verified.
#[derive(Debug, Default)]
pub(super) struct MadeSnapshots(Mutex<HashMap<Id, Made>>);

impl MadeSnapshots {
    pub(super) fn insert(&self, id: Id, made: Made) {
        let mut known = self.known();
        if known.len() < KNOWN_MAX {
            known.insert(id, made);
        }
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.known().contains_key(id)
    }

    /// Forgets the snapshot: what is known from making it is told once, soon after.
    pub(super) fn take(&self, id: &Id) -> Option<Made> {
        self.known().remove(id)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Id, Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Verifies to [`Depth::Sized`] a snapshot that this process has made; `None` where only a full look can tell.
///
/// A backup names nothing but what its parent needs, what it stored itself, and what an index lists. The first was looked
/// at when the parent was verified, which must not be long ago, and the backup made sure that the index files are there
/// that list it. The second was opened and compared before it was sent, and the store has confirmed it. For all three,
/// all packs are listed and measured, here if the backup did not.
pub(super) async fn verify(repository: &Repository, id: &Id, made: Made) -> Result<Option<Verification>> {
    let looked = match made.parent {
        None => made.at,
        Some(parent) => match repository.remembered_check(&parent) {
            Some(looked) if made.at.since(looked) <= LOOK_AGE_MAX => looked,
            Some(_) | None => return Ok(None),
        },
    };
    if !made.packs_seen && !compare_all_packs(repository).await? {
        return Ok(None);
    }
    repository.remember_check(id, looked).await.map_err(from_repository)?;
    Ok(Some(Verification::new(Depth::Sized, Vec::new())))
}
