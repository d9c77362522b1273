//! The provider itself: which part answers which call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupRecord, CancelOutcome, Candidate, Capabilities, Component, DeleteState, Error, ErrorKind,
    Estimate, Finding, Foreseen, JobRef, JobRequest, JobStatus, OpContext, OperationId, Provider, ProviderId,
    Readiness, Records, RestoredResource, Result, Snapshot, SnapshotInfo, SnapshotQuery, SnapshotRef, Tags,
    Timestamp,
};

use super::clients::Clients;
use super::names::{JobKind, JobName, PointName};
use crate::connection::Connection;

/// What the kernel tells each process of what is mounted.
const MOUNT_TABLE: &str = "/proc/self/mountinfo";
/// The most regions that one provider keeps clients of.
const REGIONS_MAX: usize = 64;

/// EBS volumes and EFS file systems of one AWS account, in any of its regions, through AWS Backup.
///
/// The region of each call follows from the resource's, job's or snapshot's own name. It never retries (the retry layer
/// does, within the operation's one budget) and keeps nothing between calls but its connections: whatever it must know
/// again after a crash stands in job names, in tags, and in idempotency tokens that follow from the job's key.
#[derive(Debug)]
pub struct AwsProvider {
    id: ProviderId,
    connection: Connection,
    /// Where [`Provider::snapshots`] looks.
    vaults: Vec<VaultPlace>,
    /// Where the kernel says what is mounted.
    mount_table: PathBuf,
    /// Those of other accounts, by their numbers: copies may go there.
    accounts: BTreeMap<String, Arc<Self>>,
    clients: Mutex<BTreeMap<String, Clients>>,
    /// The account that the credentials are of, once it was asked for.
    account: OnceLock<String>,
}

/// A vault in its region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct VaultPlace {
    /// The region.
    pub region: String,
    /// The vault's name.
    pub vault: String,
}

impl VaultPlace {
    /// The vault `vault` in `region`.
    pub fn new(region: impl Into<String>, vault: impl Into<String>) -> Self {
        Self { region: region.into(), vault: vault.into() }
    }
}

impl AwsProvider {
    /// The provider `id` on `connection`, which looks for snapshots in `vaults`.
    pub fn new(id: ProviderId, connection: Connection, vaults: impl IntoIterator<Item = VaultPlace>) -> Self {
        let mut vaults: Vec<_> = vaults.into_iter().collect();
        vaults.sort();
        vaults.dedup();
        Self {
            id,
            connection,
            vaults,
            mount_table: MOUNT_TABLE.into(),
            accounts: BTreeMap::new(),
            clients: Mutex::default(),
            account: OnceLock::new(),
        }
    }

    /// The same, whose copies may go to `account`, too: `provider` works there with credentials of its own, marks and
    /// checks what arrives, and keeps it under its own id, so it must be known to the orchestrator as well.
    ///
    /// A copy into an account without such a provider is refused: it could be neither proven nor deleted.
    #[must_use]
    pub fn with_account(mut self, account: impl Into<String>, provider: Arc<Self>) -> Self {
        self.accounts.insert(account.into(), provider);
        self
    }

    /// The provider of an account: this one for `own`.
    ///
    /// # Errors
    /// `InvalidConfig` for an account that nobody works in.
    pub(super) fn of_account<'a>(&'a self, own: &str, account: &str) -> Result<&'a Self> {
        if own == account {
            return Ok(self);
        }
        self.accounts.get(account).map(Arc::as_ref).ok_or_else(|| {
            let message = format!(
                "the credentials are of account {own}, and none are configured for account {account}, so a copy there could \
                 be neither checked nor deleted"
            );
            Error::new(ErrorKind::InvalidConfig, message).with("account", account)
        })
    }

    /// The same, which reads from `path` what is mounted on this host, in the form of `/proc/self/mountinfo`: for a
    /// process that sees the host's mounts somewhere else. A mount named by a restore's destination is written to only where
    /// this table proves that it shows the new file system.
    #[must_use]
    pub fn with_mount_table(mut self, path: impl Into<PathBuf>) -> Self {
        self.mount_table = path.into();
        self
    }

    /// The clients of `region`.
    pub(super) fn clients(&self, region: &str) -> Result<Clients> {
        let mut known = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clients) = known.get(region) {
            return Ok(clients.clone());
        }
        let made = Clients::new(&self.connection, region)?;
        if known.len() < REGIONS_MAX {
            known.insert(region.to_owned(), made.clone());
        }
        Ok(made)
    }

    /// The account that the credentials are of, asked for in `region` once.
    ///
    /// # Errors
    /// `Unauthenticated` where they belong to nobody.
    pub(super) async fn account(&self, region: &str) -> Result<&str> {
        if let Some(account) = self.account.get() {
            return Ok(account);
        }
        let account = self.clients(region)?.caller().await?.account;
        Ok(self.account.get_or_init(|| account))
    }

    /// The region of the connection itself.
    pub(super) fn home_region(&self) -> &str {
        self.connection.region()
    }

    pub(super) fn provider_id(&self) -> &ProviderId {
        &self.id
    }

    pub(super) fn mount_table(&self) -> &Path {
        &self.mount_table
    }

    pub(super) fn vaults(&self) -> &[VaultPlace] {
        &self.vaults
    }
}

#[async_trait]
impl Provider for AwsProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::default();
        can.cancel_backup = true;
        // A volume's snapshot is one instant, long before its blocks are copied.
        can.early_capture = true;
        can.copies = true;
        can.guards_sources = true;
        // Of file systems; a volume comes back as a whole.
        can.restores_items = true;
        can
    }

    async fn preflight(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        self.check(cx, component).await
    }

    async fn preflight_retention(
        &self,
        _cx: &OpContext,
        component: &Component,
        retain: Option<Duration>,
    ) -> Result<Vec<Finding>> {
        self.check_kept_for(component, retain).await
    }

    async fn estimate(&self, cx: &OpContext, component: &Component) -> Result<Option<Estimate>> {
        self.estimate_capture(cx, component).await
    }

    async fn foresee(&self, cx: &OpContext, request: &JobRequest) -> Result<Foreseen> {
        self.foresee_job(cx, request).await
    }

    async fn preflight_guard(
        &self,
        cx: &OpContext,
        component: &Component,
        tags: &Tags,
    ) -> Result<Vec<Finding>> {
        self.check_guard(cx, component, tags).await
    }

    async fn foresee_guard(&self, _cx: &OpContext, component: &Component) -> Result<Foreseen> {
        Self::foresee_guard_of(component)
    }

    async fn guard(
        &self,
        _cx: &OpContext,
        component: &Component,
        operation: &OperationId,
        tags: &Tags,
    ) -> Result<Tags> {
        self.guard_source(component, operation, tags).await
    }

    async fn unguard(&self, _cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        self.unguard_source(component, operation).await
    }

    async fn guarded(&self, _cx: &OpContext, component: &Component) -> Result<Option<OperationId>> {
        self.guard_on(component).await
    }

    async fn reaches(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<()> {
        self.reach(snapshot).await
    }

    async fn reaches_account(&self, _cx: &OpContext, snapshot: &SnapshotRef, account: &str) -> Result<()> {
        self.reach_unnoted(snapshot, account).await
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let name = match request {
            JobRequest::Backup(job) => self.start_backup(cx, job).await?,
            JobRequest::Restore(job) => self.start_restore(cx, job).await?,
            JobRequest::Copy(job) => self.start_copy(cx, job).await?,
            _ => return Err(Error::new(ErrorKind::Unsupported, "AWS knows no such job")),
        };
        // The job runs, whatever becomes of its name.
        name.of(&self.id).map_err(Error::maybe_applied)
    }

    async fn poll(&self, cx: &OpContext, job: &JobRef, _wait: Duration) -> Result<JobStatus> {
        let name: JobName = job.id.as_str().parse()?;
        match name.kind {
            JobKind::Backup => self.poll_backup(cx, &name).await,
            JobKind::Restore => self.poll_restore(cx, &name).await,
            JobKind::Volume => self.poll_volume(cx, &name).await,
            JobKind::Copy => self.poll_copy(cx, &name).await,
        }
    }

    async fn find(&self, cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>> {
        match request {
            JobRequest::Backup(job) => self.find_backup(cx, job, since).await,
            JobRequest::Restore(job) => self.find_restore(cx, job, since).await,
            JobRequest::Copy(job) => self.find_copy(cx, job, since).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn cancel(&self, cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        let Ok(name) = job.id.as_str().parse::<JobName>() else {
            return Ok(CancelOutcome::AlreadyTerminal);
        };
        match name.kind {
            JobKind::Backup => self.cancel_backup(cx, &name).await,
            // AWS Backup has no call that stops a restore or a copy.
            JobKind::Restore | JobKind::Volume | JobKind::Copy => Ok(CancelOutcome::Unsupported),
        }
    }

    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let name: PointName = snapshot.id.as_str().parse()?;
        self.reach(snapshot).await?;
        self.open_point(cx, name).await
    }

    async fn snapshots(&self, cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        self.find_points(cx, query).await
    }

    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        self.reach(snapshot).await?;
        match snapshot.id.as_str().parse::<PointName>() {
            Ok(name) => self.delete_point(cx, &name).await,
            Err(unread) => Err(unreadable(&unread)),
        }
    }

    async fn keep(&self, cx: &OpContext, snapshot: &SnapshotRef, until: Option<Timestamp>) -> Result<()> {
        self.keep_point(cx, &snapshot.id.as_str().parse()?, until).await
    }

    async fn finish_restore(&self, cx: &OpContext, resource: &RestoredResource) -> Result<Readiness> {
        self.finish(cx, resource).await
    }

    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        self.discard_resource(cx, resource).await
    }

    async fn put_record(&self, _cx: &OpContext, _record: &BackupRecord) -> Result<()> {
        Err(no_records())
    }

    async fn records(&self, _cx: &OpContext) -> Result<Records> {
        Err(no_records())
    }

    async fn delete_record(&self, _cx: &OpContext, _backup: &BackupId) -> Result<()> {
        Err(no_records())
    }
}

fn no_records() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a vault keeps no records; the catalog is rebuilt from the tags of its recovery points",
    )
}

/// A name of a snapshot that cannot be read is no reason to call it gone: a newer version may have made it, or the catalog's
/// row is damaged.
fn unreadable(error: &Error) -> Error {
    let message =
        format!("{}, so nothing was deleted; a newer version may have made it: delete it with that", error);
    Error::new(ErrorKind::InvalidInput, message)
}
