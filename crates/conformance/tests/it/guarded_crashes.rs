//! Processes die, or sleep past their leases, at every boundary of backups whose sources are guarded.

use std::time::Duration;

use stillpoint_conformance::crash::{Case, CrashPoint, Moment, Scenario};
use stillpoint_conformance::sim::{SimConfig, SimKind, SimWorld};
use stillpoint_core::Request;

use crate::crash::{moments, run, run_all};

/// A death at each boundary, in clouds with and without faults, and a sleep at each.
fn every_single_end(scenario: Scenario) {
    let of = |seed| Case::new(scenario, seed, vec![]).guarded();
    let boundaries = |seed| 0..run(&of(seed)).crossed[0];
    let seeds = [0, Case::first_seed()];
    let deaths = seeds.into_iter().flat_map(|seed| {
        boundaries(seed).flat_map(moments).map(move |point| of(seed).and(point)).collect::<Vec<_>>()
    });
    let sleeps = boundaries(0).map(|at| of(0).and(CrashPoint::new(at, Moment::Asleep)));
    let sum = run_all(&format!("guarded {} with one end", scenario.name()), deaths.chain(sleeps));
    assert!(sum.cases > 60, "{sum:?}: so few boundaries");
}

#[test]
fn a_guarded_backup_survives_an_end_at_every_boundary() {
    every_single_end(Scenario::Backup);
}

#[test]
fn a_guarded_backup_past_its_deadline_survives_an_end_at_every_boundary() {
    every_single_end(Scenario::Deadline);
}

#[test]
fn two_guarded_backups_in_a_row_survive_an_end_at_every_boundary() {
    every_single_end(Scenario::Followed);
}

#[test]
fn a_cancelled_guarded_backup_survives_an_end_at_every_boundary() {
    every_single_end(Scenario::Cancel);
}

#[test]
fn whoever_asks_for_no_guard_gets_none() {
    let case = Case::new(Scenario::Backup, 0, vec![]);
    assert!(run(&case.clone().guarded()).trace.iter().any(|line| line.contains("unguard data of op")));
    assert!(run(&case).trace.iter().all(|line| !line.contains("guard")));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_not_guarded_is_collected_while_it_is_captured() {
    let components = [("data", SimKind::Volume, 20_000_000_000, 20_000)];
    for guarded in [false, true] {
        let world = SimWorld::new(SimConfig::default(), &components).unwrap();
        world.cloud.collect_sources(Duration::from_secs(60));
        if guarded {
            world.workspace.guard_sources([("cloud:protected".to_owned(), "true".to_owned())].into());
        }
        let orchestrator = world.orchestrator().unwrap();
        world.run(&orchestrator, Request::Backup(world.backup("op").unwrap())).await.unwrap();
        assert_eq!(world.cloud.files("arn-data").is_some(), guarded);
    }
}
