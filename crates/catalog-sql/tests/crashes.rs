//! Several processes on one file, killed at any moment, and power cuts at any byte of the write-ahead log.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::{
    BackupQuery, BackupRecord, BackupRequest, Catalog, Claim, Clock, Creation, Definition, Error, ErrorKind,
    Holder, Lease, LedgerEntry, LedgerKind, OperationChange, OperationId, OperationQuery, OperationRecord,
    OperationState, Request, Result, SystemClock,
};

type Tested = std::result::Result<(), Box<dyn StdError>>;

/// How many operations the processes run between them, on [`WORKSPACES`] workspaces.
const OPERATIONS: usize = 200;
const WORKSPACES: usize = 7;
/// How often one of the two processes is killed.
const KILLS: usize = 3;
/// How long a dead process keeps its operation.
const TTL: Duration = Duration::from_millis(500);
/// Hands the catalog's path to a child.
const HANDED_OVER: &str = "STILLPOINT_TEST_CATALOG";

async fn open(path: &Path) -> Result<SqlCatalog> {
    SqlCatalog::open(&format!("sqlite:{}", path.display()), SqlOptions::default()).await
}

fn record(number: usize) -> Result<OperationRecord> {
    let workspace = format!("w-{}", number % WORKSPACES);
    let request = BackupRequest::new(format!("op-{number:04}").parse()?, workspace.parse()?);
    Ok(OperationRecord::submitted(Request::Backup(request), SystemClock::default().now()))
}

/// Runs every operation that is free, and waits for the others to end.
async fn work(catalog: &dyn Catalog) -> Result<()> {
    let me = Holder::new("host", std::process::id().to_string());
    for number in 0..OPERATIONS {
        let submitted = record(number)?;
        loop {
            match catalog.create_operation(&submitted, &me, TTL).await? {
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
    match catalog.claim_operation(id, me, TTL, None).await? {
        Claim::Claimed(lease) => match catalog.operation(id).await? {
            Some(found) if found.operation.state.is_terminal() => catalog.release_lease(&lease).await,
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
    catalog.commit(lease, &change).await?;

    let definition = Definition::new(record.workspace.clone());
    let backup = BackupRecord::new(format!("b-{}", record.id).parse()?, record.id.clone(), definition, now);
    let outcome = [LedgerEntry::outcome(now, lease.epoch, "start", "home", 1, "ok")];
    record.state = OperationState::Completed;
    let mut change = OperationChange::new(&record);
    change.ledger = &outcome;
    change.put_backup = Some(&backup);
    catalog.commit(lease, &change).await?;
    catalog.release_lease(lease).await
}

async fn integrity(path: &Path) -> sqlx::Result<String> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
    sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await
}

/// Alone it runs on a file of its own; as a child it shares its parent's.
#[tokio::test]
async fn a_process_runs_every_operation_to_its_end() -> Tested {
    #[expect(clippy::disallowed_methods, reason = "the parent of this test hands its catalog over")]
    let inherited: Option<OsString> = std::env::var_os(HANDED_OVER);
    let own = tempfile::tempdir()?;
    let path = inherited.map_or_else(|| own.path().join("catalog.sqlite"), PathBuf::from);
    let catalog = open(&path).await?;
    work(&catalog).await?;
    assert_eq!(finished(&catalog).await?, OPERATIONS);
    Ok(())
}

fn spawn(path: &Path) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["--exact", "a_process_runs_every_operation_to_its_end", "--nocapture"])
        .env(HANDED_OVER, path)
        .stdout(Stdio::null())
        .spawn()
}

async fn finished(catalog: &dyn Catalog) -> Result<usize> {
    let mut query = OperationQuery::all();
    query.state = Some(OperationState::Completed);
    Ok(catalog.operations(&query).await?.items.len())
}

#[tokio::test]
async fn two_processes_share_a_catalog_though_one_is_killed_again_and_again() -> Tested {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("catalog.sqlite");
    let (mut survivor, mut victim) = (spawn(&path)?, spawn(&path)?);
    let catalog = open(&path).await?;
    let mut killed = 0;
    while survivor.try_wait()?.is_none() {
        let due = finished(&catalog).await? >= (killed + 1) * OPERATIONS / (KILLS + 1);
        if due && killed < KILLS && victim.try_wait()?.is_none() {
            victim.kill()?;
            victim.wait()?;
            killed += 1;
            victim = spawn(&path)?;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(survivor.wait()?.success() && victim.wait()?.success(), "both got to the end");
    assert!(killed > 0, "a process was killed at work");
    assert_eq!(integrity(&path).await?, "ok");
    check(&catalog).await
}

/// Every operation ran to its end once, and made one backup.
async fn check(catalog: &dyn Catalog) -> Tested {
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

/// The write-ahead log is cut at many places, as a power cut would leave it. What opens is always a whole number of
/// steps, and with the whole log it is all that was acknowledged.
#[tokio::test]
async fn a_log_cut_anywhere_leaves_whole_steps_only() -> Tested {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("catalog.sqlite");
    let catalog = open(&path).await?;
    let mut operation = record(0)?;
    let Creation::Created(lease) =
        catalog.create_operation(&operation, &Holder::new("host", "1"), TTL).await?
    else {
        return Err("the catalog was new".into());
    };
    let definition = Definition::new(operation.workspace.clone());
    let backup = BackupRecord::new("b".parse()?, operation.id.clone(), definition, operation.started_at);
    for step in 1..=25 {
        operation.progress.files_done = step;
        let lines = [LedgerEntry::intent(operation.started_at, lease.epoch, "start", "home", 1, "00")];
        let mut change = OperationChange::new(&operation);
        change.ledger = &lines;
        change.put_backup = Some(&backup);
        catalog.commit(&lease, &change).await?;
    }
    let (database, log) = (fs::read(&path)?, fs::read(directory.path().join("catalog.sqlite-wal"))?);
    let mut counts = Vec::new();
    for cut in 0..=24 {
        // The last cut is none; the others fall into the middle of pages too.
        let length = log.len() - (24 - cut) * (log.len() / 25);
        let scene = tempfile::tempdir()?;
        let copy = scene.path().join("catalog.sqlite");
        fs::write(&copy, &database)?;
        fs::write(scene.path().join("catalog.sqlite-wal"), &log[..length])?;
        let reopened = open(&copy).await?;
        let done = match reopened.operation(&operation.id).await? {
            Some(found) => found.operation.progress.files_done,
            None => 0,
        };
        assert_eq!(reopened.ledger(&operation.id).await?.len() as u64, done, "cut at {length}");
        let revision = reopened.backup(&backup.id).await?.map_or(0, |found| found.revision.0);
        assert_eq!(revision, done, "cut at {length}");
        assert_eq!(integrity(&copy).await?, "ok", "cut at {length}");
        counts.push(done);
    }
    assert!(counts.is_sorted() && counts[0] < 25, "a longer log holds more: {counts:?}");
    assert_eq!(counts.last(), Some(&25), "the whole log holds all that was acknowledged");
    Ok(())
}
