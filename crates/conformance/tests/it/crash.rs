//! Processes die at every boundary of a durable effect; whoever comes after them brings everything to its end.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]
#![expect(clippy::print_stdout, reason = "the counts belong in the log of the run")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use stillpoint_conformance::crash::{Case, CrashPoint, Moment, Outcome, Scenario};

/// Runs a case; nothing may be broken afterwards.
pub(crate) fn run(case: &Case) -> Outcome {
    let replay = format!("{case} cargo test -p stillpoint-conformance --test it one_case");
    let outcome = Scenario::run(case).map_err(|error| format!("{error}\nrun it again: {replay}")).unwrap();
    assert_eq!(outcome.broken, [""; 0], "\nrun it again: {replay}");
    outcome
}

/// What cases came to, together.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) cases: u64,
    /// Calls of the cloud.
    calls: u64,
    /// Virtual time.
    lasted: Duration,
    /// How the operations ended.
    ends: BTreeMap<&'static str, u64>,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.cases += 1;
        self.calls += u64::try_from(outcome.trace.len()).unwrap();
        self.lasted += outcome.lasted;
        let end = outcome.state.map_or("never begun", |state| state.as_str());
        *self.ends.entry(end).or_default() += 1;
    }
}

/// Runs `cases` on all cores, fails with the first one that breaks something, and prints what they came to.
pub(crate) fn run_all(name: &str, cases: impl Iterator<Item = Case> + Send) -> Sum {
    let (cases, sum) = (Mutex::new(cases), Mutex::new(Sum::default()));
    let draw = || cases.lock().unwrap().next();
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(case) = draw() {
                    let outcome = run(&case);
                    sum.lock().unwrap().add(&outcome);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap();
    println!("{name}: {sum:?}");
    sum
}

/// In how many clouds with faults each single death is tried.
const FAULTY_CLOUDS: u64 = 1;

pub(crate) fn moments(at: usize) -> [CrashPoint; 2] {
    [CrashPoint::new(at, Moment::Before), CrashPoint::new(at, Moment::After)]
}

fn singles(scenario: Scenario, seed: u64) -> Vec<Case> {
    let boundaries = run(&Case::new(scenario, seed, vec![])).crossed[0];
    (0..boundaries).flat_map(moments).map(|point| Case::new(scenario, seed, vec![point])).collect()
}

fn every_single_death(scenario: Scenario) {
    every_single_death_of(scenario, 20);
}

/// A scenario with more than `least` crash points; in a cloud without faults, and with those of `STILLPOINT_SEEDS` seeds.
fn every_single_death_of(scenario: Scenario, least: usize) {
    let cases = singles(scenario, 0);
    assert!(cases.len() > least, "{} has {} crash points only", scenario.name(), cases.len());
    let first = Case::first_seed();
    let seeded = (first..first + Case::seeds(FAULTY_CLOUDS)).flat_map(|seed| singles(scenario, seed));
    run_all(&format!("{} with one death", scenario.name()), cases.into_iter().chain(seeded));
}

#[test]
fn a_backup_survives_a_death_at_every_boundary() {
    every_single_death(Scenario::Backup);
}

#[test]
fn a_backup_past_its_deadline_survives_a_death_at_every_boundary() {
    every_single_death(Scenario::Deadline);
}

#[test]
fn two_backups_in_a_row_survive_a_death_at_every_boundary() {
    every_single_death(Scenario::Followed);
}

#[test]
fn a_workspace_that_cannot_let_itself_go_survives_a_death_at_every_boundary() {
    every_single_death(Scenario::Watched);
}

#[test]
fn a_backup_that_rests_survives_a_death_at_every_boundary() {
    every_single_death(Scenario::Rested);
}

#[test]
fn a_cancelled_backup_survives_a_death_at_every_boundary() {
    every_single_death(Scenario::Cancel);
}

#[test]
fn a_restore_survives_a_death_at_every_boundary() {
    every_single_death(Scenario::Restore);
}

#[test]
fn an_undone_restore_survives_a_death_at_every_boundary() {
    every_single_death(Scenario::Undo);
}

#[test]
fn a_deletion_survives_a_death_at_every_boundary() {
    every_single_death(Scenario::Delete);
}

#[test]
fn a_verification_survives_a_death_at_every_boundary() {
    every_single_death_of(Scenario::Verify, 12);
}

#[test]
fn a_copy_survives_a_death_at_every_boundary() {
    every_single_death(Scenario::Copy);
}

/// Which case to run again comes from the environment; without one, a plain backup.
#[test]
fn one_case() {
    let case = Case::from_environment().unwrap();
    run(&case.unwrap_or_else(|| Case::new(Scenario::Backup, 0, vec![])));
}

/// A process is suspended at each boundary, for longer than its lease, and wakes when somebody else has gone on.
fn every_single_sleep(scenario: Scenario) {
    let boundaries = run(&Case::new(scenario, 0, vec![])).crossed[0];
    let sleep = |at| Case::new(scenario, 0, vec![CrashPoint::new(at, Moment::Asleep)]);
    run_all(&format!("{} with one sleep", scenario.name()), (0..boundaries).map(sleep));
}

#[test]
fn a_backup_survives_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Backup);
}

#[test]
fn a_backup_past_its_deadline_survives_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Deadline);
}

#[test]
fn two_backups_in_a_row_survive_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Followed);
}

#[test]
fn a_workspace_that_cannot_let_itself_go_survives_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Watched);
}

#[test]
fn a_cancelled_backup_survives_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Cancel);
}

#[test]
fn a_restore_survives_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Restore);
}

#[test]
fn an_undone_restore_survives_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Undo);
}

#[test]
fn a_deletion_survives_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Delete);
}

#[test]
fn a_verification_survives_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Verify);
}

#[test]
fn a_copy_survives_a_sleep_at_every_boundary() {
    every_single_sleep(Scenario::Copy);
}

/// Pairs of deaths: the second process dies while it brings in order what the first one left. Each first death is
/// paired with a few second ones, spread so that all boundaries of the recovery are met over the first ones;
/// `STILLPOINT_PAIRS_APART=1` pairs it with all of them. In a cloud without faults, and with those of as many seeds as
/// `STILLPOINT_SEEDS` says.
fn pairs_of_deaths(scenario: Scenario, stride: usize) {
    let stride = Case::pairs_apart(stride);
    let seeded = Case::first_seed()..Case::first_seed() + Case::seeds(0);
    for seed in std::iter::once(0).chain(seeded) {
        let pairs = singles(scenario, seed).into_iter().enumerate().flat_map(|(index, single)| {
            let boundaries = run(&single).crossed.get(1).copied().unwrap_or(0);
            let seconds = (0..boundaries).flat_map(moments).skip(index % stride).step_by(stride);
            seconds.map(|second| single.clone().and(second)).collect::<Vec<_>>()
        });
        let sum = run_all(&format!("{} with two deaths, seed {seed}", scenario.name()), pairs);
        assert!(sum.cases > 30, "{sum:?}: so few pairs");
    }
}

#[test]
fn a_backup_survives_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Backup, 29);
}

#[test]
fn a_backup_past_its_deadline_survives_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Deadline, 37);
}

#[test]
fn two_backups_in_a_row_survive_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Followed, 61);
}

#[test]
fn a_workspace_that_cannot_let_itself_go_survives_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Watched, 37);
}

#[test]
fn a_cancelled_backup_survives_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Cancel, 29);
}

#[test]
fn a_restore_survives_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Restore, 29);
}

#[test]
fn an_undone_restore_survives_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Undo, 37);
}

#[test]
fn a_deletion_survives_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Delete, 29);
}

#[test]
fn a_verification_survives_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Verify, 5);
}

#[test]
fn a_copy_survives_pairs_of_deaths() {
    pairs_of_deaths(Scenario::Copy, 29);
}

/// Seeded faults of the cloud, and up to three deaths at drawn places; `STILLPOINT_SEEDS` says how many, and
/// `STILLPOINT_FIRST_SEED` with which to begin.
#[test]
fn seeded_faults_and_deaths_break_nothing() {
    let (first, count) = (Case::first_seed(), Case::seeds(200));
    let sum = run_all(&format!("seeds from {first}"), (first..first + count).map(Case::seeded));
    for end in ["completed", "partial", "failed", "cancelled"] {
        let ended = sum.ends.get(end).copied().unwrap_or(0);
        assert!(ended >= 5, "{ended} operations ended as {end}, the faults are too tame: {sum:?}");
    }
}

#[test]
fn equal_cases_have_equal_traces() {
    for scenario in Scenario::ALL {
        let crashes = vec![CrashPoint::new(9, Moment::After), CrashPoint::new(4, Moment::Before)];
        let case = Case::new(scenario, 11, crashes);
        let first = run(&case);
        assert!(first.trace.len() > 5, "{case}");
        assert_eq!(run(&case), first, "{case}");
    }
}
