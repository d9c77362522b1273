//! Removing locks on request.

use futures::{StreamExt, TryStreamExt, stream};

use super::judge::{Verdict, judge_found, written};
use super::record::LockRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::repository::Repository;

/// Locks looked at, and removed, at once.
const AT_ONCE: usize = 8;

/// A lock that was found, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundLock {
    /// The lock object.
    pub id: Id,
    /// Who holds it, where and since when; nothing of one that cannot be read.
    pub holder: Option<String>,
    /// Whether it excludes all others; unknown of one that cannot be read.
    pub exclusive: Option<bool>,
    /// Whether it was removed.
    pub removed: bool,
}

impl Repository {
    /// Removes the locks whose holders are gone, those of other programs too: of processes of this machine that are dead, and
    /// all that are half an hour old by the store's clock. `all` removes those that may live as well; whoever holds one fails
    /// then, at its end or within minutes. Killed anywhere, it is called again.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn unlock(&self, all: bool) -> Result<Vec<FoundLock>> {
        let ids: Vec<Id> = self.list_files(FileKind::Lock).await?.into_iter().map(|(id, _)| id).collect();
        // The store tells its time by an object that was written just now; where all go, none need be written.
        let reference = match all || ids.is_empty() {
            true => None,
            false => Some(LockRecord::new(self.origin(), false).save(self).await?),
        };
        let key = reference.map(|id| FileKind::Lock.key(&id));
        let look = |id| self.remove_if(id, key.as_deref());
        let found = stream::iter(ids.into_iter().map(look)).buffered(AT_ONCE);
        let found = found.try_filter_map(|found| async { Ok(found) }).try_collect().await;
        if let Some(key) = key {
            self.store().delete(&key).await?;
        }
        found
    }

    /// Removes one lock, if it is abandoned by the time of the `reference` or there is none.
    async fn remove_if(&self, id: Id, reference: Option<&str>) -> Result<Option<FoundLock>> {
        let key = FileKind::Lock.key(&id);
        let record = match self.load_file(FileKind::Lock, id).await {
            Ok(json) => LockRecord::from_json(&key, &json).ok(),
            Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => None,
            Err(error) => return Err(error),
        };
        let verdict = match reference {
            None => Verdict::Abandoned,
            Some(reference) => judge_found(self, id, record.as_ref(), reference).await?,
        };
        let removed = match verdict {
            Verdict::Gone => return Ok(None),
            Verdict::Living => false,
            Verdict::Abandoned => {
                self.store().delete(&key).await?;
                if written(self, &key).await?.is_some() {
                    let message =
                        format!("the store keeps the lock {key} although it was asked to delete it");
                    return Err(Error::new(ErrorKind::Unavailable, message));
                }
                true
            }
        };
        let holder = record.as_ref().map(LockRecord::describe);
        Ok(Some(FoundLock { id, holder, exclusive: record.map(|record| record.exclusive), removed }))
    }
}
