//! What the suite needs to know about the provider under test.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    Clock, Component, Provider, RestoredResource, Result, Settings, SnapshotId, SystemClock, Tags,
};

/// What a source or a restored resource holds: per path, whatever tells two contents apart (the bytes, or a digest
/// with the metadata that a restore must bring back). Paths are written as [`Snapshot::entries`] writes them.
///
/// [`Snapshot::entries`]: stillpoint_core::Snapshot::entries
pub type Content = BTreeMap<String, Vec<u8>>;

/// A destination that already holds something.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Occupied {
    /// The settings with which a restore job would name it.
    pub destination: Settings,
    /// The place itself, to be read before and after.
    pub resource: RestoredResource,
}

impl Occupied {
    /// `destination` is taken by `resource`.
    pub fn new(destination: Settings, resource: RestoredResource) -> Self {
        Self { destination, resource }
    }
}

/// Sets the scene for the provider under test and looks behind its back.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The provider, as a newly started process would build it over the harness's backing store. The suite calls
    /// it again to play a restart.
    ///
    /// # Errors
    /// Whatever building it can meet; it fails the check.
    async fn provider(&self) -> Result<Arc<dyn Provider>>;

    /// The clock that the provider's jobs run by.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock::default())
    }

    /// Makes a source that holds at least three files, one of them in a folder, all following from `seed`. Each
    /// call makes another source.
    ///
    /// # Errors
    /// Whatever making it can meet; it fails the check.
    async fn source(&self, name: &str, seed: u64) -> Result<Component>;

    /// Changes a source: at least one file is new and one is another, all following from `seed`.
    ///
    /// # Errors
    /// Whatever changing it can meet; it fails the check.
    async fn change(&self, source: &Component, seed: u64) -> Result<()>;

    /// A component like those of [`Harness::source`] whose source does not exist.
    fn missing(&self) -> Component;

    /// The id of a snapshot that nobody made, in the form that the provider gives to its own.
    ///
    /// # Errors
    /// None for an id of the right form.
    fn never_made(&self) -> Result<SnapshotId> {
        SnapshotId::new("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
    }

    /// What a source holds now.
    ///
    /// # Errors
    /// Whatever reading it can meet; it fails the check.
    async fn source_content(&self, source: &Component) -> Result<Content>;

    /// The tags of a source, where they can be looked at from outside.
    ///
    /// # Errors
    /// Whatever reading them can meet; it fails the check.
    async fn source_tags(&self, source: &Component) -> Result<Option<Tags>> {
        let _unused = source;
        Ok(None)
    }

    /// What a restored resource holds now; empty where it is gone.
    ///
    /// # Errors
    /// Whatever reading it can meet; it fails the check.
    async fn restored_content(&self, resource: &RestoredResource) -> Result<Content>;

    /// Destination settings of a new, empty place; each call names another one.
    ///
    /// # Errors
    /// Whatever making it can meet; it fails the check.
    async fn destination(&self, name: &str) -> Result<Settings>;

    /// A destination that already holds something, or `None` where each restore makes a resource of its own and no
    /// destination can be taken.
    ///
    /// # Errors
    /// Whatever making it can meet; it fails the check.
    async fn occupied(&self, name: &str) -> Result<Option<Occupied>>;
}
