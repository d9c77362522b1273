//! The story, step by step; the same against an account and against the fake.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{
    BackupId, BackupJob, CancelOutcome, Clock, Component, DeleteState, Depth, Entropy, Error, ErrorKind,
    JobKey, JobRef, JobRequest, JobState, JobStatus, OpContext, OperationId, Provider, Readiness, RestoreJob,
    RestoredResource, Result, Settings, SnapshotQuery, SnapshotRef, Tags, Timestamp, WorkspaceId,
};

/// The pause between two looks, unless the provider asks for another.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// After this time AWS's lists show a new job.
const LIST_LAG: Duration = Duration::from_secs(130);

/// What the story is played with.
pub(crate) struct Setting {
    pub(crate) volume: Component,
    pub(crate) file_system: Component,
    /// The zone of the restored volume.
    pub(crate) zone: String,
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
        let word = match self.good {
            Some(true) => "ok  ",
            Some(false) => "FAIL",
            None => "    ",
        };
        write!(f, "{} {word} {}: {}", self.at, self.step, self.what)
    }
}

/// One run.
pub(crate) struct Story<'a, T> {
    provider: &'a dyn Provider,
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
    pub(crate) fn new(provider: &'a dyn Provider, setting: Setting, tell: T) -> Result<Self> {
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
        let components = [self.setting.volume.clone(), self.setting.file_system.clone()];
        for component in &components {
            let findings = self.provider.preflight(&self.cx(), component).await?;
            self.saw(&format!("preflight of {}", component.id), json!(findings))?;
        }
        let mut jobs = Vec::new();
        for component in &components {
            jobs.push(self.begin(component).await?);
        }
        // New jobs are missing from lists for a while.
        self.setting.clock.sleep(LIST_LAG).await;
        for component in &components {
            self.look_around(component).await?;
        }
        let mut points = Vec::new();
        for (component, job) in components.iter().zip(&jobs) {
            points.push(self.follow_backup(component, job).await?);
        }
        for (component, job) in components.iter().zip(&jobs) {
            let request = JobRequest::Backup(self.backup(component));
            let again = self.provider.start(&self.cx(), &request).await;
            let same = again.as_ref().is_ok_and(|again| again == job);
            self.check(&format!("the same request for {} after its end", component.id), same, shown(&again))?;
        }
        let found =
            self.provider.snapshots(&self.cx(), &SnapshotQuery::of_operation(self.operation.clone())).await?;
        let listed = points.iter().flatten().all(|point| found.iter().any(|info| info.snapshot == *point));
        self.check("both points are found by their tags", listed, json!(found))?;
        for (component, point) in components.iter().zip(points) {
            if let Some(point) = point {
                self.look_at(component, &point).await?;
                self.restore(component, &point).await?;
            }
        }
        self.cancel().await
    }

    /// Starts a backup by two at once, as two orchestrators would, and once more, as one that lost the answer.
    async fn begin(&mut self, component: &Component) -> Result<JobRef> {
        let request = JobRequest::Backup(self.backup(component));
        let (one, two) = (self.cx(), self.cx());
        let (job, other) =
            tokio::join!(self.provider.start(&one, &request), self.provider.start(&two, &request));
        let job = job?;
        self.saw(&format!("backup of {} started", component.id), json!(job))?;
        let same = other.as_ref().is_ok_and(|other| *other == job);
        self.check(&format!("two at once start one backup of {}", component.id), same, shown(&other))?;
        let again = self.provider.start(&self.cx(), &request).await;
        let same = again.as_ref().is_ok_and(|again| *again == job);
        self.check(&format!("the same request for {} is one job", component.id), same, shown(&again))?;
        Ok(job)
    }

    /// Looks for a job as a process would that lost the answer, and asks for another one on the same resource.
    async fn look_around(&mut self, component: &Component) -> Result<()> {
        let request = JobRequest::Backup(self.backup(component));
        let found = self.provider.find(&self.cx(), &request, self.began).await;
        let what = match found {
            Ok(found) => {
                found.iter().map(|one| json!({ "job": one.job, "evidence": one.evidence })).collect()
            }
            Err(error) => json!(error.record()),
        };
        self.saw(&format!("looking for the job of {}", component.id), what)?;
        let mut other = self.backup(component);
        other.key = JobKey::new(self.operation.clone(), component.id.clone(), 2);
        let second = self.provider.start(&self.cx(), &JobRequest::Backup(other)).await;
        let refused = second.as_ref().is_err_and(|error| error.kind() == ErrorKind::Busy);
        self.check(&format!("a second backup of {} is told to wait", component.id), refused, shown(&second))?;
        if let Ok(job) = second {
            let stopped = self.provider.cancel(&self.cx(), &job).await;
            self.saw("the second backup is stopped again", shown(&stopped))?;
        }
        Ok(())
    }

    async fn follow_backup(&mut self, component: &Component, job: &JobRef) -> Result<Option<SnapshotRef>> {
        let (ended, captured_at) = self.follow(job).await?;
        let good = ended.state == JobState::Succeeded && ended.captured.is_some() && ended.snapshot.is_some();
        let what = json!({ "status": ended, "captured_seen_at": captured_at });
        self.check(&format!("backup of {} completed", component.id), good, what)?;
        Ok(ended.snapshot)
    }

    async fn look_at(&mut self, component: &Component, point: &SnapshotRef) -> Result<()> {
        let snapshot = self.provider.open(&self.cx(), point).await?;
        let info = snapshot.describe(&self.cx()).await?;
        let ours = info.operation.as_ref() == Some(&self.operation) && info.usable;
        self.check(&format!("the point of {} says whose it is", component.id), ours, json!(info))?;
        let verified = snapshot.verify(&self.cx(), Depth::Sized).await?;
        self.check(&format!("the point of {} verifies", component.id), verified.is_good(), json!(verified))
    }

    async fn restore(&mut self, component: &Component, point: &SnapshotRef) -> Result<()> {
        let key = JobKey::new(self.operation.clone(), component.id.clone(), 3);
        let mut destination = Settings::new();
        if component.id == self.setting.volume.id {
            destination.insert("availability_zone".to_owned(), self.setting.zone.clone().into());
        }
        let mut job = RestoreJob::new(key, point.clone(), component.clone(), self.workspace()?, destination);
        job.tags = Tags::from([("stillpoint-live".to_owned(), self.operation.to_string())]);
        let request = JobRequest::Restore(job);
        let job = self.provider.start(&self.cx(), &request).await?;
        let again = self.provider.start(&self.cx(), &request).await;
        let same = again.as_ref().is_ok_and(|again| *again == job);
        self.check(&format!("the same restore of {} is one job", component.id), same, shown(&again))?;
        let (ended, _) = self.follow(&job).await?;
        self.made.extend(ended.restored.clone());
        let good = ended.state == JobState::Succeeded && ended.restored.is_some();
        self.check(&format!("restore of {} completed", component.id), good, json!(ended))?;
        let Some(resource) = ended.restored else { return Ok(()) };
        let mut readiness = self.provider.finish_restore(&self.cx(), &resource).await?;
        let began = self.setting.clock.now();
        while readiness == Readiness::Pending && !self.is_late(began) {
            self.setting.clock.sleep(LOOK_EVERY).await;
            readiness = self.provider.finish_restore(&self.cx(), &resource).await?;
        }
        let ready = readiness != Readiness::Pending;
        self.check(&format!("what was restored of {} is usable", component.id), ready, json!(readiness))
    }

    /// Starts a further backup of the file system and stops it.
    async fn cancel(&mut self) -> Result<()> {
        let component = self.setting.file_system.clone();
        let mut job = self.backup(&component);
        job.key = JobKey::new(self.operation.clone(), component.id.clone(), 4);
        let job = self.provider.start(&self.cx(), &JobRequest::Backup(job)).await?;
        let asked = self.provider.cancel(&self.cx(), &job).await?;
        let taken = asked == CancelOutcome::Requested;
        self.check("a running job is stopped", taken, json!(asked))?;
        let (ended, _) = self.follow(&job).await?;
        self.saw("how the stopped job ended", json!(ended))
    }

    async fn clean_up(&mut self) -> Result<()> {
        for resource in std::mem::take(&mut self.made) {
            let mut gone = self.provider.discard(&self.cx(), &resource).await;
            for _ in 0..40 {
                // A file system goes only when its mount targets are gone.
                if !gone.as_ref().is_err_and(|error| error.kind() == ErrorKind::Busy) {
                    break;
                }
                self.setting.clock.sleep(LOOK_EVERY).await;
                gone = self.provider.discard(&self.cx(), &resource).await;
            }
            self.check(
                &format!("{} is discarded", resource.resource),
                gone.is_ok(),
                shown(&gone.map(|()| "gone")),
            )?;
        }
        let query = SnapshotQuery::of_operation(self.operation.clone());
        for info in self.provider.snapshots(&self.cx(), &query).await? {
            let began = self.setting.clock.now();
            let mut state = self.provider.delete(&self.cx(), &info.snapshot).await?;
            while state == DeleteState::Pending && !self.is_late(began) {
                self.setting.clock.sleep(LOOK_EVERY).await;
                state = self.provider.delete(&self.cx(), &info.snapshot).await?;
            }
            self.check(
                &format!("{} is deleted", info.snapshot.id),
                state == DeleteState::Gone,
                json!(state),
            )?;
        }
        Ok(())
    }

    /// Polls a job to its end; also answers when its content was first said to be captured.
    async fn follow(&mut self, job: &JobRef) -> Result<(JobStatus, Option<Timestamp>)> {
        let (began, mut captured_at) = (self.setting.clock.now(), None);
        loop {
            let status = self.provider.poll(&self.cx(), job, Duration::ZERO).await?;
            if status.captured.is_some() {
                captured_at = captured_at.or_else(|| Some(self.setting.clock.now()));
            }
            if status.state.is_terminal() {
                return Ok((status, captured_at));
            }
            if self.is_late(began) {
                return Err(Error::new(ErrorKind::DeadlineExceeded, format!("{} does not end", job.id)));
            }
            self.setting.clock.sleep(status.poll_after.unwrap_or(LOOK_EVERY)).await;
        }
    }

    fn is_late(&self, began: Timestamp) -> bool {
        self.setting.clock.now().since(began) > self.setting.patience
    }

    fn cx(&self) -> OpContext {
        OpContext::new(Arc::clone(&self.setting.clock)).for_operation(self.operation.clone(), 1)
    }

    fn workspace(&self) -> Result<WorkspaceId> {
        WorkspaceId::new(format!("stillpoint-live/{}", self.operation))
    }

    fn backup(&self, component: &Component) -> BackupJob {
        let key = JobKey::new(self.operation.clone(), component.id.clone(), 1);
        let workspace = self.source.clone();
        let backup = BackupId::of(&self.operation);
        // A day after a crash of this program, AWS itself removes what it left.
        let mut job = BackupJob::new(key, workspace, backup, component.clone(), self.began);
        job.retain = Some(Duration::from_secs(24 * 3600));
        job
    }

    fn check(&mut self, step: &str, good: bool, what: Value) -> Result<()> {
        self.failures += u32::from(!good);
        self.told(step, Some(good), what)
    }

    fn saw(&mut self, step: &str, what: Value) -> Result<()> {
        self.told(step, None, what)
    }

    fn told(&mut self, step: &str, good: Option<bool>, what: Value) -> Result<()> {
        let told = Told { at: self.setting.clock.now(), step: step.to_owned(), good, what };
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
