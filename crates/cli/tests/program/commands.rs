//! Backups and restores of one directory on their happy path, with the JSON shapes that the contract names.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::common::{Place, assert_keys, keys, line};
use stillpoint_testkit::compare::assert_same;

#[test]
fn a_backup_is_restored_equal_and_both_documents_have_their_keys() {
    let place = Place::with_tree(1);
    let backup = place.json(line(&["backup", "--name", "nightly", "--retain", "90d"], &place.source()));
    assert_keys(
        &backup,
        &[
            "operation_id",
            "backup_id",
            "workspace",
            "name",
            "state",
            "consistency",
            "started_at",
            "finished_at",
            "components",
            "files",
            "bytes",
            "warnings",
            "issues",
        ],
    );
    assert_eq!(keys(&backup["files"]), ["changed", "new", "skipped", "torn", "unmodified"]);
    assert_eq!(keys(&backup["bytes"]), ["added", "read", "scanned", "stored"]);
    assert_keys(
        &backup["components"][0],
        &[
            "id",
            "kind",
            "provider",
            "state",
            "snapshot_id",
            "captured_from",
            "captured_to",
            "excluded_reason",
        ],
    );
    assert_eq!((backup["state"].as_str(), backup["name"].as_str()), (Some("completed"), Some("nightly")));
    assert_eq!(
        backup["workspace"].as_str().unwrap(),
        place.source().canonicalize().unwrap().to_str().unwrap()
    );
    assert!(backup["files"]["new"].as_u64().unwrap() > 100);
    assert!(backup["bytes"]["stored"].as_u64().unwrap() > 0);
    assert!(backup["started_at"].as_str().unwrap().ends_with('Z'));

    let target = place.path("restored");
    let restore = place.json(line(&["restore", "latest", "--privileged", "--into"], &target));
    assert_keys(
        &restore,
        &[
            "operation_id",
            "backup_id",
            "target",
            "state",
            "files",
            "bytes",
            "software_version_at_backup",
            "software_version",
            "roles_not_applied",
            "warnings",
            "issues",
        ],
    );
    assert_eq!(keys(&restore["files"]), ["restored", "skipped", "unchanged"]);
    assert_eq!(keys(&restore["bytes"]), ["fetched", "written"]);
    assert_eq!(restore["backup_id"], backup["backup_id"]);
    assert_same(&place.source(), &target);
}

#[test]
fn an_s3_store_works_like_a_directory() {
    let server = stillpoint_testkit::s3::Server::start().unwrap();
    let mut place = Place::with_tree(14);
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("team/backups"));
    let id = place.back_up();
    let (key, secret) = server.keys();
    let again = place.json(line(&["backup", "-vv"], &place.source()));
    assert_eq!(again["bytes"]["read"].as_u64(), Some(0));
    let logged = place.run(line(&["backup", "-vv"], &place.source()));
    assert!(!logged.stderr.contains(secret) && !logged.stdout.contains(key), "no secret is logged");
    assert_eq!(place.json(["check", "--read-data"])["depth"].as_str(), Some("decrypted"));
    let target = place.path("restored");
    place.json(line(&["restore", &id, "--privileged", "--into"], &target));
    assert_same(&place.source(), &target);
    place.json(["delete", &id]);
}

#[test]
fn a_backup_without_changes_takes_four_requests_and_stores_two_small_objects() {
    let server = stillpoint_testkit::s3::Server::start().unwrap();
    let mut place = Place::with_tree(17);
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("team"));
    let first = place.json(line(&["backup"], &place.source()));
    place.json(line(&["backup"], &place.source()));
    server.reset_requests();
    let again = place.json(line(&["backup"], &place.source()));
    let requests = server.requests();
    assert!(requests.total() <= 4 && requests.of("PUT") == 2, "{requests:?}");
    assert_eq!(again["files"]["unmodified"], first["files"]["new"]);
    assert_eq!(again["bytes"]["read"].as_u64(), Some(0));
    assert_eq!(place.json(["check", "--read-data"])["problems"].as_array().map(Vec::len), Some(0));

    server.reset_requests();
    let forgetful = place.json(line(&["--no-cache", "backup"], &place.source()));
    assert!(server.requests().total() > 4, "{:?}", server.requests());
    assert_eq!(forgetful["files"]["unmodified"], first["files"]["new"]);
}

#[test]
fn two_workspaces_share_a_store_at_the_same_time() {
    let place = Place::with_tree(15);
    place.back_up();
    let other = place.path("other");
    stillpoint_testkit::tree::TreeSpec::small(16).generate(&other).unwrap();
    let both = [place.start(line(&["backup"], &place.source())), place.start(line(&["backup"], &other))];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(place.json(["list"])["backups"].as_array().unwrap().len(), 3);
    assert_eq!(place.json(["check", "--read-data"])["problems"].as_array().unwrap().len(), 0);
}

#[test]
fn an_unchanged_tree_is_neither_read_nor_stored_again() {
    let place = Place::with_tree(2);
    place.back_up();
    let again = place.json(line(&["backup"], &place.source()));
    assert_eq!(again["files"]["new"].as_u64(), Some(0));
    assert_eq!(again["bytes"]["read"].as_u64(), Some(0));
    assert!(again["bytes"]["stored"].as_u64().unwrap() < 1 << 20);
}

#[test]
fn landings_keep_add_or_bring_back() {
    let place = Place::new();
    fs::create_dir(place.source()).unwrap();
    fs::write(place.source().join("a"), "from the backup").unwrap();
    place.back_up();
    let target = place.path("target");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("a"), "what stands there").unwrap();
    fs::write(target.join("b"), "mine").unwrap();

    let side = place.json(line(&["restore", "latest", "--landing", "side", "--into"], &target));
    let beside = side["resources"][0].as_str().unwrap();
    assert_eq!(fs::read_to_string(std::path::Path::new(beside).join("a")).unwrap(), "from the backup");
    assert_eq!(fs::read_to_string(target.join("a")).unwrap(), "what stands there");
    place.json(line(&["restore", "latest", "--landing", "replace", "--into"], &target));
    assert_eq!(fs::read_to_string(target.join("a")).unwrap(), "from the backup");
}

#[test]
fn a_plan_changes_nothing() {
    let place = Place::with_tree(4);
    let plan = place.json(line(&["backup", "--dry-run"], &place.source()));
    assert_keys(&plan, &["workspace", "parent_id", "components"]);
    assert!(!place.store().exists() && !place.data().join("key").exists(), "neither store nor key is made");
    place.back_up();
    let target = place.path("restored");
    let plan = place.json(line(&["restore", "latest", "--dry-run", "--into"], &target));
    assert_keys(&plan, &["backup_id", "target", "state", "findings"]);
    assert!(!target.exists());
}

#[test]
fn the_key_is_made_once_privately_and_its_place_is_said_once() {
    let place = Place::with_tree(5);
    let first = place.run(line(&["backup"], &place.source()));
    assert_eq!(first.code, Some(0), "{first:?}");
    let key = place.data().join("key");
    assert!(first.stderr.contains(key.to_str().unwrap()) && first.stderr.contains("copy"), "{first:?}");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let second = place.run(line(&["backup"], &place.source()));
    assert!(!second.stderr.contains("key"), "{second:?}");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::with_tree(12);
    place.back_up();
    let mut child =
        place.command(["files", "latest"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn help_and_version_are_results_and_every_command_has_an_example() {
    let place = Place::new();
    let help = place.run(["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Exit codes"), "{help:?}");
    for command in ["backup", "restore", "list", "check", "operations", "resume", "cancel", "demo"] {
        let help = place.run([command, "--help"]);
        assert!(help.code == Some(0) && help.stdout.contains(&format!("stillpoint {command}")), "{help:?}");
    }
    assert!(place.run(["--version"]).stdout.starts_with("stillpoint "));
}
