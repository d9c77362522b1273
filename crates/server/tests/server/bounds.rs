//! What a token of one environment cannot do to another.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{
    BackupRecord, BackupRequest, BackupState, Cadence, Holder, OperationQuery, OperationRecord,
    OperationState, Origin, Request, Result, Schedule, ScheduleRecord, Settings, Timestamp, WorkspaceId,
};
use stillpoint_server::access::{MemoryAccess, Role};
use stillpoint_server::{RestoreRoute, Routed};

use super::support::{Client, Scene};

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

#[tokio::test]
async fn hidden_schedules_are_neither_listed_nor_counted_nor_named_by_a_cursor() {
    let scene = Scene::new().await;
    for (id, workspace) in [("a-hidden", "ada"), ("b-own", "bob"), ("c-hidden", "ada"), ("d-own", "bob")] {
        let schedule = Schedule::new(Cadence::cron("@daily").unwrap());
        let request = BackupRequest::new("each".parse().unwrap(), workspace.parse().unwrap());
        let record = ScheduleRecord::new(id.parse().unwrap(), schedule, request, Timestamp::from_millis(0));
        scene.catalog.put_schedule(&record, None).await.unwrap();
    }
    let viewer = scene.client(Role::Viewer, Some("staging")).await;
    assert_eq!(walked(&viewer, "schedules", "schedules").await, ["b-own", "d-own"]);
}

#[tokio::test]
async fn hidden_operations_and_backups_are_named_by_no_cursor() {
    let scene = Scene::new().await;
    for (number, workspace) in [(1, "ada"), (2, "bob"), (3, "ada"), (4, "bob"), (5, "ada")] {
        let id = format!("{}-{number}", if workspace == "ada" { "hidden" } else { "own" });
        let request = BackupRequest::new(id.parse().unwrap(), workspace.parse().unwrap());
        let mut record = OperationRecord::submitted(Request::Backup(request), Timestamp::from_millis(number));
        record.state = OperationState::Completed;
        let holder = Holder::new("test", "test");
        scene.catalog.create_operation(&record, &holder, Duration::from_secs(60)).await.unwrap();
        scene.catalogued_of(workspace, &id, number).await;
    }
    let viewer = scene.client(Role::Viewer, Some("staging")).await;
    assert_eq!(walked(&viewer, "operations?all=true", "operations").await, ["own-4", "own-2"]);
    assert_eq!(walked(&viewer, "backups", "backups").await, ["own-4", "own-2"]);
}

/// The ids on all pages of one item, none of which may tell of anything hidden.
async fn walked(client: &Client<'_>, path: &str, list: &str) -> Vec<String> {
    let (mut seen, mut after) = (Vec::new(), String::new());
    let sign = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = client.get(&format!("/api/v1/{path}{sign}limit=1{after}")).await;
        assert!(page.status.is_success() && !page.text.contains("hidden"), "{}", page.text);
        let page = page.json();
        let items = page[list].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { return seen };
        assert!(seen.len() < 10, "{seen:?} goes on without an end");
        after = format!("&after={next}");
    }
}

#[tokio::test]
async fn a_backup_is_named_among_those_of_its_environment_and_never_by_what_is_hidden() {
    let scene = Scene::new().await;
    scene.catalogued_of("bob", "one-own", 1_000_000).await;
    for id in ["one-hidden", "two-hidden-1", "two-hidden-2"] {
        scene.catalogued(id, 2_000_000).await;
    }
    let viewer = scene.client(Role::Viewer, Some("staging")).await;
    for own in ["one-own", "one", "latest", "bob@latest", "1970-01-01T00:16:40Z"] {
        let found = viewer.get(&format!("/api/v1/backups/{own}")).await;
        assert_eq!(found.json()["id"], "one-own", "{own}: {}", found.text);
    }
    let refused = viewer.get("/api/v1/backups/three").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    for hidden in ["two", "one-hidden", "1970-01-01T00:33:20Z"] {
        let answer = viewer.get(&format!("/api/v1/backups/{hidden}")).await;
        let told = answer.text.replace(hidden, "three");
        assert_eq!((answer.status, told), (refused.status, refused.text.clone()), "{hidden}");
    }
    let hidden = viewer.get("/api/v1/backups/ada@latest").await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn backups_of_a_workspace_that_has_moved_stay_those_of_their_environment() {
    let scene = Scene::new().await;
    for (id, millis) in [("old", 1_000_000), ("older", 2_000_000)] {
        scene.catalogued(id, millis).await;
    }
    let mut moved = scene.catalog.workspace(&"ada".parse().unwrap()).await.unwrap().unwrap();
    moved.definition.environment = Some("staging".to_owned());
    scene.catalog.put_workspace(&moved).await.unwrap();

    let bound = scene.client(Role::Administrator, Some("staging")).await;
    let order = json!({ "workspace": "ada", "policy": { "keep_last": 1 }, "remove": ["old", "older"] });
    let previewed = bound.post("/api/v1/retention/preview", &order).await.json();
    assert_eq!((&previewed["keep"], &previewed["remove"]), (&json!([]), &json!([])));
    let applied = bound.post("/api/v1/retention/apply", &order).await.json();
    assert_eq!((&applied["deleted"], &applied["kept"]), (&json!([]), &json!([])), "{applied}");
    let summary = bound.get("/api/v1/workspaces/ada").await.json();
    assert_eq!((&summary["last_good"], &summary["available"]), (&json!(null), &json!(0)));
    let administrator = scene.administrator().await;
    let summary = administrator.get("/api/v1/workspaces/ada").await.json();
    assert_eq!((&summary["last_good"]["id"], &summary["available"]), (&json!("older"), &json!(2)));
}

#[tokio::test]
async fn where_a_workspace_comes_from_is_told_to_those_who_may_see_that_environment() {
    let scene = Scene::new().await;
    scene.catalogued("hidden-source", 1_000_000).await;
    scene.catalogued_of("bob", "own", 2_000_000).await;
    let hidden = scene.catalog.backup(&"hidden-source".parse().unwrap()).await.unwrap().unwrap().backup;
    let origin = Origin::new(&hidden, "restore".parse().unwrap(), Timestamp::from_millis(3_000_000));
    let mut known = scene.catalog.workspace(&"bob".parse().unwrap()).await.unwrap().unwrap();
    known.origin = Some(origin.clone());
    scene.catalog.put_workspace(&known).await.unwrap();
    let mut own = scene.catalog.backup(&"own".parse().unwrap()).await.unwrap().unwrap();
    own.backup.restored_from = Some(origin);
    scene.catalog.put_backup(&own.backup, Some(own.revision)).await.unwrap();

    let bound = scene.client(Role::Administrator, Some("staging")).await;
    let administrator = scene.administrator().await;
    for path in ["workspaces/bob", "workspaces", "backups/own", "backups?workspace=bob"] {
        let told = |client| async move {
            let client: &Client<'_> = client;
            client.get(&format!("/api/v1/{path}")).await.text
        };
        assert!(told(&administrator).await.contains("hidden-source"), "{path}");
        assert!(!told(&bound).await.contains("hidden-source"), "{path}");
    }
    for (method, path) in [(Method::PUT, "hold"), (Method::DELETE, "hold"), (Method::POST, "delete-plan")] {
        let told = bound.call(method, &format!("/api/v1/backups/own/{path}"), &json!({})).await;
        assert!(told.status.is_success() && !told.text.contains("hidden-source"), "{path}: {}", told.text);
    }
}
