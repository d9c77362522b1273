//! Several processes on one file, killed at any moment, and power cuts at any byte of the write-ahead log.

#[macro_use]
mod workload;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::{
    BackupRecord, Catalog, Creation, Definition, Holder, LedgerEntry, OperationChange, OperationState, Result,
};
use workload::{OPERATIONS, TTL, Tested, check, finished, record, work};

/// How often one of the two processes is killed.
const KILLS: usize = 3;
/// Hands the catalog's path to a child.
const HANDED_OVER: &str = "STILLPOINT_TEST_CATALOG";

async fn open(path: &Path) -> Result<SqlCatalog> {
    SqlCatalog::open(&format!("sqlite:{}", path.display()), SqlOptions::default()).await
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

/// Removals, too: an operation is there with its whole ledger or gone with all of it, wherever the log ends.
#[tokio::test]
async fn a_log_cut_anywhere_leaves_whole_operations_only() -> Tested {
    const COUNT: usize = 10;
    const LINES: usize = 40;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("catalog.sqlite");
    let catalog = open(&path).await?;
    let mut ids = Vec::new();
    for number in 0..COUNT {
        let mut operation = record(number)?;
        let holder = Holder::new("host", "1");
        let Creation::Created(lease) = catalog.create_operation(&operation, &holder, TTL).await? else {
            return Err("the catalog was new".into());
        };
        operation.state = OperationState::Failed;
        let line = LedgerEntry::intent(operation.started_at, lease.epoch, "start", "home", 1, "00");
        let lines = vec![line; LINES];
        let mut change = OperationChange::new(&operation);
        change.ledger = &lines;
        catalog.commit(&lease, &change).await?;
        ids.push(operation.id);
    }
    // The log holds nothing but removals from here on.
    catalog.close().await;
    let catalog = open(&path).await?;
    for pair in ids.chunks(2) {
        assert_eq!(catalog.remove_operations(pair).await?.len(), 2);
    }
    let (database, log) = (fs::read(&path)?, fs::read(directory.path().join("catalog.sqlite-wal"))?);
    let mut counts = Vec::new();
    for cut in 0..=60 {
        let length = log.len() - (60 - cut) * (log.len() / 61);
        let scene = tempfile::tempdir()?;
        let copy = scene.path().join("catalog.sqlite");
        fs::write(&copy, &database)?;
        fs::write(scene.path().join("catalog.sqlite-wal"), &log[..length])?;
        let reopened = open(&copy).await?;
        let mut there = 0;
        for id in &ids {
            let lines = reopened.ledger(id).await?.len();
            let stands = reopened.operation(id).await?.is_some();
            assert_eq!(lines, if stands { LINES } else { 0 }, "{id}, cut at {length}");
            there += usize::from(stands);
        }
        assert_eq!(integrity(&copy).await?, "ok", "cut at {length}");
        counts.push(there);
    }
    assert_eq!(counts.last(), Some(&0), "the whole log holds all that was acknowledged");
    assert!(
        counts.iter().any(|count| (1..COUNT).contains(count)),
        "some cuts fall between removals: {counts:?}"
    );
    Ok(())
}
