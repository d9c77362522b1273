//! The provider against the fake AWS of `tools/fake-aws`, over HTTP, by the fake's own clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test that called it")]

pub(crate) mod restores;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stillpoint_conformance::fake::Fake;
use stillpoint_conformance::provider::{Content, Harness, Occupied};
use stillpoint_core::{
    BackupId, BackupJob, Clock, Component, JobKey, JobRef, JobRequest, JobStatus, OpContext, OperationId,
    Provider, RestoredResource, Result, Settings, SnapshotId, Timestamp,
};
use stillpoint_provider_aws::Connection;
use stillpoint_provider_aws::managed::{AwsProvider, BackupSettings, PolicyScope, Task, VaultPlace, policy};
use stillpoint_testkit::oracle::{FakeAws, fake_aws};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const VAULT: &str = "Default";
pub(crate) const ROLE: &str = "arn:aws:iam::111122223333:role/AWSBackupDefaultServiceRole";
/// The first file system and the first two volumes of each scenario.
pub(crate) const FILE_SYSTEM: &str =
    "arn:aws:elasticfilesystem:us-east-1:111122223333:file-system/fs-00000000000000001";
pub(crate) const VOLUME: &str = "arn:aws:ec2:us-east-1:111122223333:volume/vol-00000000000000001";
pub(crate) const VOLUME_TWO: &str = "arn:aws:ec2:us-east-1:111122223333:volume/vol-00000000000000002";

/// A fake AWS with a scenario in it.
#[derive(Debug)]
pub(crate) struct World {
    fake: FakeAws,
    /// Made once: to read the machine's certificates takes longer than most of what is done here.
    connection: Connection,
}

/// The fake's clock: sleeping moves it.
#[derive(Clone, Debug)]
pub(crate) struct FakeClock {
    world: Arc<World>,
    /// The shortest sleep. The provider suite pauses for milliseconds, which is for providers whose clock is real.
    least: Duration,
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.world.advance(duration.max(self.least).as_secs_f64());
    }
}

impl World {
    /// The scenario of this name, from the fake's own folder; `None` where the fake's Python is not installed.
    pub(crate) fn named(name: &str) -> Option<Arc<Self>> {
        Self::of(&scenario(name))
    }

    /// A scenario of one's own.
    pub(crate) fn of(scenario: &Value) -> Option<Arc<Self>> {
        let fake = fake_aws(scenario)?;
        let connection =
            Connection::with_credentials(REGION, "test", "test", None, Some(&fake.endpoint())).unwrap();
        let world = Arc::new(Self { fake, connection });
        // Whatever is done here, is done with no more rights than the policy gives.
        world.allow_all();
        Some(world)
    }

    /// Begins anew with a scenario. What broke AWS's own models before fails here.
    pub(crate) fn reset(&self, scenario: &Value) {
        let before = self.fake.post("reset", scenario);
        assert_eq!(before["violations_before"], json!([]));
        self.allow_all();
    }

    /// Gives the caller the policy for all tasks, those of guards too.
    fn allow_all(&self) {
        self.allow(&[Task::ALL.as_slice(), &[Task::Guard]].concat());
    }

    /// Gives the caller the policy for `tasks`, and nothing more.
    pub(crate) fn allow(&self, tasks: &[Task]) -> Value {
        let components = [component("efs", "efs", FILE_SYSTEM), component("ebs", "ebs", VOLUME)];
        let scope = PolicyScope::of(&components, tasks.iter().copied()).unwrap();
        let document = serde_json::to_value(policy(&scope).caller).unwrap();
        self.fake.post("set", &json!({"key": "test", "set": {"policies": [document]}}));
        document
    }

    pub(crate) fn fake(&self) -> &FakeAws {
        &self.fake
    }

    pub(crate) fn clock(self: &Arc<Self>) -> Arc<dyn Clock> {
        self.clock_of(Duration::ZERO)
    }

    fn clock_of(self: &Arc<Self>, least: Duration) -> Arc<dyn Clock> {
        Arc::new(FakeClock { world: Arc::clone(self), least })
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
    pub(crate) fn inject(&self, fault: &Value) {
        self.fake.post("inject", fault);
    }

    /// A connection as a process with the scenario's credentials has it.
    pub(crate) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// The provider as a newly started process builds it.
    pub(crate) fn provider(&self) -> AwsProvider {
        AwsProvider::new("aws".parse().unwrap(), self.connection(), [VaultPlace::new(REGION, VAULT)])
    }

    pub(crate) fn cx(self: &Arc<Self>) -> OpContext {
        OpContext::new(self.clock())
    }

    pub(crate) fn cx_of(self: &Arc<Self>, operation: &str) -> OpContext {
        self.cx().for_operation(operation.parse().unwrap(), 1)
    }

    /// A backup of `component` as a part of `operation`.
    pub(crate) fn backup(self: &Arc<Self>, operation: &str, component: &Component) -> BackupJob {
        let operation: OperationId = operation.parse().unwrap();
        let key = JobKey::new(operation.clone(), component.id.clone(), 1);
        let backup = BackupId::of(&operation);
        BackupJob::new(key, "team/ml-1".parse().unwrap(), backup, component.clone(), self.now())
    }

    /// Polls until the job ended, by the fake's clock: at first as often as the provider says, then ever more rarely.
    pub(crate) async fn settle(self: &Arc<Self>, provider: &AwsProvider, job: &JobRef) -> JobStatus {
        let mut rarely = Duration::ZERO;
        for _ in 0..2000 {
            let status = provider.poll(&self.cx(), job, Duration::ZERO).await.unwrap();
            if status.state.is_terminal() {
                return status;
            }
            let after = status.poll_after.unwrap_or(Duration::from_secs(20)).max(rarely);
            self.advance(after.as_secs_f64());
            rarely = (after * 5 / 4).min(Duration::from_secs(300));
        }
        panic!("the job {job:?} does not end");
    }

    /// Starts a backup and polls it to its end.
    pub(crate) async fn run(self: &Arc<Self>, provider: &AwsProvider, job: BackupJob) -> JobStatus {
        let job = provider.start(&self.cx(), &JobRequest::Backup(job)).await.unwrap();
        self.settle(provider, &job).await
    }

    /// How often an operation was called so far.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.calls_since(0).get(operation).copied().unwrap_or(0)
    }

    /// The calls after the first `since`, each as often as it was made.
    pub(crate) fn calls_since(&self, since: u64) -> BTreeMap<String, usize> {
        let counted = self.fake.get(&format!("calls?since={since}"))["calls"].take();
        serde_json::from_value(counted).unwrap()
    }

    /// How many calls there were so far.
    pub(crate) fn called(&self) -> u64 {
        self.fake.get("calls")["n"].as_u64().unwrap()
    }

    /// The actions that were needed so far.
    pub(crate) fn actions(&self) -> BTreeSet<String> {
        let journal = self.fake.get("journal");
        let entries = journal.as_array().unwrap().iter();
        let actions = entries.filter_map(|entry| entry["actions"].as_array()).flatten();
        actions.map(|action| action.as_str().unwrap().to_owned()).collect()
    }

    /// The state of the scenario's only region.
    pub(crate) fn region(&self) -> Value {
        self.fake.get("state")["regions"][format!("{ACCOUNT}/{REGION}")].clone()
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
        self.called()
    }

    fn calls_since(&self, call: u64) -> BTreeMap<String, usize> {
        self.calls_since(call)
    }

    fn cut(&self, call: &str, nth: usize, when: &str) {
        self.inject(&json!({"op": call, "nth": nth, "fault": {"kind": "cut", "when": when}}));
    }
}

impl Drop for World {
    /// Every test ends with no violation of AWS's own models.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.fake.assert_no_violations();
        }
    }
}

/// The scenario file `name` of the fake.
pub(crate) fn scenario(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/fake-aws/scenarios");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A component of the scenarios, with vault and role.
pub(crate) fn component(id: &str, kind: &str, resource: &str) -> Component {
    let component = Component::new(id.parse().unwrap(), kind, "aws".parse().unwrap(), resource);
    BackupSettings::new(VAULT, ROLE).on(component)
}

/// What the sources of the conformance suite are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sources {
    Volumes,
    FileSystems,
}

/// How many sources of each kind a scenario of the suite has.
const SOURCES: usize = 8;
/// The bytes of one block of a volume.
const BLOCK: usize = 524_288;

/// The scenario of the suite, whose file systems hold what lies in `trees`.
fn suite(trees: &Path) -> Value {
    let volumes: Vec<_> =
        (0..SOURCES).map(|at| json!({"id": format!("vol-{at:017}"), "size_gib": 8, "blocks": 0})).collect();
    let systems: Vec<_> =
        (0..SOURCES).map(|at| json!({"id": format!("fs-{at:017}"), "bytes": 6_000_000})).collect();
    let vaults = json!({VAULT: {}, "elsewhere": {}});
    let region = json!({"volumes": volumes, "file_systems": systems, "vaults": vaults});
    json!({"accounts": {ACCOUNT: {"regions": {REGION: region}}}, "trees": trees})
}

/// The provider suite's view of a fake AWS.
pub(crate) struct AwsHarness {
    pub(crate) world: Arc<World>,
    sources: Sources,
    used: AtomicUsize,
    trees: tempfile::TempDir,
}

impl AwsHarness {
    /// A fake with sources of one kind; `None` where its Python is not installed.
    pub(crate) fn new(sources: Sources) -> Option<Self> {
        let trees = tempfile::tempdir().unwrap();
        let world = World::of(&suite(&trees.path().join("trees")))?;
        Some(Self { world, sources, used: AtomicUsize::new(0), trees })
    }

    /// Begins anew, with sources that nobody has used or written to.
    pub(crate) fn again(&self) {
        let trees = self.trees.path().join("trees");
        if trees.exists() {
            std::fs::remove_dir_all(&trees).unwrap();
        }
        self.world.reset(&suite(&trees));
        self.used.store(0, Ordering::Relaxed);
    }

    /// The directory behind the file system `id`.
    pub(crate) fn tree(&self, id: &str) -> PathBuf {
        self.trees.path().join("trees").join(id)
    }

    fn write(&self, resource: &str, seed: u64, first: u64) {
        let id = resource.rsplit('/').next().unwrap();
        match self.sources {
            Sources::Volumes => {
                for at in first..first + 3 {
                    let byte = u8::try_from((seed + at) % 251).unwrap();
                    let data = STANDARD.encode(vec![byte; BLOCK]);
                    self.world.fake.post("write", &json!({"volume": id, "blocks": [at], "data": data}));
                }
            }
            Sources::FileSystems => {
                let root = self.tree(id);
                std::fs::create_dir_all(root.join("folder")).unwrap();
                for at in first..first + 3 {
                    let path = if at % 2 == 0 { format!("folder/{at}") } else { at.to_string() };
                    std::fs::write(root.join(path), format!("{seed} {at}")).unwrap();
                }
                self.world.fake.post("write", &json!({"file_system": id, "bytes": 60_000, "files": 3}));
            }
        }
    }

    /// What a volume or a file system holds.
    pub(crate) fn content(&self, resource: &str) -> Content {
        let id = resource.rsplit('/').next().unwrap();
        match self.sources {
            Sources::Volumes => {
                let digests = self.world.fake.post("digests", &json!({"volume": id}));
                let digests = digests.as_object().unwrap().iter();
                digests.map(|(at, digest)| (at.clone(), digest.as_str().unwrap().into())).collect()
            }
            Sources::FileSystems => files(&self.tree(id)),
        }
    }

    /// What a restored resource holds: of a file system, what lies in AWS's folder.
    pub(crate) fn restored(&self, resource: &str) -> Content {
        let id = resource.rsplit('/').next().unwrap();
        let system = &self.world.region()["file_systems"][id];
        if self.sources == Sources::FileSystems && system["state"] != "available" {
            return Content::new();
        }
        let inside = |path: String| match path.split_once('/') {
            Some((folder, rest)) if folder.starts_with("aws-backup-restore_") => rest.to_owned(),
            _ => path,
        };
        self.content(resource).into_iter().map(|(path, content)| (inside(path), content)).collect()
    }
}

/// The files below `root`, by their paths.
pub(crate) fn files(root: &Path) -> Content {
    let mut content = Content::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                content.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    content
}

#[async_trait]
impl Harness for AwsHarness {
    async fn provider(&self) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(self.world.provider()))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.world.clock_of(Duration::from_secs(2))
    }

    async fn source(&self, name: &str, seed: u64) -> Result<Component> {
        let at = self.used.fetch_add(1, Ordering::Relaxed);
        assert!(at < SOURCES, "the scenario has no more sources");
        let (kind, resource) = match self.sources {
            Sources::Volumes => ("ebs", format!("arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-{at:017}")),
            Sources::FileSystems => {
                ("efs", format!("arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-{at:017}"))
            }
        };
        self.write(&resource, seed, 0);
        Ok(component(name, kind, &resource))
    }

    async fn change(&self, source: &Component, seed: u64) -> Result<()> {
        self.write(&source.resource, seed, 2);
        Ok(())
    }

    fn missing(&self) -> Component {
        match self.sources {
            Sources::Volumes => {
                component("missing", "ebs", &format!("arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-0fff"))
            }
            Sources::FileSystems => component(
                "missing",
                "efs",
                &format!("arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-0fffffff"),
            ),
        }
    }

    fn never_made(&self) -> Result<SnapshotId> {
        let point = match self.sources {
            Sources::Volumes => format!("arn:aws:ec2:{REGION}::snapshot/snap-00000000000000fff"),
            Sources::FileSystems => format!("arn:aws:backup:{REGION}:{ACCOUNT}:recovery-point:0fff"),
        };
        SnapshotId::new(format!("{VAULT}/{point}"))
    }

    async fn source_content(&self, source: &Component) -> Result<Content> {
        Ok(self.content(&source.resource))
    }

    async fn source_tags(&self, source: &Component) -> Result<Option<stillpoint_core::Tags>> {
        let (region, id) = (self.world.region(), source.resource.rsplit('/').next().unwrap());
        let found = ["volumes", "file_systems"].map(|kind| region[kind][id]["tags"].clone());
        let tags = found.into_iter().find(Value::is_object);
        Ok(tags.map(|tags| serde_json::from_value(tags).unwrap()))
    }

    async fn restored_content(&self, resource: &RestoredResource) -> Result<Content> {
        Ok(self.restored(&resource.resource))
    }

    async fn destination(&self, _name: &str) -> Result<Settings> {
        let zone = format!("{REGION}a").into();
        Ok(match self.sources {
            Sources::Volumes => Settings::from([("availability_zone".to_owned(), zone)]),
            Sources::FileSystems => Settings::new(),
        })
    }

    async fn occupied(&self, _name: &str) -> Result<Option<Occupied>> {
        Ok(None)
    }
}
