//! The bugs of the field, planted one by one: the simulation finds each. This measures the tests, not the code.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken scene fails its test, and what was found is the result"
)]

use stillpoint_conformance::crash::{Case, CrashPoint, Moment, Planted, Scenario};

/// How many seeds are tried for a bug that shows neither by itself nor by one death.
const SEEDS: u64 = 400;

/// Whether the case shows the bug: a promise is broken, or nothing comes to its end.
fn shows(case: &Case) -> Option<String> {
    match Scenario::run(case) {
        Ok(outcome) if outcome.broken.is_empty() => None,
        Ok(outcome) => Some(outcome.broken[0].clone()),
        Err(error) => Some(error.to_string()),
    }
}

fn boundaries(scenario: Scenario) -> usize {
    Scenario::run(&Case::new(scenario, 0, vec![])).unwrap().crossed[0]
}

/// Every place to look at: no death, seeded faults and deaths, one death or sleep at each boundary. Each beside an
/// earlier backup.
fn places() -> impl Iterator<Item = Case> {
    let plain = Scenario::ALL.into_iter().map(|scenario| Case::new(scenario, 0, vec![]));
    let singles = Scenario::ALL.into_iter().flat_map(|scenario| {
        let moments = [Moment::Before, Moment::After, Moment::Asleep];
        let points =
            (0..boundaries(scenario)).flat_map(move |at| moments.map(|moment| CrashPoint::new(at, moment)));
        points.map(move |point| Case::new(scenario, 0, vec![point])).collect::<Vec<_>>()
    });
    let seeds = (1..=SEEDS).map(Case::seeded);
    plain.chain(seeds).chain(singles).map(Case::beside_a_backup)
}

fn is_found(bug: Planted) {
    let mut looked_at = 0;
    for case in places() {
        looked_at += 1;
        let case = case.with_bug(bug);
        if let Some(broken) = shows(&case) {
            println!("{bug:?} is found by case {looked_at} ({case}): {broken}");
            return;
        }
    }
    panic!("{bug:?} is not found in {looked_at} cases");
}

/// The same places show nothing where no bug is planted, so that what shows is the bug.
#[test]
fn without_a_bug_nothing_shows() {
    for case in places().take(120) {
        assert_eq!(shows(&case), None, "{case}");
    }
}

macro_rules! planted {
    ($($test:ident: $bug:ident;)+) => {
        $(#[test]
        fn $test() {
            is_found(Planted::$bug);
        })+

        #[test]
        fn every_bug_of_the_list_is_planted() {
            assert_eq!(Planted::ALL, [$(Planted::$bug),+]);
        }
    };
}

planted! {
    c01_a_timeout_that_forgets_its_jobs_is_found: TimeoutForgetsJobs;
    c02_a_failure_that_is_reported_as_success_is_found: FailureIsSuccess;
    c03_an_owner_that_writes_after_its_lock_ran_out_is_found: StaleOwnerWrites;
    c04_a_deletion_that_takes_live_data_with_it_is_found: DeleteTakesMore;
    c05_a_cache_that_calls_gone_things_good_is_found: CacheCallsGoneGood;
    c06_a_repair_that_destroys_is_found: RepairDestroys;
    c07_an_index_that_names_one_thing_for_another_is_found: IndexMixesUp;
    c08_a_commit_that_is_lost_in_a_second_crash_is_found: SecondCrashLosesACommit;
    c09_a_part_that_is_taken_for_the_whole_is_found: PartIsWhole;
    c10_a_lost_answer_that_is_taken_for_a_refusal_is_found: NoAnswerIsRefusal;
}
