//! Every endpoint × role × scope.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stillpoint_core::{
    BackupRequest, Cadence, Schedule, ScheduleRecord, SystemClock, SystemEntropy, Timestamp,
};
use stillpoint_server::access::{NewToken, Role};

use super::support::{Client, Scene};

/// Whom an endpoint answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scope {
    /// Whoever may see the environment of what it is about; for others it is not there.
    OfItsOwn,
    /// Everybody, each with what he may see.
    Filtered,
    /// Only who may see all environments.
    All,
}

use Role::{Administrator, Operator, Viewer};
use Scope::{All, Filtered, OfItsOwn};

/// Method, path, least role, scope, body.
fn endpoints() -> Vec<(Method, &'static str, Role, Scope, Option<Value>)> {
    let none = || Some(json!({}));
    let restore = || Some(json!({ "target": "ada-2" }));
    let policy = || Some(json!({ "workspace": "ada", "policy": { "keep_last": 1 } }));
    let schedule = || Some(json!({ "workspace": "ada", "every_seconds": 3600 }));
    let token = || Some(json!({ "name": "ci", "role": "viewer" }));
    vec![
        (Method::GET, "/api/v1/backups", Viewer, Filtered, None),
        (Method::GET, "/api/v1/backups/{backup}", Viewer, OfItsOwn, None),
        (Method::DELETE, "/api/v1/backups/{backup}", Administrator, OfItsOwn, None),
        (Method::POST, "/api/v1/backups/{backup}/delete-plan", Administrator, OfItsOwn, None),
        (Method::GET, "/api/v1/backups/{backup}/files", Viewer, OfItsOwn, None),
        (Method::GET, "/api/v1/backups/{backup}/roles", Viewer, OfItsOwn, None),
        (Method::POST, "/api/v1/backups/{backup}/restore", Operator, OfItsOwn, restore()),
        (Method::POST, "/api/v1/backups/{backup}/restore-plan", Operator, OfItsOwn, restore()),
        (Method::POST, "/api/v1/backups/{backup}/verify", Operator, OfItsOwn, none()),
        (Method::POST, "/api/v1/backups/{backup}/copy", Administrator, OfItsOwn, none()),
        (Method::PUT, "/api/v1/backups/{backup}/hold", Operator, OfItsOwn, None),
        (Method::DELETE, "/api/v1/backups/{backup}/hold", Administrator, OfItsOwn, None),
        (Method::GET, "/api/v1/workspaces", Viewer, Filtered, None),
        (Method::GET, "/api/v1/workspaces/{workspace}", Viewer, OfItsOwn, None),
        (Method::POST, "/api/v1/workspaces/{workspace}/backups", Operator, OfItsOwn, none()),
        (Method::POST, "/api/v1/workspaces/{workspace}/backup-plan", Operator, OfItsOwn, none()),
        (Method::POST, "/api/v1/workspaces/{workspace}/preflight", Operator, OfItsOwn, none()),
        (Method::GET, "/api/v1/operations", Viewer, Filtered, None),
        (Method::GET, "/api/v1/operations/{operation}", Viewer, OfItsOwn, None),
        (Method::GET, "/api/v1/operations/{operation}/result", Viewer, OfItsOwn, None),
        (Method::GET, "/api/v1/operations/{operation}/events", Viewer, OfItsOwn, None),
        (Method::POST, "/api/v1/operations/{operation}/cancel", Operator, OfItsOwn, None),
        (Method::GET, "/api/v1/schedules", Viewer, Filtered, None),
        (Method::GET, "/api/v1/schedules/{schedule}", Viewer, OfItsOwn, None),
        (Method::PUT, "/api/v1/schedules/{schedule}", Administrator, OfItsOwn, schedule()),
        (Method::DELETE, "/api/v1/schedules/{schedule}", Administrator, OfItsOwn, None),
        (Method::POST, "/api/v1/schedules/{schedule}/pause", Administrator, OfItsOwn, None),
        (Method::POST, "/api/v1/schedules/{schedule}/resume", Administrator, OfItsOwn, None),
        (Method::POST, "/api/v1/retention/preview", Viewer, OfItsOwn, policy()),
        (Method::POST, "/api/v1/retention/apply", Administrator, OfItsOwn, policy()),
        (Method::GET, "/api/v1/me", Viewer, Filtered, None),
        (Method::GET, "/api/v1/tokens", Administrator, All, None),
        (Method::POST, "/api/v1/tokens", Administrator, All, token()),
        (Method::DELETE, "/api/v1/tokens/{token}", Administrator, All, None),
        (Method::GET, "/api/v1/audit", Administrator, All, None),
    ]
}

/// Fresh things of environment `prod` for one call, so that no call disturbs another.
async fn path(scene: &Scene, template: &str, operation: &str, number: usize) -> String {
    let name = format!("fresh-{number}");
    let mut path = template.replace("{workspace}", "ada").replace("{operation}", operation);
    if path.contains("{backup}") {
        scene.catalogued(&name, 1_000_000 + number as i64).await;
        path = path.replace("{backup}", &name);
    }
    if path.contains("{schedule}") {
        let schedule = Schedule::new(Cadence::every(std::time::Duration::from_secs(3600)).unwrap());
        let request = BackupRequest::new("each".parse().unwrap(), "ada".parse().unwrap());
        let now = Timestamp::from_millis(0);
        let record = ScheduleRecord::new(name.parse().unwrap(), schedule, request, now);
        scene.catalog.put_schedule(&record, None).await.unwrap();
        path = path.replace("{schedule}", &name);
    }
    if path.contains("{token}") {
        let made = NewToken::new("fresh", Viewer);
        let (_, record) = made.make(&SystemClock::default(), &SystemEntropy::default()).unwrap();
        scene.access.put_token(&record).await.unwrap();
        path = path.replace("{token}", &record.id);
    }
    path
}

async fn call(
    client: &Client<'_>,
    method: &Method,
    path: &str,
    body: Option<&Value>,
) -> (StatusCode, String) {
    let answer = match body {
        Some(body) => client.call(method.clone(), path, body).await,
        None => client.send(client.request(method.clone(), path)).await,
    };
    (answer.status, answer.text)
}

#[tokio::test]
async fn every_endpoint_answers_whom_it_should_and_nobody_else() {
    let scene = Scene::new().await;
    let operation = scene.administrator().await.backed_up("ada").await;
    let operation = operation["id"].as_str().unwrap();
    let mut number = 0;
    for (method, template, least, scope, body) in endpoints() {
        number += 1;
        let anonymous = scene.anonymous();
        let nowhere = path(&scene, template, operation, number).await;
        let (status, _) = call(&anonymous, &method, &nowhere, body.as_ref()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {template} without a token");
        for role in [Viewer, Operator, Administrator] {
            for environment in [None, Some("prod"), Some("staging")] {
                number += 1;
                let client = scene.client(role, environment).await;
                let path = path(&scene, template, operation, number).await;
                let (status, text) = call(&client, &method, &path, body.as_ref()).await;
                let who = format!("{method} {template} as {role} of {environment:?}: {status} {text}");
                let denied = role < least || scope == All && environment.is_some();
                let unseen = scope == OfItsOwn && environment == Some("staging");
                match (denied, unseen) {
                    (true, _) => assert_eq!(status, StatusCode::FORBIDDEN, "{who}"),
                    (false, true) => assert_eq!(status, StatusCode::NOT_FOUND, "{who}"),
                    (false, false) => {
                        // A backup without snapshots has no files to list.
                        let is_there =
                            template.ends_with("/files") || !matches!(status, StatusCode::NOT_FOUND);
                        let refused = matches!(status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED);
                        assert!(is_there && !refused && !status.is_server_error(), "{who}");
                    }
                }
                if environment == Some("staging") {
                    assert!(!text.contains("\"ada\""), "nothing of prod is told: {who}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_table_has_every_endpoint_that_is_described() {
    let scene = Scene::new().await;
    let description = scene.anonymous().get("/openapi.json").await.json();
    let mut described = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        described.extend(methods.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    let table = endpoints();
    let known = table.iter().map(|(method, path, ..)| format!("{method} {path}").to_lowercase());
    assert_eq!(known.collect::<BTreeSet<_>>(), described);
}

#[tokio::test]
async fn a_revoked_a_foreign_and_a_finished_token_open_nothing() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let mut client = scene.client(Viewer, None).await;
    assert_eq!(client.get("/api/v1/me").await.status, StatusCode::OK);
    let tokens = admin.get("/api/v1/tokens").await.json();
    let own = client.get("/api/v1/me").await.json()["token"].as_str().unwrap().to_owned();
    assert!(tokens["tokens"].as_array().unwrap().iter().any(|token| token["id"] == *own));
    let revoked = admin.delete(&format!("/api/v1/tokens/{own}")).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    let refused = client.get("/api/v1/me").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "at once, on the server that revoked it");
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(refused.headers["www-authenticate"], "Bearer");

    client.token = Some(format!("stp_{}", "0".repeat(64)));
    assert_eq!(client.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);

    let mut made = NewToken::new("short", Viewer);
    made.expires = Some(std::time::Duration::ZERO);
    let (secret, record) = made.make(&SystemClock::default(), &SystemEntropy::default()).unwrap();
    scene.access.put_token(&record).await.unwrap();
    client.token = Some(secret.expose().to_owned());
    assert_eq!(client.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_changes_something_is_noted_with_who_asked_for_it_and_no_secret() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let viewer = scene.client(Viewer, None).await;
    assert_eq!(viewer.post("/api/v1/workspaces/ada/backups", &json!({})).await.status, StatusCode::FORBIDDEN);
    let made = admin.post("/api/v1/tokens", &json!({ "name": "ci", "role": "operator" })).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    admin.backed_up("ada").await;
    let answer = admin.get("/api/v1/audit").await;
    let lines = answer.json()["lines"].as_array().unwrap().clone();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line["action"].as_str().unwrap(), line["name"].as_str().unwrap(), &line["outcome"]))
        .collect();
    assert_eq!(
        told,
        [
            ("back-up", "a administrator", &json!("accepted")),
            ("token-create", "a administrator", &json!("accepted")),
            ("back-up", "a viewer", &json!({ "refused": "permission_denied" })),
        ]
    );
    assert!(!answer.text.contains(&secret));
    assert!(!admin.get("/api/v1/tokens").await.text.contains(&secret));
}
