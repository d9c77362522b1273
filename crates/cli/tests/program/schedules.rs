//! Schedules of directories: each run captures what its schedule was set to capture.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use stillpoint_testkit::eventually;

use crate::common::{Place, send};

const FILES: [&str; 3] = ["data/rows.csv", "note.tmp", "report.md"];

fn with_files() -> Place {
    let place = Place::new();
    for file in FILES {
        let path = place.source().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    place
}

/// Which of the files the newest backup holds.
fn held(place: &Place) -> Vec<&'static str> {
    let target = place.path("looked-at");
    place.json(["restore", "latest", "--into", target.to_str().unwrap()]);
    let found = FILES.into_iter().filter(|file| target.join(file).exists()).collect();
    fs::remove_dir_all(target).unwrap();
    found
}

fn run_once(place: &Place) {
    let ran = place.json(["schedule", "run", "--once"]);
    assert_eq!(ran["operations"].as_array().unwrap().len(), 1, "{ran}");
}

#[test]
fn a_backup_beside_a_schedule_does_not_change_what_the_schedule_captures() {
    let place = with_files();
    let source = place.source();
    let source = source.to_str().unwrap();
    place.json(["schedule", "set", "home", source, "--every", "12h", "--exclude", "*.tmp"]);
    place.json(["backup", source, "--exclude", "/data/"]);
    assert_eq!(held(&place), ["note.tmp", "report.md"]);
    run_once(&place);
    assert_eq!(held(&place), ["data/rows.csv", "report.md"]);
}

#[test]
fn a_configured_directory_is_captured_by_what_its_configuration_says_at_the_time() {
    let mut place = with_files();
    let config = place.path("config.toml");
    let source = place.source();
    let configure = |config: &Path, exclude: &str| {
        let text = format!(
            "[[workspace]]\nid = \"project\"\nprovider = \"directory\"\npath = {source:?}\nexclude = [{exclude:?}]\n"
        );
        fs::write(config, text).unwrap();
    };
    configure(&config, "*.tmp");
    let named = config.to_str().unwrap().to_owned();
    place.flag("--config", named);
    place.json(["schedule", "set", "nightly", "--workspace", "project", "--every", "12h"]);
    configure(&config, "/data/");
    run_once(&place);
    assert_eq!(held(&place), ["note.tmp", "report.md"]);
}

#[test]
fn setting_a_schedule_again_leaves_its_pause_and_its_windows() {
    let place = with_files();
    let source = place.source();
    let set = |more: &[&str]| {
        let words = ["schedule", "set", "home", source.to_str().unwrap(), "--cron", "30 2 * * *"];
        place.json([&words[..], more].concat())["schedule"].clone()
    };
    let windows = |schedule: &serde_json::Value| schedule["blackouts"].as_array().unwrap().len();
    let made = set(&["--blackout", "22:00-06:00", "--blackout", "sat,sun 08:00-20:00"]);
    assert_eq!((windows(&made), &made["paused"]), (2, &false.into()));
    place.json(["schedule", "pause", "home"]);
    let again = set(&["--jitter", "5m"]);
    assert_eq!((windows(&again), &again["paused"]), (2, &true.into()), "{again}");
    assert_eq!(windows(&set(&["--blackout", "12:00-13:00"])), 1);
    assert_eq!(windows(&set(&["--no-blackout"])), 0);
    let ran = place.json(["schedule", "run", "--once"]);
    assert_eq!(ran["operations"], serde_json::json!([]), "it is still paused");
    for wrong in ["22-06", "22:00", "noon 08:00-20:00", "25:00-26:00"] {
        let source = source.to_str().unwrap();
        let words = ["schedule", "set", "home", source, "--every", "12h", "--blackout", wrong];
        place.run(words).assert_refused(2, &["is not a window"]);
    }
}

#[test]
fn a_single_look_says_its_alarms_and_ends_badly_where_a_schedule_cannot_be_read() {
    let place = with_files();
    let source = place.source();
    let source = source.to_str().unwrap();
    place.json(["backup", source]);
    let words = ["schedule", "set", "home", source, "--cron", "0 0 1 1 *", "--alarm-after", "1s"];
    place.json(words);
    std::thread::sleep(Duration::from_millis(1100));
    let look = || place.run(["schedule", "run", "--once"]);
    let run = look();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("ALARM no good backup is younger than 1"), "{run:?}");
    place.on_catalog(async |connection| {
        sqlx::query("UPDATE schedules SET record = '{'").execute(&mut *connection).await.unwrap();
    });
    let run = look();
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("cannot be read"), "{run:?}");
}

#[test]
fn a_schedule_that_is_set_while_schedules_run_is_kept() {
    let place = with_files();
    let child = place.start(["schedule", "run"]);
    assert!(eventually(Duration::from_secs(30), || place.data().join("catalog.sqlite").exists()));
    // Until what it began with is read.
    std::thread::sleep(Duration::from_secs(2));
    let source = place.source();
    place.json(["schedule", "set", "home", source.to_str().unwrap(), "--every", "12h"]);
    let made = || place.json(["list"])["backups"].as_array().unwrap().len();
    let ended = eventually(Duration::from_secs(90), || {
        let all = place.json(["operations", "--all"]);
        all["operations"].as_array().unwrap().iter().any(|one| !one["finished_at"].is_null())
    });
    let operations = place.json(["operations", "--all"]);
    send(&child, Signal::TERM);
    child.wait_with_output().unwrap();
    assert!(ended && made() == 1, "{operations:#}");
}

#[test]
fn a_single_look_finishes_what_a_killed_backup_of_a_directory_began() {
    use stillpoint_testkit::s3::Server;

    let server = Server::start().unwrap();
    let mut place = with_files();
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("slow"));
    server.set_latency(Duration::from_millis(400));
    let source = place.source();
    let mut child = place.start(["backup", source.to_str().unwrap()]);
    let id = place.operation_under_way();
    child.kill().unwrap();
    child.wait().unwrap();
    server.set_latency(Duration::ZERO);
    let ran = place.json(["schedule", "run", "--once"]);
    assert_eq!(
        (&ran["operations"][0]["id"], &ran["operations"][0]["state"]),
        (&id.into(), &"completed".into())
    );
}
