//! Stock restic beside the command, on the same repository.

use std::fs;

use serde_json::Value;
use stillpoint_testkit::compare::assert_same;

use crate::common::Place;

#[test]
fn stock_restic_reads_the_store_with_the_key_file() {
    let Some(restic) = stillpoint_testkit::oracle::restic() else { return };
    let place = Place::with_tree(13);
    let id = place.back_up();
    let key = fs::read_to_string(place.data().join("key")).unwrap();
    let repository = restic.repository(place.store().to_str().unwrap(), key.trim());
    repository.check_read_data();
    let snapshot = place.json(["show", &id])["components"][0]["snapshot_id"].as_str().unwrap().to_owned();
    assert!(repository.run(&["snapshots", "--json"]).contains(&snapshot));
}

#[test]
fn a_backup_to_which_restic_gave_another_name_is_still_that_backup() {
    let Some(restic) = stillpoint_testkit::oracle::restic() else { return };
    let place = Place::with_tree(18);
    let (first, second) = (place.back_up(), place.back_up());
    let key = fs::read_to_string(place.data().join("key")).unwrap();
    let repository = restic.repository(place.store().to_str().unwrap(), key.trim());
    repository.run(&["tag", "--add", "keep"]);
    repository.run(&["tag", "--add", "twice"]);
    let snapshot = place.json(["show", &first])["components"][0]["snapshot_id"].as_str().unwrap().to_owned();
    let listed = repository.run(&["snapshots", "--json"]);
    assert!(listed.contains(&format!("\"original\":\"{snapshot}\"")), "{listed}");

    assert_eq!(place.json(["check"])["problems"], Value::Array(Vec::new()));
    place.json(["prune"]);
    place.json(["diff", &first, &second]);
    place.json(["verify", &first]);
    let target = place.path("restored");
    place.json(["restore", &first, "--privileged", "--into", target.to_str().unwrap()]);
    assert_same(&place.source(), &target);
    assert_eq!(place.json(["backup", place.source().to_str().unwrap()])["state"], "completed");
    place.json(["delete", &first]);
    let left = repository.run(&["snapshots", "--json"]);
    assert!(!left.contains(&format!("\"original\":\"{snapshot}\"")), "{left}");
    assert_eq!(left.matches("\"original\"").count(), 1, "{left}");
}
