//! Forecasts follow from what earlier captures took, else from what the provider says, and bound the clocks.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::time::Duration;

use proptest::prelude::*;
use stillpoint_core::{
    BackupRecord, Basis, Component, ComponentRecord, ComponentState, Definition, Estimate, Forecast,
    TIMEOUT_DEFAULT, Timestamp, forecast,
};

const HOUR: Duration = Duration::from_secs(3600);
const GB: u64 = 1_000_000_000;

fn component(name: &str) -> Component {
    Component::new(name.parse().unwrap(), "disk", "cloud".parse().unwrap(), name)
}

/// An earlier backup whose components took so long, with `(name, took, bytes, files)`.
fn earlier(components: &[(&str, Duration, u64, u64)]) -> BackupRecord {
    let definition = Definition::new("ada".parse().unwrap());
    let mut record = BackupRecord::new(
        "b-1".parse().unwrap(),
        "op-1".parse().unwrap(),
        definition,
        Timestamp::from_millis(0),
    );
    for (name, took, bytes, files) in components {
        let mut made = ComponentRecord::new(component(name), ComponentState::Completed);
        made.took = Some(*took);
        made.counts = [("bytes_scanned".into(), *bytes), ("files_new".into(), *files)].into();
        record.components.push(made);
    }
    record
}

fn of(earlier: &[BackupRecord], name: &str, estimate: Option<Estimate>) -> Option<Forecast> {
    forecast(earlier, [(&component(name), estimate)])
}

#[test]
fn nothing_known_of_one_component_is_nothing_known_at_all() {
    let past = [earlier(&[("home", HOUR, GB, 10)])];
    assert_eq!(of(&[], "home", None), None);
    assert_eq!(forecast(&past, [(&component("home"), None), (&component("new"), None)]), None);
    let sized = Estimate::of_size(Some(GB), None);
    assert_eq!(of(&[], "home", Some(sized)), None, "a size without a rate tells no time");
}

#[test]
fn the_slowest_earlier_capture_counts_and_components_run_at_once() {
    let past = [
        earlier(&[("home", HOUR, GB, 10), ("data", HOUR * 2, GB, 0)]),
        earlier(&[("home", HOUR * 5, GB, 10)]),
    ];
    assert_eq!(of(&past, "home", None), Some(Forecast::new(HOUR * 5, Basis::Measured)));
    let both = forecast(&past, [(&component("data"), None), (&component("home"), None)]);
    assert_eq!(both, Some(Forecast::new(HOUR * 5, Basis::Measured)));
}

#[test]
fn a_grown_component_takes_longer_by_its_bytes_or_by_its_files() {
    let past = [earlier(&[("home", HOUR, GB, 1000)])];
    let bytes = Estimate::of_size(Some(3 * GB), Some(1000));
    assert_eq!(of(&past, "home", Some(bytes)).unwrap().expected, HOUR * 3);
    let files = Estimate::of_size(Some(GB), Some(7000));
    assert_eq!(of(&past, "home", Some(files)).unwrap().expected, HOUR * 7);
}

#[test]
fn without_a_measurement_the_usual_rates_count_and_a_measurement_beats_them() {
    // 600 GB at 100 MB/s are under two hours; 18 million files at 500 a second are ten.
    let aws = Estimate::of_size(Some(600 * GB), Some(18_000_000)).at(Some(100_000_000), Some(500));
    assert_eq!(of(&[], "home", Some(aws)), Some(Forecast::new(HOUR * 10, Basis::Prior)));
    let past = [earlier(&[("home", HOUR, 600 * GB, 18_000_000)])];
    assert_eq!(of(&past, "home", Some(aws)), Some(Forecast::new(HOUR, Basis::Measured)));
    let mixed = forecast(&past, [(&component("home"), None), (&component("data"), Some(aws))]).unwrap();
    assert_eq!(mixed, Forecast::new(HOUR * 10, Basis::Prior), "a set stands on its weakest ground");
}

#[test]
fn another_provider_of_the_same_component_is_another_story() {
    let past = [earlier(&[("home", HOUR, GB, 10)])];
    let moved = Component::new("home".parse().unwrap(), "disk", "elsewhere".parse().unwrap(), "home");
    assert_eq!(forecast(&past, [(&moved, None)]), None);
}

proptest! {
    #[test]
    fn clocks_stay_within_their_bounds_whatever_was_measured(
        millis in any::<u64>(), then in any::<u64>(), now in any::<u64>(), files in any::<u64>(),
    ) {
        let past = [earlier(&[("home", Duration::from_millis(millis), then, files)])];
        let estimate = Estimate::of_size(Some(now), Some(files)).at(Some(then), Some(files));
        for found in [of(&past, "home", Some(estimate)), of(&[], "home", Some(estimate))].into_iter().flatten() {
            let total = found.total(TIMEOUT_DEFAULT);
            prop_assert!(total >= HOUR * 4 && total <= HOUR * 24 * 7, "{found:?} {total:?}");
            if let Some(stall) = found.stall() {
                prop_assert!(stall >= HOUR && stall <= HOUR * 12, "{found:?} {stall:?}");
                prop_assert_eq!(found.basis, Basis::Measured);
            }
        }
    }
}
