//! The first thing a person runs.

use crate::common::{Place, assert_keys};

#[test]
fn the_demonstration_holds_and_cleans_up_after_itself() {
    let mut place = Place::new();
    let inside = place.dir.path().to_str().unwrap().to_owned();
    place.env("TMPDIR", inside);
    // Whatever this user has configured, the demonstration works in a place of its own.
    place.env("STILLPOINT_STORE", "s3://nowhere/at-all");
    let run = place.run(["demo", "--files", "400"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!run.stdout.contains("FAILED") && run.stdout.contains("The catalog:"), "{run:?}");
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn the_demonstration_has_one_document() {
    let mut place = Place::new();
    let inside = place.dir.path().to_str().unwrap().to_owned();
    place.env("TMPDIR", inside);
    let document = place.json(["demo", "--files", "100", "--seed", "9"]);
    assert_keys(
        &document,
        &["held", "claims", "entries_compared", "bytes_compared", "differences", "steps", "backups"],
    );
    assert_eq!(document["held"], true);
    assert!(document["claims"].as_array().unwrap().iter().all(|claim| claim["holds"] == true));
    assert_eq!(document["backups"].as_array().unwrap().len(), 2);
}
