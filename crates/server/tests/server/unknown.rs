//! What nobody knows is refused by its name, and never answered as if it had not been asked for.

use reqwest::{Method, StatusCode};
use serde_json::json;
use stillpoint_server::access::Role;

use super::support::Scene;

#[tokio::test]
async fn every_call_refuses_a_query_parameter_that_it_does_not_take_and_names_those_that_it_takes() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let description = admin.get("/openapi.json").await.json();
    let mut calls = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let concrete = path.replace(['{', '}'], "");
            let answer = admin.call(method.clone(), &format!("{concrete}?colour=blue"), &json!({})).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {path}: {}", answer.text);
            let told = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(told.contains("`colour`"), "{method} {path}: {told}");
            let parameters = call["parameters"].as_array().cloned().unwrap_or_default();
            for taken in parameters.iter().filter(|parameter| parameter["in"] == "query") {
                let name = taken["name"].as_str().unwrap();
                assert!(told.contains(name), "{method} {path} takes {name}: {told}");
            }
            calls += 1;
        }
    }
    assert!(calls > 30, "{calls}");
    let name = "x".repeat(2000);
    let told = admin.get(&format!("/api/v1/backups?{name}%1b=1")).await;
    assert!(told.status == StatusCode::BAD_REQUEST && told.text.len() < 1000, "{}", told.text);
}

#[tokio::test]
async fn nothing_is_listed_or_planned_for_a_workspace_that_nobody_knows() {
    let scene = Scene::new().await;
    let (admin, bound) =
        (scene.administrator().await, scene.client(Role::Administrator, Some("staging")).await);
    scene.catalogued("one", 1_000_000).await;
    for list in ["backups", "operations", "schedules"] {
        for (client, workspace, status) in [
            (&admin, "bob", StatusCode::OK),
            (&admin, "nope", StatusCode::NOT_FOUND),
            (&bound, "bob", StatusCode::OK),
            (&bound, "nope", StatusCode::NOT_FOUND),
            (&bound, "ada", StatusCode::NOT_FOUND),
        ] {
            let answer = client.get(&format!("/api/v1/{list}?workspace={workspace}")).await;
            assert_eq!(answer.status, status, "{list} of {workspace}: {}", answer.text);
            if status == StatusCode::NOT_FOUND {
                assert!(
                    answer.text.contains("the list of workspaces shows what there is"),
                    "{}",
                    answer.text
                );
            }
        }
    }
    let schedule = json!({ "workspace": "nope", "cron": "@daily" });
    let refused = admin.call(Method::PUT, "/api/v1/schedules/nightly", &schedule).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text);
    assert_eq!(admin.get("/api/v1/schedules").await.json()["schedules"], json!([]));
    let policy = json!({ "workspace": "nope", "policy": { "keep_last": 1 } });
    let refused = admin.post("/api/v1/retention/preview", &policy).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text);
    for (method, path) in [
        (Method::PUT, "hold"),
        (Method::DELETE, "hold"),
        (Method::POST, "verify"),
        (Method::POST, "delete-plan"),
    ] {
        let path = format!("/api/v1/backups/nope@latest/{path}");
        let refused = admin.call(method, &path, &json!({})).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}: {}", refused.text);
    }
    for path in ["backups", "backup-plan", "preflight"] {
        let refused = admin.post(&format!("/api/v1/workspaces/nope/{path}"), &json!({})).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}: {}", refused.text);
    }
}

#[tokio::test]
async fn text_that_no_catalog_can_look_for_is_refused_and_finds_nothing_else() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    scene.catalogued("one", 1_000_000).await;
    for filter in ["search=%00", "search=a%00b", "name=%00", "environment=%1b"] {
        let refused = admin.get(&format!("/api/v1/backups?{filter}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{filter}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_method_that_is_not_served_is_told_with_one_status() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let refused = admin.call(Method::PUT, "/api/v1/backups/latest", &json!({})).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    let told = refused.json();
    assert_eq!((&told["status"], &told["title"]), (&405.into(), &"Method Not Allowed".into()), "{told}");
}
