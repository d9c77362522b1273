//! What a host gives to its orchestrator.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::{Catalog, Holder, WorkspaceRecord};
use crate::clock::{Clock, SystemClock};
use crate::decide::UNREGISTERED;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ProviderId, WorkspaceId};
use crate::layer::{CallLimits, Limited, RetryPolicy, Retrying};
use crate::meter::{Meter, NoMeter};
use crate::operation::OperationRecord;
use crate::orchestrator::admission::{Admission, OperationLimits};
use crate::orchestrator::holder::{Liveness, ProcessLiveness, this_process};
use crate::orchestrator::local::LocalOrchestrator;
use crate::provider::Provider;
use crate::provisioner::Provisioner;
use crate::workspace::Workspace;

/// How long a lease lasts unless the host says otherwise; it is renewed three times as often.
pub const LEASE_TTL_DEFAULT: Duration = Duration::from_secs(60);

/// The name under which an operation notes the one host that can go on with it ([`Builder::host`]).
pub const HOST: &str = "host";

/// Makes a workspace that is not registered from what the catalog remembers of it, so that an operation can be
/// recovered by a process that did not submit it.
pub type WorkspaceResolver =
    Arc<dyn Fn(&WorkspaceId, Option<&WorkspaceRecord>) -> Option<Arc<dyn Workspace>> + Send + Sync>;

/// Everything an orchestrator works with.
pub(super) struct Parts {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) holder: Holder,
    pub(super) liveness: Arc<dyn Liveness>,
    pub(super) lease_ttl: Duration,
    pub(super) retry: RetryPolicy,
    pub(super) providers: BTreeMap<ProviderId, Arc<dyn Provider>>,
    pub(super) workspaces: BTreeMap<WorkspaceId, Arc<dyn Workspace>>,
    pub(super) resolver: Option<WorkspaceResolver>,
    pub(super) provisioners: BTreeMap<String, Arc<dyn Provisioner>>,
    pub(super) admission: Admission,
    pub(super) calls: CallLimits,
    pub(super) meter: Arc<dyn Meter>,
    pub(super) noted: BTreeMap<String, String>,
    pub(super) host: Option<String>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("holder", &self.holder)
            .field("providers", &self.providers.keys())
            .field("workspaces", &self.workspaces.keys())
            .field("provisioners", &self.provisioners.keys())
            .finish_non_exhaustive()
    }
}

impl Parts {
    pub(super) fn provider(&self, id: &ProviderId) -> Result<&Arc<dyn Provider>> {
        self.providers.get(id).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                format!("no provider {id} is registered; register it and resume"),
            )
            .with(UNREGISTERED, id)
        })
    }

    /// A workspace that can be had without the catalog.
    pub(super) fn known_workspace(&self, id: &WorkspaceId) -> Option<Arc<dyn Workspace>> {
        let registered = self.workspaces.get(id).map(Arc::clone);
        registered.or_else(|| self.resolver.as_ref().and_then(|resolver| resolver(id, None)))
    }

    pub(super) async fn workspace(&self, id: &WorkspaceId) -> Result<Arc<dyn Workspace>> {
        if let Some(known) = self.workspaces.get(id) {
            return Ok(Arc::clone(known));
        }
        let remembered = self.catalog.workspace(id).await?;
        let made = self.resolver.as_ref().and_then(|resolver| resolver(id, remembered.as_ref()));
        made.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no workspace {id} is known here")).with(UNREGISTERED, id)
        })
    }

    /// What an operation was noted with that this orchestrator notes otherwise: the name and the operation's own value.
    pub(super) fn noted_otherwise<'a>(&self, operation: &'a OperationRecord) -> Option<(&'a str, &'a str)> {
        let ours = |name: &str| match name {
            HOST => self.host.as_ref(),
            name => self.noted.get(name),
        };
        let other =
            |(name, value): &(&String, &String)| ours(name.as_str()).is_some_and(|ours| ours != *value);
        operation.noted.iter().find(other).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn provisioner(&self, name: &str) -> Result<&Arc<dyn Provisioner>> {
        self.provisioners.get(name).ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, format!("no provisioner {name:?} is registered"))
        })
    }
}

/// Builds a [`LocalOrchestrator`].
#[derive(Debug)]
pub struct Builder(Parts);

impl Builder {
    pub(super) fn new(catalog: Arc<dyn Catalog>) -> Self {
        Self(Parts {
            catalog,
            clock: Arc::new(SystemClock),
            holder: this_process(),
            liveness: Arc::new(ProcessLiveness),
            lease_ttl: LEASE_TTL_DEFAULT,
            retry: RetryPolicy::default(),
            providers: BTreeMap::new(),
            workspaces: BTreeMap::new(),
            resolver: None,
            provisioners: BTreeMap::new(),
            admission: Admission::default(),
            calls: CallLimits::default(),
            meter: Arc::new(NoMeter),
            noted: BTreeMap::new(),
            host: None,
        })
    }

    /// Notes this on every operation that is submitted here: what a host needs in order to go on with one that died before
    /// anything was planned, the store that it was to use for example. Never a secret. An operation that was noted with
    /// another value under this name is not taken over here, unless it is to be cancelled: it would be finished in another place than it was begun in.
    #[must_use]
    pub fn note(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.noted.insert(name.into(), value.into());
        self
    }

    /// Says which host this is, on a catalog that several hosts work on. A backup or a restore of what has its name on one
    /// host alone ([`Workspace::is_of_one_host`], [`Provisioner::is_of_one_host`]) is noted with it ([`HOST`]) and taken over
    /// by no other, unless it is to be cancelled; and runs of schedules that name another host are left to that one.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.0.host = Some(host.into());
        self
    }

    /// Takes the time from `clock` instead of the system.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    /// Works under this name instead of the process's own.
    #[must_use]
    pub fn holder(mut self, holder: Holder) -> Self {
        self.0.holder = holder;
        self
    }

    /// Asks `liveness` whether another holder is dead, instead of looking at this machine's processes.
    #[must_use]
    pub fn liveness(mut self, liveness: Arc<dyn Liveness>) -> Self {
        self.0.liveness = liveness;
        self
    }

    /// Holds leases for this long; after a crash on another machine that is how long a takeover waits.
    #[must_use]
    pub fn lease_ttl(mut self, ttl: Duration) -> Self {
        self.0.lease_ttl = ttl;
        self
    }

    /// Tries provider calls again by this policy instead of the default one.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.0.retry = policy;
        self
    }

    /// Has no more operations at work at a time than these limits say.
    #[must_use]
    pub fn operation_limits(mut self, limits: OperationLimits) -> Self {
        self.0.admission = Admission::new(limits);
        self
    }

    /// Calls each provider no more often, and no more at a time, than these limits say.
    #[must_use]
    pub fn call_limits(mut self, limits: CallLimits) -> Self {
        self.0.calls = limits;
        self
    }

    /// Tells `meter` numbers about operations and calls.
    #[must_use]
    pub fn meter(mut self, meter: Arc<dyn Meter>) -> Self {
        self.0.meter = meter;
        self
    }

    /// Registers a provider under its own id. Its calls are tried again by the orchestrator's policy.
    #[must_use]
    pub fn provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.0.providers.insert(provider.id().clone(), provider);
        self
    }

    /// Registers a workspace under its own id.
    #[must_use]
    pub fn workspace(mut self, workspace: Arc<dyn Workspace>) -> Self {
        self.0.workspaces.insert(workspace.id().clone(), workspace);
        self
    }

    /// Makes workspaces that are not registered.
    #[must_use]
    pub fn workspaces(mut self, resolver: WorkspaceResolver) -> Self {
        self.0.resolver = Some(resolver);
        self
    }

    /// Registers a provisioner under the name that restore requests use.
    #[must_use]
    pub fn provisioner(mut self, name: impl Into<String>, provisioner: Arc<dyn Provisioner>) -> Self {
        self.0.provisioners.insert(name.into(), provisioner);
        self
    }

    /// The orchestrator. It drives operations on the tokio runtime it is used in.
    pub fn build(mut self) -> LocalOrchestrator {
        for provider in self.0.providers.values_mut() {
            // A call that waits to be tried again takes no place.
            if self.0.calls != CallLimits::default() {
                *provider = Arc::new(Limited::new(Arc::clone(provider), self.0.calls));
            }
            *provider = Arc::new(
                Retrying::new(Arc::clone(provider), self.0.retry).with_meter(Arc::clone(&self.0.meter)),
            );
        }
        LocalOrchestrator::from_parts(self.0)
    }
}
