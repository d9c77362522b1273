//! Retention is previewed, then applied to what was previewed.

use serde_json::json;

use super::support::Scene;

#[tokio::test]
async fn what_a_preview_named_goes_and_nothing_else() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    for number in 0..4 {
        scene.catalogued(&format!("b-{number}"), 1_000_000 + number * 1000).await;
    }
    let mut order = json!({ "workspace": "ada", "policy": { "keep_last": 2 } });
    let previewed = admin.post("/api/v1/retention/preview", &order).await.json();
    assert_eq!(previewed["remove"], json!(["b-1", "b-0"]), "{previewed}");
    assert_eq!(previewed["keep"][0]["id"], "b-3");
    assert!(previewed["keep"][0]["reasons"][0].is_string());

    // The caller agreed to one of them; the other one stays, and so does one that the policy keeps.
    order["remove"] = json!(["b-0", "b-3"]);
    let applied = admin.post("/api/v1/retention/apply", &order).await.json();
    assert_eq!(applied["deleted"], json!(["b-0"]), "{applied}");
    assert_eq!(applied["kept"][0]["id"], "b-3");
    let left = admin.get("/api/v1/backups").await.json();
    let left: Vec<_> = left["backups"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(left, ["b-3", "b-2", "b-1"]);
}

#[tokio::test]
async fn no_call_removes_more_than_is_described() {
    let scene = Scene::new().await;
    let remove: Vec<_> = (0..1001).map(|number| format!("b-{number}")).collect();
    let order = json!({ "workspace": "ada", "policy": {}, "remove": remove });
    let refused = scene.administrator().await.post("/api/v1/retention/apply", &order).await;
    assert_eq!(refused.status, reqwest::StatusCode::BAD_REQUEST, "{}", refused.text);
}
