//! The operations that one orchestrator drives, and taking over those that nobody drives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt, Shared, join_all};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::catalog::{Claim, Creation, Lease, OperationQuery, StoredOperation};
use crate::decide::Event;
use crate::error::{Error, ErrorKind, Result};
use crate::event::OperationEvent;
use crate::id::{OperationId, WorkspaceId};
use crate::operation::{OperationRecord, OperationState, Request};
use crate::orchestrator::builder::{HOST, Parts};
use crate::orchestrator::driver::{Driver, Sight};
use crate::orchestrator::hand_over::{HandedOver, LET_GO_WITHIN, Parting, STORED_WITHIN, Told, unanswered};
use crate::watchdog::Watchdog;

/// Events that a slow reader may fall behind by.
const EVENTS_KEPT: usize = 1024;

/// So many lease times after its lease ran out, an operation that is to be stopped is left to others.
const LEASES_LEFT: u32 = 5;

/// The tasks of one orchestrator. Drivers reach it too, so that one may follow what another process left behind.
#[derive(Debug)]
pub(super) struct Drives {
    parts: Arc<Parts>,
    tasks: Mutex<Tasks>,
    events: broadcast::Sender<OperationEvent>,
}

#[derive(Debug, Default)]
struct Tasks {
    closed: bool,
    watchdog: Option<JoinHandle<()>>,
    driven: BTreeMap<OperationId, Driven>,
}

#[derive(Debug)]
struct Driven {
    lease: Lease,
    told: Told,
    sight: watch::Receiver<Sight>,
    task: JoinHandle<Parting>,
    /// Somebody was told why it is no longer driven.
    heard: bool,
}

impl Driven {
    /// How its task ends by itself, or is ended because it is `late`.
    async fn parting(&mut self, late: Shared<impl Future<Output = ()>>) -> Parting {
        let ended = tokio::select! {
            biased;
            ended = &mut self.task => ended,
            () = late => {
                self.task.abort();
                (&mut self.task).await
            }
        };
        let stopped = |_| Parting::Lost { held: self.sight.borrow().record.machine.may_hold() };
        ended.unwrap_or_else(stopped)
    }
}

impl Drives {
    pub(super) fn new(parts: Arc<Parts>) -> Self {
        Self { parts, tasks: Mutex::default(), events: broadcast::Sender::new(EVENTS_KEPT) }
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn events(&self) -> broadcast::Receiver<OperationEvent> {
        self.events.subscribe()
    }

    pub(super) fn tell(&self, event: OperationEvent) {
        // Nobody listening is not a failure.
        let _unheard = self.events.send(event).is_err();
    }

    /// Stops every task where it stands, and lets none begin any more.
    pub(super) fn close(&self) {
        let mut tasks = self.lock();
        tasks.closed = true;
        tasks.driven.values().for_each(|driven| driven.task.abort());
        tasks.watchdog.iter().for_each(JoinHandle::abort);
    }

    /// Lets go what is held still, stops every task, and gives up their leases, so that others need not wait until they
    /// run out.
    pub(super) async fn hand_over(&self) -> Result<HandedOver> {
        let driven = {
            let mut tasks = self.lock();
            tasks.closed = true;
            tasks.watchdog.iter().for_each(JoinHandle::abort);
            // One that ended by itself gave its lease up, or lost it.
            tasks.driven.retain(|_, driven| !driven.task.is_finished());
            std::mem::take(&mut tasks.driven)
        };
        driven.values().for_each(|driven| driven.told.leave.cancel());
        let late = self.parts.clock.sleep(LET_GO_WITHIN).shared();
        let (mut handed, mut leases) = (HandedOver::default(), Vec::new());
        for (id, mut driven) in driven {
            let parting = driven.parting(late.clone()).await;
            if matches!(parting, Parting::Ended | Parting::TakenOver) {
                continue;
            }
            if parting == (Parting::Lost { held: true }) {
                let workspace = driven.sight.borrow().record.workspace.clone();
                tracing::error!(operation = %id, %workspace, "the workspace is still held still; resume the operation");
                handed.still_held.push(workspace);
            }
            leases.push(driven.lease);
            handed.operations.push(id);
        }
        let released = join_all(leases.iter().map(|lease| self.parts.catalog.release_lease(lease)));
        tokio::select! {
            biased;
            released = released => released.into_iter().collect::<Result<()>>()?,
            () = self.parts.clock.sleep(STORED_WITHIN), if !leases.is_empty() => return Err(unanswered()),
        }
        Ok(handed)
    }

    /// Looks after the registered workspaces from now on, whatever becomes of catalog, leases and providers.
    pub(super) fn watch_holds(&self) {
        let workspaces: Vec<_> = self.parts.workspaces.values().map(Arc::clone).collect();
        let watchdog =
            Watchdog::new(Arc::clone(&self.parts.clock)).with_catalog(Arc::clone(&self.parts.catalog));
        let mut tasks = self.lock();
        let watching = tasks.watchdog.as_ref().is_some_and(|task| !task.is_finished());
        if tasks.closed || watching || workspaces.is_empty() {
            return;
        }
        tasks.watchdog = Some(tokio::spawn(async move { match watchdog.look_after(&workspaces).await {} }));
    }

    pub(super) fn drive(self: &Arc<Self>, lease: Lease, record: OperationRecord, first: Event) {
        let told = Told::default();
        let (sender, sight) = watch::channel(Sight { record: record.clone(), backup: None, stopped: None });
        let id = record.id.clone();
        let kind = record.request.kind();
        let span = tracing::info_span!("operation", %id, workspace = %record.workspace, kind);
        let driver = Driver::new(
            Arc::clone(&self.parts),
            Arc::downgrade(self),
            lease.clone(),
            record,
            told.clone(),
            sender,
            self.events.clone(),
        );
        let driving: BoxFuture<'static, Parting> = Box::pin(driver.drive(first).instrument(span));
        let mut tasks = self.lock();
        if tasks.closed {
            return;
        }
        tasks.driven.retain(|_, other| !other.task.is_finished());
        tasks.driven.insert(id, Driven { lease, told, sight, task: tokio::spawn(driving), heard: false });
    }

    pub(super) fn drives(&self, id: &OperationId) -> bool {
        self.lock().driven.get(id).is_some_and(|driven| !driven.task.is_finished())
    }

    /// What is seen of an operation that this process drives, or that it stopped driving before anybody looked. One that
    /// another process took over is that one's to tell of.
    pub(super) fn news(&self, id: &OperationId) -> Option<watch::Receiver<Sight>> {
        let tasks = self.lock();
        let driven = tasks.driven.get(id)?;
        let taken = || {
            let sight = driven.sight.borrow();
            sight.stopped.as_ref().is_some_and(|error| error.kind == ErrorKind::Conflict)
        };
        let told = driven.task.is_finished() && (driven.heard || taken());
        (!told).then(|| driven.sight.clone())
    }

    /// Notes that somebody was told why the operation is no longer driven.
    pub(super) fn note_heard(&self, id: &OperationId) {
        if let Some(driven) = self.lock().driven.get_mut(id) {
            driven.heard = true;
        }
    }

    pub(super) fn cancel(&self, id: &OperationId) {
        if let Some(driven) = self.lock().driven.get(id) {
            driven.told.cancel.cancel();
        }
    }

    /// Stores an operation and drives it; an answer other than `Created` says what stands in the way.
    pub(super) async fn begin(self: &Arc<Self>, request: Request) -> Result<Creation> {
        let drives = Arc::clone(self);
        to_its_end(async move {
            let parts = &drives.parts;
            let mut record = OperationRecord::submitted(request, parts.clock.now());
            record.noted.clone_from(&parts.noted);
            let host = parts.host_of(&record.request).await?.cloned();
            record.noted.extend(host.map(|host| (HOST.to_owned(), host)));
            let created = parts.catalog.create_operation(&record, &parts.holder, parts.lease_ttl).await?;
            if let Creation::Created(lease) = &created {
                drives.drive(lease.clone(), record, Event::Begun);
            }
            Ok(created)
        })
        .await
    }

    /// Takes an operation over if nobody drives it and it was not begun with something else; answers whether this process
    /// drives it now.
    pub(super) async fn take_over(self: &Arc<Self>, stored: &StoredOperation) -> Result<bool> {
        let (drives, stored) = (Arc::clone(self), stored.clone());
        to_its_end(async move { drives.claim(&stored).await }).await
    }

    async fn claim(self: &Arc<Self>, stored: &StoredOperation) -> Result<bool> {
        let id = &stored.operation.id;
        if self.drives(id) {
            return Ok(true);
        }
        let dead = stored.lease.holder.as_ref().is_some_and(|holder| self.parts.liveness.is_dead(holder));
        // Whether it could be gone on with here takes calls to a cloud to say, and is nobody's business while it is driven.
        if stored.lease.live && !dead {
            return Ok(false);
        }
        // What is only to be stopped is stopped by anybody: the place it was begun in may be gone for good.
        let elsewhere = self.parts.noted_otherwise(&stored.operation).filter(|_| !stored.cancel_requested);
        if let Some((name, value)) = elsewhere {
            tracing::warn!(operation = %id, "it was begun with {name} {value} and is left to whoever has that");
            return Ok(false);
        }
        if let Some(lacking) = self.parts.lacks(&stored.operation).await? {
            let mut left = stored.lease.expires_at.after(self.parts.lease_ttl.saturating_mul(LEASES_LEFT));
            // Services may stand still, and who has the workspace lets them go when it is back.
            if stored.operation.machine.may_hold() && !self.parts.has_workspace(&stored.operation).await? {
                left = left.max(stored.operation.deadline);
            }
            // Nobody who has it has come to stop it, so as much of it is stopped as can be.
            if !stored.cancel_requested || self.parts.clock.now() < left {
                tracing::warn!(operation = %id, "{lacking} is not registered here; it is left to whoever has that");
                return Ok(false);
            }
        }
        let takeover = dead.then_some(stored.lease.epoch);
        let (catalog, ttl) = (&self.parts.catalog, self.parts.lease_ttl);
        let Claim::Claimed(lease) = catalog.claim_operation(id, &self.parts.holder, ttl, takeover).await?
        else {
            return Ok(false);
        };
        // Read under the new lease: nobody else changes it from here on.
        let fresh = catalog.operation(id).await?.ok_or_else(|| unknown(id))?;
        if fresh.operation.state.is_terminal() {
            catalog.release_lease(&lease).await?;
            return Ok(false);
        }
        self.drive(lease, fresh.operation, Event::Recovered);
        if fresh.cancel_requested {
            self.cancel(id);
        }
        Ok(true)
    }

    /// The detached backups of `workspace`: past their deadlines, with jobs outside that still run. Other operations that are
    /// detached there and that nobody follows are followed by this process from now on.
    pub(super) async fn detached(self: &Arc<Self>, workspace: &WorkspaceId) -> Result<Vec<StoredOperation>> {
        let query = OperationQuery {
            workspace: Some(workspace.clone()),
            state: Some(OperationState::Detached),
            ..OperationQuery::all()
        };
        let found = self.parts.catalog.operations(&query).await?.items;
        let is_backup = |stored: &StoredOperation| matches!(stored.operation.request, Request::Backup(_));
        let (backups, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_backup);
        // A copy reads what was captured before, so nothing waits for one.
        for stored in &others {
            self.take_over(stored).await?;
        }
        Ok(backups)
    }
}

/// Carries a step to its end, also where whoever waits for it goes away meanwhile: an operation that was stored or
/// claimed and that nobody drives would keep its workspace from all others for as long as its lease lasts. Calls of a driver
/// write into the catalog so, too: nobody looks at them while it stores a turn, which would wait for their transaction.
pub(super) async fn to_its_end<T: Send + 'static>(
    step: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(step.in_current_span()).await.unwrap_or_else(|gone| {
        let message = "a step with the catalog ended unexpectedly";
        Err(Error::new(ErrorKind::Unexpected, message).maybe_applied().with_source(gone))
    })
}

pub(super) fn unknown(id: &OperationId) -> Error {
    let message = format!("there is no operation {id}; one that ended long ago may have left the catalog");
    Error::new(ErrorKind::NotFound, message)
}
