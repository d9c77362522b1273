//! Removing a whole timestamp: first what makes it whole, then the files, last the claim that accounts for them.

use futures::TryStreamExt;
use stillpoint_core::{DeleteState, Error, ErrorKind, Result, SnapshotRef};

use super::place::Place;
use super::{MirrorSource, framed};
use crate::error::from_repository;

/// What the object `deleting` is.
const DELETION: &str = "deletion";
/// Keys that are in memory at once.
const KEYS_AT_ONCE: usize = 10_000;
/// How often a timestamp is emptied before it counts as stuck: a request that was on its way may land late.
const ROUNDS_MAX: usize = 3;

/// Deletes a snapshot and reads back what became of it. Removes nothing outside its own timestamp, and nothing at all
/// of a timestamp that neither we nor the sample script ever marked.
///
/// # Errors
/// The store's failure; the same call goes on from there.
pub(super) async fn run(source: &MirrorSource, snapshot: &SnapshotRef) -> Result<DeleteState> {
    let Ok(place) = Place::of_snapshot(&snapshot.id) else { return Ok(DeleteState::Gone) };
    if !is_ours_to_delete(source, &place).await? {
        if !source.holds_anything(&place.folder()).await? {
            return Ok(DeleteState::Gone);
        }
        let reason = format!(
            "{} was never marked as a finished backup; look at it and remove it by hand",
            place.folder()
        );
        return Ok(DeleteState::Stuck { reason });
    }
    match clear(source, &place).await? {
        true => Ok(DeleteState::Gone),
        false => {
            let reason =
                "the store still holds files of the backup; look for a retention or a version rule on it";
            Ok(DeleteState::Stuck { reason: reason.to_owned() })
        }
    }
}

async fn is_ours_to_delete(source: &MirrorSource, place: &Place) -> Result<bool> {
    if source.exists(&place.completion()).await? || source.exists(&place.claim()).await? {
        return Ok(true);
    }
    if source.exists(&place.deletion()).await? {
        return Ok(true);
    }
    if !source.exists(&place.script_mark()).await? {
        return Ok(false);
    }
    // The script's mark goes first; this one says that what is left may go too.
    let object = framed::seal(DELETION, b"")?;
    source.store().replace_object(&place.deletion(), object).await.map_err(from_repository)?;
    Ok(true)
}

/// Removes everything of a timestamp; `false` if something is still there.
pub(super) async fn clear(source: &MirrorSource, place: &Place) -> Result<bool> {
    source.store().delete_objects(&[place.completion()]).await.map_err(from_repository)?;
    // From here on it may be no whole timestamp any more, whatever the answers are.
    remove_all(source, place).await.map_err(Error::maybe_applied)
}

/// Removes the files of a timestamp, then its records, last the claim.
async fn remove_all(source: &MirrorSource, place: &Place) -> Result<bool> {
    let store = source.store();
    store.delete_objects(&[place.script_mark()]).await.map_err(from_repository)?;
    let kept = [place.claim(), place.deletion()];
    for _ in 0..ROUNDS_MAX {
        let files = remove(source, &place.folder(), &[]).await?;
        let records = remove(source, &place.control(), &kept).await?;
        if files + records == 0 {
            store.delete_objects(&kept).await.map_err(from_repository)?;
            for folder in [place.folder(), place.control()] {
                store.remove_empty_folders(&folder).await.map_err(from_repository)?;
            }
            return Ok(!source.holds_anything(&place.control()).await?);
        }
    }
    Ok(false)
}

/// Removes the objects below a folder, except those to be kept, and counts them.
async fn remove(source: &MirrorSource, folder: &str, kept: &[String]) -> Result<usize> {
    let mut removed = 0;
    let mut objects = source.store().list_objects(folder).try_chunks(KEYS_AT_ONCE);
    while let Some(objects) = objects.try_next().await.map_err(|error| from_repository(error.1))? {
        let inside = |key: &String| key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let keys: Vec<String> = objects.into_iter().map(|object| object.key).collect();
        if let Some(foreign) = keys.iter().find(|key| !inside(key)) {
            let message = format!("the store listed {foreign:?} where only {folder} was asked for");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let keys: Vec<String> = keys.into_iter().filter(|key| !kept.contains(key)).collect();
        removed += keys.len();
        // A key that no path can be is not ours, and cannot be asked to go: it keeps the timestamp from being gone.
        let keys: Vec<String> = keys.into_iter().filter(|key| source.store().accepts_key(key)).collect();
        source.store().delete_objects(&keys).await.map_err(from_repository)?;
    }
    Ok(removed)
}
