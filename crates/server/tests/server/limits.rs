//! What every answer carries, and what no caller may do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use serde_json::json;
use stillpoint_core::Result;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_server::access::{AccessStore, AuditLine, MemoryAccess, Role, TokenRecord};
use tokio::sync::Semaphore;

use super::support::Scene;

#[tokio::test]
async fn every_answer_has_the_headers_that_browsers_heed() {
    let scene = Scene::new().await;
    for path in ["/", "/healthz", "/api/v1/backups", "/nothing", "/openapi.json"] {
        let headers = scene.anonymous().get(path).await.headers;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert!(!headers.contains_key("strict-transport-security"), "it is not served over TLS");
    }
    assert_eq!(scene.anonymous().get("/api/v1/backups").await.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_body_that_is_too_long_or_no_json_is_refused_as_a_problem() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    let long = json!({ "name": "x".repeat(300 * 1024) });
    let plain = admin.request(Method::POST, "/api/v1/workspaces/ada/backups").body("{}");
    let broken = plain.try_clone().unwrap().header("content-type", "application/json").body("{");
    let long = admin.post("/api/v1/workspaces/ada/backups", &long).await;
    for answer in [long, admin.send(plain).await, admin.send(broken).await] {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_back_and_holds_nobody_up() {
    let (catalog, access) = (Arc::new(MemoryCatalog::new()), Arc::new(MemoryAccess::default()));
    let scene = Scene::with(catalog, access, |plane| plane.with_calls_per_second(2)).await;
    let hasty = scene.client(Role::Viewer, None).await;
    let mut refused = None;
    for _ in 0..10 {
        let answer = hasty.get("/api/v1/me").await;
        if answer.status != StatusCode::OK {
            refused = Some(answer);
        }
    }
    let refused = refused.expect("ten calls at once are more than four");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(scene.client(Role::Viewer, None).await.get("/api/v1/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_server_says_how_it_is_and_counts_without_naming_anybody() {
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    admin.backed_up("ada").await;
    let anonymous = scene.anonymous();
    assert_eq!(anonymous.get("/healthz").await.text, "ok\n");
    assert_eq!(anonymous.get("/readyz").await.text, "ready\n");
    let metrics = anonymous.get("/metrics").await.text;
    let counted = "stillpoint_http_request_seconds_count{method=\"POST\",route=\"/api/v1/workspaces/{workspace}/backups\",status=\"202\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(!metrics.contains("ada"), "{metrics}");
}

#[tokio::test]
async fn a_session_of_the_page_changes_nothing_without_its_proof() {
    let scene = Scene::new().await;
    let anonymous = scene.anonymous();
    let token = scene.token(Role::Administrator, None).await;
    let form = anonymous
        .request(Method::POST, "/sign-in")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("token={token}"));
    let signed_in = anonymous.send(form).await;
    assert!(signed_in.status.is_redirection(), "{:?}", signed_in);
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let with_cookie = |method, path| anonymous.request(method, path).header("cookie", cookie);
    let looked = anonymous.send(with_cookie(Method::GET, "/api/v1/backups")).await;
    assert_eq!(looked.status, StatusCode::OK);
    for proof in ["", "0000000000000000000000000000000000000000000000000000000000000000"] {
        let request = with_cookie(Method::POST, "/api/v1/workspaces/ada/backups")
            .header("x-csrf-token", proof)
            .header("content-type", "application/json")
            .body("{}");
        let answer = anonymous.send(request).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{proof:?}: {}", answer.text);
    }
    assert_eq!(
        scene.administrator().await.get("/api/v1/operations?all=true").await.json()["operations"],
        json!([])
    );
}

#[tokio::test]
async fn a_method_that_a_caller_made_up_is_counted_as_any_other() {
    let scene = Scene::new().await;
    let anonymous = scene.anonymous();
    for method in ["AAAA", "AAAAB"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = anonymous.send(anonymous.request(method, "/nothing")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    let metrics = anonymous.get("/metrics").await.text;
    assert!(!metrics.contains("AAAA"), "{metrics}");
    assert!(metrics.contains("_count{method=\"other\",route=\"unknown\",status=\"404\"} 2"), "{metrics}");
}

/// Notes nothing until it may.
#[derive(Debug)]
struct SlowAccess {
    inner: MemoryAccess,
    asked: Semaphore,
    may: Semaphore,
}

#[async_trait]
impl AccessStore for SlowAccess {
    async fn put_token(&self, record: &TokenRecord) -> Result<bool> {
        self.inner.put_token(record).await
    }

    async fn token_of_digest(&self, digest: &str) -> Result<Option<TokenRecord>> {
        self.inner.token_of_digest(digest).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        self.inner.tokens().await
    }

    async fn remove_token(&self, id: &str) -> Result<bool> {
        self.inner.remove_token(id).await
    }

    async fn append_audit(&self, line: &AuditLine) -> Result<()> {
        self.asked.add_permits(1);
        self.may.acquire().await.unwrap().forget();
        self.inner.append_audit(line).await
    }

    async fn audit(&self, limit: usize) -> Result<Vec<AuditLine>> {
        self.inner.audit(limit).await
    }
}

#[tokio::test]
async fn whoever_hangs_up_is_noted_all_the_same() {
    let (asked, may) = (Semaphore::new(0), Semaphore::new(0));
    let access = Arc::new(SlowAccess { inner: MemoryAccess::default(), asked, may });
    let scene = Scene::on(Arc::new(MemoryCatalog::new()), access.clone()).await;
    let admin = scene.administrator().await;
    let order = json!({ "workspace": "ada", "policy": {} });
    tokio::select! {
        answer = admin.post("/api/v1/retention/apply", &order) => panic!("answered before it was noted: {answer:?}"),
        asked = access.asked.acquire() => asked.unwrap().forget(),
    }
    // The connection is closed by now; the server is given the time to see it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    access.may.add_permits(1);
    let noted = async {
        loop {
            if let [line] = access.audit(10).await.unwrap().as_slice() {
                return line.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let noted = tokio::time::timeout(Duration::from_secs(10), noted).await.expect("a line in the log");
    assert_eq!((noted.action.as_str(), noted.subject.as_str()), ("retention-apply", "ada"));
}

#[tokio::test]
async fn what_a_refused_caller_wrote_does_not_fill_the_log() {
    let scene = Scene::new().await;
    let viewer = scene.client(Role::Viewer, None).await;
    let order = json!({ "name": format!("x{}", "ä".repeat(10_000)), "role": "viewer" });
    assert_eq!(viewer.post("/api/v1/tokens", &order).await.status, StatusCode::FORBIDDEN);
    let lines = scene.access.audit(10).await.unwrap();
    assert_eq!(lines[0].subject, format!("x{}", "ä".repeat(99)), "cut between letters, at 200 bytes");
}
