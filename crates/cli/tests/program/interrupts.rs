//! Interrupts, requests to stop, busy workspaces, and operations whose process is gone.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::common::{Place, Run, send};
use rustix::process::Signal;
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::eventually;
use stillpoint_testkit::s3::{Fault, FaultRule, Server};

/// A place whose store answers each request so late that a backup is still under way when a test acts on it.
fn slow_place(seed: u64) -> (Place, Server) {
    let server = Server::start().unwrap();
    let mut place = Place::with_tree(seed);
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.flag("--store", server.url("slow"));
    (place, server)
}

/// Starts a backup, and returns when it is under way and its store has stopped answering.
fn backup_under_way(place: &Place, server: &Server) -> (Child, String) {
    server.set_latency(Duration::from_millis(400));
    let child = place.start([OsStr::new("backup"), place.source().as_os_str()]);
    let operation = place.operation_under_way();
    // The catalog knows of an operation before the program that submitted it does.
    let captures = || place.json(["operations"])["operations"][0]["step"] == "capturing";
    assert!(eventually(Duration::from_secs(60), captures), "the backup does not get to capture anything");
    server.set_latency(Duration::from_secs(3));
    (child, operation)
}

fn end_of(child: Child) -> Run {
    Run::of(&child.wait_with_output().unwrap())
}

fn state_of(place: &Place, operation: &str) -> String {
    let all = place.json(["operations", "--all"]);
    let operations = all["operations"].as_array().unwrap().clone();
    let found = operations.iter().find(|found| found["id"].as_str() == Some(operation)).unwrap().clone();
    found["state"].as_str().unwrap().to_owned()
}

#[test]
fn the_first_interrupt_stops_in_order_and_the_next_run_starts_afresh() {
    let (place, server) = slow_place(41);
    let (child, operation) = backup_under_way(&place, &server);
    send(&child, Signal::INT);
    let run = end_of(child);
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(run.stderr.contains("orderly"), "{run:?}");
    assert_eq!(state_of(&place, &operation), "cancelled");
    server.set_latency(Duration::ZERO);
    place.back_up();
}

#[test]
fn the_second_interrupt_ends_at_once_and_leaves_an_operation_to_resume() {
    let (place, server) = slow_place(42);
    let (child, operation) = backup_under_way(&place, &server);
    // While somebody else keeps the catalog locked, the request to stop cannot be stored.
    let run = place.with_locked_catalog(|| {
        send(&child, Signal::TERM);
        std::thread::sleep(Duration::from_millis(500));
        send(&child, Signal::INT);
        end_of(child)
    });
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(run.stderr.contains("orderly") && run.stderr.contains("resume"), "{run:?}");
    server.set_latency(Duration::ZERO);
    let resumed = place.json(["resume"]);
    let operations = resumed["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 1, "{resumed}");
    assert_eq!(
        (operations[0]["id"].as_str(), operations[0]["state"].as_str()),
        (Some(&*operation), Some("completed"))
    );
}

#[test]
fn a_busy_workspace_is_exit_eleven_and_says_who_runs_it_since_when() {
    let (place, server) = slow_place(43);
    let (child, operation) = backup_under_way(&place, &server);
    let second = place.run([OsStr::new("backup"), place.source().as_os_str()]);
    second.assert_refused(11, &["run by", "since", &operation, &format!("pid {}", child.id())]);
    let listed = place.json(["operations"]);
    assert!(listed["operations"][0]["holder"].as_str().unwrap().contains(&child.id().to_string()));
    server.set_latency(Duration::ZERO);
    let run = end_of(child);
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn another_process_can_cancel_and_both_say_so() {
    let (place, server) = slow_place(44);
    let (child, operation) = backup_under_way(&place, &server);
    let cancel = place.json(["cancel", &operation[..10]]);
    assert_eq!(cancel["operations"][0]["state"].as_str(), Some("cancelled"));
    let run = end_of(child);
    assert_eq!(run.code, Some(5), "{run:?}");
    place.run(["cancel", &operation]).assert_refused(1, &["ended already", "cancelled"]);
}

#[test]
fn an_interrupted_operation_is_cancelled_by_taking_it_over() {
    let (place, server) = slow_place(45);
    let (mut child, operation) = backup_under_way(&place, &server);
    child.kill().unwrap();
    child.wait().unwrap();
    let listed = place.json(["operations"]);
    assert!(listed["operations"][0]["holder"].is_null(), "{listed}");
    server.set_latency(Duration::ZERO);
    let cancel = place.run(["cancel", &operation]);
    assert_eq!(cancel.code, Some(0), "{cancel:?}");
    assert_eq!(state_of(&place, &operation), "cancelled");
}

#[test]
fn a_killed_backup_is_resumed_under_its_own_id_and_watched_to_its_end() {
    let (place, server) = slow_place(46);
    let (mut child, operation) = backup_under_way(&place, &server);
    child.kill().unwrap();
    child.wait().unwrap();
    server.set_latency(Duration::ZERO);
    let resumed = place.json(["resume", &operation[..12]]);
    assert_eq!(resumed["operations"][0]["id"].as_str(), Some(&*operation));
    assert_eq!(resumed["operations"][0]["state"].as_str(), Some("completed"));
    let watched = place.run(["watch", &operation]);
    assert_eq!(watched.code, Some(0), "{watched:?}");
    let target = place.path("restored");
    place.json([
        OsStr::new("restore"),
        OsStr::new("latest"),
        OsStr::new("--privileged"),
        OsStr::new("--into"),
        target.as_os_str(),
    ]);
    assert_same(&place.source(), &target);
}

fn restore_into(target: &Path) -> Vec<&OsStr> {
    let words = ["restore", "latest", "--privileged", "--into"].map(OsStr::new);
    words.into_iter().chain([target.as_os_str()]).collect()
}

#[test]
fn an_interrupted_restore_keeps_what_it_made_and_goes_on_from_there() {
    let (place, server) = slow_place(48);
    place.back_up();
    server.set_latency(Duration::from_millis(400));
    let target = place.path("restored");
    let line = restore_into(&target);
    let child = place.start(&line);
    let operation = place.operation_under_way();
    assert!(
        eventually(Duration::from_secs(30), || target.exists()),
        "the restore has begun to fill its target"
    );
    send(&child, Signal::INT);
    let run = end_of(child);
    assert_eq!(run.code, Some(130), "{run:?}");
    assert_eq!(state_of(&place, &operation), "cancelled");
    assert!(target.exists(), "what a cancelled restore made stays, for the same restore to go on from");
    server.set_latency(Duration::ZERO);
    place.json(&line);
    assert_same(&place.source(), &target);
}

#[test]
fn a_deadline_that_passes_is_exit_four_and_the_next_run_goes_on() {
    let (place, server) = slow_place(47);
    server.set_latency(Duration::from_millis(400));
    let run = place.run([
        OsStr::new("backup"),
        OsStr::new("--timeout"),
        OsStr::new("1s"),
        place.source().as_os_str(),
    ]);
    run.assert_refused(4, &["deadline"]);
    server.set_latency(Duration::ZERO);
    place.back_up();
}

/// Starts a command on a store that answers each request only after a minute, interrupts it while it waits for the first
/// answer, and returns how it ended. Nothing is under way by then.
fn interrupted_while_opening(place: &Place, server: &Server, words: &[&OsStr]) -> Run {
    server.reset_requests();
    server.set_latency(Duration::from_secs(60));
    let mut child = place.start(words);
    assert!(
        eventually(Duration::from_secs(20), || server.requests().total() > 0),
        "{words:?} asked the store nothing"
    );
    send(&child, Signal::TERM);
    let ended = eventually(Duration::from_secs(20), || child.try_wait().unwrap().is_some());
    let run = end_of(child);
    assert!(ended, "{words:?} did not end promptly: {run:?}");
    server.set_latency(Duration::ZERO);
    run
}

#[test]
fn an_interrupt_while_the_repository_opens_ends_any_command_promptly() {
    let (place, server) = slow_place(46);
    let backup = place.back_up();
    let (source, target) = (place.source(), place.path("restored"));
    let restore = [OsStr::new("restore"), OsStr::new(&*backup), OsStr::new("--into"), target.as_os_str()];
    let back_up = [OsStr::new("backup"), source.as_os_str()];
    let check = [OsStr::new("check")];
    for words in [&back_up[..], &restore, &check] {
        let run = interrupted_while_opening(&place, &server, words);
        assert_eq!(run.code, Some(130), "{words:?} {run:?}");
        assert!(run.stderr.contains("interrupted"), "{words:?} {run:?}");
    }
    let home = source.as_os_str();
    let agent = [OsStr::new("agent"), OsStr::new("--home"), home, OsStr::new("--once")];
    let run = interrupted_while_opening(&place, &server, &agent);
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(run.stderr.contains("ends on request"), "{run:?}");
    let listed = place.json(["operations"]);
    assert_eq!(listed["operations"].as_array().map(Vec::len), Some(0), "nothing was begun: {listed}");
    place.back_up();
}

#[test]
fn a_check_is_interrupted_also_while_it_compares_records_and_says_so_in_its_document() {
    let (place, server) = slow_place(49);
    place.back_up();
    // The check reads each record once, and the comparison once more.
    let again =
        FaultRule::new(Fault::Delay(Duration::from_secs(60))).method("GET").key("stillpoint/backups/");
    server.inject(again.after(1));
    let mut child = place.start(["check", "--json"]);
    // What it asks for before the records.
    std::thread::sleep(Duration::from_secs(3));
    send(&child, Signal::TERM);
    let ended = eventually(Duration::from_secs(20), || child.try_wait().unwrap().is_some());
    if !ended {
        child.kill().unwrap();
    }
    let run = end_of(child);
    assert!(ended, "it did not hear that it was to end: {run:?}");
    assert_eq!((run.code, &run.document()["error"]["kind"]), (Some(130), &"cancelled".into()), "{run:?}");
}

#[test]
fn an_import_that_is_interrupted_closes_its_document_and_goes_on_the_next_time() {
    let server = Server::start().unwrap();
    let mut place = Place::with_tree(50);
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("into"));
    let (source, mirror) = (place.source(), server.url("mirror"));
    let mirrored = ["--layout", "mirror", "--store", &mirror, "--user", "ada", "--space", "lab"];
    for name in ["of the first", "of the second"] {
        std::fs::write(source.join(name), name).unwrap();
        place.json([&["backup", source.to_str().unwrap()][..], &mirrored].concat());
        std::thread::sleep(Duration::from_millis(1100));
    }
    let objects = server.objects("mirror/ada/lab/").unwrap();
    let newest = objects.keys().filter_map(|key| key.split('/').nth(3)).max().unwrap();
    let content = format!("ada/lab/{newest}/");
    server.inject(FaultRule::new(Fault::Delay(Duration::from_secs(60))).method("GET").key(&content));
    place.env("STILLPOINT_DATA_DIR", place.path("elsewhere").to_str().unwrap());
    let mut child = place.start(["import", "--from", &mirror, "--json"]);
    let one = || place.json(["list"])["backups"].as_array().unwrap().len() == 1;
    assert!(eventually(Duration::from_secs(30), one), "the first is not imported");
    send(&child, Signal::TERM);
    let ended = eventually(Duration::from_secs(20), || child.try_wait().unwrap().is_some());
    assert!(ended, "it did not hear that it was to end");
    let run = end_of(child);
    let document = run.document();
    assert_eq!((run.code, document["timestamps"].as_array().unwrap().len()), (Some(130), 1), "{run:?}");
    assert_eq!(document["error"]["kind"], "cancelled", "{run:?}");
    server.heal();
    assert_eq!(place.json(["import", "--from", &mirror])["imported"], 1);
}

#[test]
fn a_restore_that_was_interrupted_twice_stops_first_and_then_goes_on_with_the_same_command() {
    let (place, server) = slow_place(51);
    place.back_up();
    server.set_latency(Duration::from_millis(400));
    let target = place.path("restored");
    let line = restore_into(&target);
    let child = place.start(&line);
    let first = place.operation_under_way();
    assert!(eventually(Duration::from_secs(30), || target.exists()), "the restore has not begun");
    server.set_latency(Duration::from_secs(60));
    send(&child, Signal::INT);
    let asked = || place.json(["operations"])["operations"][0]["cancel_requested"] == true;
    assert!(eventually(Duration::from_secs(30), asked), "the request to stop is not stored");
    send(&child, Signal::INT);
    let run = end_of(child);
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(run.stderr.contains("the same command again stops it first and then goes on"), "{run:?}");
    server.set_latency(Duration::ZERO);
    let again = place.json(&line);
    assert_ne!(again["operation_id"].as_str(), Some(&*first), "{again}");
    assert_eq!(state_of(&place, &first), "cancelled");
    assert_same(&place.source(), &target);
}
