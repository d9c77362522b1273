//! Backups from preflight to deletion, and what a catalog that is lost gets back.

use std::fs;

use serde_json::{Value, json};

use super::world::{ACCOUNT, FILE_SYSTEM, VOLUME, World, component, scenario};
use crate::common::{Place, assert_keys};

#[test]
fn the_whole_story_of_a_workspace_with_no_more_rights_than_its_policy() {
    let mut without_vault = scenario();
    without_vault["accounts"][ACCOUNT]["regions"]["us-east-1"]["vaults"] = json!({});
    let Some(world) = World::of(&without_vault) else { return };
    let path = world.place.path("stillpoint.toml");
    let text = fs::read_to_string(&path).unwrap();
    let made = "vault = \"Default\"\ncreate_vault = true\nvault_tags = { owner = \"ml\" }";
    fs::write(&path, text.replacen("vault = \"Default\"", made, 1)).unwrap();
    let policy = world.place.json(["policy", "--workspace", "ml-prod"]);
    let text = policy["caller"].to_string();
    assert!(text.contains("backup:StartBackupJob") && !text.contains("backup:*"), "{policy:#}");
    world.fake.post("set", &json!({ "key": "test", "set": { "policies": [policy["caller"]] } }));

    let preflight = world.place.json(["preflight", "--workspace", "ml-prod"]);
    assert_eq!(preflight["blocked"], false, "{preflight:#}");
    let excluded = finding(&preflight, "excluded");
    assert_eq!((&excluded["component"], &excluded["severity"]), (&json!("datasets"), &json!("info")));

    let first = world.back_up();
    assert_eq!(
        (&first["state"], &first["consistency"]),
        (&json!("completed"), &json!("application")),
        "{first:#}"
    );
    assert_eq!(finding(&preflight, "vault-exists")["severity"], "info", "the backup made it: {preflight:#}");
    assert_eq!(world.region()["vaults"]["Default"]["tags"], json!({ "owner": "ml" }));
    assert_eq!(world.called(), ["quiesce", "resume"]);
    assert!(!world.is_stopped());
    for (id, resource) in [("db", VOLUME), ("projects", FILE_SYSTEM)] {
        let item = component(&first, id);
        assert_eq!((&item["state"], &item["resource"]), (&json!("completed"), &json!(resource)), "{first:#}");
        assert_eq!(item["provider"], "aws");
        assert_keys(item, &["snapshot_id", "captured_from", "captured_to", "verified"]);
        let point = item["snapshot_id"].as_str().unwrap().split_once('/').unwrap().1;
        let tags = &world.region()["vaults"]["Default"]["points"][point]["tags"];
        assert_eq!(tags["keep"], "true", "{point} carries what protects it: {tags:#}");
    }
    let left_out = component(&first, "datasets");
    assert_eq!(left_out["state"], "excluded");
    assert!(left_out["excluded_reason"].as_str().unwrap().contains("nfs.example.com:/export"));

    world.fake.post("write", &json!({ "volume": "vol-00000000000000001", "blocks": [1, 2] }));
    let second = world.back_up();
    assert_eq!(second["state"], "completed", "{second:#}");
    let list = world.place.json(["list", "--workspace", "ml-prod"]);
    let backups = list["backups"].as_array().unwrap();
    assert_eq!((&backups[0]["id"], &backups[0]["parent_id"]), (&second["backup_id"], &first["backup_id"]));
    assert_eq!(backups[0]["software_version"], "2.0.47");
    let show = world.place.json(["show", "ml-prod@latest"]);
    assert_eq!(show["definition"]["settings"]["vault"], "Default");
    assert_eq!(show["definition"]["roles"][0]["principal"], "ada");
    assert!(show["downtime_ms"].as_u64().unwrap() > 0);
    world.place.json(["verify", "latest"]);

    let gone = first["backup_id"].as_str().unwrap();
    world.place.json(["delete", gone]);
    let list = world.place.json(["list"]);
    assert_eq!(list["backups"].as_array().unwrap().len(), 1, "{list:#}");
    let snapshot = component(&first, "db")["snapshot_id"].as_str().unwrap();
    let snapshot = snapshot.rsplit('/').next().unwrap();
    assert!(!world.region()["snapshots"].to_string().contains(snapshot), "{snapshot} is gone");
    let forgotten = world.place.json(["forget", "--keep-last", "1", "--workspace", "ml-prod"]);
    assert_eq!(forgotten["remove"], json!([]));

    // Nothing here needed a repository, and no key was made for one.
    assert!(!world.place.data().join("key").exists() && !world.place.store().exists());
    world.fake.assert_no_violations();
}

#[track_caller]
fn finding<'a>(preflight: &'a Value, check: &str) -> &'a Value {
    let findings = preflight["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|finding| finding["check"] == check)
        .unwrap_or_else(|| panic!("{check}: {preflight:#}"))
}

#[test]
fn without_hooks_nothing_is_stopped_and_no_more_is_claimed_than_each_capture_gives() {
    let Some(world) = World::new() else { return };
    world.configure("", "");
    let preflight = world.place.json(["preflight", "--workspace", "ml-prod"]);
    assert_eq!(finding(&preflight, "quiesce-hook")["severity"], "info");
    let backup = world.back_up();
    assert_eq!(
        (&backup["state"], &backup["consistency"]),
        (&json!("completed"), &json!("fuzzy")),
        "{backup:#}"
    );
    assert_eq!(world.called(), Vec::<String>::new());
    world.fake.assert_no_violations();
}

#[test]
fn a_plan_changes_nothing() {
    let Some(world) = World::new() else { return };
    let plan = world.place.json(["backup", "--workspace", "ml-prod", "--dry-run"]);
    assert_eq!(plan["components"].as_array().unwrap().len(), 3, "{plan:#}");
    assert_eq!(world.called(), Vec::<String>::new());
    assert_eq!(world.calls("StartBackupJob"), 0);
    assert_eq!(world.place.json(["operations", "--all"])["operations"], json!([]));
    world.fake.assert_no_violations();
}

#[test]
fn calls_keep_to_the_limits_of_the_configuration() {
    let Some(world) = World::new() else { return };
    world.configure("[limits]\ncalls_per_second = 1\n", &world.hooks());
    world.place.json(["backup", "--workspace", "ml-prod", "--dry-run"]);
    // One for each of the two components, which are asked about at once where nothing says otherwise.
    let journal = world.fake.get("journal");
    let asked =
        journal.as_array().unwrap().iter().filter(|call| call["operation"] == "DescribeRegionSettings");
    let at: Vec<f64> = asked.map(|call| call["time"].as_f64().unwrap()).collect();
    assert!(at.len() == 2 && at[1] - at[0] > 0.9, "{at:?}");
    world.fake.assert_no_violations();
}

#[test]
fn a_quiesce_hook_that_fails_lets_go_and_says_why() {
    let Some(world) = World::new() else { return };
    let hooks =
        world.hooks().replacen("quiesce = '''", "quiesce = '''echo no such deployment >&2; exit 3; ", 1);
    world.configure("", &hooks);
    let run = world.place.run(["backup", "--workspace", "ml-prod"]);
    run.assert_refused(1, &["quiesce", "exit code 3", "no such deployment"]);
    assert_eq!(world.called(), ["resume"]);
    assert_eq!(world.calls("StartBackupJob"), 0);
    world.fake.assert_no_violations();
}

#[test]
fn a_quiesce_hook_that_asks_to_be_called_later_is_called_again_with_the_services_running() {
    let Some(world) = World::new() else { return };
    let asked = world.place.path("asked");
    let later = format!("if [ ! -e {0} ]; then touch {0}; echo not now >&2; exit 75; fi; ", asked.display());
    world.configure("", &world.hooks().replacen("touch ", &format!("{later}touch "), 1));
    let backup = world.back_up();
    assert_eq!(backup["state"], "completed", "{backup:#}");
    let hooks = world.called();
    let names: Vec<_> = hooks.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["quiesce", "resume", "quiesce", "resume"], "what was stopped in part ran meanwhile");
    world.fake.assert_no_violations();
}

#[test]
fn services_that_do_not_start_again_are_told_by_every_command_until_they_are_resumed() {
    let Some(world) = World::new() else { return };
    let broken = world.place.path("broken");
    fs::write(&broken, "").unwrap();
    let fails = format!("if [ -e {} ]; then echo no such node >&2; exit 1; fi; ", broken.display());
    world.configure("", &world.hooks().replacen("rm -f ", &format!("{fails}rm -f "), 1));
    let run = world.place.run(["backup", "--workspace", "ml-prod"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.stdout.contains("stillpoint resume") && run.stdout.contains("no such node"), "{run:?}");
    assert!(world.is_stopped());
    for words in [vec!["operations"], vec!["list"], vec!["preflight", "--workspace", "ml-prod"]] {
        let told = world.place.run(words.clone());
        let text = format!("{}{}", told.stdout, told.stderr);
        assert!(text.contains("held still since") && text.contains("stillpoint resume"), "{words:?}: {text}");
    }
    assert_eq!(world.place.json(["operations"])["held"][0]["workspace"], "ml-prod");
    fs::remove_file(&broken).unwrap();
    world.place.run(["resume"]);
    assert!(!world.is_stopped());
    assert_eq!(world.place.json(["operations"])["held"], json!([]));
}

#[test]
fn components_are_found_by_their_tags() {
    let Some(world) = World::new() else { return };
    let text = fs::read_to_string(world.place.path("stillpoint.toml")).unwrap();
    let text = text.replace(&format!("  {{ id = \"db\", kind = \"ebs\", resource = \"{VOLUME}\" }},\n"), "");
    let text = text.replace(
        "[workspace.hooks]",
        "discover_tags = { \"ml-workspace\" = \"ml-prod\" }\n[workspace.hooks]",
    );
    fs::write(world.place.path("stillpoint.toml"), text).unwrap();
    let backup = world.back_up();
    let found = component(&backup, "vol-00000000000000001");
    assert_eq!((&found["resource"], &found["state"]), (&json!(VOLUME), &json!("completed")), "{backup:#}");
    world.fake.assert_no_violations();
}

#[test]
fn external_files_that_this_host_sees_are_protected_beside_the_clouds_own() {
    let Some(world) = World::new() else { return };
    let files = world.place.path("datasets");
    fs::create_dir_all(files.join("deep")).unwrap();
    fs::write(files.join("deep/file"), "precious").unwrap();
    let text = fs::read_to_string(world.place.path("stillpoint.toml")).unwrap();
    let mounted = format!("nfs.example.com:/export\", mount = \"{}\"", files.display());
    let text = text.replace("nfs.example.com:/export\"", &mounted);
    let target = world.place.path("restored");
    let target = format!(
        "{text}\n[[workspace]]\nid = \"ml-new\"\nprovider = \"aws\"\naccount = \"111122223333\"\nregion = \"us-east-1\"\n\
         components = [{{ id = \"datasets\", kind = \"nfs\", mount = \"{}\" }}]\n",
        target.display()
    );
    fs::write(world.place.path("stillpoint.toml"), target).unwrap();
    let backup = world.back_up();
    assert_eq!(backup["state"], "completed", "{backup:#}");
    let item = component(&backup, "datasets");
    assert_eq!((&item["provider"], &item["kind"]), (&json!("s3sync"), &json!("nfs")));
    assert_eq!(backup["files"]["new"], 1);

    // The store holds the files alone; what the cloud holds of the backup is nothing that it lacks.
    world.place.json(["check"]);
    world.place.json(["prune", "--grace", "0s"]);

    let restored = world.place.json(["restore", "latest", "--as", "ml-new"]);
    assert_eq!(restored["state"], "completed", "{restored:#}");
    assert_eq!(fs::read_to_string(world.place.path("restored/deep/file")).unwrap(), "precious");
    let names: Vec<_> =
        fs::read_dir(world.place.path("restored")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["deep"], "no mark of the restore is left");
    world.fake.assert_no_violations();
}

#[test]
fn a_catalog_that_is_lost_comes_back_from_the_tags() {
    let Some(world) = World::new() else { return };
    let backup = world.back_up();
    fs::remove_dir_all(world.place.data()).unwrap();
    let rebuilt = world.place.json(["rebuild"]);
    assert_eq!(rebuilt["added"], json!([backup["backup_id"]]), "{rebuilt:#}");
    let show = world.place.json(["show", backup["backup_id"].as_str().unwrap()]);
    assert_eq!(show["state"], "partial", "tags say less than a record: {show:#}");
    assert_eq!(
        (&component(&show, "db")["kind"], &component(&show, "db")["resource"]),
        (&json!("ebs"), &json!(VOLUME))
    );
    assert_eq!(show["definition"]["account"], "111122223333");
    let again = world.place.json(["rebuild"]);
    assert_eq!((&again["added"], &again["same"]), (&json!([]), &json!(1)));
    let id = backup["backup_id"].as_str().unwrap();
    let restored = world.place.json_ending(3, ["restore", id, "--as", "ml-again"]);
    assert_eq!(
        restored["resources"].as_array().unwrap().len(),
        2,
        "all of it, though nobody vouches for it: {restored:#}"
    );
    world.fake.assert_no_violations();
}

#[test]
fn who_has_directories_only_needs_nothing_of_a_cloud() {
    let Some(world) = World::new() else { return };
    let mut place = Place::with_tree(77);
    place.flag("--config", world.place.path("stillpoint.toml").to_str().unwrap());
    place.back_up();
    place.json(["list"]);
    place.json(["resume"]);
    assert_eq!(world.fake.get("journal"), json!([]));
}
