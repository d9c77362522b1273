//! A fake Azure with a scenario in it, and the provider suite's view of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test that called it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use stillpoint_conformance::fake::Fake;
use stillpoint_core::{
    BackupId, BackupJob, Clock, Component, CopyJob, JobKey, JobRef, JobRequest, JobState, JobStatus,
    OpContext, OperationId, Provider, RestoreJob, Settings, SnapshotRef, Tags, Timestamp,
};
use stillpoint_provider_azure::managed::{AzureProvider, GroupPlace};
use stillpoint_provider_azure::{Connection, Environment};
use stillpoint_testkit::oracle::{FakeCloud, fake_azure};

pub(crate) const SUBSCRIPTION: &str = "22222222-2222-4222-8222-222222222222";
pub(crate) const GROUP: &str = "rg";
/// The caller of every scenario.
pub(crate) const PRINCIPAL: &str = "33333333-3333-4333-8333-333333333333";
/// The operation of every restore here.
pub(crate) const RESTORE: &str = "restore-1";

/// A fake Azure with a scenario in it.
#[derive(Debug)]
pub(crate) struct World {
    fake: FakeCloud,
    /// Its client is dear to make, and its tokens end with the scenario.
    connection: Mutex<Option<Connection>>,
}

/// The fake's clock: sleeping moves it.
#[derive(Clone, Debug)]
pub(crate) struct FakeClock(Arc<World>);

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(duration.as_secs_f64());
    }
}

impl World {
    /// A scenario of one's own; `None` where the fake's Python is not installed.
    pub(crate) fn of(scenario: &Value) -> Option<Arc<Self>> {
        Some(Arc::new(Self { fake: fake_azure(scenario)?, connection: Mutex::default() }))
    }

    /// The scenario of this name, from the fake's own folder.
    pub(crate) fn named(name: &str) -> Option<Arc<Self>> {
        Self::of(&scenario(name))
    }

    /// Begins anew with another scenario. What was wrong before fails here.
    pub(crate) fn reset(&self, scenario: &Value) {
        self.fake.assert_no_violations();
        self.fake.post("reset", scenario);
        *self.connection.lock().unwrap() = None;
    }

    pub(crate) fn fake(&self) -> &FakeCloud {
        &self.fake
    }

    pub(crate) fn clock(self: &Arc<Self>) -> Arc<dyn Clock> {
        Arc::new(FakeClock(Arc::clone(self)))
    }

    pub(crate) fn now(&self) -> Timestamp {
        let now = self.fake.get("now")["now"].as_f64().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century")]
        Timestamp::from_millis((now * 1000.0).round() as i64)
    }

    pub(crate) fn advance(&self, seconds: f64) {
        self.fake.post("advance", &json!({"seconds": seconds}));
    }

    /// Plans a failure.
    pub(crate) fn inject(&self, op: &str, fault: &Value) {
        self.fake.post("inject", &json!({"op": op, "fault": fault}));
    }

    pub(crate) fn set(&self, change: &Value) {
        self.fake.post("set", change);
    }

    /// A connection as a process on a machine with an identity has it.
    pub(crate) fn connection(&self) -> Connection {
        self.connection.lock().unwrap().get_or_insert_with(|| self.connect()).clone()
    }

    fn connect(&self) -> Connection {
        let endpoint = self.fake.endpoint();
        let settings = Environment::new([
            ("AZURE_RESOURCE_MANAGER_ENDPOINT", endpoint.as_str()),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", endpoint.as_str()),
        ]);
        Connection::from_settings(&settings).unwrap()
    }

    /// The provider as a newly started process builds it.
    pub(crate) fn provider(&self) -> AzureProvider {
        let place = GroupPlace::new(SUBSCRIPTION, GROUP);
        AzureProvider::new("azure".parse().unwrap(), self.connection(), [place])
    }

    pub(crate) fn cx(self: &Arc<Self>) -> OpContext {
        OpContext::new(self.clock())
    }

    pub(crate) fn cx_of(self: &Arc<Self>, operation: &str) -> OpContext {
        self.cx().for_operation(operation.parse().unwrap(), 1)
    }

    /// A backup of `component` as a part of `operation`.
    pub(crate) fn backup(&self, operation: &str, component: &Component) -> BackupJob {
        let operation: OperationId = operation.parse().unwrap();
        let key = JobKey::new(operation.clone(), component.id.clone(), 1);
        let backup = BackupId::of(&operation);
        BackupJob::new(key, "team/ml-1".parse().unwrap(), backup, component.clone(), self.now())
    }

    /// The restore of `snapshot` by [`RESTORE`].
    pub(crate) fn restore(
        &self,
        snapshot: &SnapshotRef,
        component: &Component,
        destination: Value,
    ) -> RestoreJob {
        let key = JobKey::new(RESTORE.parse().unwrap(), component.id.clone(), 1);
        let destination: Settings = serde_json::from_value(destination).unwrap();
        let target = "team/ml-2".parse().unwrap();
        let mut job = RestoreJob::new(key, snapshot.clone(), component.clone(), target, destination);
        job.tags = [("keep".to_owned(), "yes".to_owned())].into();
        job
    }

    /// A copy of `snapshot` as a part of `operation`.
    pub(crate) fn copy(&self, operation: &str, snapshot: &SnapshotRef, destination: Value) -> CopyJob {
        let operation: OperationId = operation.parse().unwrap();
        let key = JobKey::new(operation.clone(), "db".parse().unwrap(), 1);
        let mut job = CopyJob::new(key, "azure".parse().unwrap(), BackupId::of(&operation), snapshot.clone());
        job.destination = serde_json::from_value(destination).unwrap();
        job
    }

    pub(crate) async fn start(self: &Arc<Self>, provider: &AzureProvider, request: &JobRequest) -> JobRef {
        provider.start(&self.cx_of(request.key().operation().as_str()), request).await.unwrap()
    }

    /// Polls until the job ended, by the fake's clock.
    pub(crate) async fn settle(self: &Arc<Self>, provider: &AzureProvider, job: &JobRef) -> JobStatus {
        for _ in 0..2000 {
            let status = provider.poll(&self.cx(), job, Duration::ZERO).await.unwrap();
            if status.state.is_terminal() {
                return status;
            }
            self.advance(status.poll_after.unwrap_or(Duration::from_secs(20)).as_secs_f64());
        }
        panic!("the job {job:?} does not end");
    }

    pub(crate) async fn run(self: &Arc<Self>, provider: &AzureProvider, request: &JobRequest) -> JobStatus {
        let job = self.start(provider, request).await;
        self.settle(provider, &job).await
    }

    /// Captures `component` and answers its snapshot.
    pub(crate) async fn captured(self: &Arc<Self>, operation: &str, component: &Component) -> SnapshotRef {
        let job = JobRequest::Backup(self.backup(operation, component));
        let status = self.run(&self.provider(), &job).await;
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
        status.snapshot.unwrap()
    }

    /// How often an operation was called so far.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.calls_since(0).get(operation).copied().unwrap_or(0)
    }

    /// The actions that were needed so far.
    pub(crate) fn actions(&self) -> BTreeSet<String> {
        let journal = self.fake.get("journal");
        let entries = journal.as_array().unwrap().iter();
        let actions = entries.filter_map(|entry| entry["actions"].as_array()).flatten();
        actions.map(|action| action.as_str().unwrap().to_owned()).collect()
    }

    /// What the fake knows of a resource; null where it does not exist.
    pub(crate) fn resource(&self, id: &str) -> Value {
        let state = self.fake.get("state");
        let resources = state["resources"].as_object().unwrap();
        let found = resources.iter().find(|(known, _)| known.eq_ignore_ascii_case(id));
        found.map_or(Value::Null, |(_, resource)| resource.clone())
    }

    /// The tags of a resource, or its metadata where it has no tags.
    pub(crate) fn written_on(&self, id: &str) -> Tags {
        let resource = self.resource(id);
        let metadata = &resource["properties"]["metadata"];
        let written = if metadata.is_object() { metadata } else { &resource["tags"] };
        serde_json::from_value(written.clone()).unwrap_or_default()
    }

    /// How many resources there are of a type.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let state = self.fake.get("state");
        let of_kind = |id: &&String| id.contains(&format!("/{kind}/"));
        state["resources"].as_object().unwrap().keys().filter(of_kind).count()
    }
}

impl Fake for World {
    fn now(&self) -> Timestamp {
        self.now()
    }

    fn advance(&self, time: Duration) {
        self.advance(time.as_secs_f64());
    }

    fn called(&self) -> u64 {
        self.fake.get("calls")["n"].as_u64().unwrap()
    }

    fn calls_since(&self, call: u64) -> BTreeMap<String, usize> {
        let counted = self.fake.get(&format!("calls?since={call}"))["calls"].take();
        serde_json::from_value(counted).unwrap()
    }

    fn cut(&self, call: &str, nth: usize, when: &str) {
        self.fake.post("inject", &json!({"op": call, "nth": nth, "fault": {"kind": "cut", "when": when}}));
    }
}

impl Drop for World {
    /// Every test ends with no violation of Azure's own models.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.fake.assert_no_violations();
        }
    }
}

/// The scenario file `name` of the fake.
pub(crate) fn scenario(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/fake-azure/scenarios");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A scenario of one resource group in a subscription.
pub(crate) fn group(group: Value, rules: Value) -> Value {
    json!({"subscriptions": {SUBSCRIPTION: {"groups": {GROUP: group}}}, "rules": rules})
}

/// The full name of something in Compute.
pub(crate) fn compute(kind: &str, name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/{kind}/{name}")
}

/// A disk of the scenarios as a component.
pub(crate) fn disk(name: &str) -> Component {
    Component::new(name.parse().unwrap(), "disk", "azure".parse().unwrap(), compute("disks", name))
}
