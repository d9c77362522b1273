//! Which store holds a snapshot: one catalog may list what lies in several.

use stillpoint_core::{Error, ErrorKind, Result, SnapshotRef, StoreRef};

/// Refuses a snapshot that another store holds: its absence from `here` would not mean that it is gone.
///
/// # Errors
/// `InvalidInput` that names both stores.
pub(crate) fn is_of(here: &StoreRef, snapshot: &SnapshotRef) -> Result<()> {
    match &snapshot.store {
        Some(store) if store.id != here.id => Err(elsewhere(here, snapshot, store)),
        _ => Ok(()),
    }
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
    }
}
