//! Schedules are made, changed by revision, paused and removed.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{Clock, SystemClock, Timestamp};
use stillpoint_server::access::MemoryAccess;

use super::support::Scene;

#[tokio::test]
async fn a_schedule_lives_its_life() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let path = "/api/v1/schedules/nightly";
    let wanted = json!({ "workspace": "ada", "cron": "30 2 * * *", "zone": "Europe/Berlin", "backup": { "name": "nightly" } });
    let made = admin.call(Method::PUT, path, &wanted).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["revision"], &made["name"]), (&1.into(), &"nightly".into()));
    assert!(made["next_run"].as_str().unwrap().contains(":30:00"), "{made}");

    let paused = admin.post(&format!("{path}/pause"), &json!({})).await.json();
    assert_eq!((&paused["paused"], &paused["next_run"]), (&true.into(), &json!(null)));
    let stale = admin.call(Method::PUT, &format!("{path}?revision=1"), &wanted).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "{}", stale.text);
    let hourly = json!({ "workspace": "ada", "every_seconds": 3600 });
    let changed = admin.call(Method::PUT, &format!("{path}?revision=2"), &hourly).await.json();
    assert_eq!((&changed["paused"], &changed["every_seconds"]), (&true.into(), &3600.into()), "{changed}");
    let resumed = admin.post(&format!("{path}/resume"), &json!({})).await.json();
    assert!(resumed["next_run"].is_string(), "{resumed}");

    assert_eq!(admin.get("/api/v1/schedules?workspace=ada").await.json()["schedules"][0]["id"], "nightly");
    assert_eq!(admin.delete(path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(admin.get(path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_workspace_that_was_never_backed_up_is_not_left_so_for_an_interval() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let daily = json!({ "workspace": "ada", "every_seconds": 86_400 });
    let path = "/api/v1/schedules/daily";
    let made = admin.call(Method::PUT, path, &daily).await.json();
    let begins: Timestamp = made["next_run"].as_str().unwrap().parse().unwrap();
    let soon = SystemClock::default().now().after(Duration::from_secs(3600));
    assert!(begins < soon, "{made}");
}

#[tokio::test]
async fn a_schedule_that_cannot_be_followed_is_refused() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    for wrong in [
        json!({ "workspace": "ada" }),
        json!({ "workspace": "ada", "every_seconds": 3600, "backup": { "name": "a\u{1b}[31m" } }),
        json!({ "workspace": "ada", "every_seconds": 5 }),
        json!({ "workspace": "ada", "every_seconds": 3600, "cron": "@daily" }),
        json!({ "workspace": "ada", "cron": "whenever" }),
        json!({ "workspace": "ada", "cron": "@daily", "zone": "Mars/Olympus" }),
        json!({ "workspace": "ada", "cron": "@daily", "colour": "blue" }),
    ] {
        let answer = admin.call(Method::PUT, "/api/v1/schedules/x", &wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    assert_eq!(admin.get("/api/v1/schedules").await.json()["schedules"], json!([]));
}

#[tokio::test]
async fn a_schedule_that_is_made_paused_never_was_anything_else() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let path = "/api/v1/schedules/paused";
    let wanted = json!({ "workspace": "ada", "every_seconds": 3600, "paused": true });
    let made = admin.call(Method::PUT, path, &wanted).await.json();
    assert_eq!(
        (&made["revision"], &made["paused"], &made["next_run"]),
        (&1.into(), &true.into(), &json!(null))
    );
    let wanted = json!({ "workspace": "ada", "every_seconds": 3600, "paused": false });
    let resumed = admin.call(Method::PUT, path, &wanted).await.json();
    assert!(resumed["next_run"].is_string(), "{resumed}");
}

#[tokio::test]
async fn what_an_order_does_not_name_stays_as_it_was() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let path = "/api/v1/schedules/nightly";
    let night = json!({ "daily": { "days": [], "from": "22:00", "to": "06:00" } });
    let wanted = json!({ "workspace": "ada", "cron": "@daily", "blackouts": [night] });
    admin.call(Method::PUT, path, &wanted).await;
    // What a directory's backups leave out is set beside it.
    let id = "nightly".parse().unwrap();
    let mut stored = scene.catalog.schedule(&id).await.unwrap().unwrap();
    stored.record.request.settings.insert("excludes".into(), json!(["*.tmp"]));
    scene.catalog.put_schedule(&stored.record, Some(stored.revision)).await.unwrap();
    let weekly = json!({ "workspace": "ada", "cron": "@weekly" });
    let changed = admin.call(Method::PUT, path, &weekly).await.json();
    assert_eq!(changed["blackouts"], json!([night]), "{changed}");
    let stored = scene.catalog.schedule(&id).await.unwrap().unwrap();
    assert_eq!(stored.record.request.settings["excludes"], json!(["*.tmp"]));
    let open = json!({ "workspace": "ada", "cron": "@weekly", "blackouts": [] });
    let changed = admin.call(Method::PUT, path, &open).await.json();
    assert_eq!(changed["blackouts"], json!([]));
}

#[tokio::test]
async fn a_hosts_limit_on_how_close_runs_may_be_holds_over_the_api_too() {
    let (catalog, access) = (Arc::new(MemoryCatalog::new()), Arc::new(MemoryAccess::default()));
    let six_hours = Duration::from_secs(6 * 3600);
    let scene = Scene::with(catalog, access, |plane| plane.with_interval_min(six_hours)).await;
    let admin = scene.administrator().await;
    for (order, status) in [
        (json!({ "workspace": "ada", "every_seconds": 3600 }), StatusCode::BAD_REQUEST),
        (json!({ "workspace": "ada", "cron": "0 2,4 * * *" }), StatusCode::BAD_REQUEST),
        (json!({ "workspace": "ada", "every_seconds": 21600 }), StatusCode::OK),
    ] {
        let answer = admin.call(Method::PUT, "/api/v1/schedules/x", &order).await;
        assert_eq!(answer.status, status, "{order}: {}", answer.text);
    }
}
