//! What one command costs: the client's part, the server's part, and what travelled.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::Serialize;
use stillpoint_testkit::process::{Measured, measure};
use stillpoint_testkit::s3::{Server, THREAD_NAME};

use crate::Outcome;

/// One measured command.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    pub(crate) corpus: &'static str,
    pub(crate) case: &'static str,
    pub(crate) tool: &'static str,
    pub(crate) round: usize,
    /// Whether the tool keeps the state before a change too.
    pub(crate) keeps_snapshots: bool,
    pub(crate) wall_s: f64,
    pub(crate) client_cpu_s: f64,
    pub(crate) server_cpu_s: f64,
    pub(crate) peak_rss_mib: f64,
    /// Growth of what the tool keeps on the server; 0 when it shrank.
    pub(crate) stored_mib: f64,
    pub(crate) sent_mib: f64,
    pub(crate) received_mib: f64,
    pub(crate) requests: u64,
    pub(crate) by_operation: BTreeMap<&'static str, u64>,
    /// File content that our own command says it read; peers do not say.
    pub(crate) read_mib: Option<f64>,
    /// Packs in the repository, for tools that have some.
    pub(crate) packs: u64,
    /// Bytes that the edits before this case made new.
    pub(crate) fresh_mib: f64,
}

pub(crate) const MIB: f64 = 1_048_576.0;

/// The raw cost, before the case and the tool are known.
pub(crate) struct Cost {
    pub(crate) seen: Measured,
    pub(crate) client: Duration,
    pub(crate) server: Duration,
}

/// Runs `command` to a good end, and measures it and the server that runs in this process.
pub(crate) fn run(title: &str, command: &mut Command, server: &Server) -> Outcome<Cost> {
    server.reset_requests();
    let (client, served) = (children()?, serving()?);
    let seen = measure(command)?;
    let cost =
        Cost { seen, client: children()?.saturating_sub(client), server: serving()?.saturating_sub(served) };
    check(title, command, &cost.seen)?;
    Ok(cost)
}

/// Runs `command` and does not measure it.
pub(crate) fn succeed(command: &mut Command) -> Outcome {
    let seen = measure(command)?;
    check("preparation", command, &seen)
}

fn check(title: &str, command: &Command, seen: &Measured) -> Outcome {
    if seen.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&seen.stdout), String::from_utf8_lossy(&seen.stderr));
    let program = command.get_program().to_string_lossy();
    Err(format!("{title}: {program} ended with {}\n{out}\n{err}", seen.status).into())
}

/// Processor time of all children that have ended; no two run at once here, so a difference is one child's.
fn children() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let total = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(u64::try_from(total.num_microseconds())?))
}

/// Processor time of the server's threads, which live as long as the server.
fn serving() -> Outcome<Duration> {
    let mut total = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let dir = task?.path();
        // A thread may end between being listed and being read.
        let Ok(name) = fs::read_to_string(dir.join("comm")) else { continue };
        if name.trim_end() == THREAD_NAME {
            let text = fs::read_to_string(dir.join("schedstat"))?;
            total += text.split_ascii_whitespace().next().map_or(Ok(0), str::parse::<u64>)?;
        }
    }
    Ok(Duration::from_nanos(total))
}

/// The median; 0 of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() % 2, sorted.get(sorted.len() / 2)) {
        (_, None) => 0.0,
        (1, Some(middle)) => *middle,
        (_, Some(upper)) => f64::midpoint(sorted[sorted.len() / 2 - 1], *upper),
    }
}
