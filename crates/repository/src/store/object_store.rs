//! Stores on top of the `object_store` crate, version 0.14. The only place where its types appear in signatures.

use std::sync::Arc;

use ::object_store::ObjectStore;

use super::Store;
use super::remote::RemoteBackend;

/// A store that keeps its objects below `prefix` of any [`ObjectStore`].
///
/// `description` is what messages call it; it must hold no secret. Retrying transient failures is the object store's
/// own duty. Unlike a `file:` store, object_store's local file system is neither synced to disk nor swept.
pub fn from_object_store(
    store: Arc<dyn ObjectStore>,
    prefix: &str,
    description: impl Into<Arc<str>>,
) -> Store {
    Store::new(Arc::new(RemoteBackend::new(store, prefix, false)), description)
}

/// The same over a service that can begin a listing behind a name.
pub(super) fn from_ordered_store(
    store: Arc<dyn ObjectStore>,
    prefix: &str,
    description: impl Into<Arc<str>>,
) -> Store {
    Store::new(Arc::new(RemoteBackend::new(store, prefix, true).listing_at_once()), description)
}

/// The same over a service that lists in pages.
#[cfg(test)]
pub(crate) fn from_paged_store(
    store: Arc<dyn ObjectStore>,
    pages: Arc<dyn ::object_store::list::PaginatedListStore>,
    prefix: &str,
) -> Store {
    Store::new(Arc::new(RemoteBackend::new(store, prefix, true).with_pages(pages)), "memory:")
}
