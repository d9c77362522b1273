//! The workspace: what a host protects.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::context::OpContext;
use crate::error::Result;
use crate::id::{ComponentId, OperationId, ProviderId, QuiesceId, WorkspaceId};
use crate::job::Tags;

/// Settings whose meaning only a host or a provider knows; ordered, so that equal settings have equal text.
pub type Settings = BTreeMap<String, Value>;

/// What is needed to recreate a workspace, apart from its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Definition {
    /// The workspace.
    pub id: WorkspaceId,
    /// The cloud account that owns it; `None` outside a cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The cloud region it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The host that it stands on, where its id means another workspace on another one, as a path does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The environment it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The software version it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Who may do what in it. Recorded and reported, never applied by a restore.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleGrant>,
    /// The host's own settings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: Settings,
    /// Written on every snapshot that a backup of it makes, from its birth, and on every copy of one: against collectors of
    /// garbage, for instance.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub snapshot_tags: Tags,
    /// Written on the source of each component while a backup of it is under way, as far as its provider can
    /// ([`Provider::guard`](crate::Provider::guard)), and removed once its job has ended: against collectors of garbage.
    /// What the source has already stays as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source_tags: Tags,
}

impl Definition {
    /// A definition that knows the id only.
    pub fn new(id: WorkspaceId) -> Self {
        Self {
            id,
            account: None,
            region: None,
            host: None,
            environment: None,
            software_version: None,
            roles: Vec::new(),
            settings: Settings::new(),
            snapshot_tags: Tags::new(),
            source_tags: Tags::new(),
        }
    }
}

/// One grant of a role, as found at backup time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoleGrant {
    /// Who holds the role.
    pub principal: String,
    /// The role.
    pub role: String,
}

impl RoleGrant {
    /// `principal` holds `role`.
    pub fn new(principal: impl Into<String>, role: impl Into<String>) -> Self {
        Self { principal: principal.into(), role: role.into() }
    }
}

/// One piece of a workspace's storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Component {
    /// Names it inside the workspace.
    pub id: ComponentId,
    /// What it is: `directory`, `ebs`, `efs`, `nfs`, `disk`, …
    pub kind: String,
    /// The provider that protects it.
    pub provider: ProviderId,
    /// The provider's name of it: a path, an ARN, a resource id.
    pub resource: String,
    /// Whether backups hold it.
    pub protection: Protection,
    /// What else its provider needs to know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: Settings,
}

impl Component {
    /// A protected component.
    pub fn new(
        id: ComponentId,
        kind: impl Into<String>,
        provider: ProviderId,
        resource: impl Into<String>,
    ) -> Self {
        Self {
            id,
            kind: kind.into(),
            provider,
            resource: resource.into(),
            protection: Protection::Protected,
            settings: Settings::new(),
        }
    }

    /// The same component, left out of every backup for `reason`.
    #[must_use]
    pub fn excluded(mut self, reason: impl Into<String>) -> Self {
        self.protection = Protection::Excluded { reason: reason.into() };
        self
    }

    /// The same component with one more setting.
    #[must_use]
    pub fn with_setting(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }
}

/// Whether backups hold a component. An excluded one is shown in plan, backup and restore, never hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
#[non_exhaustive]
pub enum Protection {
    /// Each backup captures it.
    Protected,
    /// No backup captures it.
    Excluded {
        /// Why, in words for the administrator.
        reason: String,
    },
}

/// How much a point can be trusted to be one moment, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Consistency {
    /// Captured while it may have changed: different files or components can show different moments.
    Fuzzy,
    /// One moment per component, as after a power cut.
    Crash,
    /// One moment with all file-system buffers written.
    Filesystem,
    /// The services that write had stopped or flushed.
    Application,
}

/// How to hold a workspace still.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QuiesceOptions {
    /// After this long the workspace may let itself go again, whatever happened to the caller (dead-man's switch).
    pub budget: Duration,
}

impl QuiesceOptions {
    /// Hold still for `budget` at the most.
    pub fn new(budget: Duration) -> Self {
        Self { budget }
    }
}

/// A hold as the workspace itself remembers it, without any catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HoldInfo {
    /// Who took it.
    pub id: QuiesceId,
    /// Since when it lasts.
    pub since: Timestamp,
    /// The longest time it is meant to last; whoever sees it last longer may let the workspace go.
    pub budget: Duration,
    /// The operation that took it, where the workspace noted it: once that has ended, the next backup lets the workspace go
    /// before it holds it still itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
}

impl HoldInfo {
    /// A hold of `id` since `since`, meant to last for `budget` at the most.
    pub fn new(id: QuiesceId, since: Timestamp, budget: Duration) -> Self {
        Self { id, since, budget, operation: None }
    }

    /// The same, taken by `operation`.
    #[must_use]
    pub fn taken_by(mut self, operation: Option<OperationId>) -> Self {
        self.operation = operation;
        self
    }

    /// When it has lasted as long as it was meant to.
    pub fn ends_at(&self) -> Timestamp {
        self.since.after(self.budget)
    }
}

/// A workspace that can be described, listed, held still and let go.
///
/// The host implements it, or takes a ready-made one. Every method may be called again after a crash, by another
/// process, with the same ids, and must then answer the same.
///
/// ```
/// use async_trait::async_trait;
/// use stillpoint_core::*;
///
/// #[derive(Debug)]
/// struct Notebook { id: WorkspaceId }
///
/// #[async_trait]
/// impl Workspace for Notebook {
///     fn id(&self) -> &WorkspaceId { &self.id }
///     async fn definition(&self, _cx: &OpContext) -> Result<Definition> { Ok(Definition::new(self.id.clone())) }
///     async fn inventory(&self, _cx: &OpContext) -> Result<Vec<Component>> {
///         Ok(vec![Component::new("home".parse()?, "directory", "s3sync".parse()?, "/home/ada")])
///     }
///     async fn quiesce(&self, _cx: &OpContext, _id: &QuiesceId, _o: &QuiesceOptions) -> Result<Consistency> {
///         Ok(Consistency::Fuzzy) // Nothing is stopped, and the record will say so.
///     }
///     async fn resume(&self, _cx: &OpContext, _id: &QuiesceId) -> Result<()> { Ok(()) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let notebook = Notebook { id: "ada/notebook".parse()? };
/// assert_eq!(notebook.inventory(&OpContext::background()).await?.len(), 1);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Workspace: Debug + Send + Sync + 'static {
    /// Names the workspace.
    fn id(&self) -> &WorkspaceId;

    /// Whether its id means another workspace on another host, as a path does
    /// ([`Builder::host`](crate::Builder::host)). It answers what [`Definition::host`] would tell, without looking.
    fn is_of_one_host(&self) -> bool {
        false
    }

    /// What is needed to recreate the workspace, read now.
    ///
    /// # Errors
    /// `NotFound` where the workspace is gone; whatever reading it can meet.
    async fn definition(&self, cx: &OpContext) -> Result<Definition>;

    /// Every component, the excluded ones too, read now: a new disk is never left out in silence.
    ///
    /// # Errors
    /// Whatever reading it can meet. A list that may be incomplete is an error.
    async fn inventory(&self, cx: &OpContext) -> Result<Vec<Component>>;

    /// Holds the workspace still and answers what consistency that gives while it lasts.
    ///
    /// - Stores `id`, the time, the budget and the prior state on the workspace itself, so that anybody can let it go.
    /// - Called again with the same `id`: changes nothing and answers the same.
    ///
    /// # Errors
    /// `Busy` while another `id` holds it.
    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency>;

    /// Lets the workspace go and brings back the exact prior state.
    ///
    /// - Needs neither catalog nor lease, and works in a process that did not quiesce.
    /// - Where `id` holds nothing (never did, or no longer), it is a success that changes nothing.
    ///
    /// # Errors
    /// `NeedsAttention` where the prior state cannot be brought back.
    async fn resume(&self, cx: &OpContext, id: &QuiesceId) -> Result<()>;

    /// Who holds the workspace still, read back from the workspace itself.
    ///
    /// Needs neither catalog nor lease, and works in a process that did not quiesce; a [`Watchdog`](crate::Watchdog)
    /// asks nothing else. Whoever never stops anything keeps the default, which answers that nothing holds it.
    ///
    /// # Errors
    /// Whatever reading it can meet.
    async fn hold(&self, cx: &OpContext) -> Result<Option<HoldInfo>> {
        let _unused = cx;
        Ok(None)
    }
}
