//! Lists: filters, cursors, and what a caller of one environment sees of them.

use reqwest::StatusCode;
use serde_json::Value;
use stillpoint_core::{
    BackupRequest, DeleteRequest, Holder, OperationRecord, OperationState, Request, Timestamp,
};
use stillpoint_server::access::Role;

use super::support::{Client, Scene};

/// The ids of every page, and how many pages there were.
async fn all(client: &Client<'_>, query: &str, limit: usize) -> (Vec<String>, usize) {
    let (mut ids, mut pages, mut after) = (Vec::new(), 0, None::<String>);
    loop {
        let cursor = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let answer = client.get(&format!("/api/v1/backups?limit={limit}&{query}{cursor}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let page = answer.json();
        let items = page["backups"].as_array().unwrap();
        assert!(items.len() <= limit);
        ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        pages += 1;
        match &page["next"] {
            Value::String(next) => after = Some(next.clone()),
            _ => return (ids, pages),
        }
    }
}

#[tokio::test]
async fn pages_hold_every_backup_once_whatever_is_filtered() {
    let scene = Scene::new().await;
    for number in 0..40 {
        let workspace = if number % 4 == 0 { "bob" } else { "ada" };
        let mut record = scene.catalogued_of(workspace, &format!("b-{number:02}"), number * 1000).await;
        if number % 8 == 0 {
            record.held = true;
            record.name = Some("Monthly".to_owned());
            scene.catalog.put_backup(&record, Some(stillpoint_core::Revision(1))).await.unwrap();
        }
    }
    let admin = scene.administrator().await;
    let newest_first =
        |step: usize| (0..40).rev().filter(move |n| n % step == 0).map(|n| format!("b-{n:02}"));
    let (ids, pages) = all(&admin, "", 7).await;
    assert_eq!(ids, newest_first(1).collect::<Vec<_>>());
    assert_eq!(pages, 6);
    let (held, _) = all(&admin, "held=true", 2).await;
    assert_eq!(held, newest_first(8).collect::<Vec<_>>());
    let (found, _) = all(&admin, "search=monthly", 3).await;
    assert_eq!(found, held, "small letters and capitals are alike");
    let (staging, _) = all(&admin, "environment=staging", 3).await;
    assert_eq!(staging, newest_first(4).collect::<Vec<_>>());
    let (bob, _) = all(&admin, "workspace=bob&created_from=1970-01-01T00:00:08Z", 3).await;
    assert_eq!(bob, staging[..staging.len() - 2]);

    let bound = scene.client(Role::Viewer, Some("staging")).await;
    assert_eq!(all(&bound, "", 3).await.0, staging);
    assert_eq!(all(&bound, "environment=prod", 3).await.0, Vec::<String>::new());
    let hidden = bound.get("/api/v1/backups?workspace=ada").await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND, "as one that is not there: {}", hidden.text);
    let oldest_first: Vec<_> = newest_first(4).collect::<Vec<_>>().into_iter().rev().collect();
    assert_eq!(all(&bound, "oldest_first=true", 3).await.0, oldest_first);
}

#[tokio::test]
async fn pages_follow_each_other_in_the_order_that_is_asked_for() {
    let scene = Scene::new().await;
    for number in 0..12_u64 {
        let workspace = if number % 4 == 0 { "bob" } else { "ada" };
        let mut record =
            scene.catalogued_of(workspace, &format!("b-{number:02}"), number as i64 * 1000).await;
        record.size_bytes = number * 5 % 12;
        scene.catalog.put_backup(&record, Some(stillpoint_core::Revision(1))).await.unwrap();
    }
    let admin = scene.administrator().await;
    let smallest_first = ["00", "05", "10", "03", "08", "01", "06", "11", "04", "09", "02", "07"];
    let smallest_first: Vec<_> = smallest_first.iter().map(|number| format!("b-{number}")).collect();
    assert_eq!(all(&admin, "sort=size", 5).await.0, smallest_first);
    let largest_first: Vec<_> = smallest_first.into_iter().rev().collect();
    assert_eq!(all(&admin, "sort=-size", 5).await.0, largest_first);
    let by_workspace = ["08", "04", "00", "11", "10", "09", "07", "06", "05", "03", "02", "01"];
    let by_workspace: Vec<_> = by_workspace.iter().map(|number| format!("b-{number}")).collect();
    assert_eq!(all(&admin, "sort=-workspace", 5).await.0, by_workspace);
    let bound = scene.client(Role::Viewer, Some("staging")).await;
    assert_eq!(all(&bound, "sort=size", 2).await.0, ["b-00", "b-08", "b-04"]);
}

#[tokio::test]
async fn what_is_no_condition_is_refused_as_a_problem() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "state=lost",
        "created_from=noon",
        "after=nonsense",
        "sort=colour",
        "sort=size&after=5:b",
        "sort=size&oldest_first=true",
    ] {
        let answer = admin.get(&format!("/api/v1/backups?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{query}");
        let problem = answer.json();
        assert_eq!((&problem["kind"], &problem["retry"]), (&"invalid_input".into(), &"never".into()));
    }
    for path in ["/api/v1/nothing", "/api/v1/backups/none", "/nothing"] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json()["kind"], "not_found");
    }
    let answer = admin.send(admin.request(reqwest::Method::PATCH, "/api/v1/backups")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_workspace_is_summed_up() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let nothing = admin.get("/api/v1/workspaces/ada").await.json();
    assert_eq!((&nothing["last_good"], &nothing["available"]), (&Value::Null, &0.into()));
    scene.catalogued("old", 1_000).await;
    admin.backed_up("ada").await;
    let schedule = serde_json::json!({ "workspace": "ada", "every_seconds": 3600 });
    let put = admin.call(reqwest::Method::PUT, "/api/v1/schedules/hourly", &schedule).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
    let listed = admin.get("/api/v1/workspaces").await.json();
    let ada = &listed["workspaces"][0];
    assert_eq!((&ada["id"], &ada["environment"]), (&"ada".into(), &"prod".into()));
    assert_eq!(ada["available"], 2);
    assert!(ada["last_good_age_seconds"].as_u64().unwrap() < 60, "{ada}");
    assert_eq!(ada["next_run"], put.json()["next_run"]);
    assert_eq!(ada["last_backup_state"], "completed");
    let request = BackupRequest::new("night".parse().unwrap(), "ada".parse().unwrap());
    let later = Timestamp::from_millis(4_000_000_000_000);
    let mut failed = OperationRecord::submitted(Request::Backup(request), later);
    failed.state = OperationState::Failed;
    let holder = Holder::new("test", "test");
    scene.catalog.create_operation(&failed, &holder, std::time::Duration::from_secs(60)).await.unwrap();
    let ada = admin.get("/api/v1/workspaces/ada").await.json();
    assert_eq!(
        (&ada["last_backup_state"], &ada["last_backup_operation"]),
        (&"failed".into(), &"night".into())
    );
    assert!(ada["last_good"].is_object(), "an older one is good: {ada}");
    for number in 0..60 {
        let id = format!("deletion-{number}").parse().unwrap();
        let request = DeleteRequest::new(id, "gone".parse().unwrap(), "ada".parse().unwrap());
        let mut done =
            OperationRecord::submitted(Request::Delete(request), Timestamp::from_millis(4_000_000_001_000));
        done.state = OperationState::Completed;
        scene.catalog.create_operation(&done, &holder, std::time::Duration::from_secs(60)).await.unwrap();
    }
    let ada = admin.get("/api/v1/workspaces/ada").await.json();
    assert_eq!(ada["last_backup_operation"], "night", "whatever was deleted since");
    let bound = scene.client(Role::Viewer, Some("staging")).await;
    let seen = bound.get("/api/v1/workspaces?limit=1").await.json();
    assert_eq!(seen["workspaces"][0]["id"], "bob", "{seen}");
}
