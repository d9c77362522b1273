//! Whole operations: the orchestrator, the provider and the fake AWS together.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stillpoint_conformance::fake;
pub(crate) use stillpoint_conformance::fake::WORKSPACE;
use stillpoint_core::{
    BackupRecord, BackupRequest, Catalog, CatalogExt, Clock, Component, ComponentState, Consistency,
    DeleteRequest, OperationId, OperationState, OperationStatus, Orchestrator, Request,
};

use crate::fake::{FILE_SYSTEM, VOLUME, VOLUME_TWO, World, component, scenario};

const HOUR: Duration = Duration::from_secs(3600);

/// A workspace of two volumes, a file system and a share of somebody else's, with everything that backs it up.
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

impl Scene {
    pub(crate) fn of(world: Arc<World>) -> Self {
        let share =
            Component::new("datasets".parse().unwrap(), "nfs", "aws".parse().unwrap(), "nfs.example.com:/x");
        let components = vec![
            component("db", "ebs", VOLUME),
            component("logs", "ebs", VOLUME_TWO),
            component("projects", "efs", FILE_SYSTEM),
            share.excluded("it belongs to somebody else"),
        ];
        Self::with(world, components)
    }

    pub(crate) fn with(world: Arc<World>, components: Vec<Component>) -> Self {
        Self::guarded(world, components, &[])
    }

    /// The same whose sources are guarded with these tags.
    pub(crate) fn guarded(world: Arc<World>, components: Vec<Component>, tags: &[(&str, &str)]) -> Self {
        let (fake, cloud) = (Arc::clone(&world) as Arc<dyn fake::Fake>, Arc::clone(&world));
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let inner = fake::Scene::guarded(fake, components, tags, move || Arc::new(cloud.provider())).unwrap();
        Self { world, inner }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(Self::of(World::named(name)?))
    }

    pub(crate) fn backup(&self, id: &str) -> BackupRequest {
        self.inner.backup(id).unwrap()
    }

    pub(crate) async fn run(&self, request: BackupRequest) -> (OperationStatus, BackupRecord) {
        self.inner.run(request).await.unwrap()
    }

    fn jobs(&self) -> usize {
        self.world.region()["backups"].as_object().unwrap().len()
    }
}

pub(crate) fn operation(id: &str) -> OperationId {
    id.parse().unwrap()
}

fn states(backup: &BackupRecord) -> Vec<(&str, ComponentState)> {
    backup.components.iter().map(|record| (record.component.id.as_str(), record.state)).collect()
}

#[tokio::test]
async fn a_workspace_is_captured_as_one_and_what_is_left_out_is_shown() {
    let Some(scene) = Scene::named("workspace") else { return };
    let (status, backup) = scene.run(scene.backup("op-1")).await;
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert_eq!(
        states(&backup),
        [
            ("db", ComponentState::Completed),
            ("logs", ComponentState::Completed),
            ("projects", ComponentState::Completed),
            ("datasets", ComponentState::Excluded),
        ]
    );
    assert_eq!(backup.consistency, Consistency::Application, "all of it lies inside the hold");
    assert_eq!(scene.workspace.held_by(), None);
    let orchestrator = scene.orchestrator("one");
    let request = DeleteRequest::new(operation("op-2"), backup.id.clone(), WORKSPACE.parse().unwrap());
    orchestrator.submit(Request::Delete(request)).await.unwrap();
    let status = orchestrator.wait(&operation("op-2")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert_eq!(scene.world.region()["vaults"]["Default"]["points"], json!({}));
}

#[tokio::test]
async fn a_deadline_lets_the_workspace_go_and_the_job_run_on_and_the_next_backup_is_short() {
    // 600 GB in eighteen million files take ten hours, and the administrator allows two.
    let Some(scene) = Scene::named("slow-file-system") else { return };
    let size = scene.world.file_system(FILE_SYSTEM)["bytes"].as_u64();
    assert_eq!(size, Some(600_000_000_000));
    let began = scene.clock.now();
    let mut request = scene.backup("op-1");
    request.timeout = Some(2 * HOUR);
    let orchestrator = scene.orchestrator("one");
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    let status = orchestrator.wait(&operation("op-1")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Detached, "{:?}", status.operation);
    assert_eq!(scene.workspace.held_by(), None);
    let waited = scene.clock.now().since(began);
    assert!((2 * HOUR..2 * HOUR + HOUR / 4).contains(&waited), "{waited:?}");
    assert_eq!(scene.world.calls("StopBackupJob"), 0, "nobody asked for its end");
    let late = loop {
        scene.clock.sleep(HOUR).await;
        let stored = scene.catalog.operation(&operation("op-1")).await.unwrap().unwrap().operation;
        if stored.state != OperationState::Detached {
            break stored;
        }
    };
    assert_eq!(late.state, OperationState::Partial);
    let took = scene.clock.now().since(began);
    assert!((10 * HOUR..12 * HOUR).contains(&took), "{took:?}");
    let first = scene.catalog.backup(&late.backup.unwrap()).await.unwrap().unwrap().backup;
    assert!(states(&first).contains(&("projects", ComponentState::Late)), "{:?}", states(&first));
    let before = scene.clock.now();
    let (status, second) = scene.run(scene.backup("op-2")).await;
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert!(scene.clock.now().since(before) < HOUR, "only what changed is copied");
    assert_eq!(second.consistency, Consistency::Application);
}

#[tokio::test]
async fn lost_answers_neither_double_a_job_nor_lose_one() {
    let Some(scene) = Scene::named("lost-replies") else { return };
    let (status, _) = scene.run(scene.backup("op-1")).await;
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert_eq!(scene.jobs(), 3, "one for each component");
}

#[tokio::test]
async fn a_storm_of_throttling_is_waited_out_in_one_place() {
    let mut body = scenario("throttle-storm");
    // What is still refused after a while is a quota, and no place that somebody else has for a moment.
    body["faults"][1]["count"] = 50.into();
    let Some(world) = World::of(&body) else { return };
    let scene = Scene::of(world);
    let (status, backup) = scene.run(scene.backup("op-1")).await;
    // A quota is no throttling: whoever meets it fails, and says so.
    assert_eq!(status.operation.state, OperationState::Partial, "{:?}", status.operation);
    let failed = backup.components.iter().filter(|record| record.state == ComponentState::Failed);
    let failed: Vec<_> =
        failed.flat_map(|record| &record.issues).map(|issue| issue.message.clone()).collect();
    assert!(
        !failed.is_empty() && failed.iter().all(|message| message.contains("LimitExceeded")),
        "{failed:?}"
    );
    assert_eq!(scene.jobs() + failed.len(), 3);
}

/// A scene in which jobs of somebody else have run for a minute and take half an hour.
fn busy() -> Option<Scene> {
    let mut body = scenario("busy");
    body["rules"]["backup.efs_seconds"] = 1800.into();
    let world = World::of(&body)?;
    world.advance(60.0);
    Some(Scene::of(world))
}

#[tokio::test]
async fn services_run_while_somebody_elses_job_is_waited_for() {
    let Some(scene) = busy() else { return };
    let began = scene.clock.now();
    let (status, backup) = scene.run(scene.backup("op-1")).await;
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert_eq!(backup.consistency, Consistency::Application);
    let waited = scene.clock.now().since(began).checked_sub(backup.downtime).unwrap();
    assert!(waited > HOUR / 4, "{waited:?}");
    assert_eq!(scene.world.calls("StopBackupJob"), 0);
}

#[tokio::test]
async fn services_do_not_wait_for_ever_behind_somebody_elses_job() {
    let Some(scene) = busy() else { return };
    let mut request = scene.backup("op-1");
    request.timeout = Some(2 * HOUR);
    request.waivers = vec!["resource-busy".to_owned()];
    let (status, backup) = scene.run(request).await;
    // What was captured after they were let go is no part of one point in time, and says so.
    assert_eq!(status.operation.state, OperationState::Partial, "{:?}", status.operation);
    let late = states(&backup).iter().filter(|(_, state)| *state == ComponentState::Late).count();
    let completed = states(&backup).iter().filter(|(_, state)| *state == ComponentState::Completed).count();
    assert_eq!((late, completed), (2, 1), "{:?}", states(&backup));
    assert_eq!(scene.workspace.held_by(), None);
    assert_eq!(scene.world.calls("StopBackupJob"), 0);
    assert_eq!(scene.jobs(), 5, "two of somebody else's, three of ours");
}

#[tokio::test]
async fn what_aws_completes_with_a_remark_is_partial_and_never_the_latest_good_one() {
    let Some(scene) = Scene::named("odd-answers") else { return };
    let (status, backup) = scene.run(scene.backup("op-1")).await;
    assert_eq!(status.operation.state, OperationState::Partial, "{:?}", status.operation);
    let partial: Vec<_> =
        backup.components.iter().filter(|record| record.state == ComponentState::Partial).collect();
    assert_eq!(partial.len(), 1, "{:?}", states(&backup));
    assert!(partial[0].issues.iter().any(|issue| issue.message.contains("Some files were skipped.")));
    assert_eq!(scene.catalog.latest_good(None).await.unwrap(), None);
}

#[tokio::test]
async fn whoever_takes_over_adopts_the_jobs_of_who_is_gone() {
    let Some(scene) = Scene::named("workspace") else { return };
    let first = scene.orchestrator("one");
    first.submit(Request::Backup(scene.backup("op-1"))).await.unwrap();
    while scene.jobs() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(first);
    let second = scene.orchestrator("two");
    let status = scene.follow(&second, &operation("op-1")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert_eq!(scene.jobs(), 3, "nobody starts a second job");
    assert_eq!(scene.workspace.held_by(), None);
}
