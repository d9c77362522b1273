//! Connections that say nothing, or too little; requests from pages of other sites; defects.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{BackupRecord, Result, WorkspaceId};
use stillpoint_server::access::{MemoryAccess, Role};
use stillpoint_server::{RestoreRoute, Routed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::Scene;

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_or_too_little_is_closed() {
    let scene = Scene::new().await;
    let begun = tokio::time::Instant::now();
    for said in ["", "GET /healthz HT", "PRI * HTTP/2.0\r\n", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(scene.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard.contains("200 OK"), said.ends_with("\r\n\r\n"), "{said:?}: {heard:?}");
    }
    let passed = begun.elapsed();
    assert!(passed >= Duration::from_secs(80) && passed < Duration::from_secs(100), "{passed:?}");
}

#[tokio::test]
async fn a_form_of_another_site_signs_nobody_in_and_who_signs_in_is_noted() {
    let scene = Scene::new().await;
    let (anonymous, token) = (scene.anonymous(), scene.token(Role::Viewer, None).await);
    let form = |name: &'static str, value: &'static str| {
        let request = anonymous.request(Method::POST, "/sign-in").header(name, value);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        anonymous.send(request.body(format!("token={token}")))
    };
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://elsewhere.example")] {
        let refused = form(name, value).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{name}: {value}");
        assert!(!refused.headers.contains_key("set-cookie"));
    }
    assert!(scene.access.audit(10).await.unwrap().is_empty());
    assert!(form("sec-fetch-site", "same-origin").await.status.is_redirection());
    let lines = scene.access.audit(10).await.unwrap();
    assert_eq!((lines[0].action.as_str(), lines[0].name.as_deref()), ("sign-in", Some("a viewer")));
}

/// Has a defect.
#[derive(Debug)]
struct Broken;

impl RestoreRoute for Broken {
    fn route(&self, _: &BackupRecord, _: &WorkspaceId, _: Option<&str>) -> Result<Routed> {
        panic!("a defect, on purpose")
    }
}

#[tokio::test]
async fn the_answer_to_a_defect_is_dressed_and_counted_as_any_other() {
    let (catalog, access) = (Arc::new(MemoryCatalog::new()), Arc::new(MemoryAccess::default()));
    let scene = Scene::with(catalog, access, |plane| plane.with_restores(Arc::new(Broken))).await;
    scene.catalogued("b-1", 1_000_000).await;
    let order = json!({ "target": "ada-2" });
    let answer = scene.administrator().await.post("/api/v1/backups/b-1/restore-plan", &order).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(!answer.text.contains("on purpose"), "{}", answer.text);
    let counted = "route=\"/api/v1/backups/{backup}/restore-plan\",status=\"500\"} 1";
    let metrics = scene.anonymous().get("/metrics").await.text;
    assert!(metrics.contains(counted), "{metrics}");
}
