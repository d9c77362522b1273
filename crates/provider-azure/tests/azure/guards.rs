//! Guards on sources of the fake Azure: what they need, what they leave alone, and what they are good for.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{
    Clock, Component, ErrorKind, OperationState, Orchestrator, Provider, Request, Severity, Tags,
};
use stillpoint_provider_azure::managed::Task;

use crate::fake::{PRINCIPAL, World, disk, scenario};
use crate::policy::allow;
use crate::shares::share;
use crate::stories::{Scene, operation, projects};
use crate::{vaults, volumes};

const HOUR: Duration = Duration::from_secs(3600);

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn keep() -> Tags {
    tags(&[("keep", "yes")])
}

/// Guards a source and removes the guard again, both by nothing but the roles for it.
async fn by_its_roles(world: &Arc<World>, scenario: &Value, source: &Component) {
    world.reset(scenario);
    let before = world.written_on(&source.resource);
    let allowed = allow(world, source, &[Task::Guard]);
    let (provider, cx, by) = (world.provider(), world.cx(), operation("op-1"));
    provider.guard(&cx, source, &by, &keep()).await.unwrap();
    assert_eq!(provider.guarded(&cx, source).await.unwrap(), Some(by.clone()));
    let stands = world.written_on(&source.resource);
    assert_eq!(stands["keep"], "yes");
    assert!(before.iter().all(|(key, value)| stands.get(key) == Some(value)), "{stands:?}");
    provider.unguard(&cx, source, &by).await.unwrap();
    assert_eq!(world.written_on(&source.resource), before);
    let foreseen = provider.foresee_guard(&cx, source).await.unwrap();
    assert_eq!(foreseen.permissions, allowed);
    assert_eq!(world.actions(), allowed);
}

#[tokio::test]
async fn every_call_of_a_guard_is_in_its_roles_and_nothing_else_is() {
    let Some(world) = World::named("workspace") else { return };
    let plain = scenario("workspace");
    for source in [disk("db"), projects()] {
        by_its_roles(&world, &plain, &source).await;
    }
    by_its_roles(&world, &volumes::scenario(json!({})), &volumes::component("volume-0")).await;
    let vaulted = vaults::scenario(json!({}));
    for source in [vaults::disk("disk-0"), vaults::files("share-0"), vaults::blobs("blobs-0")] {
        by_its_roles(&world, &vaulted, &source).await;
    }
    world.reset(&plain);
    allow(&world, &projects(), &[Task::Guard]);
    let refused = world.provider().guard(&world.cx(), &disk("db"), &operation("op-1"), &keep()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied, "a share's role is for no disk");
}

/// A name that Azure has in another case is the host's, and stays; so does what somebody writes or changes meanwhile.
#[tokio::test]
async fn what_others_wrote_stays_whatever_case_it_has_and_whenever_it_was_written() {
    let Some(world) = World::named("workspace") else { return };
    let (provider, cx, by) = (world.provider(), world.cx(), operation("op-1"));
    for (source, member) in [(disk("db"), "tags"), (projects(), "properties.metadata")] {
        let write = |key: &str, value: &str| {
            world.set(&json!({"resource": source.resource, "set": {format!("{member}.{key}"): value}}));
        };
        write("Keep", "no");
        let kept = provider.guard(&cx, &source, &by, &tags(&[("keep", "yes"), ("more", "1")])).await.unwrap();
        assert_eq!(kept, tags(&[("keep", "no")]));
        write("more", "changed");
        write("owner", "ml");
        provider.unguard(&cx, &source, &by).await.unwrap();
        let stays = tags(&[("Keep", "no"), ("more", "changed"), ("owner", "ml"), ("workspace", "w1")]);
        assert_eq!(world.written_on(&source.resource), stays);
    }
}

#[tokio::test]
async fn what_would_keep_a_source_from_being_guarded_is_told_before() {
    let Some(world) = World::named("workspace") else { return };
    let told = async |source: Component, wanted: Tags, check: &str| {
        let found = world.provider().preflight_guard(&world.cx(), &source, &wanted).await.unwrap();
        assert!(found.iter().all(|finding| finding.severity == Severity::Warning), "{found:?}");
        found.into_iter().find(|finding| finding.check == check).map(|finding| finding.message)
    };
    assert_eq!(told(disk("db"), keep(), "tags").await, None);
    let many: Tags = (0..47).map(|at| (format!("t{at}"), String::new())).collect();
    world.set(&json!({"resource": disk("models").resource, "set": {"tags": many}}));
    assert_eq!(told(disk("models"), keep(), "tags").await, None, "47, and three of the guard");
    let two = tags(&[("keep", "yes"), ("more", "1")]);
    assert!(told(disk("models"), two, "tags").await.unwrap().contains("takes 5 more"));
    let unfit = tags(&[("do-not-collect", "yes")]);
    assert!(told(projects(), unfit.clone(), "tags").await.unwrap().contains("do-not-collect"));
    world.provider().guard(&world.cx(), &projects(), &operation("op-1"), &unfit).await.unwrap();
    assert_eq!(world.written_on(&share("projects")).len(), 1, "nothing is left to be written");
    allow(&world, &disk("db"), &[Task::Preflight]);
    let denied = told(disk("db"), keep(), "permissions").await.unwrap();
    assert!(denied.contains("Microsoft.Resources/tags/write"), "{denied}");
    let mut body = scenario("locked");
    let lock = &mut body["subscriptions"][crate::fake::SUBSCRIPTION]["groups"]["rg"]["locks"][0];
    assert_eq!(lock["level"], "CanNotDelete");
    lock["level"] = "ReadOnly".into();
    world.reset(&body);
    let found = world.provider().preflight_guard(&world.cx(), &disk("db"), &keep()).await.unwrap();
    assert_eq!(found.iter().map(|finding| finding.check.as_str()).collect::<Vec<_>>(), ["locks"]);
}

/// A disk whose snapshot takes half an hour, in a subscription whose housekeeper comes every ten minutes and spares nothing.
fn housekept() -> Option<Arc<World>> {
    let mut body = scenario("workspace");
    body["rules"] = json!({"snapshot.seconds": 1800});
    body["garbage_collector"] = json!({"after_seconds": 60, "every_seconds": 600, "spares": false});
    World::of(&body)
}

#[tokio::test]
async fn a_source_outlives_the_housekeeper_while_it_is_captured_and_is_then_as_it_was() {
    for guarded in [false, true] {
        let Some(world) = housekept() else { return };
        let components = vec![disk("db"), projects()];
        let ids: Vec<String> = components.iter().map(|component| component.resource.clone()).collect();
        let before: Vec<Tags> = ids.iter().map(|id| world.written_on(id)).collect();
        let wanted = if guarded { keep() } else { Tags::new() };
        let scene = Scene::guarded(&world, components, wanted, World::provider);
        let mut request = scene.backup("op-1");
        request.timeout = Some(24 * HOUR);
        let orchestrator = scene.orchestrator("one");
        orchestrator.submit(Request::Backup(request)).await.unwrap();
        if !guarded {
            scene.clock.sleep(HOUR / 3).await;
            assert_eq!(world.resource(&ids[0]), Value::Null, "the housekeeper came");
            continue;
        }
        let status = orchestrator.wait(&operation("op-1")).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
        assert_eq!(ids.iter().map(|id| world.written_on(id)).collect::<Vec<_>>()[0], before[0]);
        assert!(world.calls("tags.update_at_scope") >= 2);
    }
}

#[tokio::test]
async fn a_guard_that_may_not_be_written_stops_no_backup() {
    let Some(world) = World::named("workspace") else { return };
    let scene = Scene::guarded(&world, vec![disk("db")], keep(), World::provider);
    world.set(&json!({"principal": PRINCIPAL, "set": {"deny": ["Microsoft.Resources/tags/write"]}}));
    let (status, _) = scene.run(scene.backup("op-1")).await;
    assert_eq!(status.operation.state, OperationState::Completed);
    let told = status.operation.warnings.iter().any(|said| said.contains("without all its protective tags"));
    assert!(told, "{:?}", status.operation.warnings);
}
