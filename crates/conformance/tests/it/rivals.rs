//! Processes that compete for one operation, each with a clock of its own, which may be off.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]
#![expect(clippy::print_stdout, reason = "the counts belong in the log of the run")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use stillpoint_conformance::crash::{Case, Outcome, Rivalry};
use stillpoint_core::OperationState;

/// What is told of the runs: how many, calls of the cloud, virtual time, boundaries crossed, and how operations ended.
#[derive(Debug, Default)]
struct Sum {
    runs: u64,
    calls: usize,
    lasted: Duration,
    boundaries: usize,
    ends: BTreeMap<&'static str, u64>,
}

/// Runs `one` for each seed on all cores, fails with the first that breaks something, and prints what they came to.
fn run_all(name: &str, default: u64, one: impl Fn(u64) -> Outcome + Sync) -> Sum {
    let first = Case::first_seed();
    let (seeds, sum) = (Mutex::new(first..first + Case::seeds(default)), Mutex::new(Sum::default()));
    let draw = || seeds.lock().unwrap().next();
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(seed) = draw() {
                    let outcome = one(seed);
                    let mut sum = sum.lock().unwrap();
                    sum.runs += 1;
                    sum.calls += outcome.trace.len();
                    sum.lasted += outcome.lasted;
                    sum.boundaries += outcome.crossed.iter().sum::<usize>();
                    *sum.ends
                        .entry(outcome.state.map_or("never begun", OperationState::as_str))
                        .or_default() += 1;
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap();
    println!("{name}, seeds from {first}: {sum:?}");
    sum
}

fn compete(rivalry: Rivalry, test: &str) -> Outcome {
    let replay = format!("STILLPOINT_FIRST_SEED={} STILLPOINT_SEEDS=1", rivalry.seed);
    let replay = format!("{replay} cargo test -p stillpoint-conformance --test it {test}");
    let outcome = rivalry.run().map_err(|error| format!("{error}\nrun it again: {replay}")).unwrap();
    assert_eq!(outcome.broken, [""; 0], "\nrun it again: {replay}");
    outcome
}

#[test]
fn processes_that_compete_and_freeze_anywhere_break_nothing() {
    let sum = run_all("competing processes", 60, |seed| {
        compete(Rivalry::new(seed), "processes_that_compete_and_freeze_anywhere_break_nothing")
    });
    assert!(sum.runs < 100 || sum.ends.contains_key("completed"), "{sum:?}");
}

#[test]
fn clocks_that_are_off_and_jump_break_nothing() {
    let sum = run_all("competing processes with skewed clocks", 60, |seed| {
        compete(Rivalry::new(seed).skewed(), "clocks_that_are_off_and_jump_break_nothing")
    });
    assert!(sum.runs < 100 || sum.ends.contains_key("completed"), "{sum:?}");
}

#[test]
fn equal_rivalries_have_equal_traces() {
    for seed in 1..8 {
        let rivalry = if seed % 2 == 0 { Rivalry::new(seed) } else { Rivalry::new(seed).skewed() };
        let first = rivalry.run().unwrap();
        assert!(first.crossed.len() >= 2);
        assert_eq!(rivalry.run().unwrap(), first, "{rivalry:?}");
    }
}
