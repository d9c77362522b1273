//! Restores over what stands: foretold, killed at any moment, and never without what stood before.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{Entropy, SeededEntropy};
use stillpoint_testkit::compare::{assert_same, digest};
use stillpoint_testkit::process::{KillAt, kill_at};
use stillpoint_testkit::tree::{Edits, TreeSpec};

use crate::common::Place;

/// Rounds of a replacing restore, each killed several times.
const ROUNDS: u64 = 6;
/// Kills in a row before a run gets its time.
const KILLS_IN_A_ROW: u32 = 4;
/// Tries to kill an agent between two of its steps.
const TRIES: u64 = 30;

fn restore(target: &Path, more: &[&'static str]) -> Vec<String> {
    let words =
        ["restore", "latest", "--into", target.to_str().unwrap(), "--privileged", "--landing", "replace"];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

/// Changes a restored tree so that there is something of everything to replace.
fn meddle(target: &Path, seed: u64) {
    Edits { add: 0, rename: 0, ..Edits::few(seed) }.apply(target).unwrap();
    fs::remove_dir_all(target.join("names")).unwrap();
    fs::create_dir(target.join("names")).unwrap();
    fs::write(target.join("names/one"), "another").unwrap();
    fs::remove_file(target.join("link")).unwrap();
    fs::write(target.join("link"), "a file now").unwrap();
    fs::set_permissions(target.join("shut"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(target.join("shut/inner"), "another").unwrap();
}

fn place(seed: u64) -> Place {
    let place = made(seed);
    place.back_up();
    place
}

/// A place whose source was not backed up yet.
fn made(seed: u64) -> Place {
    let place = Place::new();
    let source = place.source();
    TreeSpec::sized(seed, 150, 3_000_000).generate(&source).unwrap();
    for folder in ["names", "shut"] {
        fs::create_dir(source.join(folder)).unwrap();
    }
    fs::write(source.join("names/one"), "a file with two names").unwrap();
    fs::hard_link(source.join("names/one"), source.join("names/two")).unwrap();
    fs::write(source.join("names").join(OsStr::from_bytes(b"not \xff UTF-8")), "a name").unwrap();
    symlink("where", source.join("link")).unwrap();
    fs::write(source.join("shut/inner"), "in a directory that may not be written").unwrap();
    fs::set_permissions(source.join("shut"), fs::Permissions::from_mode(0o555)).unwrap();
    place
}

#[test]
fn a_dry_run_tells_entry_by_entry_what_the_restore_then_does_and_changes_nothing() {
    let place = place(101);
    let target = place.path("target");
    let preview = |document: &Value| document["previews"][0].clone();

    let missing = preview(&place.json(restore(&target, &["--dry-run"])));
    assert!(!target.exists(), "a preview makes no target");
    assert_eq!(missing["counts"]["replaced"], 0, "{missing:#}");
    place.json(restore(&target, &[]));

    meddle(&target, 101);
    fs::write(target.join("mine"), "nobody else's").unwrap();
    let before = digest(&target).unwrap();
    let told = preview(&place.json(restore(&target, &["--dry-run"])));
    assert_eq!(digest(&target).unwrap(), before);
    assert_eq!(told["target"], target.to_str().unwrap());
    let fate = |path: &str| {
        let items = told["items"].as_array().unwrap().iter();
        items.filter(|item| item["path"] == path).map(|item| item["fate"].clone()).collect::<Vec<_>>()
    };
    for (path, due) in [
        ("names/one", "replaced"),
        ("names/two", "created"),
        (r"names/not \xff UTF-8", "created"),
        ("link", "replaced"),
        ("shut", "attributes"),
        ("shut/inner", "replaced"),
        ("mine", "foreign"),
    ] {
        assert_eq!(fate(path), [json!(due)], "{path}: {told:#}");
    }
    let text = place.run(restore(&target, &["--dry-run"])).stdout;
    for words in
        ["M  link", "+  names/two", "*  mine", "U  shut", "1 that only the target has", "removes nothing"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let done = place.json(restore(&target, &[]));
    assert_eq!(done["bytes"]["written"], told["bytes_to_write"], "{done:#}");
    fs::remove_file(target.join("mine")).unwrap();
    let after = preview(&place.json(restore(&target, &["--dry-run"])));
    assert_eq!(
        (&after["counts"]["created"], &after["counts"]["foreign"]),
        (&json!(0), &json!(0)),
        "{after:#}"
    );
}

#[test]
fn a_replacing_restore_that_is_killed_at_any_moment_ends_equal_and_keeps_nothing_of_its_own() {
    let place = place(102);
    let (source, target) = (place.source(), place.path("target"));
    place.json(restore(&target, &[]));
    let random = SeededEntropy::new(102);
    let mut kills = 0;
    for round in 0..ROUNDS {
        meddle(&target, 200 + round);
        let mut in_a_row = 0;
        let ended = loop {
            let mut byte = [0];
            random.fill(&mut byte);
            let moment = if in_a_row == KILLS_IN_A_ROW { 120_000 } else { 20 + u64::from(byte[0]) * 3 };
            let moment = KillAt::Delay(Duration::from_millis(moment));
            let ended = kill_at(&mut place.command(restore(&target, &[])), &moment).unwrap();
            if !ended.killed {
                break ended;
            }
            (kills, in_a_row) = (kills + 1, in_a_row + 1);
        };
        assert_eq!(ended.status.code(), Some(0), "nothing was in its own way: {:?}", ended.lines);
        assert!(!ended.lines.iter().any(|line| line.contains("kept")), "{:?}", ended.lines);
        // Equal, and so without a marker and without anything that an earlier run had begun.
        assert_same(&source, &target);
    }
    assert!(kills > 0, "no run was killed");
}

/// The operations of this kind that the catalog knows.
fn operations(place: &Place, kind: &str) -> usize {
    let document = place.json(["operations", "--all"]);
    let operations = document["operations"].as_array().unwrap().iter();
    operations.filter(|operation| operation["kind"] == kind).count()
}

/// Lists the backups: those that were made before a restore replaced something, and the others.
fn kept(place: &Place) -> (Vec<Value>, Vec<Value>) {
    let document = place.json(["list"]);
    let backups = document["backups"].as_array().unwrap().iter().cloned();
    backups.partition(|backup| {
        backup["name"].as_str().is_some_and(|name| name.starts_with("before the restore"))
    })
}

/// An agent that was killed when it had kept what stood and had not begun the restore.
fn killed_between() -> (Place, Vec<String>) {
    for seed in 0..TRIES {
        let place = Place::new();
        let home = place.source();
        TreeSpec::sized(300 + seed, 30, 300_000).plain().generate(&home).unwrap();
        fs::write(home.join("report.md"), "as it was").unwrap();
        place.back_up();
        let (_, backups) = kept(&place);
        let point = backups[0]["created_at"].as_str().unwrap();
        fs::write(home.join("report.md"), "hours of work since").unwrap();
        let home = home.to_str().unwrap();
        let words = ["agent", home, "--once", "--landing", "replace", "--restore", point];
        let line: Vec<String> = words.map(str::to_owned).into();
        let moment = KillAt::Line("is kept as backup".to_owned());
        let ended = kill_at(&mut place.command(&line), &moment).unwrap();
        if ended.killed && operations(&place, "restore") == 0 {
            return (place, line);
        }
    }
    panic!("in {TRIES} tries no kill came before the restore");
}

#[test]
fn an_agent_killed_between_keeping_what_stands_and_replacing_it_loses_neither() {
    let (place, line) = killed_between();
    let report = place.source().join("report.md");
    assert_eq!(fs::read(&report).unwrap(), b"hours of work since", "nothing is replaced yet");
    let (first, _) = kept(&place);
    assert_eq!((first.len(), &first[0]["state"]), (1, &json!("partial")), "{first:?}");
    fs::write(&report, "an hour more").unwrap();

    let document = place.json_ending(0, &line);
    assert_eq!(document["restore"]["made_now"], true, "{document:#}");
    assert_eq!(document["restore"]["state"], "completed", "{document:#}");
    assert_eq!(fs::read(&report).unwrap(), b"as it was");
    assert_eq!(operations(&place, "restore"), 1);
    // What stood each time is kept, and nobody takes either for the newest good state.
    let (all, _) = kept(&place);
    assert_eq!(all.len(), 2, "{all:?}");
    for (backup, words) in all.iter().zip([&b"an hour more"[..], b"hours of work since"]) {
        assert_eq!(backup["state"], "partial");
        let id = backup["id"].as_str().unwrap();
        let target = place.path(id);
        place.json_ending(3, ["restore", id, "--into", target.to_str().unwrap()]);
        assert_eq!(fs::read(target.join("report.md")).unwrap(), words);
    }
    let latest = place.json(["show", "latest"]);
    assert!(!latest["name"].as_str().unwrap_or_default().starts_with("before the restore"), "{latest:#}");
    // Once is enough.
    fs::write(&report, "after it all").unwrap();
    let document = place.json_ending(0, &line);
    assert_eq!(document["restore"]["made_now"], false, "{document:#}");
    assert_eq!(fs::read(&report).unwrap(), b"after it all");
    assert_eq!(kept(&place).0.len(), 2);
}

#[test]
fn an_agent_killed_in_the_middle_of_replacing_goes_on_and_keeps_nothing_of_its_own() {
    let place = made(103);
    let home = place.source();
    // Privileges stay on what equals the backup and come with nothing that is written, so no tree would equal the other.
    let cleared = Command::new("chmod").args(["-R", "ug-s"]).arg(&home).status().unwrap();
    assert!(cleared.success());
    place.back_up();
    let (_, backups) = kept(&place);
    let point = backups[0]["created_at"].as_str().unwrap().to_owned();
    let whole = place.path("whole");
    place.json(["restore", "latest", "--into", whole.to_str().unwrap()]);
    meddle(&home, 103);
    let home_text = home.to_str().unwrap();
    let line = ["agent", home_text, "--once", "--landing", "replace", "--restore", &point];
    for millis in [5, 20, 60, 120] {
        // From the moment on at which what stands is kept.
        kill_at(&mut place.command(line), &KillAt::Line("is kept as backup".to_owned())).unwrap();
        kill_at(&mut place.command(line), &KillAt::Delay(Duration::from_millis(200 + millis))).unwrap();
    }
    let document = place.json_ending(0, line);
    assert_eq!(document["restore"]["state"], "completed", "{document:#}");
    assert_same(&whole, &home);
    assert_eq!(operations(&place, "restore"), 1 + 1, "the one of the agent, and the one of this test");
    let (safe, _) = kept(&place);
    assert!(!safe.is_empty(), "what stood before is there");
    let target = place.path("safe");
    place.run(["restore", safe.last().unwrap()["id"].as_str().unwrap(), "--into", target.to_str().unwrap()]);
    assert_eq!(fs::read(target.join("link")).unwrap(), b"a file now");
    assert!(
        fs::read_dir(&target)
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with(".stillpoint") })
    );
}
