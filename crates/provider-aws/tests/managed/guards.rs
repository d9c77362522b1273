//! Guards on volumes and file systems of the fake AWS: what they need, and what they are good for.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{
    Clock, ComponentState, Finding, OperationState, Orchestrator, Provider, Severity, Tags,
};
use stillpoint_provider_aws::managed::Task;

use crate::fake::{FILE_SYSTEM, REGION, VOLUME, World, component, scenario};
use crate::stories::Scene;

const HOUR: Duration = Duration::from_secs(3600);
const ID: &str = "fs-00000000000000001";

fn keep() -> Tags {
    [("keep".to_owned(), "yes".to_owned())].into()
}

#[tokio::test]
async fn every_call_of_a_guard_is_in_its_policy_and_nothing_else_is() {
    let Some(world) = World::named("workspace") else { return };
    let document = world.allow(&[Task::Guard]);
    let (provider, operation) = (world.provider(), "op-1".parse().unwrap());
    for (id, kind, resource) in [("db", "ebs", VOLUME), ("projects", "efs", FILE_SYSTEM)] {
        let source = component(id, kind, resource);
        provider.guard(&world.cx(), &source, &operation, &keep()).await.unwrap();
        assert_eq!(provider.guarded(&world.cx(), &source).await.unwrap(), Some(operation.clone()));
        provider.unguard(&world.cx(), &source, &operation).await.unwrap();
        let foreseen = provider.foresee_guard(&world.cx(), &source).await.unwrap();
        let mut made = world.actions();
        made.retain(|action| foreseen.permissions.contains(action));
        assert_eq!(made, foreseen.permissions);
    }
    let statements = document["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    let actions: BTreeSet<_> = actions.map(|action| action.as_str().unwrap().to_owned()).collect();
    assert_eq!(world.actions(), actions);
    let elsewhere = component("logs", "ebs", crate::fake::VOLUME_TWO);
    let refused = provider.guard(&world.cx(), &elsewhere, &operation, &keep()).await.unwrap_err();
    assert_eq!(refused.kind(), stillpoint_core::ErrorKind::PermissionDenied, "it is for no other source");
}

/// What stands against guarding a volume that has so many tags.
async fn findings(count: usize) -> Option<Vec<Finding>> {
    let mut body = scenario("workspace");
    let tags: serde_json::Map<_, _> = (0..count).map(|at| (format!("t{at:02}"), json!("v"))).collect();
    body["accounts"]["111122223333"]["regions"][REGION]["volumes"][0]["tags"] = tags.into();
    let world = World::of(&body)?;
    Some(
        world
            .provider()
            .preflight_guard(&world.cx(), &component("db", "ebs", VOLUME), &keep())
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn a_guard_must_fit_beside_the_sources_own_tags_and_those_of_the_recovery_point() {
    for (count, severity) in [(30, None), (38, Some(Severity::Warning)), (41, Some(Severity::Blocker))] {
        let Some(found) = findings(count).await else { return };
        let told = found.iter().find(|finding| finding.check == "tags").map(|finding| finding.severity);
        assert_eq!(told, severity, "{count} tags: {found:?}");
    }
}

#[tokio::test]
async fn what_nobody_may_do_is_told_before() {
    let Some(world) = World::named("workspace") else { return };
    world.fake().post("set", &json!({"key": "test", "set": {"deny": ["ec2:CreateTags"]}}));
    let db = component("db", "ebs", VOLUME);
    let found = world.provider().preflight_guard(&world.cx(), &db, &keep()).await.unwrap();
    let told = found.iter().find(|finding| finding.check == "permissions").unwrap();
    assert!(told.message.contains("ec2:CreateTags"), "{told:?}");
}

/// A file system whose backup takes ten hours, in an account whose housekeeper comes every three.
fn housekept() -> Option<std::sync::Arc<World>> {
    let mut body = scenario("slow-file-system");
    body["garbage_collector"] = json!({"after_seconds": 60, "every_seconds": 3 * 3600, "spares": false});
    World::of(&body)
}

#[tokio::test]
async fn a_source_outlives_the_housekeeper_while_it_is_captured_and_is_then_as_it_was() {
    for guarded in [false, true] {
        let Some(world) = housekept() else { return };
        let components = vec![component("projects", "efs", FILE_SYSTEM)];
        let tags: &[_] = if guarded { &[("keep", "yes")] } else { &[] };
        let before = world.region()["file_systems"][ID]["tags"].clone();
        let scene = Scene::guarded(world, components, tags);
        let began = scene.clock.now();
        let mut request = scene.backup("op-1");
        request.timeout = Some(24 * HOUR);
        let orchestrator = scene.orchestrator("one");
        orchestrator.submit(stillpoint_core::Request::Backup(request)).await.unwrap();
        if !guarded {
            scene.clock.sleep(7 * HOUR).await;
            assert_eq!(scene.world.region()["file_systems"][ID], Value::Null, "the housekeeper came");
            continue;
        }
        let status = orchestrator.wait(&"op-1".parse().unwrap()).await.unwrap();
        assert!(scene.clock.now().since(began) > 6 * HOUR, "the housekeeper came twice");
        assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
        assert_eq!(status.backup.unwrap().components[0].state, ComponentState::Completed);
        assert_eq!(scene.world.region()["file_systems"][ID]["tags"], before);
    }
}
