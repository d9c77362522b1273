//! A provider of one's own: snapshots are plain copies of directories in a vault folder.
//!
//! It is as small as a complete provider can be, and keeps the whole contract: keys are recognised after a restart,
//! nothing is visible under its final name before it is whole, deletion is read back, and only its own restores are
//! discarded. `tests/copy_vault.rs` puts it under the conformance suite.
//!
//! | file | holds |
//! |---|---|
//! | `vault.rs` | the folder layout, and each step as one plain function |
//! | `mod.rs` | the [`Provider`] and [`Snapshot`] traits on top of it |

mod vault;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupRecord, CancelOutcome, Candidate, Capabilities, Component, DeleteState, Depth, Entry,
    EntryPage, Error, ErrorKind, Evidence, Finding, JobId, JobRef, JobRequest, JobState, JobStatus,
    OpContext, Provider, ProviderId, Readiness, Records, RestoredResource, Result, Severity, Snapshot,
    SnapshotInfo, SnapshotQuery, SnapshotRef, Timestamp, Verification,
};

use vault::Vault;

/// Keeps snapshots of directories as copies below one folder.
#[derive(Clone, Debug)]
pub struct CopyVault {
    id: ProviderId,
    vault: Vault,
}

impl CopyVault {
    /// A provider that keeps its copies below `root`.
    pub fn new(id: ProviderId, root: PathBuf) -> Self {
        Self { id, vault: Vault::new(root) }
    }

    /// Runs one step on the threads meant for blocking work.
    async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Vault) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let vault = self.vault.clone();
        let done = tokio::task::spawn_blocking(move || step(&vault)).await;
        done.map_err(|panic| Error::new(ErrorKind::Unexpected, "the step did not end").with_source(panic))?
    }

    fn job(&self, id: String) -> Result<JobRef> {
        Ok(JobRef::new(self.id.clone(), JobId::new(id)?))
    }
}

fn unsupported<T>(what: &str) -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, format!("a copy vault does not {what}")))
}

#[async_trait]
impl Provider for CopyVault {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    /// Each job is done when `start` returns, so there is nothing to cancel; records and single paths are left out.
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.in_process_jobs = true;
        capabilities.lists_entries = true;
        capabilities
    }

    async fn preflight(&self, _cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        let exists = Path::new(&component.resource).is_dir();
        let missing = || {
            let message = format!("{} is not a directory", component.resource);
            Finding::new("source-exists", Severity::Blocker, message)
        };
        Ok((!exists).then(missing).into_iter().collect())
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let provider = self.id.clone();
        let request = request.clone();
        let now = cx.clock().now();
        let id = self
            .step(move |vault| match &request {
                JobRequest::Backup(job) => vault.capture(&provider, job, now),
                JobRequest::Restore(job) => vault.bring_back(job),
                _ => unsupported("know jobs of this kind"),
            })
            .await?;
        self.job(id)
    }

    async fn poll(&self, _cx: &OpContext, job: &JobRef, _wait: Duration) -> Result<JobStatus> {
        let id = job.id.clone();
        self.step(move |vault| vault.status(id.as_str())).await
    }

    async fn find(&self, _cx: &OpContext, request: &JobRequest, _since: Timestamp) -> Result<Vec<Candidate>> {
        let id = vault::job_id(request);
        let job = self.job(id.clone())?;
        match self.step(move |vault| vault.status(&id)).await {
            Ok(_) => Ok(vec![Candidate::new(job, Evidence::Proven)]),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn cancel(&self, _cx: &OpContext, _job: &JobRef) -> Result<CancelOutcome> {
        Ok(CancelOutcome::AlreadyTerminal)
    }

    async fn open(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let id = snapshot.id.clone();
        let info = self.step(move |vault| vault.info(id.as_str())).await?;
        Ok(Arc::new(CopiedSnapshot { provider: self.clone(), info }))
    }

    async fn snapshots(&self, _cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        let query = query.clone();
        let mut all = self.step(Vault::list).await?;
        all.retain(|info| {
            (query.workspace.is_none() || info.workspace == query.workspace)
                && (query.backup.is_none() || info.backup == query.backup)
                && (query.operation.is_none() || info.operation == query.operation)
        });
        Ok(all)
    }

    async fn delete(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        let id = snapshot.id.clone();
        self.step(move |vault| vault.delete(id.as_str())).await?;
        Ok(DeleteState::Gone)
    }

    async fn finish_restore(&self, _cx: &OpContext, _resource: &RestoredResource) -> Result<Readiness> {
        Ok(Readiness::Initialized)
    }

    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        let operation = cx.operation().cloned();
        let resource = resource.clone();
        self.step(move |vault| vault.discard(operation.as_ref(), &resource)).await
    }

    async fn put_record(&self, _cx: &OpContext, _record: &BackupRecord) -> Result<()> {
        unsupported("keep records")
    }

    async fn records(&self, _cx: &OpContext) -> Result<Records> {
        unsupported("keep records")
    }

    async fn delete_record(&self, _cx: &OpContext, _backup: &BackupId) -> Result<()> {
        unsupported("keep records")
    }
}

/// One copy in the vault.
#[derive(Debug)]
struct CopiedSnapshot {
    provider: CopyVault,
    info: SnapshotInfo,
}

impl CopiedSnapshot {
    async fn files(&self) -> Result<Vec<vault::CopiedFile>> {
        let id = self.info.snapshot.id.clone();
        self.provider.step(move |vault| vault.files(id.as_str())).await
    }
}

#[async_trait]
impl Snapshot for CopiedSnapshot {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        let id = self.info.snapshot.id.clone();
        self.provider.step(move |vault| vault.info(id.as_str())).await
    }

    /// Compares names and sizes with those noted at capture time; it cannot go deeper, and says so.
    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        let id = self.info.snapshot.id.clone();
        let problems = self.provider.step(move |vault| vault.problems(id.as_str())).await?;
        Ok(Verification::new(depth.min(Depth::Sized), problems))
    }

    async fn entries(&self, _cx: &OpContext, path: &str, after: Option<&str>) -> Result<EntryPage> {
        let below = format!("{path}/");
        let files = self.files().await?;
        let at_path: Vec<_> = files
            .into_iter()
            .filter(|file| path.is_empty() || file.path == path || file.path.starts_with(&below))
            .collect();
        if at_path.is_empty() && !path.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, format!("nothing stands at {path:?}")));
        }
        let later = at_path.into_iter().filter(|file| after.is_none_or(|after| file.path.as_str() > after));
        Ok(EntryPage::new(later.map(|file| Entry::new(file.path, "file", file.bytes)).collect(), None))
    }
}

/// A status of a job that is done.
fn done() -> JobStatus {
    JobStatus::new(JobState::Succeeded)
}
