//! The provider itself: which part answers which call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupRecord, CancelOutcome, Candidate, Capabilities, Component, DeleteState, Error, ErrorKind,
    Estimate, Finding, Foreseen, JobRef, JobRequest, JobStatus, OpContext, OperationId, Provider, ProviderId,
    Readiness, Records, RestoredResource, Result, Snapshot, SnapshotInfo, SnapshotQuery, SnapshotRef, Tags,
    Timestamp,
};

use super::compute::{DISKS, SNAPSHOTS};
use super::guard::Guarded;
use super::kind::Kind;
use super::names::{JobKind, JobName, PointName};
use super::netapp::{VAULTS, VOLUMES};
use super::resource_id::ResourceId;
use super::settings::Source;
use super::shares::{self, SharePoint, Times};
use super::storage::SHARES;
use super::under_way::{UnderWay, settled};
use super::vault::{self, Heard, VaultPoint};
use super::volumes::{self, VolumePoint};
use crate::connection::Connection;

/// Managed disks, file shares and NetApp volumes of Azure, in any subscription that the connection's credentials reach.
///
/// It never retries (the retry layer does, within the operation's one budget). Whatever it must know again after a crash
/// stands in the names and tags of what it makes; the addresses of running operations are a help of this process alone.
#[derive(Debug)]
pub struct AzureProvider {
    id: ProviderId,
    connection: Connection,
    /// Where [`Provider::snapshots`] looks.
    groups: BTreeSet<GroupPlace>,
    /// Shares, volumes and backup vaults in which it looks, too.
    sources: Vec<ResourceId>,
    /// What it looks for in vaults.
    vaulted: Vec<vault::Source>,
    under_way: UnderWay,
    times: Times,
    heard: Heard,
}

/// A resource group in its subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct GroupPlace {
    /// The subscription's id, in lower case.
    pub subscription: String,
    /// The resource group's name, in lower case.
    pub resource_group: String,
}

impl GroupPlace {
    /// The resource group `resource_group` of `subscription`, both in any case.
    pub fn new(subscription: &str, resource_group: &str) -> Self {
        Self { subscription: subscription.to_lowercase(), resource_group: resource_group.to_lowercase() }
    }
}

impl AzureProvider {
    /// The provider `id` on `connection`, which looks for snapshots in `groups`.
    pub fn new(id: ProviderId, connection: Connection, groups: impl IntoIterator<Item = GroupPlace>) -> Self {
        Self {
            id,
            connection,
            groups: groups.into_iter().collect(),
            sources: Vec::new(),
            vaulted: Vec::new(),
            under_way: UnderWay::default(),
            times: Times::default(),
            heard: Heard::default(),
        }
    }

    /// The same, which looks for snapshots in these file shares, NetApp volumes and NetApp backup vaults, too, and of these
    /// backup instances and protected items in their vaults: their full resource ids. A snapshot lives in its share or
    /// volume, so there is nowhere else to look for it.
    ///
    /// ```
    /// use stillpoint_provider_azure::Connection;
    /// use stillpoint_provider_azure::managed::AzureProvider;
    ///
    /// # fn main() -> stillpoint_core::Result<()> {
    /// let share = "/subscriptions/1/resourceGroups/ml/providers/Microsoft.Storage/storageAccounts/files/fileServices/\
    ///              default/shares/projects";
    /// let provider = AzureProvider::new("azure".parse()?, Connection::from_environment()?, []);
    /// assert!(provider.looking_in([share]).is_ok());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` for what is neither.
    pub fn looking_in(mut self, sources: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        for source in sources {
            let id: ResourceId = source.as_ref().parse()?;
            if ![SHARES, VOLUMES, VAULTS].iter().any(|kind| id.is(kind)) && vault::Item::of(&id).is_none() {
                let message = format!(
                    "{id} is no file share, NetApp volume or backup vault of one, and nothing that a vault protects"
                );
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            self.sources.push(id);
        }
        Ok(self)
    }

    /// The same, which looks for the backups of these components in their vaults, too; those that go through none are
    /// passed over.
    ///
    /// ```
    /// use stillpoint_core::Component;
    /// use stillpoint_provider_azure::Connection;
    /// use stillpoint_provider_azure::managed::{AzureProvider, VAULT};
    ///
    /// # fn main() -> stillpoint_core::Result<()> {
    /// let disk = "/subscriptions/1/resourceGroups/ml/providers/Microsoft.Compute/disks/db";
    /// let component = Component::new("db".parse()?, "disk", "azure".parse()?, disk).with_setting(VAULT, "ml-backups");
    /// let provider = AzureProvider::new("azure".parse()?, Connection::from_environment()?, []);
    /// assert!(provider.looking_in_vaults_of([&component]).is_ok());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `InvalidConfig` where a component names no usable vault; `InvalidInput` where its resource is none.
    pub fn looking_in_vaults_of<'a>(
        mut self,
        components: impl IntoIterator<Item = &'a Component>,
    ) -> Result<Self> {
        for component in components {
            self.vaulted.extend(vault::Source::of(component)?);
        }
        Ok(self)
    }

    pub(super) fn vaulted(&self) -> &[vault::Source] {
        &self.vaulted
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn provider_id(&self) -> &ProviderId {
        &self.id
    }

    pub(super) fn groups(&self) -> &BTreeSet<GroupPlace> {
        &self.groups
    }

    pub(super) fn sources(&self) -> &[ResourceId] {
        &self.sources
    }

    pub(super) fn times(&self) -> &Times {
        &self.times
    }

    pub(super) fn heard(&self) -> &Heard {
        &self.heard
    }

    pub(super) fn under_way(&self) -> &UnderWay {
        &self.under_way
    }
}

#[async_trait]
impl Provider for AzureProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        // One answer for all kinds. Recovery Services can stop a job, and does so when it is asked.
        let mut can = Capabilities::default();
        // A disk's snapshot is one instant, before its data is copied.
        can.early_capture = true;
        can.copies = true;
        can.guards_sources = true;
        can
    }

    async fn preflight(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        self.check(cx, component).await
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
        Guarded::foreseen(component)
    }

    async fn guard(
        &self,
        _cx: &OpContext,
        component: &Component,
        operation: &OperationId,
        tags: &Tags,
    ) -> Result<Tags> {
        self.guarded_source(component)?.guard(operation, tags).await
    }

    async fn unguard(&self, _cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        self.guarded_source(component)?.unguard(operation).await
    }

    async fn guarded(&self, _cx: &OpContext, component: &Component) -> Result<Option<OperationId>> {
        self.guarded_source(component)?.standing().await
    }

    async fn estimate(&self, cx: &OpContext, component: &Component) -> Result<Option<Estimate>> {
        if vault::Source::of(component)?.is_some_and(|source| source.is_of_blobs()) {
            return Ok(None);
        }
        match Kind::of(component) {
            Kind::Disk => self.estimate_capture(cx, component).await,
            Kind::Share => self.estimate_share(cx, component).await,
            // How much of a volume is used is a metric, and no property of it.
            Kind::Volume => Ok(None),
        }
    }

    async fn place(&self, _cx: &OpContext, component: &Component) -> Result<BTreeMap<String, String>> {
        let vaulted = vault::Source::of(component)?;
        let vault = vaulted.as_ref().map(|source| ("vault", source.vault.to_string()));
        let (subscription, group) = match (vaulted, Kind::of(component)) {
            (Some(source), _) => (source.vault.subscription, source.vault.group),
            (None, Kind::Disk) => {
                Source::of(component).map(|source| (source.id.subscription, source.group))?
            }
            (None, Kind::Share) => shares::source(component).map(|id| (id.subscription, id.group))?,
            (None, Kind::Volume) => {
                volumes::Source::of(component).map(|it| (it.id.subscription, it.id.group))?
            }
        };
        let place = [("subscription", subscription), ("resource_group", group)].into_iter().chain(vault);
        Ok(place.map(|(name, value)| (name.to_owned(), value.to_lowercase())).collect())
    }

    async fn foresee(&self, cx: &OpContext, request: &JobRequest) -> Result<Foreseen> {
        self.foresee_job(cx, request).await
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let name = match request {
            JobRequest::Backup(job) => match (vault::Source::of(&job.component)?, Kind::of(&job.component)) {
                (Some(source), _) => self.start_vault_backup(cx, job, &source).await?,
                (None, Kind::Disk) => self.start_backup(cx, job).await?,
                (None, Kind::Share) => self.start_share_backup(cx, job).await?,
                (None, Kind::Volume) => self.start_volume_backup(cx, job).await?,
            },
            JobRequest::Restore(job) => match (vault_point(&job.snapshot), of_point(&job.snapshot)) {
                (Some(point), _) => self.start_vault_restore(cx, job, point).await?,
                (None, Kind::Disk) => self.start_restore(cx, job).await?,
                (None, Kind::Share) => return Err(by_files_only()),
                (None, Kind::Volume) => self.start_volume_restore(cx, job).await?,
            },
            JobRequest::Copy(job) => match (vault_point(&job.snapshot), of_point(&job.snapshot)) {
                (None, Kind::Disk) => self.start_copy(cx, job).await?,
                _ => return Err(no_copies()),
            },
            _ => return Err(Error::new(ErrorKind::Unsupported, "Azure knows no such job")),
        };
        // The job runs, whatever becomes of its name.
        name.of(&self.id).map_err(Error::maybe_applied)
    }

    fn address(&self, job: &JobRef) -> Option<String> {
        let name: JobName = job.id.as_str().parse().ok()?;
        match vault::item_of(&name) {
            Some(_) => self.heard.address(job.id.as_str()),
            None => self.under_way.address(&name.id.to_string()),
        }
    }

    async fn poll(&self, cx: &OpContext, job: &JobRef, _wait: Duration) -> Result<JobStatus> {
        let name: JobName = job.id.as_str().parse()?;
        match (vault::item_of(&name), name.kind) {
            (Some(item), JobKind::Backup) => return self.poll_vault_backup(cx, &name, &item).await,
            (Some(item), _) => return self.poll_vault_restore(cx, &name, &item).await,
            (None, _) => {}
        }
        match name.id.resource_type() {
            _ if Kind::of_id(&name.id) == Kind::Share => self.poll_share(cx, &name).await,
            _ if name.id.is(VOLUMES) => self.poll_volume(cx, &name).await,
            _ if Kind::of_id(&name.id) == Kind::Volume => self.poll_volume_backup(cx, &name).await,
            kind if kind == SNAPSHOTS => self.poll_snapshot(cx, &name).await,
            kind if kind == DISKS => self.poll_disk(cx, &name).await,
            _ => Err(Error::new(ErrorKind::NotFound, format!("{name} is no job of this provider"))),
        }
    }

    async fn find(&self, cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>> {
        let found = match request {
            JobRequest::Backup(job) => match (vault::Source::of(&job.component)?, Kind::of(&job.component)) {
                (Some(source), _) => self.find_vault_backup(cx, job, &source, since).await,
                (None, Kind::Disk) => self.find_backup(cx, job).await,
                (None, Kind::Share) => self.find_share_backup(cx, job).await,
                (None, Kind::Volume) => self.find_volume_backup(cx, job).await,
            },
            JobRequest::Restore(job) => match (vault_point(&job.snapshot), of_point(&job.snapshot)) {
                (Some(point), _) => self.find_vault_restore(cx, job, point, since).await,
                (None, Kind::Disk) => self.find_restore(cx, job).await,
                (None, Kind::Share) => Ok(Vec::new()),
                (None, Kind::Volume) => self.find_volume_restore(cx, job).await,
            },
            JobRequest::Copy(job) => self.find_copy(cx, job).await,
            _ => Ok(Vec::new()),
        };
        settled(cx.clock().now(), since, found?)
    }

    async fn cancel(&self, cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        let Ok(name) = job.id.as_str().parse::<JobName>() else { return Ok(CancelOutcome::AlreadyTerminal) };
        match vault::item_of(&name) {
            Some(item) => self.cancel_vault_job(cx, &name, &item).await,
            // Compute has no call that stops making a snapshot or a disk.
            None => Ok(CancelOutcome::Unsupported),
        }
    }

    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        if let Some(point) = vault_point(snapshot) {
            return self.open_vault_point(cx, point).await;
        }
        let text = snapshot.id.as_str();
        match Kind::of_point(text) {
            Kind::Disk => self.open_point(cx, text.parse()?).await,
            Kind::Share => self.open_share_point(cx, text.parse()?).await,
            Kind::Volume => self.open_volume_point(cx, text.parse()?).await,
        }
    }

    async fn snapshots(&self, cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        self.find_points(cx, query).await
    }

    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        if let Some(point) = vault_point(snapshot) {
            return self.delete_vault_point(cx, &point).await;
        }
        let text = snapshot.id.as_str();
        match (text.parse::<PointName>(), text.parse::<SharePoint>(), text.parse::<VolumePoint>()) {
            (Ok(name), ..) => self.delete_point(cx, &name).await,
            (_, Ok(name), _) => self.delete_share_point(cx, &name).await,
            (.., Ok(name)) => self.delete_volume_point(cx, &name).await,
            (Err(unread), ..) => Err(unreadable(&unread)),
        }
    }

    async fn keep(&self, cx: &OpContext, snapshot: &SnapshotRef, until: Option<Timestamp>) -> Result<()> {
        match (vault_point(snapshot), until) {
            (Some(point), None) => self.keep_vault_point(cx, &point).await,
            // Only vaults let anything end by itself, and what is let go again ends as it would have.
            _ => Ok(()),
        }
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

/// The recovery point of a vault that `snapshot` is, where it is one.
fn vault_point(snapshot: &SnapshotRef) -> Option<VaultPoint> {
    snapshot.id.as_str().parse().ok()
}

fn of_point(snapshot: &SnapshotRef) -> Kind {
    Kind::of_point(snapshot.id.as_str())
}

fn by_files_only() -> Error {
    let message = "nothing can be made of a share's snapshot but by copying its files: give the component a mount, and \
                   the data plane of files reads them there";
    Error::new(ErrorKind::Unsupported, message)
}

fn no_copies() -> Error {
    let message = "Azure copies no snapshots of shares and volumes, and no recovery points of vaults; back them up through the data plane of files, whose \
                   store can be copied";
    Error::new(ErrorKind::Unsupported, message)
}

fn no_records() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a resource group keeps no records; the catalog is rebuilt from the tags of its snapshots",
    )
}

/// A name of a snapshot that cannot be read is no reason to call it gone: a newer version may have made it, or the catalog's
/// row is damaged.
fn unreadable(error: &Error) -> Error {
    let message =
        format!("{}, so nothing was deleted; a newer version may have made it: delete it with that", error);
    Error::new(ErrorKind::InvalidInput, message)
}
