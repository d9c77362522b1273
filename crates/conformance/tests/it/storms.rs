//! A cloud that throttles for forty minutes and loses answers.
#![expect(clippy::print_stdout, reason = "the counts belong in the log of the run")]

use stillpoint_conformance::crash::{Case, Scenario};
use stillpoint_core::OperationState;

/// Calls that a storm may cost beyond twice those of a calm day: two components and two operations at the most, each
/// with a few tries a minute.
const STORM_BUDGET: usize = 300;

#[test]
fn a_throttle_storm_is_ridden_out_without_a_flood_of_calls() {
    let (mut runs, mut calls, mut completed, mut most) = (0, 0, 0, 0);
    let first = Case::first_seed();
    for scenario in Scenario::ALL {
        let calm = Scenario::run(&Case::new(scenario, 0, vec![])).unwrap().trace.len();
        for seed in first..first + Case::seeds(6) {
            let case = Case::new(scenario, seed, vec![]).in_a_storm();
            let replay = format!("{case} cargo test -p stillpoint-conformance --test it one_case");
            let outcome = Scenario::run(&case).map_err(|error| format!("{error}\n{replay}")).unwrap();
            assert_eq!(outcome.broken, [""; 0], "\nrun it again: {replay}");
            let over = outcome.trace.len().saturating_sub(2 * calm);
            assert!(over <= STORM_BUDGET, "{} calls, {calm} without a storm: {replay}", outcome.trace.len());
            runs += 1;
            calls += outcome.trace.len();
            completed += u64::from(outcome.state == Some(OperationState::Completed));
            most = over.max(most);
        }
    }
    println!(
        "{runs} storms, {calls} calls, {completed} completed; at most {most} calls over twice those of a calm day"
    );
    assert!(completed > 0 && most > 0, "the storms are too tame");
}
