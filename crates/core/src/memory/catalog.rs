//! A catalog in memory: the reference for every other one, and enough for tests and short-lived hosts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::catalog::{
    BackupPlace, BackupQuery, BackupRecord, Catalog, Claim, Creation, Holder, Lease, LeaseInfo,
    OperationChange, OperationQuery, PAGE_LIMIT_MAX, Page, Renewal, Revision, StoredBackup, StoredOperation,
    WorkspaceRecord, cursor_after,
};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::extent::Extent;
use crate::id::{BackupId, OperationId, ScheduleId, WorkspaceId};
use crate::operation::{LedgerEntry, OperationRecord};
use crate::schedule::{ScheduleQuery, ScheduleRecord, StoredSchedule};

/// A catalog that lives as long as it is held. Clones of the `Arc` share it.
#[derive(Debug)]
pub struct MemoryCatalog {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    operations: BTreeMap<OperationId, Row>,
    backups: BTreeMap<BackupId, StoredBackup>,
    workspaces: BTreeMap<WorkspaceId, WorkspaceRecord>,
    schedules: BTreeMap<ScheduleId, StoredSchedule>,
}

#[derive(Debug)]
struct Row {
    operation: OperationRecord,
    ledger: Vec<LedgerEntry>,
    extents: Vec<Extent>,
    holder: Option<Holder>,
    epoch: u64,
    expires_at: Timestamp,
    cancel_requested: bool,
}

impl Row {
    fn stored(&self, now: Timestamp) -> StoredOperation {
        let live = self.holder.is_some() && self.expires_at > now;
        let lease = LeaseInfo::new(self.holder.clone(), self.epoch, self.expires_at, live);
        StoredOperation::new(self.operation.clone(), lease, self.cancel_requested)
    }
}

impl Default for MemoryCatalog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCatalog {
    /// An empty catalog on the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty catalog whose leases run by `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held<'a>(state: &'a mut State, lease: &Lease) -> Result<&'a mut Row> {
    let row = state.operations.get_mut(&lease.operation).filter(|row| row.epoch == lease.epoch);
    row.ok_or_else(|| {
        Error::new(
            ErrorKind::Conflict,
            format!("operation {} was taken over by another process", lease.operation),
        )
    })
}

fn absent(id: &OperationId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no operation {id}"))
}

#[async_trait]
impl Catalog for MemoryCatalog {
    async fn create_operation(
        &self,
        record: &OperationRecord,
        holder: &Holder,
        ttl: Duration,
    ) -> Result<Creation> {
        let now = self.clock.now();
        let mut state = self.lock();
        if let Some(row) = state.operations.get(&record.id) {
            return Ok(Creation::Exists(Box::new(row.stored(now))));
        }
        let active =
            |row: &&Row| row.operation.workspace == record.workspace && row.operation.state.is_active();
        if let Some(row) = state.operations.values().find(active) {
            return Ok(Creation::Busy(Box::new(row.stored(now))));
        }
        let expires_at = now.after(ttl);
        let row = Row {
            operation: record.clone(),
            ledger: Vec::new(),
            extents: Vec::new(),
            holder: Some(holder.clone()),
            epoch: 1,
            expires_at,
            cancel_requested: false,
        };
        state.operations.insert(record.id.clone(), row);
        Ok(Creation::Created(Lease::new(record.id.clone(), 1, expires_at)))
    }

    async fn operation(&self, id: &OperationId) -> Result<Option<StoredOperation>> {
        Ok(self.lock().operations.get(id).map(|row| row.stored(self.clock.now())))
    }

    async fn operations(&self, query: &OperationQuery) -> Result<Page<StoredOperation>> {
        let now = self.clock.now();
        let after = query.after.as_deref().map(cursor).transpose()?;
        let state = self.lock();
        let mut rows: Vec<_> = state
            .operations
            .values()
            .filter(|row| {
                let operation = &row.operation;
                query.workspace.as_ref().is_none_or(|workspace| operation.workspace == *workspace)
                    && query.state.is_none_or(|wanted| operation.state == wanted)
                    && (!query.unfinished || !operation.state.is_terminal())
                    && query.id_prefix.as_ref().is_none_or(|prefix| operation.id.as_str().starts_with(prefix))
            })
            .map(|row| ((row.operation.started_at, row.operation.id.to_string()), row))
            .filter(|(place, _)| after.as_ref().is_none_or(|after| place < after))
            .collect();
        rows.sort_by(|(a, _), (b, _)| b.cmp(a));
        let page = page(rows, query.limit, |((time, id), _)| cursor_after(*time, id));
        Ok(Page::new(page.items.into_iter().map(|(_, row)| row.stored(now)).collect(), page.next))
    }

    async fn claim_operation(
        &self,
        id: &OperationId,
        holder: &Holder,
        ttl: Duration,
        takeover: Option<u64>,
    ) -> Result<Claim> {
        let now = self.clock.now();
        let mut state = self.lock();
        let row = state.operations.get_mut(id).ok_or_else(|| absent(id))?;
        let live = row.holder.is_some() && row.expires_at > now;
        if live && takeover != Some(row.epoch) {
            return Ok(Claim::Held(row.stored(now).lease));
        }
        row.epoch += 1;
        row.holder = Some(holder.clone());
        row.expires_at = now.after(ttl);
        Ok(Claim::Claimed(Lease::new(id.clone(), row.epoch, row.expires_at)))
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Renewal> {
        let expires_at = self.clock.now().after(ttl);
        let mut state = self.lock();
        let row = held(&mut state, lease)?;
        row.expires_at = expires_at;
        Ok(Renewal::new(Lease::new(lease.operation.clone(), lease.epoch, expires_at), row.cancel_requested))
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        if let Ok(row) = held(&mut self.lock(), lease) {
            row.holder = None;
        }
        Ok(())
    }

    async fn reserve(&self, lease: &Lease, extents: &[Extent]) -> Result<Vec<OperationId>> {
        let mut state = self.lock();
        held(&mut state, lease)?;
        let overlaps =
            |row: &Row| row.extents.iter().any(|theirs| extents.iter().any(|own| own.overlaps(theirs)));
        let in_the_way = |(id, row): &(&OperationId, &Row)| {
            **id != lease.operation && row.operation.state.is_active() && overlaps(row)
        };
        let others: Vec<_> =
            state.operations.iter().filter(in_the_way).map(|(other, _)| other.clone()).collect();
        held(&mut state, lease)?.extents = if others.is_empty() { extents.to_vec() } else { Vec::new() };
        Ok(others)
    }

    async fn commit(&self, lease: &Lease, change: &OperationChange<'_>) -> Result<()> {
        let mut state = self.lock();
        let row = held(&mut state, lease)?;
        row.operation = change.operation.clone();
        row.ledger.extend_from_slice(change.ledger);
        if let Some(backup) = change.put_backup {
            let revision = state.backups.get(&backup.id).map_or(1, |stored| stored.revision.0 + 1);
            state.backups.insert(backup.id.clone(), StoredBackup::new(backup.clone(), Revision(revision)));
        }
        if let Some(id) = change.remove_backup {
            state.backups.remove(id);
        }
        if let Some(restored) = change.restored {
            let known = state.workspaces.entry(restored.definition.id.clone());
            known.or_insert_with(|| restored.clone()).origin.clone_from(&restored.origin);
        }
        Ok(())
    }

    async fn request_cancel(&self, id: &OperationId) -> Result<()> {
        self.lock().operations.get_mut(id).ok_or_else(|| absent(id))?.cancel_requested = true;
        Ok(())
    }

    async fn ledger(&self, id: &OperationId) -> Result<Vec<LedgerEntry>> {
        Ok(self.lock().operations.get(id).map(|row| row.ledger.clone()).unwrap_or_default())
    }

    async fn remove_operations(&self, ids: &[OperationId]) -> Result<Vec<OperationId>> {
        let mut state = self.lock();
        let State { operations, backups, .. } = &mut *state;
        let mut removed = Vec::new();
        for id in ids.iter().take(PAGE_LIMIT_MAX) {
            let ended = operations.get(id).is_some_and(|row| row.operation.state.is_terminal());
            if ended && !backups.contains_key(&BackupId::of(id)) {
                operations.remove(id);
                removed.push(id.clone());
            }
        }
        Ok(removed)
    }

    async fn put_workspace(&self, record: &WorkspaceRecord) -> Result<()> {
        let (mut state, mut record) = (self.lock(), record.clone());
        let known = state.workspaces.remove(&record.definition.id);
        record.origin = record.origin.or_else(|| known?.origin);
        state.workspaces.insert(record.definition.id.clone(), record);
        Ok(())
    }

    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<WorkspaceRecord>> {
        Ok(self.lock().workspaces.get(id).cloned())
    }

    async fn workspaces(&self, after: Option<&WorkspaceId>, limit: usize) -> Result<Page<WorkspaceRecord>> {
        let state = self.lock();
        let mut later = state.workspaces.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        let page = later.by_ref().take(limit.clamp(1, PAGE_LIMIT_MAX));
        let items: Vec<_> = page.map(|(_, record)| record.clone()).collect();
        let last = items.last().map(|last| last.definition.id.to_string());
        Ok(Page::new(items, last.filter(|_| later.next().is_some())))
    }

    async fn backup(&self, id: &BackupId) -> Result<Option<StoredBackup>> {
        Ok(self.lock().backups.get(id).cloned())
    }

    async fn backups(&self, query: &BackupQuery) -> Result<Page<StoredBackup>> {
        let state = self.lock();
        let after =
            query.after.as_deref().map(|cursor| BackupPlace::parse(query.sort, cursor)).transpose()?;
        let wanted = state.backups.values().filter(|stored| query.fits(&stored.backup));
        let placed = wanted.map(|stored| (BackupPlace::of(query.sort, &stored.backup), stored));
        let mut rows: Vec<_> = placed
            .filter(|(place, _)| match query.oldest_first {
                true => after.as_ref().is_none_or(|after| place > after),
                false => after.as_ref().is_none_or(|after| place < after),
            })
            .collect();
        rows.sort_by(|(a, _), (b, _)| if query.oldest_first { a.cmp(b) } else { b.cmp(a) });
        let page = page(rows, query.limit, |(place, _)| place.cursor());
        Ok(Page::new(page.items.into_iter().map(|(_, stored)| stored.clone()).collect(), page.next))
    }

    async fn put_backup(&self, record: &BackupRecord, expected: Option<Revision>) -> Result<Revision> {
        let mut state = self.lock();
        let found = state.backups.get(&record.id).map(|stored| stored.revision);
        let revision = successor(found, expected, || format!("backup {}", record.id))?;
        state.backups.insert(record.id.clone(), StoredBackup::new(record.clone(), revision));
        Ok(revision)
    }

    async fn put_schedule(&self, record: &ScheduleRecord, expected: Option<Revision>) -> Result<Revision> {
        let mut state = self.lock();
        let found = state.schedules.get(&record.id).map(|stored| stored.revision);
        let revision = successor(found, expected, || format!("schedule {}", record.id))?;
        state.schedules.insert(record.id.clone(), StoredSchedule::new(record.clone(), revision));
        Ok(revision)
    }

    async fn schedule(&self, id: &ScheduleId) -> Result<Option<StoredSchedule>> {
        Ok(self.lock().schedules.get(id).cloned())
    }

    async fn schedules(&self, query: &ScheduleQuery) -> Result<Page<StoredSchedule>> {
        let state = self.lock();
        let wanted = state.schedules.values().filter(|stored| {
            let record = &stored.record;
            query.workspace.as_ref().is_none_or(|workspace| record.workspace() == workspace)
                && query.look_by.is_none_or(|by| record.look_at.is_some_and(|at| at <= by))
                && query.after.as_ref().is_none_or(|after| record.id.as_str() > after.as_str())
        });
        let mut wanted = wanted.peekable();
        let limit = query.limit.clamp(1, PAGE_LIMIT_MAX);
        let items: Vec<_> = wanted.by_ref().take(limit).cloned().collect();
        let next = items.last().filter(|_| wanted.peek().is_some()).map(|last| last.record.id.to_string());
        Ok(Page::new(items, next))
    }

    async fn remove_schedule(&self, id: &ScheduleId) -> Result<()> {
        self.lock().schedules.remove(id);
        Ok(())
    }
}

/// The revision after `found`, if that is the one `expected`.
fn successor(
    found: Option<Revision>,
    expected: Option<Revision>,
    what: impl Fn() -> String,
) -> Result<Revision> {
    if found != expected {
        let kind = if expected.is_none() { ErrorKind::AlreadyExists } else { ErrorKind::Conflict };
        return Err(Error::new(kind, format!("{} was changed by somebody else", what())));
    }
    Ok(Revision(found.map_or(1, |revision| revision.0 + 1)))
}

/// Cuts the first page out of sorted rows.
fn page<T>(mut rows: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let limit = limit.clamp(1, PAGE_LIMIT_MAX);
    let next = (rows.len() > limit).then(|| cursor(&rows[limit - 1]));
    rows.truncate(limit);
    Page::new(rows, next)
}

fn cursor(text: &str) -> Result<(Timestamp, String)> {
    let parsed = text.split_once(':').and_then(|(millis, id)| Some((millis.parse().ok()?, id.to_owned())));
    let (millis, id) =
        parsed.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "this is not a page cursor"))?;
    Ok((Timestamp::from_millis(millis), id))
}
