//! The driver: a thin loop around [`decide`] that stores each decision before it acts on it.
//!
//! One turn: an event is decided, the new record is committed together with the outcome of the call that answered
//! and an intent for every call about to be made, and only then are those calls started. Whatever happens between
//! two turns, the catalog holds a state from which the same function decides what is due.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{broadcast, watch};
use tracing::Instrument;

use crate::audit::{CANCEL_REQUESTED, TAKEN_OVER};
use crate::catalog::{BackupRecord, Lease, OperationChange};
use crate::clock::{Clock, SteadyClock, Timestamp};
use crate::context::{Cancellation, OpContext};
use crate::decide::{Decision, Effect, Event, Machine, Outcome, Step, decide};
use crate::error::{ErrorKind, ErrorRecord, Result};
use crate::event::{EventKind, OperationEvent};
use crate::meter;
use crate::operation::{LedgerEntry, OperationRecord, OperationState};
use crate::orchestrator::builder::Parts;
use crate::orchestrator::call_limit::{answer, is_droppable};
use crate::orchestrator::commit::{commit, is_passing, is_sure};
use crate::orchestrator::drives::Drives;
use crate::orchestrator::effects::{Places, Runner, Shown};
use crate::orchestrator::hand_over::{Parting, Told, unanswered};

/// How often the workspace is told to let go when the catalog is lost.
const LET_GO_TRIES: u32 = 10;
/// Progress alone is stored no more often than this.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

type Flight = BoxFuture<'static, (Step, Option<LedgerNote>, Result<Outcome, ErrorRecord>)>;

/// What the ledger says of a call once it answers.
#[derive(Clone, Debug)]
struct LedgerNote {
    action: &'static str,
    attempt: u32,
}

/// What others in this process see of a driven operation.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) record: OperationRecord,
    pub(super) backup: Option<BackupRecord>,
    /// Why this process no longer drives it.
    pub(super) stopped: Option<ErrorRecord>,
}

pub(super) struct Driver {
    parts: Arc<Parts>,
    /// Nothing in the life of one driver follows a clock that is set meanwhile.
    clock: Arc<dyn Clock>,
    drives: Weak<Drives>,
    lease: Lease,
    confirmed_at: Timestamp,
    record: OperationRecord,
    stored_at: Timestamp,
    step_since: Timestamp,
    unstored: bool,
    told: Told,
    cancel_seen: bool,
    leaving: bool,
    flights: FuturesUnordered<Flight>,
    in_flight: BTreeMap<Step, Cancellation>,
    hold: Shown,
    places: Places,
    calls: Cancellation,
    sight: watch::Sender<Sight>,
    events: broadcast::Sender<OperationEvent>,
}

impl Driver {
    pub(super) fn new(
        parts: Arc<Parts>,
        drives: Weak<Drives>,
        lease: Lease,
        record: OperationRecord,
        told: Told,
        sight: watch::Sender<Sight>,
        events: broadcast::Sender<OperationEvent>,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new(Arc::clone(&parts.clock)));
        let now = clock.now();
        Self {
            parts,
            clock,
            drives,
            lease,
            confirmed_at: now,
            record,
            stored_at: now,
            step_since: now,
            unstored: false,
            told,
            cancel_seen: false,
            leaving: false,
            flights: FuturesUnordered::new(),
            in_flight: BTreeMap::new(),
            hold: Shown::default(),
            places: Places::default(),
            calls: Cancellation::new(),
            sight,
            events,
        }
    }

    /// Drives the operation to its end, or until it is told to leave. On an error somebody else may go on with it.
    pub(super) async fn drive(mut self, first: Event) -> Parting {
        let result = self.run(first).await;
        self.calls.cancel();
        let error = match result {
            Ok(parting) => return parting,
            Err(error) => error,
        };
        // Whoever took the operation over also took the hold over; else nobody is left to let the workspace go.
        let parting = if error.kind() == ErrorKind::Conflict {
            let kind = self.record.request.kind();
            self.parts.meter.count(meter::LEASES_LOST, &[("kind", kind)], 1);
            Parting::TakenOver
        } else {
            Parting::Lost { held: !self.let_go().await }
        };
        tracing::warn!(operation = %self.record.id, %error, "no longer driving the operation");
        self.sight.send_modify(|sight| sight.stopped = Some(error.record()));
        parting
    }

    async fn run(&mut self, first: Event) -> Result<Parting> {
        let is_at_work = !is_apart(&self.record);
        if matches!(first, Event::Recovered) && is_at_work {
            self.take_place();
        }
        if matches!(first, Event::Recovered) {
            self.parts.meter.count(meter::TAKEOVERS, &[("kind", self.record.request.kind())], 1);
        }
        let mut event = first;
        let mut note = None;
        loop {
            let now = self.clock.now();
            let decision = decide(&self.record, &event, now);
            let launches = self.launches(&decision.effects);
            let ledger = self.ledger(&event, note.take(), &launches, now);
            self.drop_calls(&decision.effects);
            let wake_at = decision.wake_at;
            let overdue = self.told.overdue(&self.clock);
            tokio::select! {
                biased;
                stored = self.store(decision, &ledger, now) => stored?,
                () = overdue => return Err(unanswered()),
            }
            if self.record.state.is_terminal() {
                if let Err(error) = self.parts.catalog.release_lease(&self.lease).await {
                    tracing::debug!(%error, "the lease of an ended operation runs out by itself");
                }
                return Ok(Parting::Ended);
            }
            if self.leaving && !self.record.machine.may_hold() {
                return Ok(Parting::Left);
            }
            for effect in launches {
                self.launch(effect);
            }
            let overdue = self.told.overdue(&self.clock);
            let leaving = self.leaving;
            (event, note) = tokio::select! {
                biased;
                next = self.next(wake_at) => next?,
                () = overdue, if !leaving => return Err(unanswered()),
            };
        }
    }

    /// What is due and does not run yet. Whoever leaves begins nothing but letting go.
    fn launches(&self, due: &[Effect]) -> Vec<Effect> {
        let mut launches = due.to_vec();
        launches.retain(|effect| !self.in_flight.contains_key(&effect.step()));
        launches.retain(|effect| !self.leaving || matches!(effect, Effect::Resume { .. }));
        launches
    }

    /// Drops the calls under way that the core no longer waits for.
    fn drop_calls(&self, due: &[Effect]) {
        for (step, call) in self.in_flight.iter().filter(|(step, _)| is_droppable(step)) {
            if due.iter().all(|effect| effect.step() != *step) {
                call.cancel();
            }
        }
    }

    /// Lets the workspace go without the catalog, where this operation may hold it still; answers whether it is free.
    async fn let_go(&mut self) -> bool {
        let Machine::Backup(backup) = &self.record.machine else { return true };
        if !self.record.machine.may_hold() {
            return true;
        }
        self.flights.clear();
        let id = backup.hold_id(&self.record.id);
        let cx =
            OpContext::new(Arc::clone(&self.clock)).for_operation(self.record.id.clone(), self.lease.epoch);
        for attempt in 1..=LET_GO_TRIES {
            let resumed = match self.parts.known_workspace(&self.record.workspace) {
                Some(workspace) => workspace.resume(&cx, &id).await,
                None => return false,
            };
            let Err(error) = resumed else { return true };
            tracing::error!(workspace = %self.record.workspace, %error, "the workspace is still held still");
            self.clock.sleep(Duration::from_secs(u64::from(attempt))).await;
        }
        false
    }

    /// Intents for what is about to be called, after the outcome of what answered.
    fn ledger(
        &self,
        event: &Event,
        note: Option<LedgerNote>,
        launches: &[Effect],
        now: Timestamp,
    ) -> Vec<LedgerEntry> {
        let mut ledger = Vec::new();
        if let (Event::Done(step, result), Some(note)) = (event, note) {
            let words = result.as_ref().map_or_else(|error| error.message.clone(), |done| self.well(done));
            ledger.push(LedgerEntry::outcome(
                now,
                self.lease.epoch,
                note.action,
                step.subject(),
                note.attempt,
                words,
            ));
        }
        let noted = match event {
            Event::Recovered => Some((TAKEN_OVER, self.parts.holder.to_string())),
            Event::CancelRequested => Some((CANCEL_REQUESTED, "noted".to_owned())),
            _ => None,
        };
        if let Some((action, words)) = noted {
            ledger.push(LedgerEntry::outcome(now, self.lease.epoch, action, "operation", 1, words));
        }
        for effect in launches {
            if let Some(action) = effect.ledger_action() {
                let (attempt, hash) = params(effect);
                let subject = effect.step();
                ledger.push(LedgerEntry::intent(
                    now,
                    self.lease.epoch,
                    action,
                    subject.subject(),
                    attempt,
                    hash,
                ));
            }
        }
        ledger
    }

    /// What the ledger says of a call that went well; of a job also where its service tells of it.
    fn well(&self, done: &Outcome) -> String {
        let address = match done {
            Outcome::Started(job) => {
                self.parts.provider(&job.provider).ok().and_then(|known| known.address(job))
            }
            _ => None,
        };
        address.map_or_else(|| "ok".to_owned(), |address| format!("ok, told of at {address}"))
    }

    /// Makes a decision durable. Progress alone waits for its turn; everything else is stored before it is acted on.
    async fn store(&mut self, decision: Decision, ledger: &[LedgerEntry], now: Timestamp) -> Result<()> {
        let changed = self.unstored || decision.record != self.record;
        let urgent = !ledger.is_empty()
            || decision.put_backup.is_some()
            || decision.remove_backup.is_some()
            || decision.restored.is_some()
            || is_urgent(&self.record, &decision.record)
            || now.since(self.stored_at) >= PROGRESS_EVERY;
        let before = std::mem::replace(&mut self.record, decision.record);
        if !changed && ledger.is_empty() {
            return Ok(());
        }
        if urgent {
            let mut change = OperationChange::new(&self.record);
            change.ledger = ledger;
            change.put_backup = decision.put_backup.as_ref();
            change.remove_backup = decision.remove_backup.as_ref();
            change.restored = decision.restored.as_ref();
            commit(&self.parts, self.clock.as_ref(), &self.lease, self.confirmed_at, &change).await?;
            self.stored_at = now;
        }
        self.keep_place(&before);
        self.unstored = !urgent;
        self.measure(&before, now);
        self.tell(&before, decision.put_backup, now);
        Ok(())
    }

    /// Leaves its place to others where nothing of it is at work any more: its jobs, its rest, or whoever is to put something
    /// right may take days. Where it goes on without having waited for a place, it is under way already.
    fn keep_place(&self, before: &OperationRecord) {
        match (is_apart(before), is_apart(&self.record)) {
            (false, true) => self.places.lock().unwrap_or_else(PoisonError::into_inner).clear(),
            (true, false) if !self.record.state.is_terminal() => self.take_place(),
            _ => {}
        }
    }

    /// Takes a place without waiting for it, unless it has one.
    fn take_place(&self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            *places = self.parts.admission.enter_at_once(&self.record);
        }
    }

    /// Tells the meter what came to its end with this turn.
    fn measure(&mut self, before: &OperationRecord, now: Timestamp) {
        let (record, meter) = (&self.record, &self.parts.meter);
        let kind = ("kind", record.request.kind());
        if record.step != before.step {
            meter.took(meter::STEP, &[kind, ("step", &before.step)], now.since(self.step_since));
            self.step_since = now;
        }
        if let (Machine::Backup(was), Machine::Backup(is)) = (&before.machine, &record.machine)
            && was.released_at.is_none()
            && let Some((from, to)) = is.held_from.zip(is.released_at)
        {
            meter.took(meter::HOLD, &[], to.since(from));
        }
        if record.state.is_terminal() {
            meter.count(meter::OPERATIONS, &[kind, ("state", record.state.as_str())], 1);
            let moved: Vec<_> = record.components().iter().map(|component| component.progress).collect();
            meter.count(meter::BYTES, &[kind], moved.iter().map(|progress| progress.bytes_done).sum());
            meter.count(meter::FILES, &[kind], moved.iter().map(|progress| progress.files_done).sum());
        }
    }

    fn tell(&self, before: &OperationRecord, backup: Option<BackupRecord>, now: Timestamp) {
        let record = &self.record;
        let say = |kind| {
            // Nobody listening is not a failure.
            let _unheard = self.events.send(OperationEvent::new(record.id.clone(), now, kind)).is_err();
        };
        if record.step != before.step || record.state != before.state {
            say(EventKind::Step { step: record.step.clone(), state: record.state });
        }
        let earlier = before.components();
        for component in record.components() {
            if !earlier.contains(&component) {
                say(EventKind::Progress(component));
            }
        }
        for message in record.warnings.iter().skip(before.warnings.len()) {
            say(EventKind::Warning { message: message.clone() });
        }
        if record.state.is_terminal() {
            say(EventKind::Ended { state: record.state });
            log_end(record);
        }
        self.sight.send_modify(|sight| {
            sight.record = record.clone();
            if backup.is_some() {
                sight.backup = backup;
            }
        });
    }

    fn launch(&mut self, effect: Effect) {
        let step = effect.step();
        let note = effect.ledger_action().map(|action| LedgerNote { action, attempt: params(&effect).0 });
        let call = self.calls.child();
        let cx = OpContext::new(Arc::clone(&self.clock))
            .for_operation(self.record.id.clone(), self.lease.epoch)
            .with_deadline(Some(self.record.deadline))
            .with_cancellation(call.clone());
        let span = tracing::debug_span!("call", step = ?step);
        let runner = Runner {
            places: Arc::clone(&self.places),
            parts: Arc::clone(&self.parts),
            drives: Weak::clone(&self.drives),
            cx,
            lease: self.lease.clone(),
            request: self.record.request.clone(),
            hold: Arc::clone(&self.hold),
        };
        self.in_flight.insert(step.clone(), call.clone());
        self.flights.push(Box::pin(async move {
            let result = answer(runner, effect, &call).instrument(span).await;
            (step, note, result.map_err(|error| error.record()))
        }));
    }

    /// Waits for whatever happens first, and keeps the lease meanwhile.
    async fn next(&mut self, wake_at: Option<Timestamp>) -> Result<(Event, Option<LedgerNote>)> {
        loop {
            let now = self.clock.now();
            let renew_at =
                self.confirmed_at.after(self.parts.lease_ttl / 3).max(now.after(Duration::from_millis(1)));
            let until = wake_at.map_or(renew_at, |wake| wake.min(renew_at));
            tokio::select! {
                biased;
                () = self.told.leave.cancelled(), if !self.leaving => {
                    self.leaving = true;
                    return Ok((Event::Leaving, None));
                }
                Some((step, note, result)) = self.flights.next(), if !self.flights.is_empty() => {
                    self.in_flight.remove(&step);
                    return Ok((Event::Done(step, result), note));
                }
                () = self.told.cancel.cancelled(), if !self.cancel_seen => {
                    self.cancel_seen = true;
                    return Ok((Event::CancelRequested, None));
                }
                () = self.clock.sleep(until.since(now)) => {}
            }
            if self.renew().await? && !self.cancel_seen {
                self.cancel_seen = true;
                return Ok((Event::CancelRequested, None));
            }
            if wake_at.is_some_and(|wake| wake <= self.clock.now()) {
                return Ok((Event::Tick, None));
            }
        }
    }

    /// Renews the lease when a third of it has passed; answers whether somebody asked the operation to stop.
    async fn renew(&mut self) -> Result<bool> {
        let now = self.clock.now();
        if now.since(self.confirmed_at) < self.parts.lease_ttl / 3 {
            return Ok(false);
        }
        match self.parts.catalog.renew_lease(&self.lease, self.parts.lease_ttl).await {
            Ok(renewal) => {
                self.lease = renewal.lease;
                self.confirmed_at = now;
                Ok(renewal.cancel_requested)
            }
            Err(error)
                if is_passing(&error)
                    && is_sure(self.clock.as_ref(), self.confirmed_at, self.parts.lease_ttl) =>
            {
                self.clock.sleep(self.parts.lease_ttl / 20).await;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whoever runs a service reads its log and listens to no events.
fn log_end(record: &OperationRecord) {
    let (kind, issues) = (record.request.kind(), record.issues.len());
    match record.state {
        OperationState::Failed | OperationState::Partial => {
            let error = record.error.as_ref().map(tracing::field::display);
            tracing::warn!(kind, state = ?record.state, issues, error, "the operation ended without a whole result");
        }
        state => tracing::info!(kind, ?state, "the operation ended"),
    }
}

/// Whether nothing of the operation is at work here.
fn is_apart(record: &OperationRecord) -> bool {
    record.state == OperationState::Detached || record.machine.only_waits()
}

/// Whether more than progress changed.
fn is_urgent(before: &OperationRecord, after: &OperationRecord) -> bool {
    before.step != after.step
        || before.state != after.state
        || before.warnings.len() != after.warnings.len()
        || before.issues.len() != after.issues.len()
}

/// The attempt and the parameters' hash of an effect.
fn params(effect: &Effect) -> (u32, String) {
    match effect {
        Effect::Start(request) => (request.key().attempt(), request.params_hash()),
        other => (1, crate::id::digest(&[&format!("{:?}", other.step())])),
    }
}
