//! The orchestrator that drives operations inside this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{broadcast, watch};

use crate::catalog::{Catalog, Creation, DamagedRow, Holder, OperationQuery, StoredOperation};
use crate::context::OpContext;
use crate::decide::Machine;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventKind, OperationEvent};
use crate::id::OperationId;
use crate::operation::{
    BackupRequest, DeleteRequest, OperationRecord, OperationState, OperationStatus, Request, RestoreRequest,
    WhenBusy,
};
use crate::orchestrator::Orchestrator;
use crate::orchestrator::builder::{Builder, HOST, Parts};
use crate::orchestrator::driver::Sight;
use crate::orchestrator::drives::{Drives, unknown};
use crate::orchestrator::hand_over::HandedOver;
use crate::orchestrator::line::Lines;
use crate::orchestrator::{outlook, planning};
use crate::outlook::{DeletePlan, RestorePlan};
use crate::plan::Plan;

/// After what time an operation that somebody else drives is looked at again; doubled up to the longest.
const WATCH_EVERY: Duration = Duration::from_millis(500);
const WATCH_EVERY_MAX: Duration = Duration::from_secs(8);
/// Who finds a workspace busy is told to come again after this.
pub(super) const BUSY_PAUSE: Duration = Duration::from_secs(30);
/// How many interrupted operations of other kinds one submission finishes before its own.
const TAKEOVERS_MAX: usize = 8;

/// Drives operations as tasks of the tokio runtime it is used in.
///
/// Dropping it stops its tasks where they stand, as a crash would: nothing is lost, and whoever recovers goes on. What is
/// held still stays so until then or until its budget is used up, so a process that ends in order calls
/// [`LocalOrchestrator::hand_over`] first.
///
/// ```
/// use std::sync::Arc;
/// use stillpoint_core::*;
/// use stillpoint_core::memory::*;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let provider = Arc::new(MemoryProvider::new("memory".parse()?));
/// provider.write("/home/ada", "notes.txt", b"first");
/// let home = Component::new("home".parse()?, "directory", "memory".parse()?, "/home/ada");
/// let workspace = MemoryWorkspace::new(Definition::new("ada".parse()?), vec![home]);
///
/// let orchestrator = LocalOrchestrator::builder(Arc::new(MemoryCatalog::new()))
///     .provider(provider.clone())
///     .workspace(Arc::new(workspace))
///     .provisioner("memory", Arc::new(MemoryProvisioner::default()))
///     .build();
///
/// let id = OperationId::generate(&SystemEntropy::default());
/// orchestrator.submit(Request::Backup(BackupRequest::new(id.clone(), "ada".parse()?))).await?;
/// let backup = orchestrator.wait(&id).await?.backup.expect("a completed backup is catalogued");
/// assert_eq!(backup.state, BackupState::Completed);
///
/// let id = OperationId::generate(&SystemEntropy::default());
/// let restore = RestoreRequest::new(id.clone(), backup.id, "ada-2".parse()?, "memory", Settings::new());
/// orchestrator.submit(Request::Restore(restore)).await?;
/// assert_eq!(orchestrator.wait(&id).await?.operation.state, OperationState::Completed);
/// assert_eq!(provider.files("ada-2/home"), provider.files("/home/ada"));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LocalOrchestrator {
    parts: Arc<Parts>,
    drives: Arc<Drives>,
    lines: Lines,
}

impl Drop for LocalOrchestrator {
    fn drop(&mut self) {
        self.drives.close();
    }
}

impl LocalOrchestrator {
    /// Starts to build an orchestrator on `catalog`.
    pub fn builder(catalog: Arc<dyn Catalog>) -> Builder {
        Builder::new(catalog)
    }

    pub(super) fn from_parts(parts: Parts) -> Self {
        let parts = Arc::new(parts);
        Self { drives: Arc::new(Drives::new(Arc::clone(&parts))), lines: Lines::default(), parts }
    }

    /// Who this orchestrator is to others: the holder of its leases.
    pub fn holder(&self) -> &Holder {
        &self.parts.holder
    }

    /// Stops driving in order that this process may end: what is held still is let go, each operation is left where it
    /// stands, and its lease is given up, so that another process on the same catalog goes on at once. Nothing can be
    /// submitted afterwards.
    ///
    /// A backup whose hold falls this way goes on without one and claims no consistency; one that had not begun to capture
    /// is held still anew by whoever goes on. This takes little more than a minute at the most, and a workspace that
    /// cannot be let go by then is named in the answer.
    ///
    /// # Errors
    /// Where a lease could not be given up, after all others were and every workspace was let go; that one runs out by
    /// itself.
    pub async fn hand_over(&self) -> Result<HandedOver> {
        self.drives.hand_over().await
    }

    /// What to do about the operation that has the workspace. `Some` answers the submission.
    async fn meet(
        &self,
        request: &Request,
        running: &StoredOperation,
        too_late: &mut BoxFuture<'_, ()>,
    ) -> Result<Option<OperationStatus>> {
        let id = &running.operation.id;
        match request.when_busy() {
            WhenBusy::Attach if request.kind() == running.operation.request.kind() => {
                return self.status(id).await.map(Some);
            }
            WhenBusy::Queue => {
                // Whoever left it behind does not keep the line waiting.
                self.drives.take_over(running).await?;
                let ended = tokio::select! {
                    biased;
                    () = too_late => return Err(not_free(request)),
                    ended = self.wait(id) => ended,
                };
                if let Err(error) = ended {
                    // What stopped this process from following it is not the waiting request's failure; the line is as
                    // long as its own deadline allows.
                    tracing::warn!(operation = %id, %error, "the operation ahead in the line cannot be followed");
                    self.parts.clock.sleep(WATCH_EVERY).await;
                }
                return Ok(None);
            }
            WhenBusy::Resume if self.drives.take_over(running).await? => {}
            WhenBusy::Attach | WhenBusy::Resume | WhenBusy::Refuse => {
                return Err(busy(running, self.parts.noted_otherwise(&running.operation)));
            }
        }
        let answers = !running.cancel_requested && request.is_equivalent(&running.operation.request);
        if answers && self.captures_the_same(request, &running.operation).await {
            return self.status(id).await.map(Some);
        }
        self.wait(id).await?;
        Ok(None)
    }

    /// Whether the components of a backup that is under way are those that the workspace has now, with the settings that
    /// `request` would have: what was to be left out must not come in by an older request.
    async fn captures_the_same(&self, request: &Request, operation: &OperationRecord) -> bool {
        let (Request::Backup(request), Request::Backup(older)) = (request, &operation.request) else {
            return true;
        };
        let Machine::Backup(machine) = &operation.machine else { return true };
        let same_settings = request.settings == older.settings;
        let Some(plan) = &machine.plan else { return same_settings };
        let cx = OpContext::new(Arc::clone(&self.parts.clock));
        let now = async {
            let workspace = self.parts.workspace(&operation.workspace).await?;
            planning::inventory(&cx, workspace.as_ref(), &request.settings).await
        };
        match now.await {
            Ok(components) => plan.components.iter().map(|planned| &planned.component).eq(&components),
            Err(error) => {
                tracing::warn!(operation = %operation.id, %error, "the workspace cannot be compared with what is captured");
                same_settings
            }
        }
    }

    /// A row that cannot be read is for a person to mend; it keeps nobody from the other operations.
    fn tell_of_damage(&self, row: &DamagedRow) {
        let message = format!("operation {} cannot be read and is passed over: {}", row.id, row.error);
        tracing::error!(operation = %row.id, error = %row.error, "an operation cannot be read");
        if let Ok(id) = row.id.parse() {
            self.drives.tell(OperationEvent::new(id, self.parts.clock.now(), EventKind::Warning { message }));
        }
    }

    /// Stores the operation and drives it, after at most `takeovers` others that have the workspace.
    ///
    /// What is `too_late` ends the waiting for others, and nothing else: an answer of the catalog to whether the operation
    /// exists is always waited for, so that nobody is told of one that began that it did not.
    async fn submit_in_turn(
        &self,
        request: &Request,
        takeovers: usize,
        mut too_late: BoxFuture<'_, ()>,
    ) -> Result<OperationStatus> {
        for _ in 0..takeovers {
            match self.drives.begin(request.clone()).await? {
                Creation::Created(_) => return self.status(request.id()).await,
                Creation::Exists(stored) if !stored.operation.request.is_told_again_by(request) => {
                    let message = format!(
                        "there is an operation {} already, and it was asked for something else: give this one an id of its own",
                        request.id()
                    );
                    return Err(Error::new(ErrorKind::AlreadyExists, message));
                }
                Creation::Exists(stored) => {
                    if !stored.operation.state.is_terminal() {
                        self.drives.take_over(&stored).await?;
                    }
                    return self.status(request.id()).await;
                }
                Creation::Busy(running) => {
                    if let Some(status) = self.meet(request, &running, &mut too_late).await? {
                        return Ok(status);
                    }
                }
            }
        }
        Err(not_free(request))
    }

    async fn watch_others(&self, id: &OperationId) -> Result<OperationStatus> {
        let mut pause = WATCH_EVERY;
        loop {
            let stored = self.parts.catalog.operation(id).await?.ok_or_else(|| unknown(id))?;
            let state = stored.operation.state;
            if state.is_terminal() {
                return self.status(id).await;
            }
            let driven_here = self.drives.take_over(&stored).await?;
            if state == OperationState::Detached {
                return self.status(id).await;
            }
            if driven_here {
                let sight = self.drives.news(id).ok_or_else(|| unknown(id))?;
                return self.watch_own(id, sight).await;
            }
            self.parts.clock.sleep(pause).await;
            pause = (pause * 2).min(WATCH_EVERY_MAX);
        }
    }

    async fn watch_own(
        &self,
        id: &OperationId,
        mut sight: watch::Receiver<Sight>,
    ) -> Result<OperationStatus> {
        let ended = |sight: &Sight| {
            let state = sight.record.state;
            state.is_terminal() || state == OperationState::Detached || sight.stopped.is_some()
        };
        let last = sight.wait_for(ended).await.map(|sight| sight.clone());
        if !matches!(last, Ok(Sight { stopped: None, .. })) {
            self.drives.note_heard(id);
        }
        match last {
            Ok(Sight { stopped: Some(error), .. }) => Err(error.into()),
            Ok(_) => self.status(id).await,
            Err(closed) => {
                let message = "the task that drove the operation ended unexpectedly; resume the operation";
                Err(Error::new(ErrorKind::Unexpected, message).with_source(closed))
            }
        }
    }
}

fn not_free(request: &Request) -> Error {
    Error::new(ErrorKind::Busy, format!("workspace {} does not come free", request.workspace()))
        .retry_after(BUSY_PAUSE)
}

fn busy(running: &StoredOperation, elsewhere: Option<(&str, &str)>) -> Error {
    let operation = &running.operation;
    let who = match (&running.lease.holder, elsewhere) {
        (Some(holder), _) if running.lease.live => format!("run by {holder} since {}", operation.started_at),
        (_, Some((HOST, host))) => {
            let begun = operation.started_at;
            format!("begun at {begun} on the host {host} and interrupted; resume it there, or cancel it")
        }
        (_, Some((name, value))) => {
            let begun = operation.started_at;
            format!(
                "begun at {begun} with the {name} {value} and interrupted; resume it with that, or cancel it"
            )
        }
        _ => format!("begun at {} and interrupted; resume or cancel it", operation.started_at),
    };
    let message = format!(
        "workspace {} is busy with {} {}, {who}",
        operation.workspace,
        operation.request.kind(),
        operation.id
    );
    Error::new(ErrorKind::Busy, message).with("operation", &operation.id).retry_after(BUSY_PAUSE)
}

#[async_trait]
impl Orchestrator for LocalOrchestrator {
    fn host(&self) -> Option<&str> {
        self.parts.host.as_deref()
    }

    async fn plan(&self, request: &BackupRequest) -> Result<Plan> {
        let cx = OpContext::new(Arc::clone(&self.parts.clock));
        let workspace = self.parts.workspace(&request.workspace).await?;
        let mut plan =
            planning::plan(&self.parts, &cx, workspace.as_ref(), &request.settings, request.retain).await?;
        plan.outlook = Some(outlook::of_backup(&self.parts, &cx, request, &plan).await?);
        Ok(plan)
    }

    async fn plan_restore(&self, request: &RestoreRequest) -> Result<RestorePlan> {
        let cx = OpContext::new(Arc::clone(&self.parts.clock));
        let backup = request.narrowed(outlook::backup(&self.parts, &request.backup).await?)?;
        let findings = planning::restore_findings(&self.parts, &cx, request, &backup).await?;
        outlook::of_restore(&self.parts, &cx, request, backup, findings).await
    }

    async fn plan_delete(&self, request: &DeleteRequest) -> Result<DeletePlan> {
        let backup = outlook::backup(&self.parts, &request.backup).await?;
        outlook::of_deletion(&self.parts, request, backup).await
    }

    async fn submit(&self, request: Request) -> Result<OperationStatus> {
        self.drives.watch_holds();
        request.check()?;
        if request.when_busy() != WhenBusy::Queue {
            return self.submit_in_turn(&request, TAKEOVERS_MAX, Box::pin(std::future::pending())).await;
        }
        let mut too_late = self.parts.clock.sleep(request.timeout());
        let _turn = tokio::select! {
            biased;
            turn = self.lines.enter(request.workspace()) => turn?,
            () = &mut too_late => return Err(not_free(&request)),
        };
        self.submit_in_turn(&request, usize::MAX, too_late).await
    }

    async fn status(&self, id: &OperationId) -> Result<OperationStatus> {
        let stored = self.parts.catalog.operation(id).await?.ok_or_else(|| unknown(id))?;
        let backup = match &stored.operation.backup {
            Some(backup) => self.parts.catalog.backup(backup).await?.map(|stored| stored.backup),
            None => None,
        };
        let holder = stored.lease.holder.filter(|_| stored.lease.live).map(|holder| holder.to_string());
        let mut status = OperationStatus::new(stored.operation, holder, backup);
        status.cancel_requested = stored.cancel_requested;
        Ok(status)
    }

    async fn wait(&self, id: &OperationId) -> Result<OperationStatus> {
        match self.drives.news(id) {
            Some(sight) => self.watch_own(id, sight).await,
            None => self.watch_others(id).await,
        }
    }

    fn events(&self) -> BoxStream<'static, OperationEvent> {
        let receiver = self.drives.events();
        stream::unfold(receiver, |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(event) => return Some((event, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }

    async fn cancel(&self, id: &OperationId) -> Result<()> {
        self.parts.catalog.request_cancel(id).await?;
        self.drives.cancel(id);
        Ok(())
    }

    async fn recover(&self) -> Result<Vec<OperationId>> {
        self.drives.watch_holds();
        let (mut taken, mut failed) = (Vec::new(), None);
        let mut query = OperationQuery::unfinished();
        loop {
            let page = self.parts.catalog.operations(&query).await?;
            page.damaged.iter().for_each(|row| self.tell_of_damage(row));
            for stored in &page.items {
                if self.drives.drives(&stored.operation.id) {
                    continue;
                }
                match self.drives.take_over(stored).await {
                    Ok(true) => taken.push(stored.operation.id.clone()),
                    Ok(false) => {}
                    // One that cannot be taken over does not keep the others waiting.
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            match (page.next, failed.take()) {
                (Some(next), error) => (query.after, failed) = (Some(next), error),
                (None, Some(error)) => return Err(error),
                (None, None) => return Ok(taken),
            }
        }
    }
}
