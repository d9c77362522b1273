//! Whole restores and copies: the orchestrator, the provider and the fake AWS together.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_conformance::fake::NEW_STORAGE;
use stillpoint_core::{
    BackupRecord, Clock, ComponentState, CopyRequest, OperationState, OperationStatus, Orchestrator, Request,
    RestoreRequest, Settings,
};

use crate::fake::{World, scenario};
use crate::stories::{Scene, WORKSPACE, operation};

const TARGET: &str = "team/ml-2";

impl Scene {
    fn restore(backup: &BackupRecord) -> Request {
        let target = TARGET.parse().unwrap();
        let id = operation("restore-1");
        Request::Restore(RestoreRequest::new(id, backup.id.clone(), target, NEW_STORAGE, Settings::new()))
    }

    async fn restored(&self, backup: &BackupRecord) -> OperationStatus {
        self.ends(Self::restore(backup)).await.unwrap()
    }

    /// The volumes and file systems of the new workspace.
    fn made(&self) -> Vec<Value> {
        let region = self.world.region();
        let all = ["volumes", "file_systems"].map(|kind| region[kind].as_object().unwrap().clone());
        let all = all.into_iter().flatten().map(|(_, thing)| thing);
        all.filter(|thing| thing["tags"]["stillpoint:workspace"] == TARGET).collect()
    }
}

#[tokio::test]
async fn a_workspace_comes_back_into_new_storage_that_no_housekeeper_eats() {
    let Some(scene) = Scene::named("garbage-collector") else { return };
    let (_, backup) = scene.run(scene.backup("op-1")).await;
    let status = scene.restored(&backup).await;
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    scene.clock.sleep(Duration::from_secs(3600)).await;
    let made = scene.made();
    assert_eq!(made.len(), 3, "{made:?}");
    for thing in &made {
        assert_eq!((&thing["tags"]["keep"], &thing["state"]), (&json!("yes"), &json!("available")));
    }
    let region = scene.world.region();
    assert_eq!(region["volumes"].as_object().unwrap().len(), 4);
    assert_eq!(region["file_systems"].as_object().unwrap().len(), 2);
    let warnings = &status.operation.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("aws-backup-restore_")), "{warnings:?}");
}

#[tokio::test]
async fn lost_answers_make_no_second_resource() {
    let Some(scene) = Scene::named("lost-replies") else { return };
    let (_, backup) = scene.run(scene.backup("op-1")).await;
    let status = scene.restored(&backup).await;
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert_eq!(scene.made().len(), 3);
    assert_eq!(scene.world.region()["restores"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_restore_that_fails_leaves_nothing_of_its_own_and_everything_of_others() {
    let Some(scene) = Scene::named("workspace") else { return };
    let (_, backup) = scene.run(scene.backup("op-1")).await;
    let failed = json!({"kind": "outcome", "state": "FAILED", "message": "no room"});
    scene.world.inject(&json!({"op": "RestoreJob", "fault": failed}));
    let status = scene.restored(&backup).await;
    assert_eq!(status.operation.state, OperationState::Failed, "{:?}", status.operation);
    assert!(status.operation.error.unwrap().message.contains("no room"));
    scene.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.made(), Vec::<Value>::new());
    let region = scene.world.region();
    assert_eq!(region["volumes"].as_object().unwrap().len(), 2);
    assert_eq!(region["file_systems"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_takes_over_a_restore_goes_on_with_its_jobs() {
    let Some(scene) = Scene::named("workspace") else { return };
    let (_, backup) = scene.run(scene.backup("op-1")).await;
    let first = scene.orchestrator("one");
    first.submit(Scene::restore(&backup)).await.unwrap();
    for _ in 0..2000 {
        if !scene.world.region()["restores"].as_object().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(first);
    let second = scene.orchestrator("two");
    let status = scene.follow(&second, &operation("restore-1")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert_eq!(scene.made().len(), 3, "nobody makes a second one");
    assert_eq!(scene.world.region()["restores"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_backup_is_copied_to_another_vault_whatever_answers_are_lost() {
    let mut body = scenario("workspace");
    body["accounts"]["111122223333"]["regions"]["us-east-1"]["vaults"] =
        json!({"Default": {}, "elsewhere": {}});
    let Some(world) = World::of(&body) else { return };
    let scene = Scene::of(world);
    let (_, backup) = scene.run(scene.backup("op-1")).await;
    scene.world.inject(&json!({"op": "StartCopyJob", "nth": 2, "fault": {"kind": "cut", "when": "after"}}));
    let destination = [("vault".to_owned(), "elsewhere".into())].into();
    let id = operation("copy-1");
    let request = CopyRequest::new(id, backup.id.clone(), WORKSPACE.parse().unwrap(), destination);
    let status = scene.ends(Request::Copy(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    let copy = status.backup.unwrap();
    assert_ne!(copy.id, backup.id);
    let whole = copy.components.iter().filter(|record| record.state == ComponentState::Completed);
    assert_eq!(whole.count(), 3, "{:?}", copy.components);
    assert_eq!(scene.world.region()["copies"].as_object().unwrap().len(), 3, "one for each component");
}
