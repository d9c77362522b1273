//! A workspace whose components are resources of the simulated cloud.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    Clock, Component, Consistency, Definition, Error, ErrorKind, HoldInfo, OpContext, Protection, QuiesceId,
    QuiesceOptions, Result, Tags, Timestamp, Workspace, WorkspaceId,
};

use super::cloud::SimCloud;
use super::config::SimConfig;
use super::resource::SimKind;

/// A workspace that writes down every hold with its virtual times, and lets itself go when a hold outlasts its
/// budget. It stands for the workspace itself, so it outlives the processes that quiesce it.
///
/// It runs the services `jupyter` and `scheduler`, and has one that its owner stopped, `trainer`.
#[derive(Debug)]
pub struct SimWorkspace {
    cloud: Arc<SimCloud>,
    definition: Definition,
    components: Vec<Component>,
    level: Consistency,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    holds: Vec<SimHold>,
    quiesce_failures: (u32, Option<ErrorKind>),
    resume_failures: u32,
    refused_writes: u64,
    no_switch: bool,
    source_tags: Tags,
    /// Which services run.
    services: BTreeMap<String, bool>,
    /// Which ran when the hold at hand was taken.
    prior: Option<BTreeMap<String, bool>>,
}

impl State {
    /// Ends the hold at hand and brings the prior state back.
    fn let_go(&mut self, at: Timestamp) {
        if let Some(hold) = self.holds.iter_mut().find(|hold| hold.until.is_none()) {
            hold.until = Some(at);
        }
        if let Some(prior) = self.prior.take() {
            self.services = prior;
        }
    }
}

/// One time that a workspace was held still.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimHold {
    /// Who held it.
    pub id: QuiesceId,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None` while it lasts.
    pub until: Option<Timestamp>,
    /// The longest time it was meant to last.
    pub budget: Duration,
}

impl SimWorkspace {
    /// A workspace of `components`, whose services stop when it is held still.
    pub fn new(cloud: Arc<SimCloud>, definition: Definition, components: Vec<Component>) -> Arc<Self> {
        let level = Consistency::Application;
        let services = [("jupyter", true), ("scheduler", true), ("trainer", false)];
        let services = services.map(|(name, runs)| (name.to_owned(), runs)).into();
        let state = Mutex::new(State { services, ..State::default() });
        Arc::new(Self { cloud, definition, components, level, state })
    }

    /// From now on its sources are guarded with these tags while a backup of them is under way.
    pub fn guard_sources(&self, tags: Tags) {
        self.lock().source_tags = tags;
    }

    /// Its services, and which of them run.
    pub fn services(&self) -> BTreeMap<String, bool> {
        self.lock().services.clone()
    }

    /// Every hold so far, oldest first.
    pub fn holds(&self) -> Vec<SimHold> {
        self.lock().holds.clone()
    }

    /// Who holds it still now.
    pub fn held_by(&self) -> Option<QuiesceId> {
        self.lock().holds.iter().find(|hold| hold.until.is_none()).map(|hold| hold.id.clone())
    }

    /// The next `times` calls to quiesce take hold but fail.
    pub fn fail_quiesce(&self, times: u32) {
        self.lock().quiesce_failures = (times, None);
    }

    /// The next `times` calls to quiesce stop everything and ask to be called again later.
    pub fn put_off_quiesce(&self, times: u32) {
        self.lock().quiesce_failures = (times, Some(ErrorKind::Unavailable));
    }

    /// The next `times` calls to resume fail and let nobody go.
    pub fn fail_resume(&self, times: u32) {
        self.lock().resume_failures = times;
    }

    /// Takes the dead-man's switch out: a hold lasts until it is let go.
    pub fn disable_switch(&self) {
        self.lock().no_switch = true;
    }

    /// A service writes to a component's resource.
    ///
    /// # Errors
    /// `Busy` while the workspace is held still: its services are stopped.
    pub fn write(&self, resource: &str, path: &str, content: &[u8]) -> Result<()> {
        if let Some(id) = self.held_by() {
            self.lock().refused_writes += 1;
            return Err(Error::new(ErrorKind::Busy, format!("services are stopped by {id}")));
        }
        self.cloud.write(resource, path, content);
        Ok(())
    }

    /// How many writes found the services stopped.
    pub fn refused_writes(&self) -> u64 {
        self.lock().refused_writes
    }

    /// The state, after the dead-man's switch let go of what was held for too long.
    fn lock(&self) -> MutexGuard<'_, State> {
        let now = self.cloud.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let held = state.holds.iter().find(|hold| hold.until.is_none());
        let ends = held.map(|hold| hold.from.after(hold.budget)).filter(|ends| *ends <= now);
        if let Some(ends) = ends.filter(|_| !state.no_switch) {
            state.let_go(ends);
        }
        state
    }

    fn pause(&self, until: Option<Timestamp>) {
        for component in
            self.components.iter().filter(|component| component.protection == Protection::Protected)
        {
            self.cloud.pause(&component.resource, until);
        }
    }
}

#[async_trait]
impl Workspace for SimWorkspace {
    fn id(&self) -> &WorkspaceId {
        &self.definition.id
    }

    async fn definition(&self, _cx: &OpContext) -> Result<Definition> {
        let mut definition = self.definition.clone();
        definition.source_tags.clone_from(&self.lock().source_tags);
        Ok(definition)
    }

    async fn inventory(&self, _cx: &OpContext) -> Result<Vec<Component>> {
        Ok(self.components.clone())
    }

    async fn quiesce(
        &self,
        _cx: &OpContext,
        id: &QuiesceId,
        options: &QuiesceOptions,
    ) -> Result<Consistency> {
        let now = self.cloud.clock.now();
        let mut state = self.lock();
        match state.holds.iter().find(|hold| hold.until.is_none()) {
            Some(hold) if hold.id == *id => return Ok(self.level),
            Some(hold) => {
                return Err(Error::new(ErrorKind::Busy, format!("{} holds the workspace still", hold.id)));
            }
            None => {}
        }
        state.holds.push(SimHold { id: id.clone(), from: now, until: None, budget: options.budget });
        state.prior = Some(state.services.clone());
        state.services.values_mut().for_each(|runs| *runs = false);
        let until =
            if state.no_switch { Timestamp::from_millis(i64::MAX) } else { now.after(options.budget) };
        self.pause(Some(until));
        let (failures, kind) = state.quiesce_failures;
        if failures > 0 {
            state.quiesce_failures = (failures - 1, kind);
            let kind = kind.unwrap_or(ErrorKind::Unexpected);
            return Err(Error::new(kind, "one service did not stop in time").maybe_applied());
        }
        Ok(self.level)
    }

    async fn resume(&self, _cx: &OpContext, id: &QuiesceId) -> Result<()> {
        let now = self.cloud.clock.now();
        let mut state = self.lock();
        if state.resume_failures > 0 {
            state.resume_failures -= 1;
            return Err(Error::new(ErrorKind::Unavailable, "the services cannot be reached").maybe_applied());
        }
        if state.holds.iter().any(|hold| hold.until.is_none() && hold.id == *id) {
            state.let_go(now);
            self.pause(None);
        }
        Ok(())
    }

    async fn hold(&self, _cx: &OpContext) -> Result<Option<HoldInfo>> {
        let state = self.lock();
        let held = state.holds.iter().find(|hold| hold.until.is_none());
        Ok(held.map(|hold| HoldInfo::new(hold.id.clone(), hold.from, hold.budget)))
    }
}

/// [`SimWorkspace`] under the workspace suite.
#[derive(Debug)]
pub struct SimWorkspaceHarness(Arc<SimWorkspace>, Arc<dyn Clock>);

impl SimWorkspaceHarness {
    /// A workspace with a volume, on a cloud that runs by `clock`.
    ///
    /// # Errors
    /// None that a caller could meet.
    pub fn new(clock: Arc<dyn Clock>) -> Result<Self> {
        let cloud = SimCloud::new(Arc::clone(&clock), SimConfig::default());
        cloud.add_resource("vol-1", SimKind::Volume, 1 << 30, 1 << 10);
        let volume = Component::new("data".parse()?, SimKind::Volume.as_str(), "sim".parse()?, "vol-1");
        let nfs = Component::new("shared".parse()?, "nfs", "sim".parse()?, "nfs-1").excluded("external");
        Ok(Self(SimWorkspace::new(cloud, Definition::new("ws".parse()?), vec![volume, nfs]), clock))
    }
}

#[async_trait]
impl crate::workspace::Harness for SimWorkspaceHarness {
    async fn workspace(&self) -> Result<Arc<dyn Workspace>> {
        Ok(Arc::clone(&self.0) as Arc<dyn Workspace>)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.1)
    }

    async fn is_held(&self) -> Option<bool> {
        Some(self.0.held_by().is_some())
    }

    async fn state(&self) -> Option<String> {
        Some(format!("{:?}", self.0.services()))
    }
}
