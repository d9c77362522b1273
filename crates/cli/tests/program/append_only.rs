//! A writer whose role may add but not delete: backups and restores work all the same, and deletions say what they lack.

use std::fs;

use crate::common::Place;
use stillpoint_testkit::s3::{Fault, FaultRule, Server};

/// A bucket whose policy denies every deletion but those of `spared`.
fn bucket(place: &mut Place, layout: &str, spared: &str) -> Server {
    let server = Server::start().unwrap();
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("team"));
    place.env("STILLPOINT_LAYOUT", layout);
    server.inject(FaultRule::new(Fault::AccessDenied).method("DELETE").except(spared));
    server.inject(FaultRule::new(Fault::AccessDenied).method("POST").key("?delete").except(spared));
    server
}

/// Backs up, edits, backs up again, restores, and is refused a deletion.
fn adds_and_never_removes(place: &Place) {
    let source = place.source();
    place.json(["backup", source.to_str().unwrap(), "--user", "ada", "--space", "lab"]);
    fs::write(source.join("edited.txt"), b"edited").unwrap();
    let second = place.json(["backup", source.to_str().unwrap(), "--user", "ada", "--space", "lab"]);
    assert_eq!(second["state"], "completed", "{second}");
    let again = place.path("again");
    place.json(["restore", "latest", "--into", again.to_str().unwrap()]);
    assert_eq!(fs::read(again.join("edited.txt")).unwrap(), b"edited");

    let backup = second["backup_id"].as_str().unwrap();
    let run = place.run(["delete", backup]);
    run.assert_refused(1, &["delete"]);
    let third = place.path("third");
    place.json(["restore", backup, "--into", third.to_str().unwrap()]);
    assert_eq!(fs::read(third.join("edited.txt")).unwrap(), b"edited", "nothing was lost");
}

#[test]
fn a_repository_needs_to_remove_nothing_but_its_locks() {
    let mut place = Place::with_tree(121);
    let server = bucket(&mut place, "repository", "/locks/");
    adds_and_never_removes(&place);
    assert!(server.requests().total() > 0);
}

#[test]
fn mirrored_timestamps_need_to_remove_nothing() {
    let mut place = Place::with_tree(122);
    let server = bucket(&mut place, "mirror", "nothing at all");
    adds_and_never_removes(&place);
    assert!(server.requests().total() > 0);
}
