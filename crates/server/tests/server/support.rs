//! A scene: two workspaces in two environments, a server on loopback, and a client with a token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use stillpoint_core::memory::{MemoryCatalog, MemoryProvider, MemoryProvisioner, MemoryWorkspace};
use stillpoint_core::{
    BackupRecord, Cancellation, Catalog, Component, Definition, LocalOrchestrator, OperationId, RoleGrant,
    SystemClock, SystemEntropy, Timestamp, WorkspaceRecord,
};
use stillpoint_server::access::{AccessStore, MemoryAccess, NewToken, Role};
use stillpoint_server::{ControlPlane, Listen, SameProvisioner, serve};

/// No answer takes longer here.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A running server and what it works on.
pub(crate) struct Scene {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) access: Arc<dyn AccessStore>,
    pub(crate) provider: Arc<MemoryProvider>,
    pub(crate) address: SocketAddr,
    pub(crate) stop: Cancellation,
    http: reqwest::Client,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// The workspace `ada` in `prod`, and `bob` in `staging`.
fn workspaces() -> Vec<(MemoryWorkspace, WorkspaceRecord)> {
    let made = [("ada", "prod"), ("bob", "staging")].map(|(name, environment)| {
        let mut definition = Definition::new(name.parse().unwrap());
        definition.environment = Some(environment.to_owned());
        definition.software_version = Some("2026.1".to_owned());
        definition.roles.push(RoleGrant::new("grace", "admin"));
        let home = Component::new(
            "home".parse().unwrap(),
            "directory",
            "memory".parse().unwrap(),
            format!("/home/{name}"),
        );
        let record = WorkspaceRecord::new(definition.clone(), vec![home.clone()], Timestamp::from_millis(0));
        (MemoryWorkspace::new(definition, vec![home]), record)
    });
    made.into()
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::on(Arc::new(MemoryCatalog::new()), Arc::new(MemoryAccess::default())).await
    }

    /// A server of this catalog.
    pub(crate) async fn on(catalog: Arc<dyn Catalog>, access: Arc<dyn AccessStore>) -> Self {
        Self::with(catalog, access, |plane| plane).await
    }

    /// A server of this catalog, set up in some other way.
    pub(crate) async fn with(
        catalog: Arc<dyn Catalog>,
        access: Arc<dyn AccessStore>,
        change: impl FnOnce(ControlPlane) -> ControlPlane,
    ) -> Self {
        let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
        let mut builder = LocalOrchestrator::builder(Arc::clone(&catalog))
            .provider(provider.clone())
            .provisioner("memory", Arc::new(MemoryProvisioner::default()));
        for (workspace, record) in workspaces() {
            provider.write(&record.components[0].resource, "notes.txt", b"first");
            catalog.put_workspace(&record).await.unwrap();
            builder = builder.workspace(Arc::new(workspace));
        }
        let plane = ControlPlane::new(Arc::clone(&catalog), Arc::new(builder.build()), Arc::clone(&access))
            .with_providers(vec![provider.clone()])
            .with_restores(Arc::new(SameProvisioner::new("memory")))
            .with_calls_per_second(10_000);
        let bound = Listen::new("127.0.0.1:0".parse().unwrap()).bind().await.unwrap();
        let (address, stop) = (bound.address(), Cancellation::new());
        tokio::spawn(serve(change(plane), bound, stop.clone()));
        let http = reqwest::Client::builder()
            .timeout(WAIT_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { catalog, access, provider, address, stop, http }
    }

    /// A fresh token.
    pub(crate) async fn token(&self, role: Role, environment: Option<&str>) -> String {
        let mut made = NewToken::new(format!("a {role}"), role);
        made.environment = environment.map(str::to_owned);
        let (secret, record) = made.make(&SystemClock::default(), &SystemEntropy::default()).unwrap();
        assert!(self.access.put_token(&record).await.unwrap());
        secret.expose().to_owned()
    }

    pub(crate) async fn administrator(&self) -> Client<'_> {
        Client { scene: self, token: Some(self.token(Role::Administrator, None).await) }
    }

    pub(crate) async fn client(&self, role: Role, environment: Option<&str>) -> Client<'_> {
        Client { scene: self, token: Some(self.token(role, environment).await) }
    }

    pub(crate) fn anonymous(&self) -> Client<'_> {
        Client { scene: self, token: None }
    }

    /// A completed backup of `ada` that is nothing but catalogued, begun at `millis`.
    pub(crate) async fn catalogued(&self, id: &str, millis: i64) -> BackupRecord {
        self.catalogued_of("ada", id, millis).await
    }

    pub(crate) async fn catalogued_of(&self, workspace: &str, id: &str, millis: i64) -> BackupRecord {
        let known = self.catalog.workspace(&workspace.parse().unwrap()).await.unwrap().unwrap();
        let operation = OperationId::new(format!("op-{id}")).unwrap();
        let at = Timestamp::from_millis(millis);
        let record = BackupRecord::new(id.parse().unwrap(), operation, known.definition, at);
        self.catalog.put_backup(&record, None).await.unwrap();
        record
    }
}

/// Whoever holds a token.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) token: Option<String>,
}

impl Client<'_> {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.scene.http.request(method, format!("http://{}{path}", self.scene.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Sends a JSON body.
    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(json(self.request(method, path), body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    /// Sends a JSON body under an idempotency key.
    pub(crate) async fn post_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.send(json(self.request(Method::POST, path), body).header("idempotency-key", key)).await
    }

    /// The operation once it has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            let answer = self.get(&format!("/api/v1/operations/{id}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            let operation = answer.json();
            let state = operation["state"].as_str().unwrap();
            if !["running", "cancelling", "detached"].contains(&state) {
                return operation;
            }
            assert!(tokio::time::Instant::now() < deadline, "{operation}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A backup of `workspace` that was really made.
    pub(crate) async fn backed_up(&self, workspace: &str) -> Value {
        let path = format!("/api/v1/workspaces/{workspace}/backups");
        let begun = self.post(&path, &serde_json::json!({})).await;
        assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text);
        let ended = self.ended(begun.json()["id"].as_str().unwrap()).await;
        assert_eq!(ended["state"], "completed", "{ended}");
        ended
    }
}

fn json(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header("content-type", "application/json").body(body.to_string())
}
