//! The simulated cloud under the provider suite.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use stillpoint_core::{Clock, Component, Provider, ProviderId, RestoredResource, Result, Settings, Tags};

use super::cloud::SimCloud;
use super::config::SimConfig;
use super::resource::SimKind;
use crate::memory::{changed_files, files};
use crate::provider::{Content, Harness, Occupied};

/// A cloud with sources of one kind. Each provider it builds is a new process on the same cloud.
#[derive(Debug)]
pub struct SimHarness {
    cloud: Arc<SimCloud>,
    kind: SimKind,
    provider: ProviderId,
    made: AtomicU32,
}

impl SimHarness {
    /// A cloud that runs by `clock`.
    ///
    /// # Errors
    /// None that a caller could meet.
    pub fn new(clock: Arc<dyn Clock>, kind: SimKind, config: SimConfig) -> Result<Self> {
        let cloud = SimCloud::new(clock, config);
        Ok(Self { cloud, kind, provider: "sim".parse()?, made: AtomicU32::new(0) })
    }

    /// The cloud itself.
    pub fn cloud(&self) -> &Arc<SimCloud> {
        &self.cloud
    }
}

#[async_trait]
impl Harness for SimHarness {
    async fn provider(&self) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(self.cloud.provider(self.provider.clone())))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.cloud.clock)
    }

    async fn source(&self, name: &str, seed: u64) -> Result<Component> {
        let resource = format!("source-{name}-{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.cloud.add_resource(&resource, self.kind, 4 << 30, 0);
        for (path, content) in files(seed) {
            self.cloud.write(&resource, &path, &content);
        }
        Ok(Component::new(name.parse()?, self.kind.as_str(), self.provider.clone(), resource))
    }

    async fn change(&self, source: &Component, seed: u64) -> Result<()> {
        for (path, content) in changed_files(seed) {
            self.cloud.write(&source.resource, &path, &content);
        }
        Ok(())
    }

    fn missing(&self) -> Component {
        #[expect(clippy::expect_used, reason = "a constant")]
        let name = "missing".parse().expect("a well-formed id");
        Component::new(name, self.kind.as_str(), self.provider.clone(), "source-that-nobody-made")
    }

    async fn source_content(&self, source: &Component) -> Result<Content> {
        Ok(self.cloud.files(&source.resource).unwrap_or_default())
    }

    async fn source_tags(&self, source: &Component) -> Result<Option<Tags>> {
        let found = self.cloud.resources().into_iter().find(|resource| resource.name == source.resource);
        Ok(found.map(|resource| resource.tags))
    }

    async fn restored_content(&self, resource: &RestoredResource) -> Result<Content> {
        Ok(self.cloud.files(&resource.resource).unwrap_or_default())
    }

    async fn destination(&self, _name: &str) -> Result<Settings> {
        Ok([("zone".to_owned(), "eu-central-1a".into())].into())
    }

    async fn occupied(&self, _name: &str) -> Result<Option<Occupied>> {
        Ok(None)
    }
}
