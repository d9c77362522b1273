//! The bare drill: an empty machine, the bucket and the key, and nothing else. Every backup is listed and restored.
//!
//! One drill runs always; `STILLPOINT_DRILLS` asks for more, each with another seed.
#![expect(clippy::print_stdout, reason = "the counts belong in the log of the run")]

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::Place;
use serde_json::Value;
use stillpoint_testkit::compare::Comparison;
use stillpoint_testkit::s3::Server;
use stillpoint_testkit::tree::{Edits, TreeSpec};

/// A backup that was acknowledged, and a copy of what it must hold.
struct Acknowledged {
    backup: String,
    workspace: String,
    copy: PathBuf,
}

#[expect(clippy::disallowed_methods, reason = "the number of drills is chosen from outside")]
fn drills() -> u64 {
    std::env::var("STILLPOINT_DRILLS").map_or(1, |number| number.parse().unwrap())
}

fn on(server: &Server) -> Place {
    let mut place = Place::new();
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.flag("--store", server.url("team"));
    place
}

/// Two workspaces, three backups each, and edits in between.
fn work(place: &Place, seed: u64) -> Vec<Acknowledged> {
    let mut made = Vec::new();
    for (number, workspace) in ["ada/notebooks", "grace/training"].into_iter().enumerate() {
        let source = place.path(&format!("home-{number}"));
        TreeSpec::small(seed * 10 + number as u64).generate(&source).unwrap();
        for round in 0..3 {
            if round > 0 {
                Edits::few(seed * 100 + round).apply(&source).unwrap();
            }
            let args =
                [OsStr::new("backup"), source.as_os_str(), OsStr::new("--workspace"), OsStr::new(workspace)];
            let document = place.json(args);
            assert_eq!(document["state"], "completed", "{document}");
            let copy = place.path(&format!("copy-{number}-{round}"));
            let copied = Command::new("cp").arg("-a").arg(&source).arg(&copy).status().unwrap();
            assert!(copied.success());
            let backup = document["backup_id"].as_str().unwrap().to_owned();
            made.push(Acknowledged { backup, workspace: workspace.to_owned(), copy });
        }
    }
    made
}

fn ids(list: &Value) -> Vec<(String, String)> {
    let text = |backup: &Value, key: &str| backup[key].as_str().unwrap().to_owned();
    let backups = list["backups"].as_array().unwrap().iter();
    let mut ids: Vec<_> = backups.map(|backup| (text(backup, "id"), text(backup, "workspace"))).collect();
    ids.sort();
    ids
}

#[test]
fn an_empty_machine_with_bucket_and_key_lists_and_restores_every_backup() {
    let (mut listed, mut restored) = (0, 0);
    for seed in 1..=drills() {
        let server = Server::start().unwrap();
        let old = on(&server);
        let made = work(&old, seed);
        let key = fs::read(old.data().join("key")).unwrap();
        fs::remove_dir_all(old.data()).unwrap();

        let mut new = on(&server);
        let key_file = new.path("key from the safe");
        fs::write(&key_file, key).unwrap();
        new.flag("--password-file", key_file.to_str().unwrap());
        let rebuilt = new.json(["rebuild"]);
        assert_eq!(rebuilt["added"].as_array().unwrap().len(), made.len(), "{rebuilt}");
        let mut wanted: Vec<_> =
            made.iter().map(|made| (made.backup.clone(), made.workspace.clone())).collect();
        wanted.sort();
        assert_eq!(ids(&new.json(["list"])), wanted);
        listed += wanted.len();
        for (number, made) in made.iter().enumerate() {
            let target = new.path(&format!("restored-{number}"));
            let into =
                [OsStr::new("restore"), OsStr::new(&made.backup), OsStr::new("--into"), target.as_os_str()];
            new.json([&into[..], &[OsStr::new("--privileged")]].concat());
            Comparison::new().with_holes().assert_same(&made.copy, &target);
            restored += 1;
        }
        let checked = new.json(["check", "--read-data"]);
        assert_eq!(
            (&checked["problems"], &checked["warnings"]),
            (&Value::Array(vec![]), &Value::Array(vec![]))
        );
    }
    println!("{} drills, seeds from 1 on: {listed} backups listed, {restored} restored and equal", drills());
}

#[test]
fn a_store_that_hides_the_newest_snapshot_or_a_record_is_found_out() {
    let place = Place::with_tree(71);
    place.back_up();
    let backup = place.back_up();
    let sound = place.json(["check"]);
    assert_eq!((&sound["problems"], &sound["warnings"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    let shown = place.json(["show", &backup]);
    let newest = shown["components"][0]["snapshot_id"].as_str().unwrap().to_owned();

    let (snapshot, aside) = (place.store().join("snapshots").join(&newest), place.path("aside"));
    fs::rename(&snapshot, &aside).unwrap();
    let hidden = place.json_ending(1, ["check"]);
    assert_eq!(hidden["problems"][0]["object"], backup.as_str(), "{hidden}");
    fs::rename(&aside, &snapshot).unwrap();

    let record = place.store().join("stillpoint/backups").join(&backup);
    fs::rename(&record, &aside).unwrap();
    let hidden = place.json(["check"]);
    assert_eq!(hidden["warnings"][0]["object"], newest.as_str(), "{hidden}");
    let rebuilt = place.json_ending(3, ["rebuild"]);
    assert_eq!(rebuilt["missing_in_store"][0], backup.as_str(), "{rebuilt}");
    fs::rename(&aside, &record).unwrap();

    // A backup that is deleted in order leaves no trace to wonder at.
    place.json(["delete", &backup]);
    let sound = place.json(["check"]);
    assert_eq!((&sound["problems"], &sound["warnings"]), (&Value::Array(vec![]), &Value::Array(vec![])));
}

#[test]
fn a_record_that_was_rolled_back_is_found_out_by_the_catalog() {
    let place = Place::with_tree(72);
    let backup = place.back_up();
    let record = place.store().join("stillpoint/backups").join(&backup);
    let old = fs::read(&record).unwrap();
    // The catalog has moved on, and the store answers with what it was given before.
    place.on_catalog(async |connection| {
        let renamed = "UPDATE backups SET record = json_set(record, '$.name', 'renamed since')";
        sqlx::query(renamed).execute(connection).await.unwrap();
    });
    assert_eq!(fs::read(&record).unwrap(), old);
    let rebuilt = place.json_ending(3, ["rebuild"]);
    assert_eq!(rebuilt["differing"][0], backup.as_str(), "{rebuilt}");
}

#[test]
fn a_check_tells_what_it_found_though_the_catalog_cannot_be_read() {
    let place = Place::with_tree(8);
    place.back_up();
    // A log that is left beside it would bring the catalog back.
    for ending in ["-wal", "-shm"] {
        drop(fs::remove_file(place.data().join(format!("catalog.sqlite{ending}"))));
    }
    let nothing = "no catalog at all, and long enough to be looked at".repeat(40);
    fs::write(place.data().join("catalog.sqlite"), nothing).unwrap();
    let check = place.json_ending(1, ["check", "--read-data"]);
    assert!(check["packs_read"].as_u64().unwrap() > 0, "{check:#}");
    let problems = check["problems"].as_array().unwrap();
    assert_eq!((problems.len(), problems[0]["kind"].as_str()), (1, Some("records")), "{check:#}");
    assert!(problems[0]["message"].as_str().unwrap().contains("could not be told"), "{check:#}");
}
