//! One catalog that lists what lies in two stores: what one of them holds is never looked for, nor given up for gone, in the
//! other.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use stillpoint_testkit::compare::compare;
use stillpoint_testkit::eventually;
use stillpoint_testkit::s3::{Fault, FaultRule, Server};
use stillpoint_testkit::tree::TreeSpec;

use crate::common::{Place, Run};

/// A backup in the default store and one in another, in the same catalog; their ids.
fn two(place: &Place, layout: &[&str]) -> (String, String) {
    let id = |document: &Value| document["backup_id"].as_str().unwrap().to_owned();
    let source = place.source();
    let source = source.to_str().unwrap();
    let first = id(&place.json(["backup", source]));
    let other = place.path("other");
    let words = [&["backup", source, "--store", other.to_str().unwrap()][..], layout].concat();
    let second = id(&place.json(words));
    (first, second)
}

fn refused(place: &Place, words: &[&str]) {
    let run = place.run(words);
    assert_eq!(run.code, Some(1), "{run:?}");
    for word in ["lies in another store", "/other"] {
        assert!(run.stderr.contains(word), "{run:?}");
    }
}

#[test]
fn a_backup_is_deleted_verified_and_restored_only_in_the_store_that_holds_it() {
    let place = Place::with_tree(120);
    let (first, second) = two(&place, &[]);
    let (kept, other) = (place.path("kept"), place.path("other"));
    refused(&place, &["delete", &second]);
    refused(&place, &["verify", &second]);
    refused(&place, &["restore", &second, "--into", kept.to_str().unwrap()]);
    assert!(!kept.exists());
    // Nothing is called lost for being elsewhere.
    place.json(["reconcile"]);
    let shown = place.json(["show", &second]);
    assert_eq!(shown["state"], "completed", "{shown}");
    // Both are whole where they are, also once the store has moved.
    place.json(["verify", &first]);
    let moved = place.path("moved");
    fs::rename(&other, &moved).unwrap();
    let named = ["--store", moved.to_str().unwrap()];
    place
        .json([&["restore", &second, "--privileged", "--into", kept.to_str().unwrap()][..], &named].concat());
    assert_eq!(compare(&place.source(), &kept).unwrap(), []);
    place.json([&["delete", &second][..], &named].concat());
    let listed = place.json(["list"]);
    assert_eq!(listed["backups"].as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn a_mirrored_timestamp_is_not_called_deleted_by_a_store_that_never_had_it() {
    let place = Place::with_tree(121);
    let layout = ["--layout", "mirror", "--user", "ada", "--space", "lab"];
    let (_, second) = two(&place, &layout);
    let (empty, other) = (place.path("empty"), place.path("other"));
    fs::create_dir(&empty).unwrap();
    // The default store is no mirror at all, and does not become one.
    place.run(["delete", &second]).assert_refused(1, &["mirror"]);
    let source = place.source();
    let mixed = place.run([&["backup", source.to_str().unwrap()][..], &layout].concat());
    mixed.assert_refused(1, &["holds a repository", "--layout"]);
    let words = ["delete", &second, "--layout", "mirror", "--store"];
    refused(&place, &[&words[..], &[empty.to_str().unwrap()]].concat());
    place.json([&words[..], &[other.to_str().unwrap()]].concat());
    let left = fs::read_dir(other.join("ada/lab")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), [".stillpoint"], "of the space only its own records are left");
}

/// A store that cannot be asked is not one that holds no repository.
#[test]
fn mirrored_timestamps_are_not_written_where_nobody_could_look_for_a_repository() {
    let server = Server::start().unwrap();
    let mut place = Place::with_tree(123);
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("one"));
    place.back_up();
    let source = place.source();
    let words = ["backup", source.to_str().unwrap(), "--layout", "mirror", "--user", "ada", "--space", "lab"];
    // One try, and every one that the client makes by itself.
    server.inject(FaultRule::new(Fault::InternalError).method("GET").key("/config").times(9));
    place.run(words).assert_refused(1, &["cannot be reached"]);
    assert!(server.objects("one/ada/").unwrap().is_empty());
    place.run(words).assert_refused(1, &["holds a repository"]);
}

/// Kills a backup of a directory into the store at `url` while it captures, and answers its operation.
fn killed(place: &Place, server: &Server, source: &Path, url: &str) -> String {
    server.set_latency(Duration::from_millis(400));
    let source = source.to_str().unwrap();
    let words = ["backup", source, "--store", url];
    let mut child = place.start(words);
    let mut id = None;
    let captures = eventually(Duration::from_secs(60), || {
        let document = place.json(["operations"]);
        let ours = document["operations"].as_array().unwrap().iter().find(|one| one["workspace"] == *source);
        id = ours.filter(|one| one["step"] == "capturing").map(|one| one["id"].as_str().unwrap().to_owned());
        id.is_some()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    server.set_latency(Duration::ZERO);
    assert!(captures, "it captures nothing");
    id.unwrap()
}

#[test]
fn an_operation_of_another_store_keeps_no_other_one_from_being_resumed() {
    let server = Server::start().unwrap();
    let mut place = Place::with_tree(124);
    for (name, value) in server.env() {
        place.env(name, value);
    }
    let (here, there) = (server.url("here"), server.url("there"));
    let second = place.path("second");
    TreeSpec::small(126).generate(&second).unwrap();
    let elsewhere = killed(&place, &server, &second, &there);
    let ours = killed(&place, &server, &place.source(), &here);
    let run = Run::of(&place.command(["resume", "--json", "--store", &here]).output().unwrap());
    assert_eq!(run.code, Some(0), "{run:?}");
    let resumed = run.document();
    let resumed = resumed["operations"].as_array().unwrap();
    assert_eq!(resumed.len(), 1, "{resumed:?}");
    assert_eq!((&resumed[0]["id"], &resumed[0]["state"]), (&ours.as_str().into(), &"completed".into()));
    for words in [&elsewhere, &there, "--store"] {
        assert!(run.stderr.contains(words), "{run:?}");
    }
    let left = place.json(["operations"]);
    assert_eq!(left["operations"][0]["id"], *elsewhere, "{left}");
    let resumed = place.json(["resume", "--store", &there]);
    assert_eq!(resumed["operations"][0]["state"], "completed", "{resumed}");
}

#[test]
fn an_operation_that_cannot_be_read_is_told_and_ends_no_resume_well() {
    let place = Place::with_tree(125);
    place.back_up();
    let run = place.run(["resume"]);
    assert!(run.code == Some(0) && run.stdout.contains("no operation was interrupted"), "{run:?}");
    place.on_catalog(async |connection| {
        let statement = "UPDATE operations SET record = '{', unfinished = 1";
        sqlx::query(statement).execute(&mut *connection).await.unwrap();
    });
    let run = place.run(["resume"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("cannot be read"), "{run:?}");
}

#[test]
fn an_interrupted_backup_goes_on_into_the_store_that_it_was_begun_into() {
    let server = Server::start().unwrap();
    let mut place = Place::with_tree(122);
    for (name, value) in server.env() {
        place.env(name, value);
    }
    server.set_latency(Duration::from_millis(400));
    let (source, url) = (place.source(), server.url("slow"));
    let mut child = place.start(["backup", source.to_str().unwrap(), "--store", &url]);
    let operation = place.operation_under_way();
    let captures = || place.json(["operations"])["operations"][0]["step"] == "capturing";
    assert!(eventually(Duration::from_secs(30), captures), "it is planned before anything is captured");
    child.kill().unwrap();
    child.wait().unwrap();
    server.set_latency(Duration::ZERO);
    place.run(["resume", &operation]).assert_refused(1, &["was begun into the store", &url]);
    let resumed = place.json(["resume", &operation, "--store", &url]);
    assert_eq!(resumed["operations"][0]["state"], "completed", "{resumed}");
}
