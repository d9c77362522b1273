//! What is served is what is described, and what clients read back.

use std::collections::BTreeSet;

use serde_json::Value;
use stillpoint_server::document::{BackupDetail, BackupPage, OperationPage, OperationResult, WorkspacePage};

use super::support::Scene;

/// Every `$ref` in a description.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.insert(reference.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_is_whole() {
    let scene = Scene::new().await;
    let description = scene.anonymous().get("/openapi.json").await.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{}", description["openapi"]);
    let mut found = BTreeSet::new();
    references(&description, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut operations = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            let id = described["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
            assert!(operations.insert(id.to_owned()), "{id} is there twice");
            assert!(described["summary"].is_string(), "{method} {path} has no summary");
        }
    }
}

#[tokio::test]
async fn clients_read_back_what_servers_wrote() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let id = admin.backed_up("ada").await["id"].as_str().unwrap().to_owned();
    let page: BackupPage = serde_json::from_value(admin.get("/api/v1/backups").await.json()).unwrap();
    assert_eq!(page.backups.len(), 1);
    let answer = admin.get("/api/v1/backups/latest").await.json();
    let detail: BackupDetail = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!(serde_json::to_value(&detail).unwrap(), answer);
    let answer = admin.get("/api/v1/operations?all=true").await.json();
    let operations: OperationPage = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!(serde_json::to_value(&operations).unwrap(), answer);
    let answer = admin.get(&format!("/api/v1/operations/{id}/result")).await.json();
    let result: OperationResult = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!(serde_json::to_value(&result).unwrap(), answer);
    let answer = admin.get("/api/v1/workspaces").await.json();
    let workspaces: WorkspacePage = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!(serde_json::to_value(&workspaces).unwrap(), answer);
}
