//! The suites' harnesses for the in-memory implementations of core: the smallest examples of a harness.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use stillpoint_core::memory::{MemoryProvider, MemoryProvisioner, MemoryWorkspace};
use stillpoint_core::{
    BackupRecord, Component, ComponentRecord, ComponentState, Definition, OperationId, Provider, ProviderId,
    ProvisionRequest, Provisioner, RestoreRequest, RestoredResource, Result, Settings, SnapshotId,
    SnapshotRef, Tags, Timestamp, Workspace, WorkspaceId,
};

use crate::provider::{Content, Occupied};
use crate::{provider, provisioner, workspace};

/// An id that is known to be well formed.
fn id<T: std::str::FromStr<Err = stillpoint_core::Error>>(text: &str) -> T {
    #[expect(clippy::expect_used, reason = "the texts are constants of this file or names of checks")]
    text.parse().expect("a well-formed id")
}

/// [`MemoryProvider`] under the provider suite. The provider is its own backing store, so a restart meets the same
/// one.
#[derive(Debug)]
pub struct MemoryHarness {
    provider: Arc<MemoryProvider>,
    made: AtomicU32,
}

impl Default for MemoryHarness {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryHarness {
    /// A harness with an empty provider.
    pub fn new() -> Self {
        Self { provider: Arc::new(MemoryProvider::new(id("memory"))), made: AtomicU32::new(0) }
    }

    fn component(&self, name: &str, resource: String) -> Component {
        Component::new(id(name), "directory", self.provider.id().clone(), resource)
    }
}

#[async_trait]
impl provider::Harness for MemoryHarness {
    async fn provider(&self) -> Result<Arc<dyn Provider>> {
        Ok(Arc::clone(&self.provider) as Arc<dyn Provider>)
    }

    async fn source(&self, name: &str, seed: u64) -> Result<Component> {
        let resource = format!("source/{name}-{}", self.made.fetch_add(1, Ordering::Relaxed));
        for (path, content) in files(seed) {
            self.provider.write(&resource, &path, &content);
        }
        Ok(self.component(name, resource))
    }

    async fn change(&self, source: &Component, seed: u64) -> Result<()> {
        for (path, content) in changed_files(seed) {
            self.provider.write(&source.resource, &path, &content);
        }
        Ok(())
    }

    fn missing(&self) -> Component {
        self.component("missing", "source/that-nobody-made".into())
    }

    async fn source_content(&self, source: &Component) -> Result<Content> {
        Ok(self.provider.files(&source.resource).unwrap_or_default())
    }

    async fn source_tags(&self, source: &Component) -> Result<Option<Tags>> {
        Ok(self.provider.tags(&source.resource))
    }

    async fn restored_content(&self, resource: &RestoredResource) -> Result<Content> {
        Ok(self.provider.files(&resource.resource).unwrap_or_default())
    }

    async fn destination(&self, name: &str) -> Result<Settings> {
        Ok([("resource".to_owned(), format!("restored/{name}").into())].into())
    }

    async fn occupied(&self, name: &str) -> Result<Option<Occupied>> {
        let place = format!("taken/{name}");
        self.provider.write(&place, "somebody's.txt", b"keep me");
        let resource = RestoredResource::new(self.provider.id().clone(), id(name), place.clone());
        Ok(Some(Occupied::new([("resource".to_owned(), place.into())].into(), resource)))
    }
}

/// Files of a new source.
pub(crate) fn files(seed: u64) -> Content {
    [
        ("notes.txt".to_owned(), format!("notes {seed}").into_bytes()),
        ("project/model.bin".to_owned(), seed.to_le_bytes().repeat(64)),
        ("project/train.py".to_owned(), format!("print({seed})").into_bytes()),
    ]
    .into()
}

/// Files with which a source is changed.
pub(crate) fn changed_files(seed: u64) -> Content {
    [
        ("notes.txt".to_owned(), format!("changed notes {seed}").into_bytes()),
        ("project/new.bin".to_owned(), seed.to_be_bytes().repeat(16)),
    ]
    .into()
}

/// [`MemoryWorkspace`] under the workspace suite.
#[derive(Debug)]
pub struct MemoryWorkspaceHarness(Arc<MemoryWorkspace>);

impl Default for MemoryWorkspaceHarness {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryWorkspaceHarness {
    /// A workspace with one component and one that is left out.
    pub fn new() -> Self {
        let home = Component::new(id("home"), "directory", id("memory"), "/home/ada");
        let scratch =
            Component::new(id("scratch"), "directory", id("memory"), "/scratch").excluded("can be rebuilt");
        Self(Arc::new(MemoryWorkspace::new(Definition::new(id("ada")), vec![home, scratch])))
    }
}

#[async_trait]
impl workspace::Harness for MemoryWorkspaceHarness {
    async fn workspace(&self) -> Result<Arc<dyn Workspace>> {
        Ok(Arc::clone(&self.0) as Arc<dyn Workspace>)
    }

    async fn is_held(&self) -> Option<bool> {
        Some(self.0.held_by().is_some())
    }
}

/// [`MemoryProvisioner`] under the provisioner suite.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MemoryProvisionerHarness;

#[async_trait]
impl provisioner::Harness for MemoryProvisionerHarness {
    async fn provisioner(&self) -> Result<Arc<dyn Provisioner>> {
        Ok(Arc::new(MemoryProvisioner::default()))
    }

    fn request(&self, name: &str) -> ProvisionRequest {
        provision_request(name, &id("memory"))
    }

    async fn exists(&self, _workspace: &WorkspaceId) -> Option<bool> {
        None
    }
}

/// A request to provision the target `name` for a backup of one component of `provider`.
pub(crate) fn provision_request(name: &str, provider: &ProviderId) -> ProvisionRequest {
    let operation: OperationId = id("operation-that-made-it");
    let epoch = Timestamp::from_millis(0);
    let backup = stillpoint_core::BackupId::of(&operation);
    let mut record = BackupRecord::new(backup.clone(), operation, Definition::new(id("ada")), epoch);
    let home = Component::new(id("home"), "directory", provider.clone(), "/home/ada");
    let mut home = ComponentRecord::new(home, ComponentState::Completed);
    home.snapshot = Some(SnapshotRef::new(provider.clone(), id::<SnapshotId>("snap-1")));
    record.components.push(home);
    let restore =
        RestoreRequest::new(id(&format!("restore-{name}")), backup, id(name), "provisioner", Settings::new());
    ProvisionRequest::new(restore, record)
}
