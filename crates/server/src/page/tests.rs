//! The pages over their routes, without a browser: who may open what, and that whatever comes from outside stays text.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{Request, StatusCode};
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{BackupQuery, BackupRecord, Catalog, Definition, Timestamp, WorkspaceRecord};
use tower::ServiceExt as _;

use crate::access::{MemoryAccess, Role, Secret, Session};
use crate::demo::{Demo, DemoOptions, demo};
use crate::routes::router;

/// A name with which somebody tries to get out of the text.
const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'\u{202e}";

async fn world() -> (Arc<MemoryCatalog>, Demo) {
    let catalog = Arc::new(MemoryCatalog::new());
    let made =
        demo(catalog.clone(), Arc::new(MemoryAccess::default()), DemoOptions::default()).await.unwrap();
    (catalog, made)
}

fn secret(world: &Demo, role: Role) -> Secret {
    world.tokens.iter().find(|(known, _)| *known == role).unwrap().1.clone()
}

/// Status and text of one request; `form` makes it a post.
async fn ask(world: &Demo, who: Option<&Secret>, path: &str, form: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::builder().uri(path).method(if form.is_some() { "POST" } else { "GET" });
    if let Some(secret) = who {
        request = request.header(COOKIE, format!("stillpoint-session={}", secret.expose()));
    }
    request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = Body::from(form.unwrap_or_default().to_owned());
    let answer = router(world.plane.clone()).oneshot(request.body(body).unwrap()).await.unwrap();
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), 8 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn some_backup(catalog: &MemoryCatalog) -> BackupRecord {
    let query = BackupQuery::of_workspace("forecasting".parse().unwrap());
    catalog.backups(&query).await.unwrap().items.remove(0).backup
}

#[tokio::test]
async fn each_role_opens_what_it_may_and_is_told_no_otherwise() {
    let (catalog, world) = world().await;
    let backup = format!("/backups/{}", some_backup(&catalog).await.id);
    let pages = [
        ("/".to_owned(), Role::Viewer),
        ("/workspaces".to_owned(), Role::Viewer),
        ("/workspaces/ml-prod".to_owned(), Role::Viewer),
        ("/operations".to_owned(), Role::Viewer),
        (backup.clone(), Role::Viewer),
        ("/workspaces/ml-prod/backup".to_owned(), Role::Operator),
        (format!("{backup}/restore"), Role::Operator),
        (format!("{backup}/delete"), Role::Administrator),
        ("/workspaces/ml-prod/schedule".to_owned(), Role::Administrator),
        ("/workspaces/ml-prod/retention".to_owned(), Role::Administrator),
    ];
    for (path, least) in &pages {
        let (status, _) = ask(&world, None, path, None).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{path} without a session leads to the sign-in form");
        for role in [Role::Viewer, Role::Operator, Role::Administrator] {
            let (status, text) = ask(&world, Some(&secret(&world, role)), path, None).await;
            let expected = if role >= *least { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{path} as {role}");
            assert!(text.contains("<main"), "{path} as {role} is a page");
        }
    }
}

#[tokio::test]
async fn no_form_changes_anything_without_its_proof_or_without_the_role() {
    let (catalog, world) = world().await;
    let backup = format!("/backups/{}", some_backup(&catalog).await.id);
    let forms = [
        (format!("{backup}/delete"), "confirm=x"),
        (format!("{backup}/restore"), "target=twin"),
        (format!("{backup}/verify"), ""),
        (format!("{backup}/hold"), "held=yes"),
        ("/workspaces/ml-prod/backup".to_owned(), ""),
        ("/workspaces/ml-prod/schedule".to_owned(), "cadence=interval&hours=1"),
        ("/workspaces/ml-prod/schedule/remove".to_owned(), "revision=1"),
        ("/workspaces/ml-prod/retention".to_owned(), "last=1&confirm=0"),
    ];
    let before = catalog.backups(&BackupQuery::all()).await.unwrap();
    let (administrator, viewer) = (secret(&world, Role::Administrator), secret(&world, Role::Viewer));
    let proof = Session::new(viewer.clone()).proof();
    for (path, fields) in &forms {
        let (status, _) = ask(&world, Some(&administrator), path, Some(fields)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path} without a proof");
        let (status, _) = ask(&world, Some(&viewer), path, Some(&format!("{fields}&csrf={proof}"))).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path} as a viewer");
    }
    assert_eq!(catalog.backups(&BackupQuery::all()).await.unwrap(), before);
}

#[tokio::test]
async fn hostile_names_stay_text_on_every_page() {
    let (catalog, world) = world().await;
    let now = Timestamp::from_millis(1_790_000_000_000);
    let mut definition = Definition::new("tame".parse().unwrap());
    definition.id = serde_json::from_value(HOSTILE.into()).unwrap();
    definition.environment = Some(HOSTILE.into());
    definition.software_version = Some(HOSTILE.into());
    catalog.put_workspace(&WorkspaceRecord::new(definition.clone(), Vec::new(), now)).await.unwrap();
    let operation = "hostile".parse().unwrap();
    let mut backup = BackupRecord::new("hostile-backup".parse().unwrap(), operation, definition, now);
    (backup.name, backup.creator) = (Some(HOSTILE.into()), Some(HOSTILE.into()));
    catalog.put_backup(&backup, None).await.unwrap();

    let who = secret(&world, Role::Administrator);
    let encoded = super::view::part::encode(HOSTILE);
    let pages = [
        format!("/?q={encoded}"),
        "/backups/hostile-backup".to_owned(),
        "/backups/hostile-backup/delete".to_owned(),
        "/backups/hostile-backup/restore".to_owned(),
        "/workspaces".to_owned(),
        format!("/workspaces/{encoded}"),
        format!("/workspaces/{encoded}/retention?preview=yes&last=1"),
        format!("/workspaces/{encoded}/schedule?cadence=cron&cron={encoded}"),
    ];
    for path in pages {
        let (status, text) = ask(&world, Some(&who), &path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        assert!(text.contains("&lt;script&gt;"), "{path} shows the name");
        for loose in ["<script>", "<img", " style=", " onerror=alert(2)>'"] {
            assert!(!text.contains(loose), "{path} lets {loose:?} out");
        }
    }
}

#[tokio::test]
async fn signing_in_sets_a_cookie_that_no_script_reads() {
    let (_, world) = world().await;
    let form = format!("token={}", secret(&world, Role::Viewer).expose());
    let request = Request::post("/sign-in").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = router(world.plane.clone()).oneshot(request.body(Body::from(form)).unwrap()).await.unwrap();
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let (status, text) = ask(&world, None, "/sign-in", Some("token=stp_guessed")).await;
    assert!(status == StatusCode::UNAUTHORIZED && text.contains("unknown, revoked or over"));
}
