//! Copies out of a backup's region and account, what is restored of them, schedules, and the catalog against the cloud.

use std::fs;

use serde_json::{Value, json};

use super::world::{ACCOUNT, World, component, scenario};

const OTHER: &str = "444455556666";
const THEIRS: &str = "arn:aws:backup:us-east-1:444455556666:backup-vault:theirs";

/// The quick account with another region, beside another account.
fn world() -> Option<World> {
    let mut scenario = scenario();
    for (rule, seconds) in [("copy.start_delay_seconds", 0), ("copy.seconds", 1)] {
        scenario["rules"][rule] = json!(seconds);
    }
    scenario["accounts"][ACCOUNT]["regions"]["eu-west-1"] = json!({ "vaults": { "far": {} } });
    let theirs = json!({ "us-east-1": { "vaults": { "theirs": {} } } });
    scenario["accounts"][OTHER] = json!({ "keys": { "other": { "secret": "test" } }, "regions": theirs });
    let mut world = World::of(&scenario)?;
    let profiles = world.place.path("profiles");
    fs::write(&profiles, "[theirs]\naws_access_key_id = other\naws_secret_access_key = test\n").unwrap();
    world.place.env("AWS_SHARED_CREDENTIALS_FILE", profiles.to_str().unwrap());
    Some(world)
}

/// A workspace of the configuration in the other region, and the other account.
fn elsewhere() -> String {
    format!(
        "[[workspace]]\nid = \"ml-far\"\nprovider = \"aws\"\naccount = \"{ACCOUNT}\"\nregion = \"eu-west-1\"\n\
         protect_tags = {{ keep = \"true\" }}\n\
         role_arn = \"arn:aws:iam::{ACCOUNT}:role/AWSBackupDefaultServiceRole\"\nvault = \"far\"\n\
         destination = {{ availability_zone = \"eu-west-1a\", subnets = [] }}\n\
         [[aws_account]]\naccount = \"{OTHER}\"\nprofile = \"theirs\"\n\
         vaults = [{{ region = \"us-east-1\", vault = \"theirs\" }}]\n"
    )
}

fn points(world: &World, place: &str, vault: &str) -> usize {
    let state = world.fake.get("state");
    state["regions"][place]["vaults"][vault]["points"].as_object().unwrap().len()
}

#[test]
fn a_backup_leaves_its_region_and_its_account_by_copies_that_restore_and_are_deleted_where_they_lie() {
    let Some(world) = world() else { return };
    world.configure(&elsewhere(), &world.hooks());
    let backup = world.back_up();
    let id = backup["backup_id"].as_str().unwrap();
    world.place.run(["restore", id, "--as", "ml-far"]).assert_refused(1, &["ml-far", "region", "copy"]);

    let copy = world.place.json(["copy", id, "--vault", "far", "--region", "eu-west-1", "--retain", "40d"]);
    assert_eq!((&copy["state"], &copy["copy_of"]), (&json!("completed"), &backup["backup_id"]), "{copy:#}");
    assert_eq!(component(&copy, "db")["state"], "completed", "{copy:#}");
    assert_eq!(points(&world, &format!("{ACCOUNT}/eu-west-1"), "far"), 2);
    let copied =
        world.fake.get("state")["regions"][format!("{ACCOUNT}/eu-west-1")]["vaults"]["far"]["points"].clone();
    let protected = |point: &Value| point["tags"]["keep"] == "true";
    assert!(copied.as_object().unwrap().values().all(protected), "{copied:#}");
    let far = copy["backup_id"].as_str().unwrap();
    let restored = world.place.json(["restore", far, "--as", "ml-far"]);
    assert_eq!(restored["state"], "completed", "{restored:#}");
    assert!(restored["resources"].to_string().contains(":eu-west-1:"), "{restored:#}");

    let theirs = world.place.json(["copy", id, "--vault", THEIRS]);
    assert_eq!(theirs["state"], "completed", "{theirs:#}");
    assert_eq!(component(&theirs, "db")["provider"], "aws", "what was backed up stays what it is");
    assert_eq!(points(&world, &format!("{OTHER}/us-east-1"), "theirs"), 2);
    let show = world.place.json(["show", theirs["backup_id"].as_str().unwrap()]);
    assert_eq!(show["definition"]["account"], OTHER);
    let agreed = world.place.json(["reconcile"]);
    assert_eq!(agreed["report"]["orphans"], json!([]), "{agreed:#}");
    world.place.json(["delete", theirs["backup_id"].as_str().unwrap()]);
    assert_eq!(points(&world, &format!("{OTHER}/us-east-1"), "theirs"), 0);
    let nobody = "arn:aws:backup:us-east-1:777788889999:backup-vault:theirs";
    world.place.run(["copy", id, "--vault", nobody]).assert_refused(1, &["777788889999"]);
    world.fake.assert_no_violations();
}

#[test]
fn what_the_cloud_lost_is_found_and_marked_as_damaged() {
    let Some(world) = World::new() else { return };
    let backup = world.back_up();
    let agreed = world.place.json(["reconcile"]);
    assert_eq!(agreed["report"]["lost"], json!([]), "{agreed:#}");
    world.fake.post("set", &json!({ "vault": "Default", "set": { "points": {} } }));
    let found = world.place.json_ending(3, ["reconcile", "--mark-damaged"]);
    assert_eq!(found["report"]["lost"].as_array().unwrap().len(), 2, "{found:#}");
    assert_eq!(found["settled"]["damaged"], json!([backup["backup_id"]]), "{found:#}");
    let list = world.place.json(["list"]);
    assert_eq!(list["backups"][0]["state"], "damaged", "{list:#}");
}

#[test]
fn a_schedule_begins_what_is_due_and_can_be_paused_and_removed() {
    let Some(world) = World::new() else { return };
    let set = |more: &[&str]| {
        let line = ["schedule", "set", "nightly", "--workspace", "ml-prod"];
        world.place.json(line.into_iter().chain(more.iter().copied()))
    };
    let made = set(&["--every", "60s", "--retain", "90d"]);
    assert_eq!(made["schedule"]["workspace"], "ml-prod", "{made:#}");
    assert!(made["schedule"]["next_run"].is_string(), "{made:#}");
    let begun = world.place.json(["schedule", "run", "--once"]);
    assert_eq!(begun["operations"][0]["state"], "completed", "nothing was backed up yet: {begun:#}");
    let next = world.place.json(["schedule", "list"])["schedules"][0]["next_run"].clone();
    let again = set(&["--every", "60s", "--retain", "90d"]);
    assert_eq!(again["schedule"]["next_run"], next, "the times are the same: {again:#}");
    let list = world.place.json(["list"]);
    assert!(list["backups"][0]["expires_at"].is_string(), "as the schedule says: {list:#}");
    world
        .place
        .run(["schedule", "set", "other", "--workspace", "ml-prod", "--cron", "not one"])
        .assert_refused(2, &["cron"]);
    let cron = set(&["--cron", "30 2 * * *", "--zone", "Europe/Berlin"]);
    assert_eq!(cron["schedule"]["zone"], "Europe/Berlin");
    world.place.json(["schedule", "pause", "nightly"]);
    let listed = world.place.json(["schedule", "list"]);
    let schedules = listed["schedules"].as_array().unwrap();
    assert_eq!((schedules.len(), &schedules[0]["paused"]), (1, &json!(true)), "{listed:#}");
    assert_eq!(schedules[0]["next_run"], Value::Null);
    let goes_on = world.place.json(["schedule", "unpause", "nightly"]);
    assert_eq!(goes_on["schedule"]["paused"], false);
    world.place.json(["schedule", "remove", "nightly"]);
    world.place.run(["schedule", "pause", "nightly"]).assert_refused(1, &["nightly"]);
    world.fake.assert_no_violations();
}
