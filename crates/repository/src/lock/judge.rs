//! Which locks of others stand in the way, and which are abandoned.
//!
//! A living lock that is removed costs somebody his data; an abandoned one that stays costs a message. So nothing is
//! concluded from this machine's clock, nor from process ids that may be another machine's.

use futures::{StreamExt, TryStreamExt, stream};

use super::record::{LockRecord, STALE_AFTER};
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::repository::Repository;
use crate::time::Timestamp;

/// Locks read at once.
const AT_ONCE: usize = 8;

/// How one of these locks counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its holder may live.
    Living,
    /// Its holder is gone.
    Abandoned,
    /// It is not there any more.
    Gone,
}

/// Fails if one of these locks `conflicts` and its holder may live; removes those of dead holders. `reference` is an
/// object that was written just now: by it the store says what time it is.
///
/// An exclusive lock of another program is never removed, however old: its holder may sleep in the midst of deleting.
pub(super) async fn refuse_conflicts(
    repository: &Repository,
    others: Vec<Id>,
    reference: &str,
    conflicts: impl Fn(&LockRecord) -> bool + Send,
) -> Result<()> {
    let mut records = read_or_clear(repository, others, reference).await?;
    // The oldest is named, and removed, first.
    records.sort_unstable_by_key(|(id, record)| (record.time, *id));
    let marked: Vec<_> = records
        .into_iter()
        .map(|(id, record)| {
            let conflicting = conflicts(&record);
            (id, record, conflicting)
        })
        .collect();
    let judged = marked.into_iter().map(|(id, record, conflicting)| async move {
        let verdict = judge(repository, id, &record, reference, conflicting).await?;
        Ok::<_, Error>((id, record, conflicting, verdict))
    });
    let judged: Vec<_> = stream::iter(judged).buffered(AT_ONCE).try_collect().await?;
    for (id, record, conflicting, verdict) in judged {
        if verdict == Verdict::Abandoned && !record.is_foreign_exclusive() {
            tracing::info!(lock = %id, holder = %record.holder(), "removing a stale lock");
            // Whoever may only add to a store leaves it to others.
            if let Err(error) = repository.store().delete(&FileKind::Lock.key(&id)).await {
                tracing::warn!(lock = %id, %error, "a stale lock cannot be removed and is passed over");
            }
        } else if conflicting && verdict != Verdict::Gone {
            return Err(record.conflict());
        }
    }
    Ok(())
}

/// Judges a lock. One that is in nobody's way is looked at only if it looks stale here.
pub(super) async fn judge(
    repository: &Repository,
    id: Id,
    record: &LockRecord,
    reference: &str,
    conflicting: bool,
) -> Result<Verdict> {
    if record.is_of_dead_process(repository.origin()) {
        return Ok(Verdict::Abandoned);
    }
    if !conflicting && !record.looks_stale() {
        return Ok(Verdict::Living);
    }
    by_age(repository, id, reference).await
}

/// Whether a lock object is there.
pub(super) async fn is_there(repository: &Repository, id: Id) -> Result<bool> {
    Ok(written(repository, &FileKind::Lock.key(&id)).await?.is_some())
}

/// When an object was written, by the store's clock; `None` if it is not there.
pub(super) async fn written(repository: &Repository, key: &str) -> Result<Option<Timestamp>> {
    match repository.store().stat(key).await {
        Ok(stat) => Ok(Some(stat.written)),
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// When `key` was written; `else_this` if it is gone, so that nothing counts as old.
async fn written_or(repository: &Repository, key: &str, else_this: Timestamp) -> Result<Timestamp> {
    Ok(written(repository, key).await?.unwrap_or(else_this))
}

/// These locks; those that vanish meanwhile are left out.
pub(super) async fn read_all(repository: &Repository, ids: Vec<Id>) -> Result<Vec<(Id, LockRecord)>> {
    let reads = stream::iter(ids.into_iter().map(|id| read(repository, id))).buffer_unordered(AT_ONCE);
    reads.try_filter_map(|found| async { Ok(found) }).try_collect().await
}

/// As [`read_all`], without those that cannot be opened and were written so long ago that whoever wrote them would have
/// written them anew: they are removed. One that is younger may be about to be written whole.
async fn read_or_clear(
    repository: &Repository,
    ids: Vec<Id>,
    reference: &str,
) -> Result<Vec<(Id, LockRecord)>> {
    let read = |id| async move {
        match read(repository, id).await {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                match clear_unreadable(repository, id, reference).await? {
                    true => Ok(None),
                    false => Err(error),
                }
            }
            found => found,
        }
    };
    let reads = stream::iter(ids.into_iter().map(read)).buffer_unordered(AT_ONCE);
    reads.try_filter_map(|found| async { Ok(found) }).try_collect().await
}

/// Judges a lock by its age in the store and, where it could be read, by its process.
pub(super) async fn judge_found(
    repository: &Repository,
    id: Id,
    record: Option<&LockRecord>,
    reference: &str,
) -> Result<Verdict> {
    if let Some(record) = record {
        return judge(repository, id, record, reference, true).await;
    }
    by_age(repository, id, reference).await
}

/// Judges a lock by nothing but when it was written.
async fn by_age(repository: &Repository, id: Id, reference: &str) -> Result<Verdict> {
    let Some(written) = written(repository, &FileKind::Lock.key(&id)).await? else {
        return Ok(Verdict::Gone);
    };
    let now = written_or(repository, reference, written).await?;
    Ok(if now.since(written) > STALE_AFTER { Verdict::Abandoned } else { Verdict::Living })
}

/// Removes a lock that cannot be opened if it is abandoned. Answers whether it may be passed over.
async fn clear_unreadable(repository: &Repository, id: Id, reference: &str) -> Result<bool> {
    let key = FileKind::Lock.key(&id);
    match by_age(repository, id, reference).await? {
        Verdict::Living => return Ok(false),
        Verdict::Gone => return Ok(true),
        Verdict::Abandoned => {}
    }
    tracing::info!(lock = %id, "removing a stale lock that cannot be read");
    if let Err(error) = repository.store().delete(&key).await {
        tracing::warn!(lock = %id, %error, "a stale lock that cannot be read cannot be removed and is passed over");
    }
    Ok(true)
}

async fn read(repository: &Repository, id: Id) -> Result<Option<(Id, LockRecord)>> {
    match repository.load_file(FileKind::Lock, id).await {
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(json) => LockRecord::from_json(&FileKind::Lock.key(&id), &json).map(|record| Some((id, record))),
    }
}
