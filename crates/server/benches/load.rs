//! Load: a hundred thousand backups in PostgreSQL, clients that page and filter, and operations whose progress is
//! followed meanwhile: `cargo bench --package stillpoint-server -- [BACKUPS] [CLIENTS] [STREAMS] [SECONDS]`.
//!
//! The server is a process of its own, so that what it takes is its own; clients and whoever drives the operations share
//! this one. `STILLPOINT_LOAD_CATALOG` names a catalog to use; without it a PostgreSQL server is started and dropped.
#![expect(clippy::print_stdout, reason = "its figures are its result")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::{
    BackupRecord, BackupRequest, BackupState, Cancellation, Catalog, Clock, Component, ComponentRecord,
    ComponentState, Creation, Definition, Holder, Lease, LocalOrchestrator, OperationChange, OperationId,
    OperationRecord, Request, SnapshotRef, SystemClock, SystemEntropy, Timestamp, WorkspaceRecord,
};
use stillpoint_server::access::{AccessStore, NewToken, Role};
use stillpoint_server::{ControlPlane, Listen, serve};
use stillpoint_testkit::postgres::Postgres;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Workspaces of the catalog.
const WORKSPACES: usize = 200;
/// Backups that are written at a time.
const WRITTEN_TOGETHER: usize = 5_000;
/// How often a client asks.
const ASK_EVERY: Duration = Duration::from_millis(1000);
/// How often an operation's progress is stored.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [first, catalog] = words.as_slice()
        && first == "serve"
    {
        return be_the_server(catalog).await;
    }
    let number = |place: usize, default: usize| words.get(place).map_or(Ok(default), |word| word.parse());
    let (backups, clients) = (number(0, 100_000)?, number(1, 200)?);
    let (streams, seconds) = (number(2, 50)?, number(3, 30)?);
    let own = std::env::var("STILLPOINT_LOAD_CATALOG").is_err().then(Postgres::own);
    let url =
        own.as_ref().map_or_else(|| std::env::var("STILLPOINT_LOAD_CATALOG"), |own| Ok(own.fresh_url()))?;
    let catalog = Arc::new(SqlCatalog::open(&url, SqlOptions::default()).await?);
    let began = Instant::now();
    fill(&catalog, backups).await?;
    println!("{backups} backups of {WORKSPACES} workspaces after {:.1} s", began.elapsed().as_secs_f64());

    let (mut server, address) = start(&url)?;
    let (stop, events) = (Cancellation::new(), Arc::new(AtomicU64::new(0)));
    for (lease, record) in begin(&catalog, streams).await? {
        let path = format!("{address}/api/v1/operations/{}/events", record.id);
        tokio::spawn(follow(path, token(&catalog).await?, events.clone()));
        tokio::spawn(advance(catalog.clone(), lease, record, stop.clone()));
    }
    let until = Instant::now() + Duration::from_secs(seconds as u64);
    let mut asking = Vec::new();
    for client in 0..clients {
        asking.push(tokio::spawn(ask(address.clone(), token(&catalog).await?, client, until)));
    }
    let mut took = vec![Vec::new(); QUERIES.len()];
    for client in asking {
        for (query, span) in client.await?? {
            took[query].push(span);
        }
    }
    stop.cancel();
    tell("all lists", took.concat());
    QUERIES.iter().zip(took).for_each(|(name, took)| tell(name, took));
    let events = events.load(Ordering::Relaxed);
    println!(
        "{events} events on {streams} streams; the server's peak memory {} MiB",
        peak_memory(server.id())?
    );
    server.kill()?;
    server.wait()?;
    Ok(())
}

/// What the clients ask for, by the name of what is asked.
const QUERIES: [&str; 8] = [
    "page",
    "of a workspace",
    "of a state",
    "of an environment",
    "by search and time",
    "held",
    "largest first",
    "of an environment by name",
];

fn tell(name: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let Some(last) = took.len().checked_sub(1) else { return };
    let at = |permille: usize| took[last * permille / 1000].as_secs_f64() * 1000.0;
    println!(
        "{name}: {} answers, p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
        took.len(),
        at(500),
        at(900),
        at(990),
        at(1000),
    );
}

/// This program again, as the server of the catalog; and its address.
fn start(catalog: &str) -> Outcome<(Child, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut server = command.args(["serve", catalog]).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(server.stdout.take().ok_or("the server has no output")?).lines();
    let address = lines.next().ok_or("the server ended before it listened")??;
    Ok((server, address))
}

async fn be_the_server(catalog: &str) -> Outcome {
    let catalog = Arc::new(SqlCatalog::open(catalog, SqlOptions::default()).await?);
    let orchestrator = Arc::new(LocalOrchestrator::builder(catalog.clone()).build());
    let plane = ControlPlane::new(catalog.clone(), orchestrator, catalog);
    let bound = Listen::new("127.0.0.1:0".parse()?).bind().await?;
    println!("{}", bound.url());
    Ok(serve(plane, bound, Cancellation::new()).await?)
}

async fn token(access: &SqlCatalog) -> Outcome<String> {
    let made = NewToken::new("load", Role::Viewer);
    let (secret, record) = made.make(&SystemClock::default(), &SystemEntropy::default())?;
    AccessStore::put_token(access, &record).await?;
    Ok(secret.expose().to_owned())
}

fn definition(number: usize) -> Outcome<Definition> {
    let mut definition = Definition::new(format!("workspace-{number:03}").parse()?);
    definition.environment = Some(["prod", "staging", "lab"][number % 3].to_owned());
    definition.software_version = Some("2026.1".to_owned());
    Ok(definition)
}

/// Writes what is missing of `backups` backups.
async fn fill(catalog: &Arc<SqlCatalog>, backups: usize) -> Outcome {
    let component = Component::new("home".parse()?, "directory", "s3sync".parse()?, "/home/ada");
    for number in 0..WORKSPACES {
        let record =
            WorkspaceRecord::new(definition(number)?, vec![component.clone()], SystemClock::default().now());
        catalog.put_workspace(&record).await?;
    }
    let numbers: Vec<_> = (0..backups).collect();
    for batch in numbers.chunks(WRITTEN_TOGETHER) {
        let record = |&number: &usize| backup(number, &component);
        // Those that an earlier run wrote are left as they are.
        catalog.add_backups(&batch.iter().map(record).collect::<Outcome<Vec<_>>>()?).await?;
    }
    Ok(())
}

fn backup(number: usize, component: &Component) -> Outcome<BackupRecord> {
    let id = format!("load-{number:07}");
    let at =
        Timestamp::from_millis(1_760_000_000_000).after(Duration::from_secs(60) * u32::try_from(number)?);
    let operation = format!("op-{id}").parse()?;
    let mut record = BackupRecord::new(id.parse()?, operation, definition(number % WORKSPACES)?, at);
    record.name = number.is_multiple_of(10).then(|| format!("before upgrade {number}"));
    record.state = if number.is_multiple_of(50) { BackupState::Partial } else { BackupState::Completed };
    record.held = number.is_multiple_of(100);
    record.size_bytes = (number as u64 * 7_919 % 1_000_003) << 20;
    record.creator = Some("nightly".to_owned());
    let mut kept = ComponentRecord::new(component.clone(), ComponentState::Completed);
    kept.snapshot = Some(SnapshotRef::new("s3sync".parse()?, format!("{number:064x}").parse()?));
    record.components.push(kept);
    Ok(record)
}

/// Begins operations that nobody but this program drives.
async fn begin(catalog: &Arc<SqlCatalog>, count: usize) -> Outcome<Vec<(Lease, OperationRecord)>> {
    let (clock, entropy) = (SystemClock::default(), SystemEntropy::default());
    let holder = Holder::new("load", "driver");
    let mut begun = Vec::new();
    for number in 0..count {
        let id = OperationId::generate(&entropy);
        let workspace = format!("under-way-{id}-{number}").parse()?;
        let request = BackupRequest::new(id, workspace);
        let record = OperationRecord::submitted(Request::Backup(request), clock.now());
        match catalog.create_operation(&record, &holder, Duration::from_secs(3600)).await? {
            Creation::Created(lease) => begun.push((lease, record)),
            other => {
                return Err(
                    format!("an earlier run left something behind: {other:?}; use a fresh catalog").into()
                );
            }
        }
    }
    Ok(begun)
}

async fn advance(
    catalog: Arc<SqlCatalog>,
    lease: Lease,
    mut record: OperationRecord,
    stop: Cancellation,
) -> Outcome {
    record.progress.bytes_total = Some(1 << 40);
    while !stop.is_cancelled() {
        record.progress.bytes_done += 100 << 20;
        record.last_advance = SystemClock::default().now();
        catalog.commit(&lease, &OperationChange::new(&record)).await?;
        tokio::time::sleep(PROGRESS_EVERY).await;
    }
    Ok(())
}

async fn follow(url: String, token: String, events: Arc<AtomicU64>) -> Outcome {
    let mut stream = reqwest::Client::new().get(url).bearer_auth(token).send().await?.error_for_status()?;
    while let Some(bytes) = stream.chunk().await? {
        let begun = bytes.windows(6).filter(|window| window == b"event:").count();
        events.fetch_add(begun as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Pages and filters until it is time, and answers how long each answer took.
async fn ask(url: String, token: String, client: usize, until: Instant) -> Outcome<Vec<(usize, Duration)>> {
    let http = reqwest::Client::new();
    let mut took = Vec::new();
    let mut after = String::new();
    // Clients do not all ask in the same moment.
    tokio::time::sleep(Duration::from_millis(client as u64 * 5 % 1000)).await;
    while Instant::now() < until {
        let query = (client + took.len()) % QUERIES.len();
        let filter = match query {
            0 => format!("limit=50{after}"),
            1 => format!("workspace=workspace-{:03}", client % WORKSPACES),
            2 => "state=partial".to_owned(),
            3 => format!("environment=staging{after}"),
            4 => format!("search=upgrade&created_from=2025-11-{:02}T00:00:00Z", client % 28 + 1),
            5 => "held=true&oldest_first=true".to_owned(),
            6 => "sort=-size".to_owned(),
            _ => "environment=staging&sort=-name".to_owned(),
        };
        let began = Instant::now();
        let asked = http.get(format!("{url}/api/v1/backups?{filter}")).bearer_auth(&token).send().await?;
        let page: serde_json::Value = serde_json::from_slice(&asked.error_for_status()?.bytes().await?)?;
        let answered = began.elapsed();
        took.push((query, answered));
        if query == 0 {
            after = page["next"].as_str().map(|next| format!("&after={next}")).unwrap_or_default();
        }
        tokio::time::sleep(ASK_EVERY.saturating_sub(answered)).await;
    }
    Ok(took)
}

/// The largest that a process has been, in MiB.
fn peak_memory(process: u32) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak is told")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
