//! Several servers on one catalog.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::json;
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_server::access::Role;
use stillpoint_testkit::postgres::Postgres;

use super::support::{Client, Scene};

#[tokio::test]
async fn servers_of_one_file_know_the_same_tokens_operations_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("catalog.sqlite").display());
    let secret = one_catalog(&url).await;
    // A file holds the digest of the secret alone.
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[tokio::test]
async fn servers_of_one_postgresql_know_the_same_tokens_operations_and_log() {
    one_catalog(&Postgres::shared().fresh_url()).await;
}

/// Two servers of the catalog at `url`; answers the secret of a token that was made.
async fn one_catalog(url: &str) -> String {
    let (one, two) = (open(url).await, open(url).await);
    let here = Scene::on(Arc::clone(&one) as _, one).await;
    let there = Scene::on(Arc::clone(&two) as _, two).await;
    let admin = here.administrator().await;
    let same = Client { scene: &there, token: admin.token.clone() };
    let made = admin.post("/api/v1/tokens", &json!({ "name": "ci", "role": "viewer" })).await.json();
    let ci = Client { scene: &there, token: made["token"].as_str().map(str::to_owned) };
    assert_eq!(ci.get("/api/v1/me").await.json()["name"], "ci");

    let begun = admin.post_as("op-1", "/api/v1/workspaces/ada/backups", &json!({})).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text);
    let followed = same.get("/api/v1/operations/op-1/events").await;
    assert!(followed.text.contains("event: ended"), "{}", followed.text);
    let again = same.post_as("op-1", "/api/v1/workspaces/ada/backups", &json!({})).await;
    assert_eq!(again.json()["state"], "completed", "the same key on another server is the same operation");

    let id = made["record"]["id"].as_str().unwrap();
    assert_eq!(same.delete(&format!("/api/v1/tokens/{id}")).await.status, StatusCode::NO_CONTENT);
    let log = admin.get("/api/v1/audit?limit=1").await.json();
    assert_eq!(log["lines"][0]["action"], "token-revoke", "{log}");
    assert_eq!(here.client(Role::Viewer, None).await.get("/api/v1/backups").await.status, StatusCode::OK);
    for filter in
        ["environment=prod", "held=false&oldest_first=true", "search=ADA", "environment=prod&search=2026"]
    {
        let found = same.get(&format!("/api/v1/backups?{filter}")).await.json();
        assert_eq!(found["backups"].as_array().unwrap().len(), 1, "{filter}: {found}");
    }
    made["token"].as_str().unwrap().to_owned()
}

async fn open(url: &str) -> Arc<SqlCatalog> {
    Arc::new(SqlCatalog::open(url, SqlOptions::default()).await.unwrap())
}
