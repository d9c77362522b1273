//! Letting go of backups, freeing their space, and mending the index.

use std::fs;

use crate::common::{Place, assert_keys};
use serde_json::Value;

fn ids(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
}

/// Three backups, each with a large file of its own.
fn three_backups(place: &Place) -> Vec<String> {
    let made = |n: u8| {
        let mut state = 0x9E37_79B9_u32 ^ u32::from(n);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        };
        let noise: Vec<u8> = (0..300_000).map(|_| next()).collect();
        fs::write(place.source().join("large"), noise).unwrap();
        place.back_up()
    };
    (0..3).map(made).collect()
}

fn stored_bytes(place: &Place) -> u64 {
    place.stored("data").iter().map(|file| fs::metadata(file).unwrap().len()).sum()
}

#[test]
fn a_preview_says_what_goes_and_why_the_rest_stays_and_deletes_nothing() {
    let place = Place::with_tree(1);
    let backups = three_backups(&place);
    let preview = place.json(["forget", "--keep-last", "2", "--dry-run"]);
    assert_keys(&preview, &["keep", "remove", "dry_run", "deleted", "kept", "failed"]);
    assert_eq!(ids(&preview["remove"]), [backups[0].as_str()]);
    assert_eq!(preview["keep"][0]["id"], backups[2].as_str());
    assert_eq!(ids(&preview["keep"][0]["reasons"]), ["last good 1 of 1", "last 1 of 2"]);
    assert_eq!(place.json(["list"])["backups"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_forgotten_is_gone_and_a_prune_frees_its_space() {
    let place = Place::with_tree(2);
    let backups = three_backups(&place);
    let gone = place.json(["forget", "--keep-last", "1"]);
    assert_eq!(ids(&gone["deleted"]), [backups[0].as_str(), backups[1].as_str()]);
    assert!(gone["failed"].as_array().unwrap().is_empty());
    let listed = place.json(["list"]);
    assert_eq!(listed["backups"].as_array().unwrap().len(), 1);

    let before = stored_bytes(&place);
    let first = place.json(["prune"]);
    assert_eq!((first["state"].as_str(), stored_bytes(&place)), (Some("condemned"), before));
    assert!(first["due"].is_string());
    let planned = place.json(["prune", "--dry-run"]);
    assert_eq!(planned["state"], "planned");
    let freed = place.json(["prune", "--grace", "0s"]);
    assert_eq!(freed["state"], "freed");
    assert!(before - stored_bytes(&place) > 500_000, "{freed}");
    assert_eq!(place.json(["check", "--read-data"])["problems"].as_array().unwrap().len(), 0);
    assert_eq!(place.json(["prune", "--grace", "0s"])["state"], "clean");
}

#[test]
fn a_forget_without_a_rule_is_a_usage_error_and_the_last_good_one_stays_whatever_is_said() {
    let place = Place::with_tree(3);
    let backup = place.back_up();
    place.run(["forget"]).assert_refused(2, &["say what to keep"]);
    let kept = place.json(["forget", "--keep-name", "nobody"]);
    assert_eq!(kept["keep"][0]["id"], backup.as_str());
    assert!(kept["remove"].as_array().unwrap().is_empty());
}

#[test]
fn a_lost_index_is_mended() {
    let place = Place::with_tree(4);
    place.back_up();
    for file in place.stored("index") {
        fs::remove_file(file).unwrap();
    }
    assert!(!place.run(["check"]).stdout.contains("no problem found"));
    let mended = place.json(["repair", "index"]);
    assert_keys(
        &mended,
        &["replaced", "indexed_packs", "missing_packs", "unreadable_packs", "salvaged_blobs"],
    );
    assert_eq!(mended["indexed_packs"].as_array().unwrap().len(), 2);
    assert_eq!(place.json(["check", "--read-data"])["problems"].as_array().unwrap().len(), 0);
}

#[test]
fn a_prune_frees_nothing_of_a_backup_that_is_known_as_good_and_not_seen() {
    let place = Place::with_tree(2);
    let backups = three_backups(&place);
    let folder = place.store().join("snapshots");
    let hidden = place.path("hidden");
    fs::rename(&folder, &hidden).unwrap();
    fs::create_dir(&folder).unwrap();
    let before = stored_bytes(&place);
    place.run(["prune", "--grace", "0s"]).assert_refused(1, &["3 backups are known as good", "--allow-lost"]);
    assert_eq!(stored_bytes(&place), before);
    fs::remove_dir(&folder).unwrap();
    fs::rename(&hidden, &folder).unwrap();
    assert_eq!(place.json(["prune", "--grace", "0s"])["state"], "clean");
    place.json(["delete", &backups[0]]);
    assert_eq!(place.json(["prune", "--grace", "0s"])["state"], "freed");
}

#[test]
fn a_workspace_that_nobody_knows_is_not_judged_in_silence() {
    let place = Place::with_tree(7);
    place.back_up();
    let line = ["forget", "--workspace", "nope", "--keep-last", "1"];
    place.run(line).assert_refused(1, &["no workspace nope is catalogued", "stillpoint list"]);
    place.run([&line[..], &["--dry-run"]].concat()).assert_refused(1, &["nope"]);
}
