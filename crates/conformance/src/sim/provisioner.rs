//! A provisioner whose new workspaces are entries in a list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    Error, ErrorKind, Finding, OpContext, OperationId, ProviderId, ProvisionRequest, Provisioned,
    Provisioner, RestoredResource, Result, Severity, WorkspaceId,
};

use super::state::PROTECTED;

/// Makes workspaces that exist by name, remember who made them, and count what is attached. It stands for the
/// control plane itself, so it outlives the processes that use it.
#[derive(Debug, Default)]
pub struct SimProvisioner {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    made: BTreeMap<WorkspaceId, Made>,
    answer: Option<WorkspaceId>,
    failing: Vec<(&'static str, u32)>,
    hanging: Vec<(&'static str, Option<Duration>)>,
    slow: BTreeMap<&'static str, Duration>,
}

#[derive(Debug)]
struct Made {
    operation: OperationId,
    attached: BTreeSet<String>,
    active: bool,
}

impl SimProvisioner {
    /// A control plane without workspaces.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The next `times` calls of `verb` (`provision`, `attach`, `activate`, `discard`) fail for good reason.
    pub fn fail(&self, verb: &'static str, times: u32) {
        self.lock().failing.push((verb, times));
    }

    /// What is made is answered under another name from now on.
    pub fn answer(&self, workspace: WorkspaceId) {
        self.lock().answer = Some(workspace);
    }

    /// The next call of `verb` is never answered; a `provision` may be carried out so long after it was called.
    pub fn hang(&self, verb: &'static str, carried_out_after: Option<Duration>) {
        self.lock().hanging.push((verb, carried_out_after));
    }

    /// Each call of `verb` takes so long.
    pub fn slow(&self, verb: &'static str, takes: Duration) {
        self.lock().slow.insert(verb, takes);
    }

    /// Takes the call's time, and never returns where it is one that hangs.
    async fn may_hang(&self, verb: &'static str, late: Option<(WorkspaceId, Made)>) {
        let (takes, hanging) = {
            let mut state = self.lock();
            let place = state.hanging.iter().position(|(on, _)| *on == verb);
            (state.slow.get(verb).copied(), place.map(|place| state.hanging.remove(place)))
        };
        if let Some(takes) = takes {
            tokio::time::sleep(takes).await;
        }
        let Some((_, delay)) = hanging else { return };
        if let (Some(delay), Some((target, made))) = (delay, late) {
            let state = Arc::clone(&self.state);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                state.lock().unwrap_or_else(PoisonError::into_inner).made.entry(target).or_insert(made);
            });
        }
        std::future::pending::<()>().await;
    }

    /// Whether the workspace exists.
    pub fn exists(&self, workspace: &WorkspaceId) -> bool {
        self.lock().made.contains_key(workspace)
    }

    /// Whether the workspace exists and was started.
    pub fn is_active(&self, workspace: &WorkspaceId) -> bool {
        self.lock().made.get(workspace).is_some_and(|made| made.active)
    }

    /// The resources attached to a workspace.
    pub fn attached(&self, workspace: &WorkspaceId) -> BTreeSet<String> {
        self.lock().made.get(workspace).map(|made| made.attached.clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gate(&self, verb: &'static str) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        if let Some((_, left)) = state.failing.iter_mut().find(|(on, left)| *on == verb && *left > 0) {
            *left -= 1;
            return Err(Error::new(
                ErrorKind::QuotaExceeded,
                format!("{verb}: a quota of the account is reached"),
            ));
        }
        Ok(state)
    }
}

#[async_trait]
impl Provisioner for SimProvisioner {
    async fn preflight(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Finding>> {
        let target = &request.restore.target;
        let state = self.lock();
        let taken = state.made.get(target).is_some_and(|made| Some(&made.operation) != cx.operation());
        let message = format!("{target} exists already; choose another name");
        Ok(taken.then(|| Finding::new("target-free", Severity::Blocker, message)).into_iter().collect())
    }

    async fn provision(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned> {
        let target = &request.restore.target;
        let operation = cx.operation().unwrap_or(&request.restore.id);
        let new = || Made { operation: operation.clone(), attached: BTreeSet::new(), active: false };
        self.may_hang("provision", Some((target.clone(), new()))).await;
        let mut state = self.gate("provision")?;
        if state.made.get(target).is_some_and(|made| made.operation != *operation) {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("{target} was made by somebody else")));
        }
        state.made.entry(target.clone()).or_insert_with(new);
        let mut made = Provisioned::new(state.answer.clone().unwrap_or_else(|| target.clone()));
        made.software_version = request.restore.software_version.clone().or(Some("newest".into()));
        made.tags.insert(PROTECTED.to_owned(), "true".to_owned());
        for component in &request.backup.components {
            made = made.with_destination(
                component.component.id.clone(),
                [("zone".to_owned(), "eu-central-1a".into())].into(),
            );
        }
        Ok(made)
    }

    async fn attach(&self, cx: &OpContext, made: &Provisioned, resources: &[RestoredResource]) -> Result<()> {
        self.may_hang("attach", None).await;
        let mut state = self.gate("attach")?;
        let found = state.own(cx, made)?;
        found.attached.extend(resources.iter().map(|resource| resource.resource.clone()));
        Ok(())
    }

    async fn activate(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        self.may_hang("activate", None).await;
        let mut state = self.gate("activate")?;
        state.own(cx, made)?.active = true;
        Ok(())
    }

    async fn discard(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        let mut state = self.gate("discard")?;
        if state.own(cx, made).is_ok() {
            state.made.remove(&made.workspace);
        }
        Ok(())
    }
}

impl State {
    fn own(&mut self, cx: &OpContext, made: &Provisioned) -> Result<&mut Made> {
        let found =
            self.made.get_mut(&made.workspace).filter(|found| Some(&found.operation) == cx.operation());
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("{} was not made by this operation", made.workspace))
        })
    }
}

/// [`SimProvisioner`] under the provisioner suite.
#[derive(Debug)]
pub struct SimProvisionerHarness {
    provisioner: Arc<SimProvisioner>,
    provider: ProviderId,
}

impl SimProvisionerHarness {
    /// A control plane without workspaces.
    ///
    /// # Errors
    /// None that a caller could meet.
    pub fn new() -> Result<Self> {
        Ok(Self { provisioner: SimProvisioner::new(), provider: "sim".parse()? })
    }
}

#[async_trait]
impl crate::provisioner::Harness for SimProvisionerHarness {
    async fn provisioner(&self) -> Result<Arc<dyn Provisioner>> {
        Ok(Arc::clone(&self.provisioner) as Arc<dyn Provisioner>)
    }

    fn request(&self, name: &str) -> ProvisionRequest {
        crate::memory::provision_request(name, &self.provider)
    }

    async fn exists(&self, workspace: &WorkspaceId) -> Option<bool> {
        Some(self.provisioner.exists(workspace))
    }
}
