//! The agent of a directory: a restore once, a backup at the start, one in every interval, and an orderly end.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::common::{Place, Run, send};
use rustix::process::Signal;
use serde_json::json;
use stillpoint_testkit::compare::{Aspect, compare};
use stillpoint_testkit::eventually;
use stillpoint_testkit::s3::Server;

pub(crate) fn line<'a>(home: &'a Path, more: &[&'a str]) -> Vec<&'a OsStr> {
    let start = [OsStr::new("agent"), home.as_os_str()];
    start.into_iter().chain(more.iter().copied().map(OsStr::new)).collect()
}

fn backups(place: &Place) -> usize {
    place.json(["list"])["backups"].as_array().unwrap().len()
}

/// The newest backup's point in time, as a tag would name it.
pub(crate) fn newest(place: &Place) -> String {
    place.json(["list"])["backups"][0]["created_at"].as_str().unwrap().to_owned()
}

pub(crate) fn ended(child: Child) -> Run {
    Run::of(&child.wait_with_output().unwrap())
}

#[test]
fn one_run_backs_up_at_its_start_and_each_further_one_again() {
    let place = Place::with_tree(81);
    let document = place.json(line(&place.source(), &["--once"]));
    assert_eq!((document["completed"].as_u64(), document["failed"].as_u64()), (Some(1), Some(0)));
    assert!(document["restore"].is_null(), "{document}");
    place.json(line(&place.source(), &["--once"]));
    assert_eq!(backups(&place), 2);
}

#[test]
fn a_running_agent_backs_up_in_every_interval_and_ends_when_it_is_asked_to() {
    let place = Place::with_tree(82);
    let log = place.path("agent.log");
    let source = place.source();
    let child = place.start(line(&source, &["--interval", "1s", "--log-file", log.to_str().unwrap()]));
    assert!(
        eventually(Duration::from_secs(60), || backups(&place) >= 3),
        "{}",
        fs::read_to_string(&log).unwrap()
    );
    send(&child, Signal::TERM);
    let run = ended(child);
    let said = fs::read_to_string(&log).unwrap();
    // An interrupt in the middle of a backup cancels it in an orderly way.
    assert_eq!(run.code, Some(0), "{run:?} {said}");
    assert!(said.contains("ends on request") && said.contains("below 6h"), "{said}");
    assert!(run.stderr.is_empty(), "all of it belongs in the log: {run:?}");
    assert_eq!(place.json(["operations"])["operations"].as_array().unwrap().len(), 0);
}

#[test]
fn a_second_agent_on_the_same_data_directory_ends_at_once() {
    let place = Place::with_tree(83);
    let child = place.start(line(&place.source(), &[]));
    assert!(eventually(Duration::from_secs(60), || backups(&place) == 1));
    let second = place.run(line(&place.source(), &["--once"]));
    assert_eq!(second.code, Some(11), "{second:?}");
    send(&child, Signal::TERM);
    assert_eq!(ended(child).code, Some(0));
    assert_eq!(backups(&place), 1);
}

#[test]
fn a_restore_comes_first_is_made_once_and_leaves_later_edits_alone() {
    let place = Place::with_tree(84);
    let home = place.source();
    place.back_up();
    let point = newest(&place);
    let kept = place.path("kept");
    fs::rename(&home, &kept).unwrap();
    fs::create_dir(&home).unwrap();

    let more = ["--once", "--restore", &point];
    let document = place.json_ending(0, line(&home, &more));
    assert_eq!(document["restore"]["made_now"], true, "{document}");
    let landed = home.join("restored-files");
    let landed = fs::read_dir(landed).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_dir(&landed).unwrap().count() > 0);
    // The backup came after the restore, so it holds what was restored.
    let document = place.json(["files", "latest"]);
    assert!(document.to_string().contains("restored-files"), "{document}");

    fs::write(landed.join("edited.txt"), b"work done here").unwrap();
    let gone = fs::read_dir(&landed)
        .unwrap()
        .map(|entry| entry.unwrap())
        .find(|entry| entry.file_type().unwrap().is_file() && entry.file_name() != "edited.txt");
    let gone = gone.map(|entry| entry.path());
    if let Some(path) = &gone {
        fs::remove_file(path).unwrap();
    }
    let document = place.json_ending(0, line(&home, &more));
    assert_eq!(document["restore"]["made_now"], false, "{document}");
    assert_eq!(fs::read(landed.join("edited.txt")).unwrap(), b"work done here");
    assert!(gone.is_none_or(|path| !path.exists()), "what was deleted since stays deleted");
}

#[test]
fn a_restore_into_the_directory_itself_brings_a_lost_one_back() {
    let place = Place::with_tree(85);
    let home = place.source();
    place.back_up();
    let point = newest(&place);
    let kept = place.path("kept");
    fs::rename(&home, &kept).unwrap();
    fs::create_dir(&home).unwrap();
    let more = ["--once", "--landing", "replace", "--restore", &point];
    let run = place.run(line(&home, &more));
    assert!(matches!(run.code, Some(0 | 3)), "{run:?}");
    let text = |path: &Path| {
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(text(&home), text(&kept));
}

#[test]
fn a_point_that_nobody_has_is_a_clear_failure_and_the_backups_go_on() {
    let place = Place::with_tree(86);
    place.back_up();
    let home = place.source();
    let more = ["--once", "--restore", "2001-01-01-00-00-00"];
    let document = place.json_ending(1, line(&home, &more));
    assert_eq!(document["restore"]["state"], "failed", "{document}");
    assert!(document["restore"]["message"].as_str().unwrap().contains("2001-01-01-00-00-00"), "{document}");
    assert_eq!(document["completed"], 1, "{document}");
    assert!(!home.join("restored-files").exists(), "nothing may look like a restore");
    assert_eq!(backups(&place), 2);
    // It is tried again by the next run, and is no more done than before.
    place.json_ending(1, line(&home, &more));
}

#[test]
fn a_killed_agent_goes_on_with_its_restore_and_never_makes_a_second_one() {
    use stillpoint_testkit::process::{KillAt, kill_at};
    use stillpoint_testkit::tree::TreeSpec;

    let place = Place::new();
    let home = place.source();
    TreeSpec::sized(87, 150, 3_000_000).generate(&home).unwrap();
    place.back_up();
    let point = newest(&place);
    let kept = place.path("kept");
    fs::rename(&home, &kept).unwrap();
    fs::create_dir(&home).unwrap();
    let more = ["--once", "--restore", point.as_str()];
    for millis in [40, 120, 250, 400, 600] {
        kill_at(&mut place.command(line(&home, &more)), &KillAt::Delay(Duration::from_millis(millis)))
            .unwrap();
    }
    let document = place.json_ending(0, line(&home, &more));
    assert_eq!(document["restore"]["state"], "completed", "{document}");
    let landed: Vec<_> =
        fs::read_dir(home.join("restored-files")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(landed.len(), 1, "{landed:?}");
    // An agent is nobody's administrator: set-id bits are withheld.
    let differences = compare(&kept, &landed[0]).unwrap();
    let other: Vec<_> = differences.iter().filter(|found| found.aspect != Aspect::Mode).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn a_restore_that_was_ended_on_request_is_completed_by_the_next_run() {
    let place = Place::new();
    let home = place.source();
    stillpoint_testkit::tree::TreeSpec::sized(89, 150, 3_000_000).generate(&home).unwrap();
    place.back_up();
    let point = newest(&place);
    let kept = place.path("kept");
    fs::rename(&home, &kept).unwrap();
    fs::create_dir(&home).unwrap();
    let more = ["--once", "--restore", point.as_str()];
    // Also after the last file was written, when a restore that is being cancelled has nothing left to do.
    for millis in [150, 300, 450, 600, 750] {
        let child = place.start(line(&home, &more));
        std::thread::sleep(Duration::from_millis(millis));
        send(&child, Signal::TERM);
        ended(child);
    }
    let document = place.json_ending(0, line(&home, &more));
    assert!(["completed", "partial"].contains(&document["restore"]["state"].as_str().unwrap()), "{document}");
    let landed: Vec<_> =
        fs::read_dir(home.join("restored-files")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(landed.len(), 1, "{landed:?}");
    let differences = compare(&kept, &landed[0]).unwrap();
    let half = |aspect| matches!(aspect, Aspect::Content | Aspect::Size | Aspect::Kind | Aspect::Presence);
    let wrong: Vec<_> = differences.iter().filter(|found| half(found.aspect)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_data_directory_inside_the_restored_one_keeps_its_own_name_of_the_volume() {
    let mut place = Place::with_tree(88);
    let home = place.source();
    let data = home.join(".local/share/stillpoint");
    place.env("STILLPOINT_DATA_DIR", data.to_str().unwrap());
    place.env("STILLPOINT_STORE", place.path("store").to_str().unwrap());
    place.env("STILLPOINT_PASSWORD", "a password from elsewhere");
    // The restore that fails makes the volume's name, so that a backup could take it along.
    // There is no repository yet.
    place.json_ending(10, line(&home, &["--once", "--restore", "2001-01-01-00-00-00"]));
    assert!(data.join("instance").is_file());
    let point = newest(&place);
    // It is partial: what the restore would have brought may be missing.
    let id = place.json(["list"])["backups"][0]["id"].as_str().unwrap().to_owned();
    let listed = place.json(["files", &id]).to_string();
    for name in ["instance", "agent.lock", "catalog.sqlite"] {
        assert!(!listed.contains(name), "{name} is backed up: {listed}");
    }

    fs::remove_dir_all(&home).unwrap();
    fs::create_dir(&home).unwrap();
    let more =
        ["--once", "--landing", "replace", "--restore", &point, "--restore-from", home.to_str().unwrap()];
    let run = place.command(line(&home, &more)).arg("--json").output().unwrap();
    assert_eq!(Run::of(&run).document()["restore"]["made_now"], true, "{run:?}");
    let files = || {
        fs::read_dir(&home).unwrap().map(|entry| entry.unwrap()).find(|e| e.file_type().unwrap().is_file())
    };
    let edited = files().unwrap().path();
    fs::write(&edited, b"edited since").unwrap();
    let run = place.command(line(&home, &more)).arg("--json").output().unwrap();
    assert_eq!(Run::of(&run).document()["restore"]["made_now"], false, "{run:?}");
    assert_eq!(fs::read(&edited).unwrap(), b"edited since");
}

#[test]
fn an_agent_waits_for_another_one_of_its_workspace_and_goes_on_after_it() {
    let mut place = Place::with_tree(87);
    let server = Server::start().unwrap();
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("studio"));
    place.env("STILLPOINT_LAYOUT", "mirror");
    let claim = |beat: u64, held: bool| {
        let claim = json!({ "format": 1, "holder": "somebody else", "beat": beat, "held": held });
        server.put_object("studio/ada/lab/.stillpoint/agent/000000000007", claim.to_string().into()).unwrap();
    };
    claim(1, true);
    let source = place.source();
    let log = place.path("agent.log");
    let words = ["--once", "--user", "ada", "--space", "lab", "--log-file", log.to_str().unwrap()];
    let mut child = place.start(line(&source, &words));
    let said = || fs::read_to_string(&log).unwrap_or_default();
    assert!(eventually(Duration::from_secs(30), || said().contains("somebody else")), "{}", said());
    claim(2, true);
    std::thread::sleep(Duration::from_secs(6));
    assert!(child.try_wait().unwrap().is_none(), "it waits while the other one is at work: {}", said());
    claim(3, false);
    let run = ended(child);
    assert_eq!(run.code, Some(0), "{run:?} {}", said());
    assert_eq!(backups(&place), 1);
    let left = server.objects("studio/ada/lab/.stillpoint/agent/").unwrap();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["studio/ada/lab/.stillpoint/agent/000000000008"]);
}

#[test]
fn an_agent_that_waits_for_another_one_says_when_no_backup_has_been_good_for_too_long() {
    let mut place = Place::with_tree(90);
    let server = Server::start().unwrap();
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("studio"));
    place.env("STILLPOINT_LAYOUT", "mirror");
    let claim = json!({ "format": 1, "holder": "one that hangs", "beat": 1, "held": true });
    server.put_object("studio/ada/lab/.stillpoint/agent/000000000007", claim.to_string().into()).unwrap();
    let (source, log) = (place.source(), place.path("agent.log"));
    let words = ["--interval", "1s", "--user", "ada", "--space", "lab", "--log-file", log.to_str().unwrap()];
    let child = place.start(line(&source, &words));
    let said = || fs::read_to_string(&log).unwrap_or_default();
    assert!(
        eventually(Duration::from_secs(60), || said().contains("ALARM: no backup has been good")),
        "{}",
        said()
    );
    assert!(said().contains("one that hangs"), "{}", said());
    send(&child, Signal::TERM);
    ended(child);
}

#[test]
fn the_log_of_an_agent_is_not_backed_up_by_it() {
    let place = Place::with_tree(91);
    let home = place.source();
    let log = home.join("logs/agent.log");
    fs::create_dir(log.parent().unwrap()).unwrap();
    place.json(line(&home, &["--once", "--log-file", log.to_str().unwrap()]));
    assert!(log.is_file());
    let listed = place.json(["files", "latest"]).to_string();
    assert!(listed.contains("logs") && !listed.contains("agent.log"), "{listed}");
}
