//! The same path on two machines that share a store: each is judged and restored by itself (decision 45).

use std::ffi::OsStr;
use std::fs;

use serde_json::Value;

use crate::common::{Place, Run};

/// Runs `line` of `place` on the machine `host`, with a data directory of its own; the store is the same.
fn on(place: &Place, host: &str, line: &[&str]) -> Run {
    Run::of(
        &place
            .command(line)
            .env("STILLPOINT_HOST", host)
            .env("STILLPOINT_DATA_DIR", place.path(host))
            .env("STILLPOINT_PASSWORD", "one for both")
            .output()
            .unwrap(),
    )
}

fn json(place: &Place, host: &str, line: &[&str]) -> Value {
    let run = on(place, host, &[line, &["--json"]].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    run.document()
}

fn listed(place: &Place, host: &str) -> Vec<String> {
    let document = json(place, host, &["list"]);
    let backups = document["backups"].as_array().unwrap();
    backups.iter().map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
}

/// Two backups of the one machine, then two of the other, of the same path in the same store; answers their ids, oldest
/// first. The first machine knows of all four.
fn two_machines() -> (Place, [String; 4]) {
    let mut place = Place::with_tree(61);
    place.flag("--store", place.path("shared").to_str().unwrap());
    let source = place.source().to_str().unwrap().to_owned();
    let made = ["m1", "m1", "m2", "m2"].map(|host| {
        fs::write(place.source().join("whose"), host).unwrap();
        json(&place, host, &["backup", &source])["backup_id"].as_str().unwrap().to_owned()
    });
    json(&place, "m1", &["rebuild"]);
    assert_eq!(listed(&place, "m1").len(), 4);
    (place, made)
}

#[test]
fn forgetting_on_one_machine_leaves_the_same_path_of_another_alone_and_says_so() {
    let (place, [oldest, older, newer, newest]) = two_machines();
    let run = on(&place, "m1", &["forget", "--keep-last", "1"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("2 backups of other hosts (m2) are left alone"), "{run:?}");
    assert_eq!(listed(&place, "m1"), [newest.clone(), newer, older.clone()], "{oldest} alone is gone");
    let all = json(&place, "m1", &["forget", "--keep-last", "1", "--all-hosts"]);
    assert_eq!(all["deleted"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(listed(&place, "m1"), [newest, older], "each keeps its last one");
}

#[test]
fn a_machine_with_another_name_is_told_that_its_older_backups_are_left_alone() {
    let (place, _made) = two_machines();
    let run = on(&place, "m1", &["forget", "--keep-last", "1", "--dry-run", "--host", "renamed"]);
    for part in ["4 backups of other hosts (m1, m2)", "renamed", "STILLPOINT_HOST"] {
        assert!(run.code == Some(0) && run.stderr.contains(part), "{run:?}");
    }
    assert!(!run.stdout.contains("would remove"), "{run:?}");
}

#[test]
fn the_latest_backup_is_this_machines_own_and_anothers_is_told_as_that() {
    let (place, [_, own, _, others]) = two_machines();
    let shown = on(&place, "m1", &["show", "latest", "--json"]);
    assert_eq!(shown.document()["id"], own.as_str());
    assert!(shown.stderr.contains(&others) && shown.stderr.contains("--host m2"), "{shown:?}");
    assert!(!on(&place, "m2", &["show", "latest"]).stderr.contains("newer"));
    let named = format!("{}@latest", place.source().display());
    assert_eq!(json(&place, "m1", &["show", &named])["id"], own.as_str());
    assert_eq!(json(&place, "m1", &["show", &others])["host"], "m2", "an id means what it names");

    let target = place.path("restored");
    let line = ["restore", "latest", "--host", "m3", "--into"].map(OsStr::new);
    let line: Vec<_> =
        line.into_iter().chain([target.as_os_str()]).map(|word| word.to_str().unwrap()).collect();
    let run = on(&place, "m1", &line);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("on the host m2") && run.stderr.contains("this host, m3"), "{run:?}");
    assert_eq!(fs::read_to_string(target.join("whose")).unwrap(), "m2");

    let list = on(&place, "m1", &["list"]).stdout;
    let told: Vec<_> = list.lines().map(|line| line.ends_with("  on m2")).collect();
    assert_eq!(told, [true, true, false, false], "{list}");
}
