//! The provider suite's view of the fake Azure, whatever kind of source is captured; the suite on managed disks.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use stillpoint_conformance::provider::{Content, Harness, Occupied};
use stillpoint_conformance::provider_checks_in_turn;
use stillpoint_core::{Clock, Component, Provider, RestoredResource, Result, Settings, SnapshotId, Tags};
use stillpoint_provider_azure::managed::AzureProvider;

use crate::fake::{GROUP, SUBSCRIPTION, World, disk, group};

pub(crate) type Ended = std::result::Result<(), Box<dyn std::error::Error>>;

/// The sources of one kind: `NAME-0`, `NAME-1`, ….
#[derive(Clone)]
pub(crate) struct Sources {
    /// What their names begin with.
    pub(crate) name: &'static str,
    /// How many the scenario has.
    pub(crate) count: usize,
    /// The scenario of each check.
    pub(crate) scenario: fn() -> Value,
    /// The source of a name.
    pub(crate) component: fn(&str) -> Component,
    /// The provider as a newly started process builds it.
    pub(crate) provider: fn(&World) -> AzureProvider,
    /// Where restores go beside their own names.
    pub(crate) destination: Value,
    /// Whether something of Azure is made of a snapshot.
    pub(crate) restores: bool,
    /// What has the name of a source where restores go, by the source's own id.
    pub(crate) taken: fn(&str) -> String,
}

/// One fake, in which each check begins anew.
pub(crate) struct Suite {
    world: Arc<World>,
    sources: Sources,
    used: AtomicUsize,
}

impl Suite {
    /// `None` where the fake's Python is not installed.
    pub(crate) fn of(sources: Sources) -> Option<Self> {
        Some(Self { world: World::of(&(sources.scenario)())?, sources, used: AtomicUsize::new(0) })
    }

    /// The same fake with other sources.
    pub(crate) fn with(self, sources: Sources) -> Self {
        let suite = Self { sources, ..self };
        suite.again();
        suite
    }

    /// Begins anew, for the next check.
    pub(crate) fn again(&self) {
        self.world.reset(&(self.sources.scenario)());
        self.used.store(0, Ordering::Relaxed);
    }

    fn content(&self, resource: &str) -> Content {
        let resource = self.world.resource(resource);
        let going = resource["properties"]["provisioningState"] == "Deleting";
        let content = resource["hidden"]["content"].as_str().filter(|_| !going);
        content.map(|content| ("content".to_owned(), content.into())).into_iter().collect()
    }
}

#[async_trait]
impl Harness for Suite {
    async fn provider(&self) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new((self.sources.provider)(&self.world)))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.world.clock()
    }

    async fn source(&self, name: &str, seed: u64) -> Result<Component> {
        let at = self.used.fetch_add(1, Ordering::Relaxed);
        assert!(at < self.sources.count, "the scenario has no more sources");
        let mut source = (self.sources.component)(&format!("{}-{at}", self.sources.name));
        source.id = name.parse()?;
        self.change(&source, seed).await?;
        Ok(source)
    }

    async fn change(&self, source: &Component, seed: u64) -> Result<()> {
        let write = json!({"resource": source.resource, "content": format!("written {seed}")});
        self.world.fake().post("write", &write);
        Ok(())
    }

    fn missing(&self) -> Component {
        (self.sources.component)("missing")
    }

    fn never_made(&self) -> Result<SnapshotId> {
        let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}");
        SnapshotId::new(format!("{group}/providers/Microsoft.Compute/snapshots/nobody-made-it"))
    }

    async fn source_content(&self, source: &Component) -> Result<Content> {
        Ok(self.content(&source.resource))
    }

    async fn source_tags(&self, source: &Component) -> Result<Option<Tags>> {
        Ok(Some(self.world.written_on(&source.resource)))
    }

    async fn restored_content(&self, resource: &RestoredResource) -> Result<Content> {
        Ok(self.content(&resource.resource))
    }

    async fn destination(&self, _name: &str) -> Result<Settings> {
        Ok(serde_json::from_value(self.sources.destination.clone()).unwrap())
    }

    async fn occupied(&self, name: &str) -> Result<Option<Occupied>> {
        if !self.sources.restores {
            return Ok(None);
        }
        let source = self.source(name, 99).await?;
        let taken = source.resource.rsplit('/').next().unwrap_or_default().to_owned();
        let there = (self.sources.taken)(&source.resource);
        let mut destination = self.destination(name).await?;
        destination.insert("name".to_owned(), taken.into());
        let resource = RestoredResource::new(source.provider, source.id, there);
        Ok(Some(Occupied::new(destination, resource)))
    }
}

/// Disks whose snapshots are filled in the background.
pub(crate) fn disks() -> Sources {
    Sources {
        name: "disk",
        count: 8,
        scenario: || {
            let disk = |at| json!({"name": format!("disk-{at}"), "size_gib": 8, "sku": "PremiumV2_LRS", "zones": ["1"]});
            let disks: Vec<_> = (0..8).map(disk).collect();
            group(
                json!({"location": "westeurope", "disks": disks}),
                json!({"snapshot.background_seconds": 60}),
            )
        },
        component: disk,
        provider: World::provider,
        destination: json!({"zone": "2"}),
        restores: true,
        taken: str::to_owned,
    }
}

#[tokio::test]
async fn disks_keep_the_contract_of_providers() -> Ended {
    let Some(suite) = Suite::of(disks()) else { return Ok(()) };
    let again = || suite.again();
    provider_checks_in_turn! { suite, again, [""; 0] };
    Ok(())
}
