//! How long lists take in a catalog of many backups, on both databases, and how long it takes to rebuild one that is lost.
//! Fails if either takes too long.
//!
//! ```sh
//! cargo run --release -p stillpoint-catalog-sql --features postgres --example scale -- --backups 100000
//! cargo run --release -p stillpoint-catalog-sql --features postgres --example scale -- --backups 100000 --rebuild
//! ```
#![expect(clippy::print_stdout, reason = "a measurement is printed")]

#[path = "scale/fill.rs"]
mod fill;
#[path = "scale/rebuilt.rs"]
mod rebuilt;

use std::error::Error as StdError;
use std::time::Duration;

use clap::Parser;
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::{
    BackupQuery, BackupState, Catalog, CatalogExt, OperationQuery, OperationState, Result,
};
use stillpoint_testkit::postgres::Postgres;
use tokio::time::Instant;

pub(crate) type Outcome<T = ()> = std::result::Result<T, Box<dyn StdError + Send + Sync>>;

/// How many times each question is asked.
const ASKED: usize = 15;

#[derive(Debug, Parser)]
struct Scale {
    /// How many backups, and as many operations, the catalog holds
    #[arg(long, default_value_t = 2000)]
    backups: usize,
    /// The longest that any list may take in the median, in milliseconds
    #[arg(long, default_value_t = 50)]
    limit_ms: u64,
    /// Rebuild a lost catalog from its records, instead of asking for lists
    #[arg(long)]
    rebuild: bool,
    /// The address of the catalog that this process rebuilds; set by the first one
    #[arg(long, hide = true)]
    rebuild_at: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let scale = Scale::parse();
    if let Some(url) = &scale.rebuild_at {
        return rebuilt::rebuild_here(url, scale.backups).await;
    }
    let directory = tempfile::tempdir()?;
    let server = Postgres::own();
    let sqlite = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
    let engines = [("SQLite", sqlite), ("PostgreSQL", server.url("scale"))];
    if scale.rebuild {
        let mut each = engines.iter();
        return each.try_for_each(|(name, url)| rebuilt::rebuilt_elsewhere(name, url, scale.backups));
    }
    let mut slow = Vec::new();
    for (name, url) in engines {
        let catalog = SqlCatalog::open(&url, SqlOptions::default()).await?;
        fill::fill(&url, scale.backups).await?;
        println!("{name}, {} backups and operations: median and longest of {ASKED}", scale.backups);
        for (question, times) in ask_all(&catalog, scale.backups).await? {
            let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
            println!("  {question:<44} {:>7.2} ms {:>7.2} ms", millis(median), millis(longest));
            if median > Duration::from_millis(scale.limit_ms) {
                slow.push(format!("{name}: {question}"));
            }
        }
        catalog.close().await;
    }
    if slow.is_empty() { Ok(()) } else { Err(format!("too slow: {slow:?}").into()) }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

type Answers = Vec<(String, Vec<Duration>)>;

async fn ask_all(catalog: &SqlCatalog, count: usize) -> Result<Answers> {
    let mut answers = Answers::new();
    for (name, query) in backup_queries(count)? {
        answers.push((format!("backups, {name}"), timed(async || catalog.backups(&query).await).await?));
    }
    for (name, query) in operation_queries(catalog).await? {
        answers
            .push((format!("operations, {name}"), timed(async || catalog.operations(&query).await).await?));
    }
    let workspace = fill::workspace(7).parse()?;
    answers.push(("latest good of all".into(), timed(async || catalog.latest_good(None).await).await?));
    let latest = timed(async || catalog.latest_good(Some(&workspace)).await).await?;
    answers.push(("latest good of a workspace".into(), latest));
    let prefix = fill::backup_id(count / 2);
    let prefix = &prefix[..prefix.len() - 1];
    let resolved = async || {
        catalog.resolve(prefix).await.map(drop).or_else(|error| match error.kind() {
            // Several begin so.
            stillpoint_core::ErrorKind::InvalidInput => Ok(()),
            _ => Err(error),
        })
    };
    answers.push(("a backup by a prefix of its id".into(), timed(resolved).await?));
    Ok(answers)
}

fn backup_queries(count: usize) -> Result<Vec<(&'static str, BackupQuery)>> {
    let query = |limit, set: &dyn Fn(&mut BackupQuery)| {
        let mut query = BackupQuery::all();
        query.limit = limit;
        set(&mut query);
        query
    };
    let span = (Some(fill::time(count / 2)), Some(fill::time(count / 2 + 500)));
    let middle = format!("{}:{}", fill::time(count / 2).as_millis(), fill::backup_id(count / 2));
    let (workspace, partial) = (fill::workspace(7).parse()?, Some(BackupState::Partial));
    let of_one = |query: &mut BackupQuery| query.workspace = Some(Clone::clone(&workspace));
    Ok(vec![
        ("first 20", query(20, &|_| {})),
        ("first 1000", query(1000, &|_| {})),
        ("1000 from the middle on", query(1000, &|query| query.after = Some(middle.clone()))),
        ("of a workspace", query(20, &of_one)),
        ("completed ones", query(20, &|query| query.state = Some(BackupState::Completed))),
        ("partial ones (one in 50)", query(20, &|query| query.state = partial)),
        (
            "partial ones of a workspace",
            query(20, &|query| {
                of_one(query);
                query.state = partial;
            }),
        ),
        ("with a name that is rare", query(20, &|query| query.name = Some(fill::name(500)))),
        ("of a span of time", query(20, &|query| (query.created_from, query.created_before) = span)),
        (
            "with a prefix that one has",
            query(20, &|query| query.id_prefix = Some(fill::backup_id(count / 2))),
        ),
        ("with a prefix that all have", query(20, &|query| query.id_prefix = Some("b-".into()))),
    ])
}

async fn operation_queries(catalog: &SqlCatalog) -> Result<Vec<(&'static str, OperationQuery)>> {
    let query = |limit, set: &dyn Fn(&mut OperationQuery)| {
        let mut query = OperationQuery::all();
        query.limit = limit;
        set(&mut query);
        query
    };
    let second = catalog.operations(&query(1000, &|_| {})).await?.next;
    let workspace = fill::workspace(7).parse()?;
    Ok(vec![
        ("first 20", query(20, &|_| {})),
        ("second 1000", query(1000, &|query| query.after = second.clone())),
        ("of a workspace", query(20, &|query| query.workspace = Some(Clone::clone(&workspace)))),
        ("unfinished (one in 1000)", query(20, &|query| query.unfinished = true)),
        ("failed (none)", query(20, &|query| query.state = Some(OperationState::Failed))),
    ])
}

async fn timed<T>(ask: impl AsyncFn() -> Result<T>) -> Result<Vec<Duration>> {
    ask().await?;
    let mut times = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let start = Instant::now();
        ask().await?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times)
}
