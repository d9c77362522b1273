//! Restores into new workspaces, and what is left of those that fail.

use std::fs;

use serde_json::{Value, json};

use super::world::{World, component, scenario};

/// What was made beside what was there, with its tags.
fn made(region: &Value, kind: &str, first: &str) -> Value {
    let all = region[kind].as_object().unwrap().clone();
    let mut new = all.into_iter().filter(|(id, _)| id != first);
    let (id, mut found) = new.next().unwrap();
    found["id"] = json!(id);
    assert_eq!(new.next(), None, "one only");
    found
}

#[test]
fn a_restore_makes_a_new_workspace_and_its_hooks_know_what_was_made() {
    let mut scenario = scenario();
    // Whatever lies about untagged is collected while the restore still runs.
    scenario["garbage_collector"] = json!({ "after_seconds": 3, "every_seconds": 1, "keep_tag": "keep" });
    let Some(world) = World::of(&scenario) else { return };
    let backup = world.back_up();
    let plan = world.place.json(["restore", "latest", "--as", "ml-new", "--dry-run"]);
    assert_eq!(plan["state"], "planned", "{plan:#}");
    assert!(!world.called().contains(&"provision".to_owned()));

    let words = ["restore", "latest", "--as", "ml-new", "--environment", "stage"];
    world.place.run(words).assert_refused(1, &["nothing proves", "--skip-check target-environment"]);
    let restored = world.place.json([&words[..], &["--skip-check", "target-environment"]].concat());
    assert_eq!(
        (&restored["state"], &restored["target"]),
        (&json!("completed"), &json!("ml-new")),
        "{restored:#}"
    );
    assert_eq!(restored["roles_not_applied"][0]["role"], "MLAdmin");
    assert_eq!(restored["software_version"], "2.0.47");
    let said = restored["warnings"].to_string();
    assert!(said.contains("datasets is not in the backup"), "{said}");
    assert!(
        said.contains("the reroot hook moves them") && !said.contains("move them to the root with"),
        "{said}"
    );
    assert!(said.contains("environment stage"), "what was waived is recorded: {said}");
    let called = world.called();
    assert_eq!(called, ["quiesce", "resume", "provision", "reroot", "activate"]);

    let region = world.region();
    for (kind, first) in [("volumes", "vol-00000000000000001"), ("file_systems", "fs-00000000000000001")] {
        let new = made(&region, kind, first);
        assert_eq!(new["tags"]["keep"], "true", "{new:#}");
        let left = new["tags"]["stillpoint:left-to-do"].to_string();
        assert!(!left.contains("reroot"), "the hook moved its files: {new:#}");
        let resources = restored["resources"].to_string();
        assert!(resources.contains(new["id"].as_str().unwrap()), "{resources}");
    }
    let plan = world.plan("activate");
    assert_eq!((&plan["workspace"], &plan["target"]), (&json!("ml-prod"), &json!("ml-new")));
    assert_eq!(plan["backup_id"], backup["backup_id"]);
    assert_eq!(plan["environment"], "stage");
    assert_eq!(plan["resources"].as_array().unwrap().len(), 2, "{plan:#}");
    roles_are_for_a_person_to_grant(&world, &restored);
    world.fake.assert_no_violations();
}

/// The report names the command that shows them, before the new workspace was looked at and after.
fn roles_are_for_a_person_to_grant(world: &World, restored: &Value) {
    let id = restored["backup_id"].as_str().unwrap();
    let command = format!("stillpoint show {id} --roles --against ml-new");
    assert_eq!(restored["roles_reviewed_by"], json!(command));
    let words: Vec<_> = command.split(' ').skip(1).collect();
    let (ada, bob) =
        (json!({ "principal": "ada", "role": "MLAdmin" }), json!({ "principal": "bob", "role": "MLUser" }));
    let before = world.place.json(&words);
    assert_eq!((&before["to_grant"], &before["seen_at"]), (&json!([ada]), &json!(null)), "{before:#}");
    let new = |roles: &str| {
        let keys = format!(
            "[[workspace]]\nid = \"ml-new\"\nprovider = \"aws\"\naccount = \"111122223333\"\nregion = \"us-east-1\"\nroles = [{roles}]\n"
        );
        world.configure(&keys, &world.hooks());
    };
    new("{ principal = \"bob\", role = \"MLUser\" }");
    let beside = world.place.json(&words);
    assert_eq!((&beside["to_grant"], &beside["only_in_the_new_one"]), (&json!([ada]), &json!([bob])));
    let shown = world.place.run(&words);
    assert!(shown.stdout.contains("+ ada: MLAdmin") && shown.stdout.contains("- bob: MLUser"), "{shown:?}");
    new("{ principal = \"ada\", role = \"MLAdmin\" }");
    let granted = world.place.json(&words);
    assert_eq!((&granted["to_grant"], &granted["already_there"]), (&json!([]), &json!([ada])));
    world.place.run(["show", id, "--against", "ml-new"]).assert_refused(2, &["required arguments"]);
}

#[test]
fn a_target_elsewhere_and_a_target_that_was_backed_up_are_refused_by_name() {
    let Some(world) = World::new() else { return };
    world.back_up();
    let target = |key: &str, account: &str, region: &str| {
        let other = format!(
            "[[workspace]]\nid = \"ml-{key}\"\nprovider = \"aws\"\naccount = \"{account}\"\nregion = \"{region}\"\n"
        );
        world.configure(&other, &world.hooks());
        world.place.run(["restore", "latest", "--as", &format!("ml-{key}")])
    };
    target("far", "111122223333", "eu-west-1")
        .assert_refused(1, &["ml-far", "region", "eu-west-1", "us-east-1"]);
    target("theirs", "444455556666", "us-east-1")
        .assert_refused(1, &["ml-theirs", "account", "444455556666"]);
    world.place.run(["restore", "latest", "--as", "ml-prod"]).assert_refused(1, &["ml-prod", "new"]);
    let into = world.place.path("into");
    let into = into.to_str().unwrap();
    world.place.run(["restore", "latest", "--into", into]).assert_refused(1, &["db", "--as"]);
    assert!(!world.called().contains(&"provision".to_owned()));
    assert_eq!(world.calls("CreateVolume") + world.calls("StartRestoreJob"), 0);
    world.fake.assert_no_violations();
}

#[test]
fn what_a_failed_restore_made_is_removed_again() {
    let Some(world) = World::new() else { return };
    world.back_up();
    let hooks =
        world.hooks().replacen("activate = '''", "activate = '''echo the cluster is full >&2; exit 7; ", 1);
    world.configure("", &hooks);
    let run = world.place.run(["restore", "latest", "--as", "ml-new"]);
    run.assert_refused(1, &["activate", "exit code 7", "the cluster is full"]);
    assert_eq!(world.called().last().map(String::as_str), Some("discard"), "{:?}", world.called());
    let region = world.region();
    for (kind, first) in [("volumes", "vol-00000000000000001"), ("file_systems", "fs-00000000000000001")] {
        let left = region[kind].as_object().unwrap().iter().filter(|(id, _)| *id != first);
        let standing: Vec<_> =
            left.filter(|(_, item)| !item["state"].to_string().contains("delet")).collect();
        assert!(standing.is_empty(), "{standing:?}");
    }
    world.fake.assert_no_violations();
}

#[test]
fn a_workspace_that_the_configuration_has_forgotten_is_still_restored_and_deleted() {
    let Some(world) = World::new() else { return };
    let backup = world.back_up();
    fs::write(world.place.path("stillpoint.toml"), "").unwrap();
    let restored = world.place.json(["restore", "latest", "--as", "ml-new"]);
    assert_eq!(restored["state"], "completed", "{restored:#}");
    assert!(component(&backup, "db")["snapshot_id"].is_string());
    world.place.json(["delete", backup["backup_id"].as_str().unwrap()]);
    assert_eq!(world.place.json(["list"])["backups"], json!([]));
    world.fake.assert_no_violations();
}

#[test]
fn a_provision_hook_that_answers_the_source_restores_nothing_into_it() {
    let Some(world) = World::new() else { return };
    world.back_up();
    let hooks = world.hooks().replace("\"%s\"}' \"$STILLPOINT_TARGET_WORKSPACE_ID\"", "\"ml-prod\"}'");
    world.configure("", &hooks);
    let run = world.place.run(["restore", "latest", "--as", "ml-new"]);
    run.assert_refused(1, &["ml-prod", "ml-new", "the workspace that it made"]);
    let hooks = world.called();
    assert!(!hooks.iter().any(|line| line.contains("activate")), "{hooks:?}");
    assert!(hooks.iter().any(|line| line.contains("discard")), "{hooks:?}");
    assert_eq!(world.calls("CreateVolume"), 0);
    world.fake.assert_no_violations();
}
