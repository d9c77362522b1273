//! Every command on its happy path, on a local store, with the JSON shapes that the contract names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::common::{Place, assert_keys, keys};
use serde_json::Value;
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::tree::Edits;

fn os<'a>(words: &[&'a str], path: &'a std::path::Path) -> Vec<&'a OsStr> {
    let mut line: Vec<&OsStr> = words.iter().map(|word| OsStr::new(*word)).collect();
    line.push(path.as_os_str());
    line
}

#[test]
fn a_backup_is_restored_equal_and_both_documents_have_their_keys() {
    let place = Place::with_tree(1);
    let backup = place.json(os(&["backup", "--name", "nightly", "--retain", "90d"], &place.source()));
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
    let restore = place.json(os(&["restore", "latest", "--privileged", "--into"], &target));
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
fn stock_restic_reads_the_store_with_the_key_file() {
    let Some(restic) = stillpoint_testkit::oracle::restic() else { return };
    let place = Place::with_tree(13);
    let id = place.back_up();
    let key = fs::read_to_string(place.data().join("key")).unwrap();
    let repository = restic.repository(place.store().to_str().unwrap(), key.trim());
    repository.check_read_data();
    let snapshot = place.json(["show", &id])["components"][0]["snapshot_id"].as_str().unwrap().to_owned();
    assert!(repository.run(&["snapshots", "--json"]).contains(&snapshot));
}

#[test]
fn a_backup_to_which_restic_gave_another_name_is_still_that_backup() {
    let Some(restic) = stillpoint_testkit::oracle::restic() else { return };
    let place = Place::with_tree(18);
    let (first, second) = (place.back_up(), place.back_up());
    let key = fs::read_to_string(place.data().join("key")).unwrap();
    let repository = restic.repository(place.store().to_str().unwrap(), key.trim());
    repository.run(&["tag", "--add", "keep"]);
    repository.run(&["tag", "--add", "twice"]);
    let snapshot = place.json(["show", &first])["components"][0]["snapshot_id"].as_str().unwrap().to_owned();
    let listed = repository.run(&["snapshots", "--json"]);
    assert!(listed.contains(&format!("\"original\":\"{snapshot}\"")), "{listed}");

    assert_eq!(place.json(["check"])["problems"], Value::Array(Vec::new()));
    place.json(["prune"]);
    place.json(["diff", &first, &second]);
    place.json(["verify", &first]);
    let target = place.path("restored");
    place.json(os(&["restore", &first, "--privileged", "--into"], &target));
    assert_same(&place.source(), &target);
    assert_eq!(place.json(os(&["backup"], &place.source()))["state"], "completed");
    place.json(["delete", &first]);
    let left = repository.run(&["snapshots", "--json"]);
    assert!(!left.contains(&snapshot) && left.matches("\"original\"").count() == 1, "{left}");
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
    let again = place.json(os(&["backup", "-vv"], &place.source()));
    assert_eq!(again["bytes"]["read"].as_u64(), Some(0));
    let logged = place.run(os(&["backup", "-vv"], &place.source()));
    assert!(!logged.stderr.contains(secret) && !logged.stdout.contains(key), "no secret is logged");
    assert_eq!(place.json(["check", "--read-data"])["depth"].as_str(), Some("decrypted"));
    let target = place.path("restored");
    place.json(os(&["restore", &id, "--privileged", "--into"], &target));
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
    let first = place.json(os(&["backup"], &place.source()));
    place.json(os(&["backup"], &place.source()));
    server.reset_requests();
    let again = place.json(os(&["backup"], &place.source()));
    let requests = server.requests();
    assert!(requests.total() <= 4 && requests.of("PUT") == 2, "{requests:?}");
    assert_eq!(again["files"]["unmodified"], first["files"]["new"]);
    assert_eq!(again["bytes"]["read"].as_u64(), Some(0));
    assert_eq!(place.json(["check", "--read-data"])["problems"].as_array().map(Vec::len), Some(0));

    server.reset_requests();
    let forgetful = place.json(os(&["--no-cache", "backup"], &place.source()));
    assert!(server.requests().total() > 4, "{:?}", server.requests());
    assert_eq!(forgetful["files"]["unmodified"], first["files"]["new"]);
}

#[test]
fn two_workspaces_share_a_store_at_the_same_time() {
    let place = Place::with_tree(15);
    place.back_up();
    let other = place.path("other");
    stillpoint_testkit::tree::TreeSpec::small(16).generate(&other).unwrap();
    let both = [place.start(os(&["backup"], &place.source())), place.start(os(&["backup"], &other))];
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
    let again = place.json(os(&["backup"], &place.source()));
    assert_eq!(again["files"]["new"].as_u64(), Some(0));
    assert_eq!(again["bytes"]["read"].as_u64(), Some(0));
    assert!(again["bytes"]["stored"].as_u64().unwrap() < 1 << 20);
}

#[test]
fn the_catalog_lists_shows_and_compares_backups() {
    let place = Place::with_tree(3);
    let first = place.back_up();
    Edits::few(3).apply(&place.source()).unwrap();
    let second = place.back_up();

    let list = place.json(["list"]);
    assert_eq!(keys(&list), ["backups"]);
    let backups = list["backups"].as_array().unwrap();
    assert_eq!(backups.len(), 2);
    assert_eq!(
        keys(&backups[0]),
        [
            "added_bytes",
            "consistency",
            "copy_of",
            "created_at",
            "creator",
            "downtime_ms",
            "environment",
            "expires_at",
            "held",
            "host",
            "id",
            "name",
            "parent_id",
            "restored_from",
            "size_bytes",
            "software_version",
            "state",
            "workspace",
        ]
    );
    assert_eq!(
        (backups[0]["id"].as_str(), backups[0]["parent_id"].as_str()),
        (Some(&*second), Some(&*first))
    );
    assert_eq!(place.json(["list", "--limit", "1"])["backups"].as_array().unwrap().len(), 1);
    assert_eq!(place.json(["list", "--workspace", "other"])["backups"].as_array().unwrap().len(), 0);

    let show = place.json(["show", &second[..12]]);
    assert_eq!(show["id"].as_str(), Some(&*second));
    assert_keys(&show, &["components", "consistency", "definition", "operation_id", "issues"]);
    let time = show["created_at"].as_str().unwrap();
    assert_eq!(place.json(["show", time])["id"], show["id"], "a timestamp names the only backup that has it");
    let named = format!("{}@latest", show["workspace"].as_str().unwrap());
    assert_eq!(place.json(["show", &named])["id"], show["id"]);

    let diff = place.json(["diff", &first, &second]);
    assert!(diff["counts"]["added"].as_u64().unwrap() >= 3, "{diff}");
    assert!(diff["counts"]["removed"].as_u64().unwrap() >= 2, "{diff}");
    assert_keys(&diff["changes"][0], &["component", "path", "change"]);
    assert!(place.run(["list"]).stdout.contains(&second));
    assert!(place.run(["show", "latest"]).stdout.contains("completed"));
}

#[test]
fn files_of_a_backup_are_listed_and_restored_one_by_one() {
    let place = Place::new();
    fs::create_dir_all(place.source().join("src/deep")).unwrap();
    fs::write(place.source().join("src/deep/main.py"), "print()").unwrap();
    fs::write(place.source().join("notes"), "n").unwrap();
    place.back_up();
    let files = place.json(["files", "latest", "src"]);
    assert_eq!(keys(&files), ["backup_id", "entries", "path"]);
    let entries = files["entries"].as_array().unwrap();
    let paths: Vec<_> = entries.iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"src/deep/main.py") && !paths.contains(&"notes"), "{paths:?}");
    assert_keys(
        &entries[0],
        &["component", "path", "kind", "size_bytes", "mode", "modified_at", "link_target"],
    );
    assert!(place.run(["files", "latest"]).stdout.contains("-rw-"));

    let target = place.path("one");
    place.json(os(&["restore", "latest", "--include", "src/deep/main.py", "--into"], &target));
    assert_eq!(fs::read_to_string(target.join("src/deep/main.py")).unwrap(), "print()");
    assert!(!target.join("notes").exists());
}

#[test]
fn set_id_bits_are_left_out_and_said_unless_they_are_asked_for() {
    let place = Place::new();
    fs::create_dir(place.source()).unwrap();
    let tool = place.source().join("tool");
    fs::write(&tool, "#!/bin/sh").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o4755)).unwrap();
    place.back_up();
    let mode =
        |target: &std::path::Path| fs::metadata(target.join("tool")).unwrap().permissions().mode() & 0o7777;
    let (plain, full) = (place.path("plain"), place.path("full"));
    let restore = place.json(os(&["restore", "latest", "--into"], &plain));
    assert_eq!(mode(&plain), 0o755);
    assert!(restore["warnings"].to_string().contains("tool"), "{restore}");
    place.json(os(&["restore", "latest", "--privileged", "--into"], &full));
    assert_eq!(mode(&full), 0o4755);
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

    let side = place.json(os(&["restore", "latest", "--landing", "side", "--into"], &target));
    let beside = side["resources"][0].as_str().unwrap();
    assert_eq!(fs::read_to_string(std::path::Path::new(beside).join("a")).unwrap(), "from the backup");
    assert_eq!(fs::read_to_string(target.join("a")).unwrap(), "what stands there");
    place.json(os(&["restore", "latest", "--landing", "replace", "--into"], &target));
    assert_eq!(fs::read_to_string(target.join("a")).unwrap(), "from the backup");
}

#[test]
fn a_plan_changes_nothing() {
    let place = Place::with_tree(4);
    let plan = place.json(os(&["backup", "--dry-run"], &place.source()));
    assert_keys(&plan, &["workspace", "parent_id", "components"]);
    assert!(!place.store().exists() && !place.data().join("key").exists(), "neither store nor key is made");
    place.back_up();
    let target = place.path("restored");
    let plan = place.json(os(&["restore", "latest", "--dry-run", "--into"], &target));
    assert_keys(&plan, &["backup_id", "target", "state", "findings"]);
    assert!(!target.exists());
}

#[test]
fn the_key_is_made_once_privately_and_its_place_is_said_once() {
    let place = Place::with_tree(5);
    let first = place.run(os(&["backup"], &place.source()));
    assert_eq!(first.code, Some(0), "{first:?}");
    let key = place.data().join("key");
    assert!(first.stderr.contains(key.to_str().unwrap()) && first.stderr.contains("copy"), "{first:?}");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let second = place.run(os(&["backup"], &place.source()));
    assert!(!second.stderr.contains("key"), "{second:?}");
}

#[test]
fn a_deleted_backup_is_gone_from_catalog_and_store() {
    let place = Place::with_tree(6);
    let id = place.back_up();
    let deleted = place.json(["delete", &id]);
    assert_keys(&deleted, &["operation_id", "backup_id", "state", "warnings", "issues"]);
    assert_eq!(deleted["state"].as_str(), Some("completed"));
    assert_eq!(place.json(["list"])["backups"].as_array().unwrap().len(), 0);
    assert!(place.stored("snapshots").is_empty());
    let again = place.json(["delete", &id]);
    assert_eq!(again["operation_id"], deleted["operation_id"], "the same command twice is one deletion");
    assert_eq!(again["backup_id"], deleted["backup_id"]);
    let again = place.run(["delete", &id[..12]]);
    assert!(again.code == Some(0) && again.stdout.contains("was deleted"), "{again:?}");
    place.run(["delete", "never-there"]).assert_refused(1, &["never-there"]);
}

#[test]
fn check_and_verify_say_how_deep_they_looked() {
    let place = Place::with_tree(7);
    let id = place.back_up();
    let check = place.json(["check"]);
    assert_keys(&check, &["depth", "snapshots", "packs", "bytes_read", "problems"]);
    assert_eq!((check["depth"].as_str(), check["bytes_read"].as_u64()), (Some("sized"), Some(0)));
    let check = place.json(["check", "--read-data"]);
    assert_eq!((check["depth"].as_str(), check["snapshots"].as_u64()), (Some("decrypted"), Some(1)));
    assert!(check["bytes_read"].as_u64().unwrap() > 0);
    place.json(["check", "--read-data-subset", "50%"]);
    let verify = place.json(["verify", &id]);
    assert_keys(&verify, &["backup_id", "depth", "problems"]);
    assert_eq!(verify["depth"].as_str(), Some("decrypted"));
}

#[test]
fn a_lost_catalog_is_rebuilt_from_the_store() {
    let place = Place::with_tree(8);
    let id = place.back_up();
    for ending in ["", "-wal", "-shm"] {
        let path = place.data().join(format!("catalog.sqlite{ending}"));
        if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(place.json(["list"])["backups"].as_array().unwrap().len(), 0);
    let rebuilt = place.json(["rebuild"]);
    assert_eq!(rebuilt["added"], Value::from(vec![id.clone()]));
    let again = place.json(["rebuild"]);
    assert_eq!((again["same"].as_u64(), again["differing"].as_array().unwrap().len()), (Some(1), 0));
    let target = place.path("restored");
    place.json(os(&["restore", &id, "--privileged", "--into"], &target));
    assert_same(&place.source(), &target);
    // The workspace is known again, so its id alone is enough.
    let workspace = place.source().canonicalize().unwrap();
    let again = ["backup", "--workspace", workspace.to_str().unwrap(), "--exclude", "scratch"];
    let rules = || place.json(["show", &format!("{}@latest", again[2])])["definition"].clone();
    place.json(again);
    let first = rules();
    assert!(first.to_string().contains("scratch"), "{first:#}");
    place.json(again);
    assert_eq!(rules(), first, "what is remembered does not grow with each backup");
}

#[test]
fn operations_and_resume_have_nothing_to_do_when_all_have_ended() {
    let place = Place::with_tree(9);
    place.back_up();
    assert_eq!(place.json(["operations"])["operations"].as_array().unwrap().len(), 0);
    let all = place.json(["operations", "--all"]);
    assert_eq!(
        keys(&all["operations"][0]["progress"]),
        ["bytes_done", "bytes_total", "expected_end", "files_done", "last_advance"]
    );
    assert_keys(
        &all["operations"][0],
        &["id", "kind", "workspace", "state", "step", "started_at", "deadline", "holder", "progress"],
    );
    assert_eq!(place.json(["resume"])["operations"].as_array().unwrap().len(), 0);
    let id = all["operations"][0]["id"].as_str().unwrap();
    assert_eq!(place.json(["watch", &id[..8]])["operations"][0]["state"].as_str(), Some("completed"));
}

#[test]
fn users_and_spaces_name_workspaces_and_the_configuration_may_do_so() {
    let mut place = Place::with_tree(10);
    let backup = place.json(os(&["backup", "--user", "ada", "--space", "lab"], &place.source()));
    assert_eq!(backup["workspace"].as_str(), Some("ada/lab"));
    assert_eq!(place.json(["show", "ada/lab@latest"])["id"], backup["backup_id"]);
    let config = place.path("config.toml");
    let source = place.source();
    let text = format!(
        "user = \"bob\"\nspace = \"lab\"\n[[workspace]]\nid = \"notes\"\nprovider = \"directory\"\npath = {source:?}\n\
         [[workspace]]\nid = \"ml-prod\"\nprovider = \"aws\"\naccount = \"123456789012\"\n\
         region = \"us-west-2\"\ndiscover_tags = {{ team = \"ml\" }}\n\
         [[workspace]]\nid = \"later\"\nprovider = \"studio\"\n"
    );
    fs::write(&config, text).unwrap();
    place.flag("--config", config.to_str().unwrap());
    assert_eq!(place.json(os(&["backup"], &source))["workspace"].as_str(), Some("bob/lab"));
    assert_eq!(place.json(["backup", "--workspace", "notes"])["workspace"].as_str(), Some("notes"));
    place.run(["backup", "--workspace", "later"]).assert_refused(1, &["studio", "configured"]);
    place.run(["backup", "--workspace", "ml-prod"]).assert_refused(1, &["ml-prod", "vault"]);
    let excluding = place.run(["backup", "--workspace", "ml-prod", "--exclude", "*.tmp"]);
    excluding.assert_refused(1, &["ml-prod", "--exclude"]);
}

#[test]
fn what_is_excluded_is_left_out_and_said() {
    let place = Place::new();
    fs::create_dir_all(place.source().join("cache")).unwrap();
    for name in ["keep.txt", "drop.tmp", "cache/big", "also.bak"] {
        fs::write(place.source().join(name), name).unwrap();
    }
    let patterns = place.path("patterns");
    fs::write(&patterns, "/cache/\n*.bak\n").unwrap();
    let file = patterns.to_str().unwrap();
    let backup = place.json(os(&["backup", "--exclude", "*.tmp", "--exclude-file", file], &place.source()));
    assert_eq!(backup["state"].as_str(), Some("completed"), "{backup}");
    for (rule, bytes) in [("*.tmp", "8 bytes"), ("/cache/", "9 bytes"), ("*.bak", "8 bytes")] {
        let said = backup["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap());
        assert!(said.into_iter().any(|said| said.contains(rule) && said.contains(bytes)), "{rule}: {backup}");
    }
    let files = place.json(["files", "latest"]);
    let paths: Vec<_> =
        files["entries"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"keep.txt"), "{paths:?}");
    assert!(
        !paths.iter().any(|path| path.contains("drop") || path.contains("cache") || path.contains("bak"))
    );
}

#[test]
fn a_data_directory_inside_the_source_is_left_out() {
    let mut place = Place::new();
    fs::create_dir(place.source()).unwrap();
    fs::write(place.source().join("notes"), "n").unwrap();
    let data = place.source().join(".stillpoint data");
    place.flag("--data-dir", data.to_str().unwrap());
    for _ in 0..3 {
        let backup = place.json(os(&["backup"], &place.source()));
        assert_eq!(backup["state"].as_str(), Some("completed"), "{backup}");
    }
    let files = place.json(["files", "latest"]).to_string();
    assert!(
        files.contains("notes") && !files.contains("catalog.sqlite") && !files.contains("/key\""),
        "{files}"
    );
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
