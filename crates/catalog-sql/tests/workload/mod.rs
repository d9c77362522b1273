//! Work for several processes that share a catalog and are killed, and what must be true of it afterwards.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::time::Duration;

use stillpoint_core::{
    BackupQuery, BackupRecord, BackupRequest, Catalog, CatalogExt, Claim, Clock, Creation, Definition,
    Effect, Error, ErrorKind, Holder, Lease, LedgerEntry, LedgerKind, OperationChange, OperationId,
    OperationQuery, OperationRecord, OperationState, Request, Result, SystemClock,
};

/// Asks again for as long as the catalog is away; for calls that may be made twice.
macro_rules! patiently {
    ($call:expr) => {
        loop {
            match $call.await {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                answer => break answer,
            }
        }
    };
}
pub(crate) type Tested = std::result::Result<(), Box<dyn StdError>>;

/// How many operations the processes run between them, on [`WORKSPACES`] workspaces.
pub(crate) const OPERATIONS: usize = 200;
const WORKSPACES: usize = 7;
/// How long a dead process keeps its operation.
pub(crate) const TTL: Duration = Duration::from_millis(500);
pub(crate) fn record(number: usize) -> Result<OperationRecord> {
    let workspace = format!("w-{}", number % WORKSPACES);
    let request = BackupRequest::new(format!("op-{number:04}").parse()?, workspace.parse()?);
    Ok(OperationRecord::submitted(Request::Backup(request), SystemClock::default().now()))
}

/// Runs every operation that is free, and waits for the others to end. A catalog that is away is waited for.
pub(crate) async fn work(catalog: &dyn Catalog) -> Result<()> {
    let me = Holder::new("host", std::process::id().to_string());
    for number in 0..OPERATIONS {
        let submitted = record(number)?;
        loop {
            match patiently!(catalog.create_operation(&submitted, &me, TTL))? {
                Creation::Created(lease) => run(catalog, &lease, submitted.clone()).await?,
                Creation::Exists(found) if found.operation.state.is_terminal() => break,
                Creation::Exists(found) => take_over(catalog, &me, &found.operation.id).await?,
                Creation::Busy(running) => take_over(catalog, &me, &running.operation.id).await?,
                other => return Err(Error::new(ErrorKind::Unexpected, format!("{other:?}"))),
            }
        }
    }
    Ok(())
}

/// Goes on with an operation if its process is dead; waits a moment if it is not.
async fn take_over(catalog: &dyn Catalog, me: &Holder, id: &OperationId) -> Result<()> {
    match patiently!(catalog.claim_operation(id, me, TTL, None))? {
        Claim::Claimed(lease) => match patiently!(catalog.operation(id))? {
            Some(found) if found.operation.state.is_terminal() => {
                patiently!(catalog.release_lease(&lease))
            }
            Some(found) => run(catalog, &lease, found.operation).await,
            None => Err(Error::new(ErrorKind::Unexpected, format!("{id} was claimed and is gone"))),
        },
        _ => {
            tokio::time::sleep(Duration::from_millis(2)).await;
            Ok(())
        }
    }
}

/// Runs an operation unless somebody takes it over, which a process that was held up for long has to accept.
async fn run(catalog: &dyn Catalog, lease: &Lease, record: OperationRecord) -> Result<()> {
    match steps(catalog, lease, record).await {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        outcome => outcome,
    }
}

/// One operation: an intent, then its outcome together with the backup and the final state.
async fn steps(catalog: &dyn Catalog, lease: &Lease, mut record: OperationRecord) -> Result<()> {
    let now = SystemClock::default().now();
    let intent = [LedgerEntry::intent(now, lease.epoch, "start", "home", 1, "00")];
    let mut change = OperationChange::new(&record);
    change.ledger = &intent;
    commit(catalog, lease, &change).await?;

    let definition = Definition::new(record.workspace.clone());
    let backup = BackupRecord::new(format!("b-{}", record.id).parse()?, record.id.clone(), definition, now);
    let outcome = [LedgerEntry::outcome(now, lease.epoch, "start", "home", 1, "ok")];
    record.state = OperationState::Completed;
    let mut change = OperationChange::new(&record);
    change.ledger = &outcome;
    change.put_backup = Some(&backup);
    commit(catalog, lease, &change).await?;
    patiently!(catalog.release_lease(lease))
}

/// Makes a step once, as the orchestrator does: what may have been made is read back before it is made again.
async fn commit(catalog: &dyn Catalog, lease: &Lease, change: &OperationChange<'_>) -> Result<()> {
    loop {
        match catalog.commit(lease, change).await {
            Err(error) if error.effect() == Effect::MaybeApplied => {
                if patiently!(catalog.was_committed(lease, change))? {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => return answer,
        }
    }
}

pub(crate) async fn finished(catalog: &dyn Catalog) -> Result<usize> {
    let mut query = OperationQuery::all();
    query.state = Some(OperationState::Completed);
    Ok(patiently!(catalog.operations(&query))?.items.len())
}

/// Every operation ran to its end once, and made one backup.
pub(crate) async fn check(catalog: &dyn Catalog) -> Tested {
    let operations = catalog.operations(&OperationQuery::all()).await?.items;
    assert_eq!(operations.len(), OPERATIONS);
    let backups: BTreeMap<_, _> = catalog
        .backups(&BackupQuery::all())
        .await?
        .items
        .into_iter()
        .map(|stored| (stored.backup.operation, stored.revision.0))
        .collect();
    for stored in operations {
        let id = stored.operation.id;
        assert_eq!(stored.operation.state, OperationState::Completed, "{id}");
        assert_eq!(backups.get(&id), Some(&1), "{id} made one backup, once");
        let ledger = catalog.ledger(&id).await?;
        let (intents, outcomes): (Vec<_>, Vec<_>) =
            ledger.iter().partition(|entry| entry.kind == LedgerKind::Intent);
        assert_eq!(outcomes.len(), 1, "{id} has one outcome: {ledger:?}");
        let fences: Vec<_> = intents.iter().map(|entry| entry.fence).collect();
        let begun_once = fences.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(begun_once, "{id} was begun once under each epoch, and epochs grow: {fences:?}");
        assert_eq!(fences.last(), Some(&outcomes[0].fence), "{id} ended under its newest epoch");
    }
    Ok(())
}
