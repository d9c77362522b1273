//! What stands against a backup or a deletion is found, named, and left alone.

use serde_json::json;

use super::world::{FILE_SYSTEM, World, scenario};

#[track_caller]
fn blocked(world: &World, words: &[&str]) {
    let run = world.place.run(["backup", "--workspace", "ml-prod"]);
    run.assert_refused(1, words);
    let preflight = world.place.json_ending(1, ["preflight", "--workspace", "ml-prod"]);
    assert_eq!(preflight["blocked"], true);
    let blockers: Vec<_> =
        preflight["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "blocker").collect();
    let text = serde_json::to_string(&blockers).unwrap();
    assert!(words.iter().all(|word| text.contains(word)), "{preflight:#}");
    assert_eq!(world.called(), Vec::<String>::new(), "nothing was held still");
    assert_eq!(world.calls("StartBackupJob"), 0);
    world.fake.assert_no_violations();
}

#[test]
fn a_resource_type_that_is_opted_out_is_found_before_anything_is_stopped() {
    let mut scenario = scenario();
    scenario["accounts"]["111122223333"]["regions"]["us-east-1"]["opt_in"] =
        json!({ "EBS": true, "EFS": false });
    let Some(world) = World::of(&scenario) else { return };
    blocked(&world, &["EFS"]);
}

#[test]
fn somebody_elses_job_is_left_alone_and_makes_the_resource_busy() {
    let mut scenario = scenario();
    scenario["rules"]["backup.efs_seconds"] = json!(36_000);
    scenario["foreign_jobs"] = json!([{ "resource": FILE_SYSTEM }]);
    let Some(world) = World::of(&scenario) else { return };
    let preflight = world.place.run(["preflight", "--workspace", "ml-prod"]);
    assert!(preflight.stdout.contains("busy"), "{preflight:?}");
    assert_eq!(world.calls("StopBackupJob"), 0);
    world.fake.assert_no_violations();
}

#[test]
fn a_vault_that_is_not_there_is_named() {
    let mut scenario = scenario();
    scenario["accounts"]["111122223333"]["regions"]["us-east-1"]["vaults"] = json!({ "another": {} });
    let Some(world) = World::of(&scenario) else { return };
    blocked(&world, &["Default"]);
}

#[test]
fn a_locked_vault_keeps_what_is_to_be_deleted_and_says_why() {
    let mut scenario = scenario();
    scenario["accounts"]["111122223333"]["regions"]["us-east-1"]["vaults"] =
        json!({ "Default": { "locked": true, "min_retention": 7, "max_retention": 365 } });
    let Some(world) = World::of(&scenario) else { return };
    let backup = world.place.json(["backup", "--workspace", "ml-prod", "--retain", "30d"]);
    assert_eq!(backup["state"], "completed", "{backup:#}");
    let run = world.place.run(["delete", backup["backup_id"].as_str().unwrap()]);
    run.assert_refused(1, &["lock"]);
    assert_eq!(world.place.json(["list"])["backups"].as_array().unwrap().len(), 1);
    world.fake.assert_no_violations();
}

#[test]
fn credentials_that_are_refused_are_told_without_their_secret() {
    let Some(mut world) = World::new() else { return };
    world.place.env("AWS_SECRET_ACCESS_KEY", "canary-of-a-secret");
    let run = world.place.run(["backup", "--workspace", "ml-prod"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(!format!("{run:?}").contains("canary-of-a-secret"), "{run:?}");
    assert_eq!(world.called(), Vec::<String>::new());
}
