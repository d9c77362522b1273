//! What a kind of store owes to [`Store`](super::Store).

use std::fmt::Debug;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::plain::PlainBackend;
use crate::error::Result;
use crate::time::Timestamp;

/// An object found by a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedObject {
    /// Its name inside the store.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
}

impl ListedObject {
    pub(crate) fn new(key: impl Into<String>, size: u64) -> Self {
        Self { key: key.into(), size }
    }

    /// What it takes of memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len()
    }

    /// The part of the name after the last slash.
    pub fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

/// What a store says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// When it was last written, by the store's own clock.
    pub(crate) written: Timestamp,
    /// The store keeps versions: what is deleted or replaced still takes room.
    pub(crate) versioned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PutMode {
    /// Fail with `AlreadyExists` if the name is taken.
    Create,
    Overwrite,
}

/// A kind of store.
///
/// Writes are atomic and durable when they return. Transient failures were already retried within a bound.
/// What a listing over several folders found.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<ListedObject>,
    /// Whether the store answered with a single page, and so as things were at one moment.
    pub(crate) at_once: bool,
}

#[async_trait]
pub(super) trait Backend: Debug + Send + Sync {
    async fn put(&self, key: &str, data: Bytes, mode: PutMode) -> Result<()>;
    /// Refuses an object longer than `limit` as corrupt.
    async fn get(&self, key: &str, limit: u64) -> Result<Bytes>;
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes>;
    /// The same in parts, as they arrive.
    async fn stream_range(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>>;
    /// Objects at any depth below `folder`; an absent folder is empty; more than take `limit` bytes of memory are an error.
    async fn list(&self, folder: &str, limit: usize) -> Result<Vec<ListedObject>>;
    /// Whether a listing can begin behind a name, in one request.
    fn lists_from(&self) -> bool;
    /// Objects whose names sort behind `after`, in any order; only where [`Self::lists_from`] says so.
    async fn list_from(&self, after: &str, limit: usize) -> Result<Listed>;
    /// Deleting what is absent succeeds.
    async fn delete(&self, key: &str) -> Result<()>;
    /// When the store itself says an object was last written, and whether it keeps older versions of it.
    async fn stat(&self, key: &str) -> Result<Stat>;
    /// Removes unfinished writes of dead processes.
    async fn sweep(&self) -> Result<()>;
    /// The same store, for plain objects.
    fn plain(&self) -> &dyn PlainBackend;
}
