//! `kill -9` at any moment of a backup or a restore, then the same command again: it finishes, nothing acknowledged
//! is lost, no operation leaves a second entry, and no half-written file stands under a final name.

#![expect(clippy::print_stdout, reason = "a long run tells how many kills it stands for")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::common::{Place, Run};
use stillpoint_core::{Entropy, SeededEntropy};
use stillpoint_testkit::compare::{Aspect, assert_same, compare};
use stillpoint_testkit::process::{Ended, KillAt, kill_at};
use stillpoint_testkit::tree::{Edits, TreeSpec};

/// Kills per test; the two tests together make more than a hundred.
const KILLS: u64 = 60;

/// The kills, or rounds, of one test: its own number, or for a long run that of `STILLPOINT_KILLS`.
fn at_least(own: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the length of a run is chosen from outside")]
    let chosen = std::env::var("STILLPOINT_KILLS");
    chosen.map_or(own, |kills| kills.parse().unwrap())
}

/// How the last line of a result begins.
const LAST_LINE: &str = "  took ";

/// Random moments of a run whose uninterrupted length was measured.
struct Moments {
    random: SeededEntropy,
    length_millis: u64,
}

impl Moments {
    fn next(&self) -> KillAt {
        let mut byte = [0; 4];
        self.random.fill(&mut byte);
        KillAt::Delay(Duration::from_millis(u64::from(u32::from_le_bytes(byte)) % self.length_millis.max(1)))
    }
}

fn length_of(run: impl FnOnce()) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a kill must fall inside the real length of a real run")]
    let start = std::time::Instant::now();
    run();
    u64::try_from(start.elapsed().as_millis()).unwrap()
}

/// Runs the command, killed at random moments, until one run ends by itself; answers that run and the kills.
fn until_done(place: &Place, line: &[&OsStr], moments: &Moments) -> (Run, u64) {
    let mut kills = 0;
    loop {
        // After a few kills in a row the command gets its time, so that each round ends.
        let moment = if kills % 5 == 4 { KillAt::Delay(Duration::from_secs(120)) } else { moments.next() };
        let ended = kill_at(&mut place.command(line.iter().copied()), &moment).unwrap();
        let code = if told_all(&ended) { Some(0) } else { ended.status.code() };
        if !ended.killed || told_all(&ended) {
            return (Run { code, stdout: String::new(), stderr: ended.lines.join("\n") }, kills);
        }
        kills += 1;
    }
}

/// Whether a run was killed only after it had told its whole result: the same command again is then a new request,
/// and a restore into a folder that is no longer empty is rightly refused.
fn told_all(ended: &Ended) -> bool {
    ended.killed && ended.lines.iter().any(|line| line.starts_with(LAST_LINE))
}

/// Rounds of a first backup, each in a fresh place with neither key nor catalog nor repository.
const FIRST_ROUNDS: u64 = 20;

fn backups(place: &Place) -> Vec<(String, String)> {
    let list = place.json(["list"]);
    let text = |backup: &serde_json::Value, key: &str| backup[key].as_str().unwrap().to_owned();
    list["backups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|backup| (text(backup, "id"), text(backup, "state")))
        .collect()
}

/// Every backup is a whole one with exactly one snapshot in the repository, and nothing else is there.
fn assert_one_snapshot_each(place: &Place) {
    let listed = backups(place);
    assert!(listed.iter().all(|(_, state)| state == "completed"), "{listed:?}");
    let snapshots: BTreeSet<String> = listed
        .iter()
        .map(|(id, _)| place.json(["show", id])["components"][0]["snapshot_id"].as_str().unwrap().to_owned())
        .collect();
    let stored: BTreeSet<String> = place
        .stored("snapshots")
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(snapshots.len(), listed.len(), "each backup has a snapshot of its own");
    assert_eq!(snapshots, stored, "the repository holds these snapshots and no other");
    assert_eq!(
        place.json(["operations"])["operations"].as_array().unwrap().len(),
        0,
        "nothing is left to do"
    );
}

#[test]
fn killed_backups_finish_and_leave_one_snapshot_each() {
    let place = Place::new();
    TreeSpec::sized(60, 200, 4_000_000).generate(&place.source()).unwrap();
    let source = place.source();
    let line = [OsStr::new("backup"), source.as_os_str()];
    let first = length_of(|| {
        place.back_up();
    });
    let moments = Moments { random: SeededEntropy::new(60), length_millis: first + first / 4 };
    let mut acknowledged: BTreeSet<String> = backups(&place).into_iter().map(|(id, _)| id).collect();
    let mut kills = 0;
    for round in 0.. {
        Edits::few(round).apply(&source).unwrap();
        let (run, killed) = until_done(&place, &line, &moments);
        assert_eq!(run.code, Some(0), "round {round}: {run:?}");
        if round % 3 == 0 {
            // A kill and a `resume` instead of the same command; whether the backup had begun is up to the moment.
            kill_at(&mut place.command(line), &moments.next()).unwrap();
            let resumed = place.run(["resume"]);
            assert_eq!(resumed.code, Some(0), "round {round}: {resumed:?}");
        }
        kills += killed;
        let now: BTreeSet<String> = backups(&place).into_iter().map(|(id, _)| id).collect();
        assert!(now.is_superset(&acknowledged), "round {round}: an acknowledged backup is gone");
        assert!(now.len() > acknowledged.len(), "round {round}: the finished backup is not listed");
        acknowledged = now;
        if kills >= at_least(KILLS) {
            break;
        }
    }
    println!("killed backups: {kills} kills, {} backups", acknowledged.len());
    assert_one_snapshot_each(&place);
    let check = place.json(["check", "--read-data"]);
    assert!(check["problems"].as_array().unwrap().is_empty(), "{check}");
    let target = place.path("restored");
    // The last edit came before the last backup, so the newest backup is the source as it stands.
    place.json([
        OsStr::new("restore"),
        OsStr::new("latest"),
        OsStr::new("--privileged"),
        OsStr::new("--into"),
        target.as_os_str(),
    ]);
    assert_same(&source, &target);
}

#[test]
fn a_first_backup_killed_at_any_moment_is_made_by_the_next_run() {
    let tree = Place::new();
    TreeSpec::sized(62, 60, 1_000_000).generate(&tree.source()).unwrap();
    let source = tree.source();
    let line = [OsStr::new("backup"), source.as_os_str()];
    let first = length_of(|| assert_eq!(Place::new().run(line).code, Some(0)));
    let moments = Moments { random: SeededEntropy::new(62), length_millis: first };
    let mut kills = 0;
    for round in 0..at_least(FIRST_ROUNDS) {
        let place = Place::new();
        let (run, killed) = until_done(&place, &line, &moments);
        assert_eq!(run.code, Some(0), "round {round}: {run:?}");
        kills += killed;
        assert_one_snapshot_each(&place);
        let target = place.path("restored");
        place.json([
            OsStr::new("restore"),
            OsStr::new("latest"),
            OsStr::new("--privileged"),
            OsStr::new("--into"),
            target.as_os_str(),
        ]);
        assert_same(&source, &target);
    }
    println!("killed first backups: {kills} kills");
}

/// Whatever a killed restore left under a final name is whole.
fn assert_no_half_file(source: &Path, target: &Path) {
    if !target.exists() {
        return;
    }
    let half = |aspect| matches!(aspect, Aspect::Content | Aspect::Size | Aspect::Kind);
    let differences = compare(source, target).unwrap();
    let wrong: Vec<_> = differences.iter().filter(|found| half(found.aspect)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn killed_restores_finish_equal_and_never_show_half_a_file() {
    let place = Place::new();
    TreeSpec::sized(61, 200, 4_000_000).generate(&place.source()).unwrap();
    let source = place.source();
    place.back_up();
    let target = place.path("restored");
    let words = ["restore", "latest", "--privileged", "--into"].map(OsStr::new);
    let line: Vec<&OsStr> = words.into_iter().chain([target.as_os_str()]).collect();
    let first = length_of(|| assert_eq!(place.run(&line).code, Some(0)));
    fs::remove_dir_all(&target).unwrap();
    let moments = Moments { random: SeededEntropy::new(61), length_millis: first + first / 4 };
    let mut kills = 0;
    while kills < at_least(KILLS) {
        let mut in_a_row = 0;
        loop {
            let moment = if in_a_row == 4 { KillAt::Delay(Duration::from_secs(120)) } else { moments.next() };
            let ended = kill_at(&mut place.command(&line), &moment).unwrap();
            if told_all(&ended) {
                break;
            }
            if !ended.killed {
                assert_eq!(ended.status.code(), Some(0), "{:?}", ended.lines);
                break;
            }
            (kills, in_a_row) = (kills + 1, in_a_row + 1);
            assert_no_half_file(&source, &target);
        }
        assert_same(&source, &target);
        let leftovers = |name: &OsStr| name.to_string_lossy().contains("stillpoint");
        let odd: Vec<_> = fs::read_dir(&target)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|n| leftovers(n))
            .collect();
        assert!(odd.is_empty(), "{odd:?}");
        fs::remove_dir_all(&target).unwrap();
    }
    println!("killed restores: {kills} kills");
    assert_one_snapshot_each(&place);
}

/// Kills of the mirrored layout's backups and restores.
const MIRROR_KILLS: u64 = 30;

#[test]
fn killed_mirrored_backups_and_restores_finish_and_leave_no_timestamp_that_is_not_whole() {
    let mut place = Place::new();
    TreeSpec::sized(65, 150, 2_000_000).generate(&place.source()).unwrap();
    let (source, store, target) = (place.source(), place.path("mirror"), place.path("restored"));
    place.env("STILLPOINT_LAYOUT", "mirror");
    place.env("STILLPOINT_STORE", store.to_str().unwrap());
    let space = ["--user", "ada", "--space", "lab"].map(OsStr::new);
    let backup: Vec<&OsStr> = [OsStr::new("backup"), source.as_os_str()].into_iter().chain(space).collect();
    let words = ["restore", "latest", "--privileged", "--into"].map(OsStr::new);
    let restore: Vec<&OsStr> = words.into_iter().chain([target.as_os_str()]).chain(space).collect();
    let length = length_of(|| assert_eq!(place.run(&backup).code, Some(0)));
    let moments = Moments { random: SeededEntropy::new(65), length_millis: length + length / 4 };
    let mut kills = 0;
    for round in 0.. {
        Edits::few(round).apply(&source).unwrap();
        let (run, killed) = until_done(&place, &backup, &moments);
        assert_eq!(run.code, Some(0), "round {round}: {run:?}");
        let (run, killed_restores) = until_done(&place, &restore, &moments);
        assert_eq!(run.code, Some(0), "round {round}: {run:?}");
        assert_same(&source, &target);
        fs::remove_dir_all(&target).unwrap();
        kills += killed + killed_restores;
        if kills >= at_least(MIRROR_KILLS) {
            break;
        }
    }
    println!("killed mirrored backups and restores: {kills} kills");
    let listed = backups(&place);
    assert!(listed.iter().all(|(_, state)| state == "completed"), "{listed:?}");
    let snapshots: BTreeSet<String> = listed
        .iter()
        .map(|(id, _)| place.json(["show", id])["components"][0]["snapshot_id"].as_str().unwrap().to_owned())
        .collect();
    let folders = fs::read_dir(store.join("ada/lab")).unwrap().map(|entry| entry.unwrap().file_name());
    let folders = folders.filter(|name| name != ".stillpoint");
    let stored: BTreeSet<String> =
        folders.map(|name| format!("ada/lab/{}", name.to_str().unwrap())).collect();
    assert_eq!(stored, snapshots, "every timestamp is a backup, and every backup a timestamp");
    for (id, _) in &listed {
        assert_eq!(place.json(["verify", id])["problems"].as_array().unwrap().len(), 0, "{id}");
    }
}
