//! The catalog: workspaces, backups, operations with their ledger, and the leases under which operations run.

mod ext;
mod lease;
mod query;
mod record;
mod sort;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

pub use ext::CatalogExt;
pub use lease::{Claim, Creation, Holder, Lease, LeaseInfo, Renewal, StoredOperation};
pub use query::{BackupQuery, DamagedRow, OperationQuery, PAGE_LIMIT_MAX, Page, cursor_after};
pub use record::{
    BackupRecord, BackupState, ComponentRecord, ComponentState, Origin, RECORD_FORMAT, Revision,
    StoredBackup, WorkspaceRecord,
};
pub use sort::{BackupPlace, BackupSort};

use crate::error::{Error, ErrorKind, Result};
use crate::extent::Extent;
use crate::id::{BackupId, OperationId, ScheduleId, WorkspaceId};
use crate::operation::{LedgerEntry, OperationRecord};
use crate::schedule::{ScheduleQuery, ScheduleRecord, StoredSchedule};

/// What one durable step of an operation changes, all at once or not at all.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OperationChange<'a> {
    /// The operation as it is from now on.
    pub operation: &'a OperationRecord,
    /// Lines to append to its ledger.
    pub ledger: &'a [LedgerEntry],
    /// A backup to write or overwrite.
    pub put_backup: Option<&'a BackupRecord>,
    /// A backup to remove.
    pub remove_backup: Option<&'a BackupId>,
    /// A workspace that the operation restored, with its [`Origin`]. Of one that is catalogued already only the origin is
    /// written.
    pub restored: Option<&'a WorkspaceRecord>,
}

impl<'a> OperationChange<'a> {
    /// A change of the operation alone.
    pub fn new(operation: &'a OperationRecord) -> Self {
        Self { operation, ledger: &[], put_backup: None, remove_backup: None, restored: None }
    }
}

/// The index of everything that can be restored, and of everything under way.
///
/// All writes are durable when a method returns. A change made on behalf of an operation carries that operation's
/// [`Lease`] and fails with `Conflict` once somebody else has taken the operation over.
///
/// ```
/// use std::time::Duration;
/// use stillpoint_core::*;
/// use stillpoint_core::memory::MemoryCatalog;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let catalog = MemoryCatalog::new();
/// let now = OpContext::background().clock().now();
/// let request = BackupRequest::new("op-1".parse()?, "ada".parse()?);
/// let record = OperationRecord::submitted(Request::Backup(request), now);
/// let me = Holder::new("host-1", "worker-1");
///
/// let Creation::Created(lease) = catalog.create_operation(&record, &me, Duration::from_secs(60)).await? else {
///     panic!("nobody else works on this workspace");
/// };
/// // A second operation on the same workspace is told who is there.
/// let other = BackupRequest::new("op-2".parse()?, "ada".parse()?);
/// let other = OperationRecord::submitted(Request::Backup(other), now);
/// let answer = catalog.create_operation(&other, &me, Duration::from_secs(60)).await?;
/// assert!(matches!(answer, Creation::Busy(running) if running.operation.id == record.id));
///
/// catalog.commit(&lease, &OperationChange::new(&record)).await?;
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Catalog: Debug + Send + Sync + 'static {
    /// Stores a new operation and gives `holder` its lease, in one step.
    ///
    /// - An operation with this id exists: [`Creation::Exists`], nothing changes.
    /// - Another operation is active on the same workspace: [`Creation::Busy`], nothing changes.
    ///
    /// # Errors
    /// Whatever storing can meet.
    async fn create_operation(
        &self,
        record: &OperationRecord,
        holder: &Holder,
        ttl: Duration,
    ) -> Result<Creation>;

    /// One operation.
    ///
    /// # Errors
    /// Whatever reading can meet; absent is `None`.
    async fn operation(&self, id: &OperationId) -> Result<Option<StoredOperation>>;

    /// Operations, newest first. One that cannot be read is named in [`Page::damaged`] and hides no other one.
    ///
    /// # Errors
    /// `InvalidInput` for a cursor that is none.
    async fn operations(&self, query: &OperationQuery) -> Result<Page<StoredOperation>>;

    /// Takes an operation whose lease is free or has run out, or, with `takeover` equal to the current epoch, one
    /// whose holder is known to be dead. The epoch grows with each claim.
    ///
    /// # Errors
    /// `NotFound` where there is no such operation.
    async fn claim_operation(
        &self,
        id: &OperationId,
        holder: &Holder,
        ttl: Duration,
        takeover: Option<u64>,
    ) -> Result<Claim>;

    /// Extends a lease and answers whether somebody asked the operation to stop.
    ///
    /// # Errors
    /// `Conflict` once the operation was taken over.
    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Renewal>;

    /// Gives a lease up. One that was taken over already is a success that changes nothing.
    ///
    /// # Errors
    /// Whatever storing can meet.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;

    /// Notes what an active operation works on, in place of what was noted before, unless another active operation works
    /// on some of it: which ones do is the answer, and then nothing stays noted. One step: of two that overlap, one at the
    /// most is answered that nothing stands in its way. What is noted counts until the operation is no longer active.
    ///
    /// # Errors
    /// `Conflict` once the operation was taken over; nothing changed then.
    async fn reserve(&self, lease: &Lease, extents: &[Extent]) -> Result<Vec<OperationId>>;

    /// Makes one durable step under the operation's lease.
    ///
    /// # Errors
    /// `Conflict` once the operation was taken over; nothing changed then.
    async fn commit(&self, lease: &Lease, change: &OperationChange<'_>) -> Result<()>;

    /// Notes that somebody wants the operation to stop; needs no lease.
    ///
    /// # Errors
    /// `NotFound` where there is no such operation.
    async fn request_cancel(&self, id: &OperationId) -> Result<()>;

    /// The operation's ledger, oldest first.
    ///
    /// # Errors
    /// Whatever reading can meet; an unknown operation has an empty ledger.
    async fn ledger(&self, id: &OperationId) -> Result<Vec<LedgerEntry>>;

    /// Removes those of the operations that have ended, each with its ledger; answers which they were. One that is unfinished, or
    /// whose own backup ([`BackupId::of`]) is catalogued, stays; one that is not there is passed over. All in one step, [`PAGE_LIMIT_MAX`] at the
    /// most; further ones stay.
    ///
    /// # Errors
    /// Whatever storing can meet; `Unsupported` where the catalog keeps every operation.
    async fn remove_operations(&self, ids: &[OperationId]) -> Result<Vec<OperationId>> {
        let _unused = ids;
        Err(Error::new(ErrorKind::Unsupported, "this catalog keeps every operation"))
    }

    /// Writes a workspace, overwriting an older record of it. Its origin stays where the new record has none: whoever looks
    /// at a workspace does not see where it comes from.
    ///
    /// # Errors
    /// Whatever storing can meet.
    async fn put_workspace(&self, record: &WorkspaceRecord) -> Result<()>;

    /// One workspace.
    ///
    /// # Errors
    /// Whatever reading can meet; absent is `None`.
    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<WorkspaceRecord>>;

    /// Workspaces by id, at most `limit` after `after`, 1 to [`PAGE_LIMIT_MAX`].
    ///
    /// # Errors
    /// Whatever reading can meet.
    async fn workspaces(&self, after: Option<&WorkspaceId>, limit: usize) -> Result<Page<WorkspaceRecord>>;

    /// One backup.
    ///
    /// # Errors
    /// Whatever reading can meet; absent is `None`.
    async fn backup(&self, id: &BackupId) -> Result<Option<StoredBackup>>;

    /// Backups, newest first unless the query says otherwise. One that cannot be read is named in [`Page::damaged`] and
    /// hides no other one. A cursor names a place, not a row: what is written or removed between two pages moves nothing
    /// else, and a backup whose place changes meanwhile is met where it then stands.
    ///
    /// # Errors
    /// `InvalidInput` for a cursor that is none, or one of another order.
    async fn backups(&self, query: &BackupQuery) -> Result<Page<StoredBackup>>;

    /// How many backups fit, whatever the query's limit; those that cannot be read too.
    ///
    /// # Errors
    /// As [`Catalog::backups`].
    async fn count_backups(&self, query: &BackupQuery) -> Result<u64> {
        let (mut query, mut count) = (BackupQuery { limit: PAGE_LIMIT_MAX, ..query.clone() }, 0);
        loop {
            let page = self.backups(&query).await?;
            count += (page.items.len() + page.damaged.len()) as u64;
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(count),
            }
        }
    }

    /// Writes a backup outside an operation: `expected` is the revision it has, `None` where it must be new.
    ///
    /// # Errors
    /// `Conflict` where the revision is another; `AlreadyExists` where it should be new and is not.
    async fn put_backup(&self, record: &BackupRecord, expected: Option<Revision>) -> Result<Revision>;

    /// Writes those of the backups that are not there yet, and answers for each whether it was new. Not one step: where it
    /// fails some may be there, and a repeat adds the others. A catalog that can write many at once should.
    ///
    /// # Errors
    /// Whatever storing can meet.
    async fn add_backups(&self, records: &[BackupRecord]) -> Result<Vec<bool>> {
        let mut new = Vec::with_capacity(records.len());
        for record in records {
            new.push(match self.put_backup(record, None).await {
                Ok(_) => true,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
                Err(error) => return Err(error),
            });
        }
        Ok(new)
    }

    /// Writes a schedule: `expected` is the revision it has, `None` where it must be new.
    ///
    /// # Errors
    /// `Conflict` where the revision is another, or it is gone; `AlreadyExists` where it should be new and is not;
    /// `Unsupported` where the catalog keeps no schedules, as for the three methods below.
    async fn put_schedule(&self, record: &ScheduleRecord, expected: Option<Revision>) -> Result<Revision> {
        let _unused = (record, expected);
        Err(without_schedules())
    }

    /// One schedule.
    ///
    /// # Errors
    /// Whatever reading can meet; absent is `None`.
    async fn schedule(&self, id: &ScheduleId) -> Result<Option<StoredSchedule>> {
        let _unused = id;
        Err(without_schedules())
    }

    /// Schedules by id. One that cannot be read is named in [`Page::damaged`] and hides no other one.
    ///
    /// # Errors
    /// Whatever reading can meet.
    async fn schedules(&self, query: &ScheduleQuery) -> Result<Page<StoredSchedule>> {
        let _unused = query;
        Err(without_schedules())
    }

    /// Removes a schedule; what it began goes on. Absent is a success.
    ///
    /// # Errors
    /// Whatever storing can meet.
    async fn remove_schedule(&self, id: &ScheduleId) -> Result<()> {
        let _unused = id;
        Err(without_schedules())
    }
}

fn without_schedules() -> Error {
    Error::new(ErrorKind::Unsupported, "this catalog keeps no schedules")
}
