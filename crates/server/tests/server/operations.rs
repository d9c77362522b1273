//! Backups, restores and what becomes of them, followed live.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stillpoint_core::{BackupRequest, Holder, OperationRecord, Request, Timestamp};

use super::support::{Client, Scene};

/// The events of a stream that ends: name, id, data.
async fn events(client: &Client<'_>, path: &str, seen: Option<&str>) -> Vec<(String, String, Value)> {
    let mut request = client.request(Method::GET, path);
    if let Some(seen) = seen {
        request = request.header("last-event-id", seen);
    }
    let answer = client.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let field = |block: &str, name: &str| {
        let found = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or_default().trim().to_owned()
    };
    let blocks = answer.text.split("\n\n").filter(|block| block.contains("data:"));
    let parsed = blocks.map(|block| {
        let data = serde_json::from_str(&field(block, "data")).unwrap();
        (field(block, "event"), field(block, "id"), data)
    });
    parsed.collect()
}

#[tokio::test]
async fn progress_streams_to_the_end_and_a_reader_that_saw_it_need_not_come_back() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let begun = admin.post_as("op-1", "/api/v1/workspaces/ada/backups", &json!({})).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text);
    let path = "/api/v1/operations/op-1/events";
    let seen = events(&admin, path, None).await;
    let (name, last, data) = seen.last().unwrap();
    assert_eq!((name.as_str(), &data["state"]), ("ended", &"completed".into()));
    assert!(seen[..seen.len() - 1].iter().all(|(name, ..)| name == "progress"));

    let missed = events(&admin, path, Some("an-older-one")).await;
    assert_eq!(missed.last().unwrap(), seen.last().unwrap(), "whoever missed the end is told of it");
    let request = admin.request(Method::GET, path).header("last-event-id", last);
    assert_eq!(admin.send(request).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_backup_is_restored_into_a_new_workspace_and_roles_are_told_and_not_granted() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let backup = admin.backed_up("ada").await["backup_id"].as_str().unwrap().to_owned();
    let restore = json!({ "target": "ada-2" });
    let planned = admin.post("/api/v1/backups/ada@latest/restore-plan", &restore).await;
    assert_eq!(planned.status, StatusCode::OK, "{}", planned.text);
    assert_eq!(planned.json()["backup"]["id"], *backup);
    assert!(scene.provider.files("ada-2/home").is_none(), "a plan makes nothing");

    let begun = admin.post_as("r-1", &format!("/api/v1/backups/{backup}/restore"), &restore).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text);
    assert_eq!(admin.ended("r-1").await["state"], "completed");
    assert_eq!(scene.provider.files("ada-2/home"), scene.provider.files("/home/ada"));
    let result = admin.get("/api/v1/operations/r-1/result").await.json();
    let told = &result["restore"]["roles_not_applied"];
    assert_eq!(*told, json!([{ "principal": "grace", "role": "admin" }]), "{result}");

    let listed = admin.get(&format!("/api/v1/backups/{backup}/files")).await;
    assert_eq!(listed.json()["entries"][0]["path"], "notes.txt", "{}", listed.text);

    let known = admin.get("/api/v1/workspaces/ada-2").await.json();
    let origin = &known["restored_from"];
    assert_eq!(
        (&origin["workspace"], &origin["backup"], &origin["operation"]),
        (&json!("ada"), &json!(backup), &json!("r-1")),
        "{known}"
    );
    assert_eq!(known["components"], json!([]), "what the old one consists of is not the new one's");
    let page = admin.get("/api/v1/workspaces").await.json();
    let listed = page["workspaces"].as_array().unwrap().iter().find(|item| item["id"] == "ada-2");
    assert_eq!(listed.unwrap()["restored_from"], *origin);
}

#[tokio::test]
async fn the_roles_of_a_backup_are_compared_with_those_of_a_workspace_that_the_caller_may_see() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let backup = admin.backed_up("ada").await["backup_id"].as_str().unwrap().to_owned();
    let grace = json!([{ "principal": "grace", "role": "admin" }]);
    let path = format!("/api/v1/backups/{backup}/roles");
    let beside = async |query: &str| admin.get(&format!("{path}{query}")).await.json();
    let alone = beside("").await;
    assert_eq!((&alone["to_grant"], &alone["against"]), (&grace, &json!(null)), "{alone}");
    let same = beside("?against=ada").await;
    assert_eq!((&same["already_there"], &same["to_grant"]), (&grace, &json!([])), "{same}");
    assert!(same["seen_at"].is_string(), "{same}");
    let unknown = beside("?against=nobody").await;
    assert_eq!((&unknown["to_grant"], &unknown["seen_at"]), (&grace, &json!(null)), "{unknown}");
}

#[tokio::test]
async fn a_backup_is_planned_verified_held_and_only_then_not_deleted() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let plan = admin.post("/api/v1/workspaces/ada/backup-plan", &json!({})).await;
    assert_eq!(plan.json()["components"][0]["id"], "home", "{}", plan.text);
    let preflight = admin.post("/api/v1/workspaces/ada/preflight", &json!({})).await;
    assert_eq!((&preflight.json()["blocked"], preflight.status), (&false.into(), StatusCode::OK));

    let backup = admin.backed_up("ada").await["backup_id"].as_str().unwrap().to_owned();
    let backup = format!("/api/v1/backups/{backup}");
    let verified = admin.post_as("v-1", &format!("{backup}/verify"), &json!({})).await;
    assert_eq!(verified.status, StatusCode::ACCEPTED, "{}", verified.text);
    assert_eq!(admin.ended("v-1").await["state"], "completed");
    let shown = admin.get(&backup).await.json();
    assert_eq!(shown["components"][0]["verified"], "decrypted", "{shown}");

    let held = admin.send(admin.request(Method::PUT, &format!("{backup}/hold"))).await;
    assert_eq!((held.status, &held.json()["held"]), (StatusCode::OK, &true.into()));
    let planned = admin.post(&format!("{backup}/delete-plan"), &json!({})).await.json();
    assert_eq!(planned["findings"][0]["severity"], "blocker", "{planned}");
    let refused = admin.delete(&backup).await;
    let refused = match refused.status {
        StatusCode::ACCEPTED => admin.ended(refused.json()["id"].as_str().unwrap()).await["state"].clone(),
        _ => "failed".into(),
    };
    assert_eq!(refused, "failed");
    let let_go = admin.delete(&format!("{backup}/hold")).await;
    assert_eq!(let_go.json()["held"], false);
    let begun = admin.delete(&backup).await.json();
    assert_eq!(admin.ended(begun["id"].as_str().unwrap()).await["state"], "completed");
    assert_eq!(admin.get(&backup).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_has_ended_cannot_be_stopped() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let id = admin.backed_up("ada").await["id"].as_str().unwrap().to_owned();
    let late = admin.post(&format!("/api/v1/operations/{id}/cancel"), &json!({})).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert_eq!(late.json()["operation_id"], *id);
}

#[tokio::test]
async fn who_asks_an_operation_to_stop_hears_that_it_was_asked() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let request = BackupRequest::new("elsewhere".parse().unwrap(), "ada".parse().unwrap());
    let running = OperationRecord::submitted(Request::Backup(request), Timestamp::from_millis(1_000));
    let other = Holder::new("another-host", "test");
    scene.catalog.create_operation(&running, &other, std::time::Duration::from_secs(600)).await.unwrap();
    let asked = admin.post("/api/v1/operations/elsewhere/cancel", &json!({})).await;
    assert_eq!((asked.status, &asked.json()["cancel_requested"]), (StatusCode::ACCEPTED, &true.into()));
}
