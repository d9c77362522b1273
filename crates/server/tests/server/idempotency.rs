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
