//! Lease, fence and adoption hold in every state, and each of their rules is needed.
#![expect(clippy::print_stdout, reason = "the counts belong in the log of the run")]

use stillpoint_protocol_model::lease::{Fault, Protocol};
use stillpoint_protocol_model::{Found, ends};

const LIMIT: usize = 3_000_000;

/// Deaths, sleeps past the lease, and lost answers that are searched together, the fewest states first.
const SEARCHED: [(u8, u8, u8); 5] = [(0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 0, 1), (0, 1, 1)];

#[test]
fn orchestrators_lose_and_double_nothing_in_any_state_and_always_come_to_an_end() {
    let mut all = 0;
    for (deaths, sleeps, losses) in SEARCHED {
        let found = ends(&Protocol::new(deaths, sleeps, losses), LIMIT);
        println!("{deaths} deaths, {sleeps} sleeps, {losses} losses: {found:?}");
        let Found::Nothing { states } = found else { panic!("{found:?}") };
        all += states;
    }
    assert!(all >= 1_500_000, "only {all} states: something can no longer happen");
}

#[test]
fn every_rule_of_the_orchestrators_that_is_not_followed_is_noticed() {
    let mut unnoticed = Vec::new();
    for fault in Fault::ALL {
        let noticed = SEARCHED.into_iter().find_map(|(deaths, sleeps, losses)| {
            let found = ends(&Protocol::new(deaths, sleeps, losses).with_fault(fault), LIMIT);
            let noticed = matches!(found, Found::Violation { .. } | Found::Endless { .. });
            noticed.then_some(((deaths, sleeps, losses), found))
        });
        println!("{fault:?}: {noticed:?}");
        if noticed.is_none() {
            unnoticed.push(fault);
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}
