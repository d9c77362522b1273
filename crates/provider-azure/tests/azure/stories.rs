//! Whole operations: the orchestrator, the provider and the fake Azure together, in the situations of the fake's scenarios.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_conformance::fake;
pub(crate) use stillpoint_conformance::fake::{NEW_STORAGE, WORKSPACE};
use stillpoint_core::{
    BackupRecord, BackupRequest, Catalog, CatalogExt, Clock, Component, ComponentState, Consistency,
    DeleteRequest, LedgerEntry, LedgerKind, OperationId, OperationState, OperationStatus, Orchestrator,
    Request, RestoreRequest, Settings, Tags,
};
use stillpoint_provider_azure::managed::AzureProvider;

use crate::fake::{World, disk, scenario};
use crate::shares::share;

const HOUR: Duration = Duration::from_secs(3600);

/// A workspace of two disks, a share and files of somebody else's, with everything that backs it up.
pub(crate) struct Scene {
    pub(crate) world: Arc<World>,
    inner: fake::Scene,
}

impl Deref for Scene {
    type Target = fake::Scene;

    fn deref(&self) -> &fake::Scene {
        &self.inner
    }
}

pub(crate) fn projects() -> Component {
    Component::new("projects".parse().unwrap(), "file-share", "azure".parse().unwrap(), share("projects"))
}

impl Scene {
    pub(crate) fn of(world: &Arc<World>) -> Self {
        let nfs = Component::new(
            "datasets".parse().unwrap(),
            "nfs",
            "azure".parse().unwrap(),
            "nfs.example.com:/x",
        );
        let components =
            vec![disk("db"), disk("models"), projects(), nfs.excluded("it belongs to somebody else")];
        Self::with(world, components)
    }

    pub(crate) fn with(world: &Arc<World>, components: Vec<Component>) -> Self {
        let looked_in = share("projects");
        Self::by(world, components, move |world| world.provider().looking_in([&looked_in]).unwrap())
    }

    /// The same by a provider that looks elsewhere.
    pub(crate) fn by(
        world: &Arc<World>,
        components: Vec<Component>,
        provider: impl Fn(&World) -> AzureProvider + Send + Sync + 'static,
    ) -> Self {
        Self::guarded(world, components, Tags::new(), provider)
    }

    /// The same whose sources are guarded with these tags.
    pub(crate) fn guarded(
        world: &Arc<World>,
        components: Vec<Component>,
        tags: Tags,
        provider: impl Fn(&World) -> AzureProvider + Send + Sync + 'static,
    ) -> Self {
        let (fake, cloud) = (Arc::clone(world) as Arc<dyn fake::Fake>, Arc::clone(world));
        let inner = fake::Scene::guarded(fake, components, tags, move || Arc::new(provider(&cloud))).unwrap();
        Self { world: Arc::clone(world), inner }
    }

    /// The scenario of this name, in a fake that begins anew.
    fn named(world: &Arc<World>, name: &str) -> Self {
        world.reset(&scenario(name));
        Self::of(world)
    }

    pub(crate) fn backup(&self, id: &str) -> BackupRequest {
        self.inner.backup(id).unwrap()
    }

    pub(crate) async fn run(&self, request: BackupRequest) -> (OperationStatus, BackupRecord) {
        self.inner.run(request).await.unwrap()
    }

    async fn ends(&self, request: Request) -> OperationStatus {
        self.inner.ends(request).await.unwrap()
    }

    /// Restores the disks. The share is for the data plane of files.
    async fn restored(&self, backup: &BackupRecord) -> OperationStatus {
        let (id, target) = (operation("restore-1"), "team/ml-2".parse().unwrap());
        let mut request = RestoreRequest::new(id, backup.id.clone(), target, NEW_STORAGE, Settings::new());
        request.components = ["db", "models"].map(|id| id.parse().unwrap()).into();
        self.ends(Request::Restore(request)).await
    }

    async fn deleted(&self, id: &str, backup: &BackupRecord) -> OperationStatus {
        let workspace = WORKSPACE.parse().unwrap();
        self.ends(Request::Delete(DeleteRequest::new(operation(id), backup.id.clone(), workspace))).await
    }

    /// Snapshots of disks and of the share.
    pub(crate) fn points(&self) -> (usize, usize) {
        let of_share = self.world.resource(&share("projects"))["hidden"]["snapshots"].clone();
        (self.world.count("snapshots"), of_share.as_array().map_or(0, Vec::len))
    }

    /// The disks of the new workspace.
    fn made(&self) -> Vec<Value> {
        let state = self.world.fake().get("state");
        let disks = state["resources"].as_object().unwrap().values().cloned();
        disks.filter(|disk| disk["tags"]["stillpoint:workspace"] == "team/ml-2").collect()
    }
}

pub(crate) fn operation(id: &str) -> OperationId {
    id.parse().unwrap()
}

fn states(backup: &BackupRecord) -> Vec<(&str, ComponentState)> {
    backup.components.iter().map(|record| (record.component.id.as_str(), record.state)).collect()
}

#[track_caller]
fn completed(status: &OperationStatus) {
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
}

/// The ledger says where Azure told of each snapshot while it was made, and nothing that would prove anything.
#[track_caller]
fn told_of(ledger: &[LedgerEntry]) {
    let starts = ledger.iter().filter(|entry| entry.action == "start" && entry.kind == LedgerKind::Outcome);
    let told: Vec<&str> =
        starts.filter_map(|entry| entry.outcome.as_deref()?.strip_prefix("ok, told of at ")).collect();
    assert_eq!(told.len(), 2, "one for each disk; a share's snapshot is there at once: {ledger:#?}");
    for address in told {
        let (path, query) = address.split_once('?').unwrap();
        assert!(path.starts_with("http://127.0.0.1") && path.contains("/subscriptions/"), "{address}");
        assert!(query.starts_with("api-version=") && !query.contains('&'), "{address}");
    }
}

/// In these situations nothing is lost and nothing doubled, from the backup over the restore to the deletion.
#[tokio::test]
async fn whatever_is_odd_late_lost_or_throttled_a_workspace_is_captured_once_and_comes_back() {
    let Some(world) = World::named("workspace") else { return };
    for name in [
        "workspace",
        "odd-answers",
        "lost-poll-urls",
        "lost-replies",
        "throttle-storm",
        "expiring-token",
        "garbage-collector",
    ] {
        let scene = Scene::named(&world, name);
        let (status, backup) = scene.run(scene.backup("op-1")).await;
        completed(&status);
        assert_eq!(
            states(&backup),
            [
                ("db", ComponentState::Completed),
                ("models", ComponentState::Completed),
                ("projects", ComponentState::Completed),
                ("datasets", ComponentState::Excluded),
            ],
            "{name}"
        );
        assert_eq!(backup.consistency, Consistency::Application, "{name}: all of it lies inside the hold");
        assert_eq!((scene.points(), scene.workspace.held_by()), ((2, 1), None), "{name}");
        if name == "lost-poll-urls" {
            told_of(&scene.catalog.ledger(&operation("op-1")).await.unwrap());
        }
        completed(&scene.restored(&backup).await);
        // Long enough for the housekeeper, and for tokens of a quarter of an hour.
        scene.clock.sleep(HOUR).await;
        let made = scene.made();
        assert!(made.len() == 2 && made.iter().all(|disk| disk["tags"]["keep"] == "yes"), "{name}: {made:?}");
        completed(&scene.deleted("op-2", &backup).await);
        assert_eq!(scene.points(), (0, 0), "{name}");
    }
}

#[tokio::test]
async fn what_others_hold_forbid_or_lock_is_told_and_left_as_it_is() {
    let Some(world) = World::named("busy") else { return };
    // Vault jobs of somebody else run for ten hours; snapshots need no vault and no waiting.
    let scene = Scene::of(&world);
    let began = scene.clock.now();
    completed(&scene.run(scene.backup("op-1")).await.0);
    assert!(scene.clock.now().since(began) < HOUR, "nobody waited");
    let foreign = |journal: &Value| {
        journal
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["operation"] == "job_cancellations.trigger")
            .count()
    };
    assert_eq!(foreign(&world.fake().get("journal")), 0);

    // Whoever may only read makes nothing, and hears what is missing.
    let scene = Scene::named(&world, "least-privilege");
    let status = scene.ends(Request::Backup(scene.backup("op-1"))).await;
    assert_eq!(status.operation.state, OperationState::Failed, "{:?}", status.operation);
    let said = format!("{:?}", status.operation.error);
    assert!(said.contains("Microsoft.Compute/snapshots/write"), "{said}");
    assert_eq!((scene.points(), scene.workspace.held_by()), ((0, 0), None));

    // A lock keeps a snapshot; the catalog keeps it, too, until somebody lifts that.
    let scene = Scene::named(&world, "locked");
    let (status, backup) = scene.run(scene.backup("op-1")).await;
    completed(&status);
    let status = scene.deleted("op-2", &backup).await;
    assert_ne!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert!(format!("{:?}", status.operation).contains("lift"), "{:?}", status.operation);
    assert_eq!(scene.points(), (2, 1));
    let state = world.fake().get("state");
    let locks = state["resources"].as_object().unwrap().keys().filter(|id| id.contains("/locks/"));
    for lock in locks.cloned().collect::<Vec<_>>() {
        world.set(&json!({"resource": lock, "remove": true}));
    }
    completed(&scene.deleted("op-3", &backup).await);
    assert_eq!(scene.points(), (0, 0));
}

#[tokio::test]
async fn a_deadline_lets_the_workspace_go_and_the_copy_of_the_data_run_on() {
    let mut body = scenario("fast-disks");
    body["rules"] = json!({"snapshot.background_seconds": 9000});
    let Some(world) = World::of(&body) else { return };
    let scene = Scene::of(&world);
    let mut request = scene.backup("op-1");
    request.timeout = Some(HOUR);
    let orchestrator = scene.orchestrator("one");
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    let status = orchestrator.wait(&operation("op-1")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Detached, "{:?}", status.operation);
    assert_eq!((scene.points(), scene.workspace.held_by()), ((2, 1), None));
    let ended = loop {
        scene.clock.sleep(HOUR).await;
        let stored = scene.catalog.operation(&operation("op-1")).await.unwrap().unwrap().operation;
        if stored.state != OperationState::Detached {
            break stored;
        }
    };
    // All of it was captured within the hold, long before its data had been copied.
    assert_eq!(ended.state, OperationState::Completed, "{ended:?}");
    let backup = scene.catalog.latest_good(None).await.unwrap().unwrap();
    assert_eq!((backup.consistency, backup.downtime < HOUR), (Consistency::Application, true), "{backup:?}");
}

#[tokio::test]
async fn two_orchestrators_with_one_key_have_one_job_and_a_successor_adopts_it() {
    let Some(world) = World::named("workspace") else { return };
    world.set(&json!({"rules": {"snapshot.seconds": 120}}));
    let scene = Scene::of(&world);
    let (first, second) = (scene.orchestrator("one"), scene.orchestrator("two"));
    first.submit(Request::Backup(scene.backup("op-1"))).await.unwrap();
    second.submit(Request::Backup(scene.backup("op-1"))).await.unwrap();
    while scene.points().0 < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(first);
    let status = scene.follow(&second, &operation("op-1")).await.unwrap();
    completed(&status);
    assert_eq!((scene.points(), scene.workspace.held_by()), ((2, 1), None));
}
