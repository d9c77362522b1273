//! The story, step by step; the same against a subscription and against the fake.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{
    BackupId, BackupJob, Clock, Component, DeleteState, Depth, Entropy, Error, ErrorKind, JobKey, JobRef,
    JobRequest, JobState, JobStatus, OpContext, OperationId, Provider, Readiness, RestoreJob,
    RestoredResource, Result, Settings, SnapshotQuery, SnapshotRef, Tags, Timestamp, WorkspaceId,
};
use stillpoint_provider_azure::managed::AzureProvider;

/// The pause between two looks, unless the provider asks for another.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// After this time Azure shows what was made.
const VISIBLE_AFTER: Duration = Duration::from_secs(121);

/// What the story is played with.
pub(crate) struct Setting {
    pub(crate) components: Vec<Component>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long one job may take.
    pub(crate) patience: Duration,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// One step, and what came of it.
#[derive(Debug)]
pub(crate) struct Told {
    at: Timestamp,
    step: String,
    /// Whether it went as expected; nothing is expected of an observation.
    good: Option<bool>,
    what: Value,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        json!({ "at": self.at, "step": self.step, "good": self.good, "what": self.what })
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.good.map_or("    ", |good| if good { "ok  " } else { "FAIL" });
        write!(f, "{} {word} {}: {}", self.at, self.step, self.what)
    }
}

/// One run.
pub(crate) struct Story<'a, T> {
    provider: &'a AzureProvider,
    setting: Setting,
    tell: T,
    operation: OperationId,
    source: WorkspaceId,
    began: Timestamp,
    failures: u32,
    made: Vec<RestoredResource>,
}

impl<'a, T: FnMut(&Told) -> std::io::Result<()>> Story<'a, T> {
    /// # Errors
    /// None but for a defect: its own names are ids.
    pub(crate) fn new(provider: &'a AzureProvider, setting: Setting, tell: T) -> Result<Self> {
        let (operation, began) = (OperationId::generate(&*setting.entropy), setting.clock.now());
        let source = WorkspaceId::new("stillpoint-live/source")?;
        Ok(Self { provider, setting, tell, operation, source, began, failures: 0, made: Vec::new() })
    }

    /// Plays it, cleans up whatever happened, and answers how many steps did not go as expected.
    pub(crate) async fn run(mut self) -> Result<u32> {
        let played = self.play().await;
        let cleaned = self.clean_up().await;
        played.and(cleaned).map(|()| self.failures)
    }

    async fn play(&mut self) -> Result<()> {
        for component in self.setting.components.clone() {
            let component = self.provider.record(&self.cx(), &component).await?;
            self.saw(&format!("{} as it is", component.id), json!(component))?;
            let findings = self.provider.preflight(&self.cx(), &component).await?;
            self.saw(&format!("preflight of {}", component.id), json!(findings))?;
            let job = self.begin(&component).await?;
            let ended = self.follow(&job).await?;
            let whole = ended.state == JobState::Succeeded && ended.captured.is_some();
            self.check(&format!("backup of {} completed", component.id), whole, json!(ended))?;
            let Some(point) = ended.snapshot else { continue };
            self.look_at(&component, &point).await?;
            if component.kind != "file-share" {
                self.restore(&component, &point).await?;
            }
            if component.kind != "disk" {
                self.make_empty(&component, &point).await?;
            }
        }
        Ok(())
    }

    /// Starts a backup twice, and looks for it as a process would that lost the answer.
    async fn begin(&mut self, component: &Component) -> Result<JobRef> {
        let request = JobRequest::Backup(self.backup(component));
        let job = self.provider.start(&self.cx(), &request).await?;
        let again = self.provider.start(&self.cx(), &request).await;
        let same = again.as_ref().is_ok_and(|again| *again == job);
        self.check(&format!("the same request for {} is one job", component.id), same, shown(&again))?;
        self.setting.clock.sleep(VISIBLE_AFTER).await;
        let found = self.provider.find(&self.cx(), &request, self.began).await?;
        let ours = matches!(found.as_slice(), [one] if one.job == job);
        let what = found.iter().map(|one| json!({ "job": one.job, "evidence": one.evidence })).collect();
        self.check(&format!("the job of {} is found again", component.id), ours, what)?;
        Ok(job)
    }

    async fn look_at(&mut self, component: &Component, point: &SnapshotRef) -> Result<()> {
        let query = SnapshotQuery::of_operation(self.operation.clone());
        let found = self.provider.snapshots(&self.cx(), &query).await?;
        let listed = found.iter().any(|info| info.snapshot == *point);
        self.check(&format!("the snapshot of {} is found by its marks", component.id), listed, json!(found))?;
        let snapshot = self.provider.open(&self.cx(), point).await?;
        let info = snapshot.describe(&self.cx()).await?;
        let ours = info.operation.as_ref() == Some(&self.operation) && info.usable;
        self.check(&format!("the snapshot of {} says whose it is", component.id), ours, json!(info))?;
        let verified = snapshot.verify(&self.cx(), Depth::Sized).await?;
        self.check(&format!("the snapshot of {} verifies", component.id), verified.is_good(), json!(verified))
    }

    async fn restore(&mut self, component: &Component, point: &SnapshotRef) -> Result<()> {
        let request = JobRequest::Restore(self.restore_job(component, point, 2)?);
        let job = self.provider.start(&self.cx(), &request).await?;
        let again = self.provider.start(&self.cx(), &request).await;
        let same = again.as_ref().is_ok_and(|again| *again == job);
        self.check(&format!("the same restore of {} is one job", component.id), same, shown(&again))?;
        let ended = self.follow(&job).await?;
        self.made.extend(ended.restored.clone());
        let good = ended.state == JobState::Succeeded && ended.restored.is_some();
        self.check(&format!("restore of {} completed", component.id), good, json!(ended))?;
        let Some(resource) = ended.restored else { return Ok(()) };
        let (began, mut readiness) = (self.now(), Readiness::Pending);
        while readiness == Readiness::Pending && !self.is_late(began) {
            self.setting.clock.sleep(LOOK_EVERY).await;
            readiness = self.provider.finish_restore(&self.cx(), &resource).await?;
        }
        let ready = readiness != Readiness::Pending;
        self.check(&format!("what was restored of {} is usable", component.id), ready, json!(readiness))
    }

    /// Makes what the data plane of files would fill.
    async fn make_empty(&mut self, component: &Component, point: &SnapshotRef) -> Result<()> {
        let (job, began) = (self.restore_job(component, point, 3)?, self.now());
        self.made.push(self.provider.empty(&job)?);
        let made = loop {
            match self.provider.make_empty(&self.cx(), &job).await {
                Err(error) if error.kind() == ErrorKind::Unavailable && !self.is_late(began) => {
                    self.setting.clock.sleep(LOOK_EVERY).await;
                }
                other => break other,
            }
        };
        self.check(&format!("an empty one like {} is made", component.id), made.is_ok(), shown(&made))
    }

    async fn clean_up(&mut self) -> Result<()> {
        for resource in std::mem::take(&mut self.made) {
            let gone = self.provider.discard(&self.cx(), &resource).await.map(|()| "gone");
            self.check(&format!("{} is discarded", resource.resource), gone.is_ok(), shown(&gone))?;
        }
        let query = SnapshotQuery::of_operation(self.operation.clone());
        for info in self.provider.snapshots(&self.cx(), &query).await? {
            let began = self.now();
            let mut state = self.provider.delete(&self.cx(), &info.snapshot).await?;
            while state == DeleteState::Pending && !self.is_late(began) {
                self.setting.clock.sleep(LOOK_EVERY).await;
                state = self.provider.delete(&self.cx(), &info.snapshot).await?;
            }
            let gone = state == DeleteState::Gone;
            self.check(&format!("{} is deleted", info.snapshot.id), gone, json!(state))?;
        }
        Ok(())
    }

    async fn follow(&mut self, job: &JobRef) -> Result<JobStatus> {
        let began = self.now();
        loop {
            let status = self.provider.poll(&self.cx(), job, Duration::ZERO).await?;
            if status.state.is_terminal() {
                return Ok(status);
            }
            if self.is_late(began) {
                return Err(Error::new(ErrorKind::DeadlineExceeded, format!("{} does not end", job.id)));
            }
            self.setting.clock.sleep(status.poll_after.unwrap_or(LOOK_EVERY)).await;
        }
    }

    fn now(&self) -> Timestamp {
        self.setting.clock.now()
    }

    fn is_late(&self, began: Timestamp) -> bool {
        self.now().since(began) > self.setting.patience
    }

    fn cx(&self) -> OpContext {
        OpContext::new(Arc::clone(&self.setting.clock)).for_operation(self.operation.clone(), 1)
    }

    fn key(&self, component: &Component, attempt: u32) -> JobKey {
        JobKey::new(self.operation.clone(), component.id.clone(), attempt)
    }

    fn backup(&self, component: &Component) -> BackupJob {
        let backup = BackupId::of(&self.operation);
        let workspace = self.source.clone();
        BackupJob::new(self.key(component, 1), workspace, backup, component.clone(), self.began)
    }

    fn restore_job(&self, component: &Component, point: &SnapshotRef, attempt: u32) -> Result<RestoreJob> {
        let target = WorkspaceId::new(format!("stillpoint-live/{}", self.operation))?;
        let key = self.key(component, attempt);
        let mut job = RestoreJob::new(key, point.clone(), component.clone(), target, Settings::new());
        job.tags = Tags::from([("live".to_owned(), self.operation.to_string())]);
        Ok(job)
    }

    fn check(&mut self, step: &str, good: bool, what: Value) -> Result<()> {
        self.failures += u32::from(!good);
        self.told(step, Some(good), what)
    }

    fn saw(&mut self, step: &str, what: Value) -> Result<()> {
        self.told(step, None, what)
    }

    fn told(&mut self, step: &str, good: Option<bool>, what: Value) -> Result<()> {
        let told = Told { at: self.now(), step: step.to_owned(), good, what };
        (self.tell)(&told).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the journal cannot be written").with_source(error)
        })
    }
}

fn shown<V: serde::Serialize>(answer: &Result<V>) -> Value {
    match answer {
        Ok(value) => json!(value),
        Err(error) => json!(error.record()),
    }
}
