//! What a token of one environment cannot do to another.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::json;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{BackupRecord, BackupState, OperationQuery, Result, Settings, WorkspaceId};
use stillpoint_server::access::{MemoryAccess, Role};
use stillpoint_server::{RestoreRoute, Routed};

use super::support::Scene;

#[tokio::test]
async fn retention_touches_and_tells_nothing_of_what_is_not_of_its_workspace() {
    let scene = Scene::new().await;
    scene.catalogued_of("bob", "own", 1_000_000).await;
    for id in ["hidden", "hidden-whole"] {
        scene.catalogued(id, 1_000_000).await;
    }
    let mut stored = scene.catalog.backup(&"hidden".parse().unwrap()).await.unwrap().unwrap();
    stored.backup.state = BackupState::Deleting;
    scene.catalog.put_backup(&stored.backup, Some(stored.revision)).await.unwrap();

    let administrator = scene.client(Role::Administrator, Some("staging")).await;
    let remove = ["hidden", "hidden-whole", "unknown"];
    let order = json!({ "workspace": "bob", "policy": {}, "remove": remove });
    let applied = administrator.post("/api/v1/retention/apply", &order).await;
    assert_eq!(applied.status, StatusCode::OK, "{}", applied.text);
    assert!(!applied.text.contains("hidden"), "{}", applied.text);
    let begun = scene.catalog.operations(&OperationQuery::all()).await.unwrap();
    assert!(begun.items.is_empty(), "{:?}", begun.items);
}

#[tokio::test]
async fn a_restore_never_lands_on_what_may_be_of_another_environment() {
    let scene = Scene::new().await;
    scene.catalogued_of("bob", "own", 1_000_000).await;
    let operator = scene.client(Role::Operator, Some("staging")).await;
    for landing in ["side", "merge", "replace"] {
        let order = json!({ "target": "shop-2", "landing": landing });
        let refused = operator.post("/api/v1/backups/own/restore-plan", &order).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{landing}: {}", refused.text);
    }
    let replace = json!({ "target": "bob", "landing": "replace" });
    let own = operator.post("/api/v1/backups/own/restore-plan", &replace).await;
    assert_eq!(own.status, StatusCode::OK, "its own workspace: {}", own.text);
    let new = operator.post("/api/v1/backups/own/restore-plan", &json!({ "target": "shop-2" })).await;
    assert_eq!(new.status, StatusCode::OK, "where nothing is: {}", new.text);
}

/// Knows `ml-prod` of `prod`, and `ml-none` of no environment.
#[derive(Debug)]
struct Configured;

impl RestoreRoute for Configured {
    fn route(&self, _: &BackupRecord, target: &WorkspaceId, _: Option<&str>) -> Result<Routed> {
        let routed = Routed::new(target.clone(), "memory", Settings::new());
        Ok(match target.as_str() {
            "ml-prod" => routed.to_known(Some("prod".to_owned())),
            "ml-none" => routed.to_known(None),
            _ => routed,
        })
    }
}

#[tokio::test]
async fn a_target_that_the_host_knows_in_another_environment_is_not_there() {
    let (catalog, access) = (Arc::new(MemoryCatalog::new()), Arc::new(MemoryAccess::default()));
    let scene = Scene::with(catalog, access, |plane| plane.with_restores(Arc::new(Configured))).await;
    scene.catalogued_of("bob", "own", 1_000_000).await;
    let bound = scene.client(Role::Operator, Some("staging")).await;
    let plan = "/api/v1/backups/own/restore-plan";
    for target in ["ml-prod", "ml-none"] {
        for order in [json!({ "target": target }), json!({ "target": target, "environment": "staging" })] {
            let refused = bound.post(plan, &order).await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{order}: {}", refused.text);
        }
        let administrator = scene.administrator().await;
        let planned = administrator.post(plan, &json!({ "target": target })).await;
        assert_eq!(planned.status, StatusCode::OK, "{}", planned.text);
    }
}
