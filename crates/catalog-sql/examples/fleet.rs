//! A fleet: many workspaces with nightly backups of three components each, driven by several orchestrator processes
//! that share one catalog on PostgreSQL. Prints what a backup costs the orchestrator, and fails if a job was started
//! twice.
//!
//! ```sh
//! cargo run --release -p stillpoint-catalog-sql --features postgres --example fleet -- --workspaces 10000
//! ```
#![expect(clippy::print_stdout, reason = "a measurement is printed")]

#[path = "fleet/proxy.rs"]
mod proxy;
#[path = "fleet/worker.rs"]
mod worker;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::{BackupState, Catalog, LedgerKind, OperationQuery, OperationState};
use stillpoint_testkit::postgres::Postgres;
use stillpoint_testkit::process::{Measured, measure};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn StdError + Send + Sync>>;

/// The components of each workspace.
pub(crate) const COMPONENTS: usize = 3;

/// What the fleet looks like. The defaults are small enough for every run of the tests.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Fleet {
    /// How many workspaces there are
    #[arg(long, default_value_t = 40)]
    pub(crate) workspaces: usize,
    /// How many orchestrator processes share them
    #[arg(long, default_value_t = 4)]
    pub(crate) processes: usize,
    /// How many nights pass
    #[arg(long, default_value_t = 1)]
    pub(crate) nights: usize,
    /// Backups that one process drives at a time
    #[arg(long, default_value_t = 32)]
    pub(crate) at_once: usize,
    /// Workspaces that a neighbour backs up as well, in percent of each share: the same operations, submitted twice
    #[arg(long, default_value_t = 10)]
    pub(crate) overlap: usize,
    /// Connections to the catalog, for each process
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: u32,
    /// Which of the processes this one is; set by the first one
    #[arg(long, hide = true)]
    pub(crate) worker: Option<usize>,
    /// The catalog's address; set by the first one
    #[arg(long, hide = true)]
    pub(crate) url: Option<String>,
}

impl Fleet {
    fn backups(&self) -> usize {
        self.workspaces * self.nights
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let fleet = Fleet::parse();
    match (fleet.worker, &fleet.url) {
        (Some(worker), Some(url)) => worker::run(&fleet, worker, url).await,
        _ => lead(&fleet).await,
    }
}

/// What the server counts.
struct Counts {
    transactions: i64,
    log_bytes: i64,
}

async fn counts(connection: &mut PgConnection) -> Outcome<Counts> {
    // The processes report what they did when they go idle, a moment later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (transactions, log_bytes): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database WHERE datname = 'postgres'),
                pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint",
    )
    .fetch_one(connection)
    .await?;
    Ok(Counts { transactions, log_bytes })
}

async fn lead(fleet: &Fleet) -> Outcome {
    let server = Postgres::own();
    let direct = server.url("fleet");
    let catalog = SqlCatalog::open(&direct, SqlOptions::default()).await?;
    let proxy = proxy::start(server.endpoint())?;
    let url = direct.replace(&server.endpoint(), &proxy.endpoint);
    let options: PgConnectOptions = direct.split('?').next().unwrap_or_default().parse()?;
    let mut observer = options.connect().await?;

    let before = counts(&mut observer).await?;
    let measured = drive(fleet, &url)?;
    let after = counts(&mut observer).await?;

    let started: usize = measured.iter().map(|child| worker::started(&child.stdout)).sum();
    check(fleet, &catalog, started).await?;
    report(fleet, &measured, &before, &after, &proxy);
    Ok(())
}

/// Runs the processes to their end, side by side.
fn drive(fleet: &Fleet, url: &str) -> Outcome<Vec<Measured>> {
    let program = std::env::current_exe()?;
    let threads: Vec<_> = (0..fleet.processes)
        .map(|worker| {
            let mut command = Command::new(&program);
            let numbers = [
                ("--workspaces", fleet.workspaces),
                ("--processes", fleet.processes),
                ("--nights", fleet.nights),
                ("--at-once", fleet.at_once),
                ("--overlap", fleet.overlap),
                ("--worker", worker),
            ];
            for (name, number) in numbers {
                command.arg(name).arg(number.to_string());
            }
            command.arg("--connections").arg(fleet.connections.to_string()).arg("--url").arg(url);
            std::thread::spawn(move || measure(&mut command))
        })
        .collect();
    let mut all = Vec::new();
    for thread in threads {
        let child = thread.join().map_err(|_panic| "a thread panicked")??;
        if !child.status.success() {
            return Err(String::from_utf8_lossy(&child.stderr).into_owned().into());
        }
        all.push(child);
    }
    Ok(all)
}

/// Every workspace has one completed backup a night with all its components, and each job was started once.
async fn check(fleet: &Fleet, catalog: &SqlCatalog, started: usize) -> Outcome {
    let mut backups: BTreeMap<String, usize> = BTreeMap::new();
    let mut query = OperationQuery::all();
    loop {
        let page = catalog.operations(&query).await?;
        for stored in &page.items {
            let operation = &stored.operation;
            if operation.state != OperationState::Completed {
                return Err(format!("{} is {:?}", operation.id, operation.state).into());
            }
            let ledger = catalog.ledger(&operation.id).await?;
            let starts = ledger
                .iter()
                .filter(|entry| entry.kind == LedgerKind::Intent && entry.action == "start")
                .count();
            if starts != COMPONENTS {
                return Err(format!("{} has {starts} intents to start a job", operation.id).into());
            }
            let id = operation.backup.as_ref().ok_or("an operation without a backup")?;
            let made = catalog.backup(id).await?.ok_or("a backup that is not catalogued")?;
            if made.backup.state != BackupState::Completed || made.backup.components.len() != COMPONENTS {
                return Err(format!("backup {id} is not whole").into());
            }
            *backups.entry(operation.workspace.to_string()).or_default() += 1;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    let each_night =
        backups.len() == fleet.workspaces && backups.values().all(|count| *count == fleet.nights);
    if !each_night {
        return Err(format!("{} workspaces have backups: {backups:?}", backups.len()).into());
    }
    let due = fleet.backups() * COMPONENTS;
    if started == due { Ok(()) } else { Err(format!("{started} jobs were started, {due} were due").into()) }
}

fn report(fleet: &Fleet, measured: &[Measured], before: &Counts, after: &Counts, proxy: &proxy::Proxy) {
    let backups = fleet.backups();
    let per = |number: f64| number / backups as f64;
    let wall = measured.iter().map(|child| child.wall).max().unwrap_or_default();
    let cpu: Duration = measured.iter().map(|child| child.user + child.system).sum();
    let peak = measured.iter().map(|child| child.peak_rss_bytes).max().unwrap_or(0);
    let (sent, received) = proxy.bytes();
    println!(
        "{backups} backups of {COMPONENTS} components, {} workspaces, {} processes, no job twice",
        fleet.workspaces, fleet.processes
    );
    println!(
        "wall                 {:>10.1} s, {:.0} backups a second",
        wall.as_secs_f64(),
        backups as f64 / wall.as_secs_f64()
    );
    println!("orchestrator CPU     {:>10.2} ms a backup", per(cpu.as_secs_f64() * 1000.0));
    println!(
        "catalog round trips  {:>10.2} a backup",
        per((after.transactions - before.transactions) as f64)
    );
    println!("bytes to the catalog {:>10.0} a backup", per(sent as f64));
    println!("bytes from it        {:>10.0} a backup", per(received as f64));
    println!(
        "server's log         {:>10.0} bytes a backup",
        per((after.log_bytes - before.log_bytes) as f64)
    );
    println!("peak memory          {:>10.1} MiB in a process", peak as f64 / f64::from(1 << 20));
}
