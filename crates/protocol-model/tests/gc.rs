//! The protocol holds in every state, and each of its rules is needed.
#![expect(clippy::print_stdout, reason = "the counts belong in the log of the run")]

use stillpoint_protocol_model::gc::{Fault, Protocol};
use stillpoint_protocol_model::{Found, search};

const LIMIT: usize = 100_000_000;

#[test]
fn no_confirmed_backup_loses_a_blob_in_any_state() {
    let found = search(&Protocol::new(1, 1), LIMIT);
    println!("{found:?}");
    let Found::Nothing { states } = found else { panic!("{found:?}") };
    assert!(states >= 1_000_000, "only {states} states: something can no longer happen");
}

#[test]
fn no_confirmed_backup_loses_a_blob_where_locks_are_stolen() {
    let found = search(&Protocol::new(1, 0).with_robberies(), LIMIT);
    println!("{found:?}");
    let Found::Nothing { states } = found else { panic!("{found:?}") };
    assert!(states >= 1_000_000, "only {states} states: something can no longer happen");
}

#[test]
fn every_rule_that_is_taken_out_loses_data() {
    let mut missed = Vec::new();
    for fault in Fault::ALL {
        let found = search(&Protocol::new(2, 1).with_robberies().with_fault(fault), LIMIT);
        println!("{fault:?}: {found:?}");
        if !matches!(found, Found::Violation { .. }) {
            missed.push(fault);
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
