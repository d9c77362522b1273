//! What the catalog and the store tell of backups, and what becomes of them there.

use std::fs;

use crate::common::{Place, assert_keys, keys, line};
use serde_json::Value;
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::tree::Edits;

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
    place.json(line(&["restore", "latest", "--include", "src/deep/main.py", "--into"], &target));
    assert_eq!(fs::read_to_string(target.join("src/deep/main.py")).unwrap(), "print()");
    assert!(!target.join("notes").exists());
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
    place.json(line(&["restore", &id, "--privileged", "--into"], &target));
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
    let backup = place.json(line(&["backup", "--user", "ada", "--space", "lab"], &place.source()));
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
    assert_eq!(place.json(line(&["backup"], &source))["workspace"].as_str(), Some("bob/lab"));
    assert_eq!(place.json(["backup", "--workspace", "notes"])["workspace"].as_str(), Some("notes"));
    place.run(["backup", "--workspace", "later"]).assert_refused(1, &["studio", "configured"]);
    place.run(["backup", "--workspace", "ml-prod"]).assert_refused(1, &["ml-prod", "vault"]);
    let excluding = place.run(["backup", "--workspace", "ml-prod", "--exclude", "*.tmp"]);
    excluding.assert_refused(1, &["ml-prod", "--exclude"]);
}
