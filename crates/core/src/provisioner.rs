//! The provisioner: makes the new workspace that a restore fills.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::catalog::BackupRecord;
use crate::context::OpContext;
use crate::error::Result;
use crate::extent::Extent;
use crate::id::{ComponentId, WorkspaceId};
use crate::operation::RestoreRequest;
use crate::provider::{Finding, RestoredResource};
use crate::workspace::Settings;

/// What a provisioner is asked to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProvisionRequest {
    /// The restore.
    pub restore: RestoreRequest,
    /// The backup it restores, with the definition of the workspace at that time.
    pub backup: BackupRecord,
}

impl ProvisionRequest {
    /// Make what `restore` needs to bring `backup` back.
    pub fn new(restore: RestoreRequest, backup: BackupRecord) -> Self {
        Self { restore, backup }
    }
}

/// The new, still empty workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Provisioned {
    /// Names it.
    pub workspace: WorkspaceId,
    /// The software version it runs.
    pub software_version: Option<String>,
    /// The environment it belongs to; `None` for that of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Per component, where and how its provider shall make the new resource.
    pub destinations: BTreeMap<ComponentId, Settings>,
    /// Written on every new resource at its birth, against garbage collectors.
    pub tags: BTreeMap<String, String>,
}

impl Provisioned {
    /// The new workspace `workspace`, with no destinations yet.
    pub fn new(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            software_version: None,
            environment: None,
            destinations: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }

    /// The same with a destination for one component.
    #[must_use]
    pub fn with_destination(mut self, component: ComponentId, destination: Settings) -> Self {
        self.destinations.insert(component, destination);
        self
    }
}

/// Creates the new workspace for a restore, attaches what was restored, activates it, or discards it.
///
/// The host implements it. Every method may be called again for the same operation (`cx.operation()`), by another
/// process after a crash, and must then answer the same.
///
/// ```
/// use async_trait::async_trait;
/// use stillpoint_core::*;
///
/// /// Makes a new folder name per restore.
/// #[derive(Debug)]
/// struct Folders;
///
/// #[async_trait]
/// impl Provisioner for Folders {
///     async fn preflight(&self, _cx: &OpContext, _r: &ProvisionRequest) -> Result<Vec<Finding>> { Ok(vec![]) }
///     async fn provision(&self, _cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned> {
///         let mut made = Provisioned::new(request.restore.target.clone());
///         for component in &request.backup.components {
///             let path = format!("/restored/{}", component.component.id);
///             made = made.with_destination(component.component.id.clone(), [("path".into(), path.into())].into());
///         }
///         Ok(made)
///     }
///     async fn attach(&self, _: &OpContext, _: &Provisioned, _: &[RestoredResource]) -> Result<()> { Ok(()) }
///     async fn activate(&self, _: &OpContext, _: &Provisioned) -> Result<()> { Ok(()) }
///     async fn discard(&self, _: &OpContext, _: &Provisioned) -> Result<()> { Ok(()) }
/// }
/// ```
#[async_trait]
pub trait Provisioner: Debug + Send + Sync + 'static {
    /// Whether what it makes is named by what only one host has, as a directory is by its path
    /// ([`Builder::host`](crate::Builder::host)).
    fn is_of_one_host(&self) -> bool {
        false
    }

    /// Looks for whatever would make the restore fail (target taken, other account or region, quota), without
    /// changing anything.
    ///
    /// # Errors
    /// Only where it cannot look; what it finds are [`Finding`]s.
    async fn preflight(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Finding>>;

    /// Where the restore writes among what is there already; see [`Provider::extents`](crate::Provider::extents). A
    /// provisioner that does not say makes everything anew.
    ///
    /// # Errors
    /// Whatever looking can meet; the restore cannot begin then.
    async fn extents(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Extent>> {
        let _unused = (cx, request);
        Ok(Vec::new())
    }

    /// Makes the new workspace, or answers the one this operation already made. It may be called otherwise than the restore
    /// asked; a name that the catalog knows, that of the source above all, is refused, and the restore undone.
    ///
    /// # Errors
    /// `AlreadyExists` where the target is somebody else's.
    async fn provision(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned>;

    /// Attaches restored resources to the new workspace.
    ///
    /// # Errors
    /// Whatever it meets; a repeat goes on.
    async fn attach(&self, cx: &OpContext, made: &Provisioned, resources: &[RestoredResource]) -> Result<()>;

    /// Starts the new workspace.
    ///
    /// # Errors
    /// Whatever it meets; a repeat goes on.
    async fn activate(&self, cx: &OpContext, made: &Provisioned) -> Result<()>;

    /// Removes what [`Provisioner::provision`] made for this operation. Absent is a success.
    ///
    /// # Errors
    /// `NeedsAttention` where something could not be removed.
    async fn discard(&self, cx: &OpContext, made: &Provisioned) -> Result<()>;
}
