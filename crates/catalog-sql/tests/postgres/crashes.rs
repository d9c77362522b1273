//! Several processes on one server, killed at any moment, and the server killed too.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::{Catalog, ErrorKind, Result};
use stillpoint_testkit::postgres::Postgres;

use super::support::Place;
use super::workload::{OPERATIONS, Tested, check, finished, work};

/// Hands the catalog's address to a child.
const HANDED_OVER: &str = "STILLPOINT_TEST_CATALOG";
/// How many times the whole work is done; more for a release.
const ROUNDS: &str = "STILLPOINT_POSTGRES_ROUNDS";
/// How often, in each round, a process is killed and the server is.
const KILLS: usize = 4;
const SERVER_KILLS: usize = 3;

#[expect(clippy::disallowed_methods, reason = "a test hears from whoever started it")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn open(url: &str) -> Result<SqlCatalog> {
    SqlCatalog::open(url, SqlOptions::default().with_connections(2)).await
}

/// Alone it runs in a schema of its own; as a child it shares its parent's.
#[tokio::test]
async fn a_process_runs_every_operation_to_its_end() -> Tested {
    let place = variable(HANDED_OVER).is_none().then(Place::shared);
    let url = variable(HANDED_OVER).or(place.as_ref().map(|place| place.url.clone()));
    let url = url.ok_or("no address")?;
    let catalog = patiently!(open(&url))?;
    work(&catalog).await?;
    assert_eq!(finished(&catalog).await?, OPERATIONS);
    Ok(())
}

fn spawn(url: &str) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["--exact", "crashes::a_process_runs_every_operation_to_its_end", "--nocapture"])
        .env(HANDED_OVER, url)
        .stdout(Stdio::null())
        .spawn()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_orchestrators_at_once_do_every_operation_once() -> Tested {
    let place = Place::shared();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let catalog = open(&place.url).await?;
        workers.spawn(async move { work(&catalog).await });
    }
    workers.join_all().await.into_iter().collect::<Result<()>>()?;
    check(&place.open().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_and_the_server_are_killed_again_and_again_and_everything_is_done_once() -> Tested {
    let rounds = variable(ROUNDS).map_or(Ok(1), |text| text.parse::<usize>())?;
    let place = Place::on(Postgres::own());
    let (mut killed, mut crashed) = (0, 0);
    for _ in 0..rounds {
        let url = place.server.fresh_url();
        let (processes, servers) = round(&place, &url).await?;
        killed += processes;
        crashed += servers;
        check(&open(&url).await? as &dyn Catalog).await?;
    }
    println_counts(rounds, killed, crashed);
    assert!(killed > 0 && crashed > 0, "somebody was killed at work: {killed} processes, {crashed} servers");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "how much was done is part of the result")]
fn println_counts(rounds: usize, killed: usize, crashed: usize) {
    println!(
        "{rounds} rounds of {OPERATIONS} operations: {killed} processes and {crashed} servers were killed"
    );
}

/// Two processes do all the work; one of them, or the server, is killed as often as agreed.
async fn round(place: &Place, url: &str) -> std::result::Result<(usize, usize), Box<dyn std::error::Error>> {
    let catalog = open(url).await?;
    let (mut survivor, mut victim) = (spawn(url)?, spawn(url)?);
    let (mut killed, mut crashed) = (0, 0);
    while survivor.try_wait()?.is_none() {
        let done = finished(&catalog).await?;
        if killed < KILLS && done >= (killed + 1) * OPERATIONS / (KILLS + 1) && victim.try_wait()?.is_none() {
            victim.kill()?;
            victim.wait()?;
            killed += 1;
            victim = spawn(url)?;
        }
        // Between two kills of processes, so that the two do not always fall together.
        let due = (2 * crashed + 1) * OPERATIONS / (2 * SERVER_KILLS);
        if crashed < SERVER_KILLS && done >= due && survivor.try_wait()?.is_none() {
            place.server.kill()?;
            crashed += 1;
            place.server.restart()?;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if !(survivor.wait()?.success() && victim.wait()?.success()) {
        return Err("a process did not get to the end".into());
    }
    Ok((killed, crashed))
}
