//! Which store holds a snapshot: one catalog may list what lies in several.

use stillpoint_core::{Error, ErrorKind, Finding, Result, Severity, SnapshotRef, StoreRef};

/// Refuses a snapshot that another store holds: its absence from `here` would not mean that it is gone.
///
/// # Errors
/// `InvalidInput` that names both stores; `NotFound` where another one lies at the same address by now.
pub(crate) fn is_of(here: &StoreRef, snapshot: &SnapshotRef) -> Result<()> {
    match &snapshot.store {
        Some(store) if store.id != here.id && store.url == here.url => Err(displaced(here, snapshot)),
        Some(store) if store.id != here.id => Err(elsewhere(here, snapshot, store)),
        _ => Ok(()),
    }
}

/// What is found where the store at `url` is not the one that the last backup was stored in.
pub(crate) fn not_as_known(url: &str, found: &str) -> Finding {
    store_known(&format!("the last backup of this workspace was stored at {url}, and {found} now"))
}

/// What is found where the store at `url` held a repository while this process ran, and holds none any more.
pub(crate) fn not_as_opened(url: &str) -> Finding {
    store_known(&format!("a repository was open at {url}, and no repository is there now"))
}

fn store_known(found: &str) -> Finding {
    let message = format!(
        "{found}; mount or connect its store, or skip this check where the backups are meant to begin anew"
    );
    Finding::new("store-known", Severity::Blocker, message)
}

fn displaced(here: &StoreRef, snapshot: &SnapshotRef) -> Error {
    let message = format!(
        "the snapshot {} was stored at {}, where another repository lies now; mount or connect the one that holds it",
        snapshot.id, here.url
    );
    Error::new(ErrorKind::NotFound, message).with("store", here.url.clone())
}

fn elsewhere(here: &StoreRef, snapshot: &SnapshotRef, store: &StoreRef) -> Error {
    let message = format!(
        "the snapshot {} lies in another store, {}, and not in {}; name its store",
        snapshot.id, store.url, here.url
    );
    Error::new(ErrorKind::InvalidInput, message).with("store", store.url.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_refused_where_another_store_holds_it_and_only_there() {
        let here = StoreRef::new("one", "file:///moved");
        let snapshot = |store: Option<StoreRef>| {
            let plain = SnapshotRef::new("s3sync".parse().unwrap(), "ab".parse().unwrap());
            store.into_iter().fold(plain, SnapshotRef::in_store)
        };
        is_of(&here, &snapshot(None)).unwrap();
        is_of(&here, &snapshot(Some(StoreRef::new("one", "file:///before")))).unwrap();
        let error = is_of(&here, &snapshot(Some(StoreRef::new("two", "file:///other")))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("file:///other, and not in file:///moved"), "{error}");
        let gone = is_of(&here, &snapshot(Some(StoreRef::new("two", "file:///moved")))).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound, "its own place has another one now: {gone}");
    }
}
