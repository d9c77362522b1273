//! An S3 store in memory: one ordered map of objects, locked for as long as it takes to look something up or to swap it.
//!
//! Entity tags, conditions, checksums, ranges, copies and multipart uploads behave as S3's documentation says. Requests
//! never wait for a disk, so a client's own cost is what a measurement sees. There are no versions and no locks.

mod body;
mod condition;
mod copy;
mod listing;
mod multipart;
mod object;
mod operations;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use s3s::{S3Result, s3_error};

use multipart::Uploads;
pub(super) use object::Object;

/// A cheap handle; clones share the objects.
#[derive(Clone)]
pub(super) struct Memory {
    bucket: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    uploads: Uploads,
}

impl fmt::Debug for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Memory").field("objects", &self.state().objects.len()).finish_non_exhaustive()
    }
}

impl Memory {
    pub(super) fn new(bucket: &str) -> Self {
        Self { bucket: bucket.into(), state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect_bucket(&self, name: &str) -> S3Result<()> {
        if name == &*self.bucket { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// The object under `key`, which shares its content with the map.
    fn found(&self, bucket: &str, key: &str) -> S3Result<Object> {
        self.expect_bucket(bucket)?;
        self.state().objects.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    pub(super) fn get(&self, key: &str) -> Option<Bytes> {
        self.state().objects.get(key).map(|object| object.content.clone())
    }

    pub(super) fn put(&self, key: &str, content: Vec<u8>) {
        self.state().objects.insert(key.to_owned(), Object::plain(content.into()));
    }

    pub(super) fn remove(&self, key: &str) -> bool {
        self.state().objects.remove(key).is_some()
    }

    /// Keys that start with `prefix`, and the length of what lies there.
    pub(super) fn keys(&self, prefix: &str) -> BTreeMap<String, u64> {
        let state = self.state();
        let from = state.objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let inside = from.take_while(|(key, _)| key.starts_with(prefix));
        inside.map(|(key, object)| (key.clone(), object.len())).collect()
    }
}
