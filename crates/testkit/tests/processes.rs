//! Measured and killed children.

use std::process::Command;
use std::time::Duration;

use stillpoint_testkit::process::{KillAt, kill_at, measure};

#[test]
fn memory_and_processor_time_of_a_child_are_seen() {
    let script = "x = bytearray(90 << 20)\nn = 0\nfor i in range(600000): n += i * i\nprint('done')";
    let seen = measure(Command::new("python3").args(["-c", script])).unwrap();
    assert!(seen.status.success());
    assert_eq!(seen.stdout, b"done\n");
    assert!(seen.peak_rss_bytes > 90 << 20, "{seen:?}");
    assert!(seen.peak_rss_bytes < 200 << 20, "{seen:?}");
    assert!(seen.user + seen.system > Duration::from_millis(10), "{seen:?}");
    assert!(seen.wall >= Duration::from_millis(10), "{seen:?}");
}

#[test]
fn a_child_is_killed_at_the_chosen_line() {
    let script = "echo one; echo two >&2; sleep 600; echo three";
    let ended = kill_at(Command::new("sh").args(["-c", script]), &KillAt::Line("two".to_owned())).unwrap();
    assert!(ended.killed, "{ended:?}");
    assert!(ended.lines.iter().any(|line| line == "two") && !ended.lines.iter().any(|line| line == "three"));
}

#[test]
fn a_child_that_ends_before_its_moment_is_not_killed() {
    let moment = KillAt::Delay(Duration::from_secs(60));
    let ended = kill_at(Command::new("sh").args(["-c", "echo out; exit 3"]), &moment).unwrap();
    assert!(!ended.killed);
    assert_eq!((ended.status.code(), ended.lines), (Some(3), vec!["out".to_owned()]));
}

#[test]
fn a_child_is_killed_after_the_chosen_time() {
    let moment = KillAt::Delay(Duration::from_millis(20));
    assert!(kill_at(Command::new("sleep").arg("600"), &moment).unwrap().killed);
}
