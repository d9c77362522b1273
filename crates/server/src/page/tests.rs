//! The pages over their routes, without a browser: who may open what, and that whatever comes from outside stays text.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{BackupQuery, BackupRecord, Catalog, Definition, Result, Timestamp, WorkspaceRecord};
use tower::ServiceExt as _;

use crate::access::{MemoryAccess, Role, Secret, Session};
use crate::demo::{Demo, DemoOptions, demo};
use crate::document::LeftHold;
use crate::routes::router;
use crate::view::HoldNotes;

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

/// The answer to one request; `form` makes it a post.
async fn answer(world: &Demo, who: Option<&Secret>, path: &str, form: Option<&str>) -> Response {
    let mut request = Request::builder().uri(path).method(if form.is_some() { "POST" } else { "GET" });
    if let Some(secret) = who {
        request = request.header(COOKIE, format!("stillpoint-session={}", secret.expose()));
    }
    request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = Body::from(form.unwrap_or_default().to_owned());
    router(world.plane.clone()).oneshot(request.body(body).unwrap()).await.unwrap()
}

/// Its status and text.
async fn ask(world: &Demo, who: Option<&Secret>, path: &str, form: Option<&str>) -> (StatusCode, String) {
    let answer = answer(world, who, path, form).await;
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
async fn whoever_forgets_hears_where_a_backup_stays_though_the_preview_named_it() {
    let (catalog, world) = world().await;
    let administrator = secret(&world, Role::Administrator);
    let proof = Session::new(administrator.clone()).proof();
    let mut query = BackupQuery::of_workspace("research-gpu".parse().unwrap());
    query.limit = 100;
    let backups = catalog.backups(&query).await.unwrap().items;
    let [_newest, held, _named, other, ..] = &backups[..] else { panic!("{backups:?}") };
    let hold = format!("/backups/{}/hold", held.backup.id);
    let (status, _) = ask(&world, Some(&administrator), &hold, Some(&format!("held=yes&csrf={proof}"))).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let path = "/workspaces/research-gpu/retention";
    for (remove, said) in [(&held.backup.id, "forgotten-some"), (&other.backup.id, "forgotten")] {
        let form = format!("last=1&remove={remove}&confirm=1&csrf={proof}");
        let answer = answer(&world, Some(&administrator), path, Some(&form)).await;
        assert_eq!(answer.headers()[LOCATION], format!("/workspaces/research-gpu?said={said}"));
    }
}

#[tokio::test]
async fn the_same_path_on_two_hosts_is_told_apart_wherever_a_backup_is_shown() {
    let (catalog, world) = world().await;
    let now = Timestamp::from_millis(1_790_000_000_000);
    for host in ["alpha", "beta"] {
        let mut definition = Definition::new("/home/ada".parse().unwrap());
        definition.host = Some(host.to_owned());
        catalog.put_workspace(&WorkspaceRecord::new(definition.clone(), Vec::new(), now)).await.unwrap();
        let (id, operation) = (format!("of-{host}").parse().unwrap(), host.parse().unwrap());
        let record = BackupRecord::new(id, operation, definition, now);
        catalog.put_backup(&record, None).await.unwrap();
    }
    let who = secret(&world, Role::Administrator);
    for path in ["/?workspace=%2Fhome%2Fada", "/workspaces/%2Fhome%2Fada"] {
        let (_, text) = ask(&world, Some(&who), path, None).await;
        assert!(text.contains(" on <bdi>alpha") && text.contains(" on <bdi>beta"), "{path}: {text}");
    }
    for path in ["/backups/of-beta", "/backups/of-beta/delete"] {
        let (_, text) = ask(&world, Some(&who), path, None).await;
        assert!(text.contains(" on <bdi>beta") && !text.contains(" on <bdi>alpha"), "{path}: {text}");
    }
}

/// A host that knows of one workspace that was left held still.
#[derive(Debug)]
struct Left(&'static str);

#[async_trait]
impl HoldNotes for Left {
    async fn left(&self) -> Result<Vec<LeftHold>> {
        let held = LeftHold::new(self.0.parse()?, "hold-1".parse()?, Timestamp::from_millis(0));
        Ok(vec![held.taken_by(Some("op-left".parse()?))])
    }
}

#[tokio::test]
async fn a_workspace_that_was_left_held_still_is_told_with_what_to_do() {
    let (_, mut world) = world().await;
    world.plane = world.plane.with_hold_notes(Arc::new(Left("ml-prod")));
    let who = secret(&world, Role::Administrator);
    let told = |text: &str| text.contains("op-left") && text.contains("`stillpoint resume`");
    for path in ["/", "/operations", "/workspaces", "/workspaces/ml-prod"] {
        let (_, text) = ask(&world, Some(&who), path, None).await;
        assert!(told(&text), "{path}: {text}");
    }
    let (_, text) = ask(&world, Some(&who), "/api/v1/operations", None).await;
    assert!(text.contains(r#""held":[{"workspace":"ml-prod""#), "{text}");
    for path in ["/workspaces/forecasting", "/api/v1/operations?workspace=forecasting"] {
        let (_, text) = ask(&world, Some(&who), path, None).await;
        assert!(!text.contains("op-left"), "{path} is about another: {text}");
    }
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

#[tokio::test]
async fn a_schedule_form_that_is_sent_twice_makes_one_schedule_which_never_was_unpaused() {
    let (catalog, world) = world().await;
    let now = Timestamp::from_millis(1_790_000_000_000);
    let bare = WorkspaceRecord::new(Definition::new("bare".parse().unwrap()), Vec::new(), now);
    catalog.put_workspace(&bare).await.unwrap();
    let who = secret(&world, Role::Administrator);
    let path = "/workspaces/bare/schedule";
    let (_, text) =
        ask(&world, Some(&who), &format!("{path}?cadence=interval&hours=6&paused=yes"), None).await;
    let id = text.split("name=\"schedule\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let proof = Session::new(who.clone()).proof();
    let form = format!("cadence=interval&hours=6&paused=yes&revision=&schedule={id}&csrf={proof}");
    for _ in 0..2 {
        let (status, text) = ask(&world, Some(&who), path, Some(&form)).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    }
    let mut query = stillpoint_core::ScheduleQuery::all();
    query.workspace = Some("bare".parse().unwrap());
    let stored = catalog.schedules(&query).await.unwrap().items;
    assert_eq!((stored.len(), stored[0].revision.0, stored[0].record.schedule.paused), (1, 1, true));
}

#[tokio::test]
async fn a_schedule_form_changes_and_removes_no_schedule_but_the_one_it_showed() {
    let (catalog, world) = world().await;
    let now = Timestamp::from_millis(1_790_000_000_000);
    let bare = WorkspaceRecord::new(Definition::new("bare".parse().unwrap()), Vec::new(), now);
    catalog.put_workspace(&bare).await.unwrap();
    let who = secret(&world, Role::Administrator);
    let proof = Session::new(who.clone()).proof();
    let path = "/workspaces/bare/schedule";
    let post = async |path: &str, schedule: &str, revision: &str, hours: u32| {
        let fields =
            format!("cadence=interval&hours={hours}&schedule={schedule}&revision={revision}&csrf={proof}");
        ask(&world, Some(&who), path, Some(&fields)).await.0
    };
    let stored = async |id: &str| catalog.schedule(&id.parse().unwrap()).await.unwrap();
    assert_eq!(post(path, "mine", "", 6).await, StatusCode::SEE_OTHER);
    let mut other = stored("mine").await.unwrap().record;
    other.id = "a-first".parse().unwrap();
    catalog.put_schedule(&other, None).await.unwrap();

    assert_eq!(post(path, "fresh", "", 6).await, StatusCode::CONFLICT, "it has one by now");
    assert_eq!(post(path, "mine", "1", 12).await, StatusCode::SEE_OTHER);
    assert_eq!(stored("mine").await.unwrap().revision.0, 2);
    let remove = format!("{path}/remove");
    assert_eq!(post(&remove, "mine", "1", 0).await, StatusCode::CONFLICT, "it was changed since");
    assert_eq!(post(&remove, "mine", "2", 0).await, StatusCode::SEE_OTHER);
    assert_eq!(post(path, "mine", "2", 6).await, StatusCode::CONFLICT, "it is gone");
    assert!(stored("mine").await.is_none());
    assert_eq!(stored("a-first").await.unwrap().record, other);
}

#[tokio::test]
async fn what_retention_offers_to_delete_is_shown_however_old_it_is_and_not_all_at_once() {
    let (catalog, world) = world().await;
    let definition = Definition::new("long".parse().unwrap());
    let at = |number: i64| Timestamp::from_millis(1_700_000_000_000 + number * 3_600_000);
    catalog.put_workspace(&WorkspaceRecord::new(definition.clone(), Vec::new(), at(0))).await.unwrap();
    for number in 0..1600 {
        let id = format!("b-{number:04}");
        let made =
            BackupRecord::new(id.parse().unwrap(), "op".parse().unwrap(), definition.clone(), at(number));
        catalog.put_backup(&made, None).await.unwrap();
    }
    let who = secret(&world, Role::Administrator);
    let (status, text) = ask(&world, Some(&who), "/workspaces/long/retention?preview=yes&last=7", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(text.matches("name=\"remove\"").count(), 500);
    assert!(text.contains("The oldest 500 of them") && text.contains("lets go <strong>1593</strong>"));
    for offered in ["b-0000", "b-0499"] {
        assert!(text.contains(&format!("/backups/{offered}\"")), "{offered} is shown");
    }
}
