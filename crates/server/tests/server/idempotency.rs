//! An idempotency key is an operation.

use reqwest::StatusCode;
use serde_json::json;

use super::support::Scene;

#[tokio::test]
async fn the_same_key_twice_is_one_operation_and_another_body_with_it_a_conflict() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let path = "/api/v1/workspaces/ada/backups";
    let first = admin.post_as("nightly-1", path, &json!({ "name": "nightly" })).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text);
    let ended = admin.ended("nightly-1").await;
    let again = admin.post_as("nightly-1", path, &json!({ "name": "nightly" })).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(again.json()["backup_id"], ended["backup_id"]);
    let all = admin.get("/api/v1/operations?all=true").await.json();
    assert_eq!(all["operations"].as_array().unwrap().len(), 1);

    for (path, body) in [
        (path, json!({ "name": "another" })),
        ("/api/v1/workspaces/bob/backups", json!({ "name": "nightly" })),
        ("/api/v1/backups/latest/verify", json!({})),
    ] {
        let other = admin.post_as("nightly-1", path, &body).await;
        assert_eq!(other.status, StatusCode::CONFLICT, "{path}: {}", other.text);
        let problem = other.json();
        assert_eq!((&problem["kind"], &problem["operation_id"]), (&"conflict".into(), &"nightly-1".into()));
    }
}

#[tokio::test]
async fn a_deletion_is_answered_also_when_nothing_is_left() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let backup = admin.backed_up("ada").await["backup_id"].as_str().unwrap().to_owned();
    let delete = |key: &'static str| {
        let request = admin.request(reqwest::Method::DELETE, &format!("/api/v1/backups/{backup}"));
        admin.send(request.header("idempotency-key", key))
    };
    assert_eq!(delete("gone-1").await.status, StatusCode::ACCEPTED);
    assert_eq!(admin.ended("gone-1").await["state"], "completed");
    let again = delete("gone-1").await;
    assert_eq!((again.status, &again.json()["state"]), (StatusCode::ACCEPTED, &"completed".into()));
    assert_eq!(delete("gone-2").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_that_can_be_no_id_is_refused() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let long = "k".repeat(201);
    for key in ["", long.as_str()] {
        let answer = admin.post_as(key, "/api/v1/workspaces/ada/backups", &json!({})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{key:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_key_is_the_same_operation_also_when_the_name_means_another_backup_by_now_or_none() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let first = admin.backed_up("ada").await["backup_id"].as_str().unwrap().to_owned();
    let restore = json!({ "target": "ada-2" });
    for (key, path, body) in [("v-1", "verify", json!({})), ("r-1", "restore", restore.clone())] {
        let begun = admin.post_as(key, &format!("/api/v1/backups/latest/{path}"), &body).await;
        assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text);
        assert_eq!(admin.ended(key).await["backup_id"], *first);
    }
    let second = admin.backed_up("ada").await["backup_id"].as_str().unwrap().to_owned();
    let again = |key: &'static str, path: String, body: serde_json::Value| {
        let admin = admin.clone();
        async move {
            let answer = admin.post_as(key, &format!("/api/v1/backups/{path}"), &body).await;
            (answer.status, answer.json()["backup_id"].as_str().map(str::to_owned))
        }
    };
    let same = (StatusCode::ACCEPTED, Some(first.clone()));
    assert_eq!(again("v-1", "latest/verify".into(), json!({})).await, same);
    assert_eq!(again("r-1", "latest/restore".into(), restore.clone()).await, same);
    let other = again("v-1", format!("{second}/verify"), json!({})).await;
    assert_eq!(other.0, StatusCode::CONFLICT, "a whole id means that backup");

    let deleted = admin.delete(&format!("/api/v1/backups/{first}")).await.json();
    admin.ended(deleted["id"].as_str().unwrap()).await;
    assert_eq!(again("v-1", "latest/verify".into(), json!({})).await, same);
    assert_eq!(again("r-1", format!("{first}/restore"), restore).await, same);
    let elsewhere = again("r-1", format!("{first}/restore"), json!({ "target": "2" })).await;
    assert_eq!(elsewhere.0, StatusCode::CONFLICT, "another target is another request");
    let deeper = again("v-1", "latest/verify".into(), json!({ "depth": "listed" })).await;
    assert_eq!(deeper.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_backup_that_would_wait_unseen_is_refused() {
    let scene = Scene::new().await;
    let order = json!({ "when_busy": "queue" });
    let refused = scene.administrator().await.post("/api/v1/workspaces/ada/backups", &order).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
}
