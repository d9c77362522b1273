//! A workspace on Azure, through its whole life, against a fake Azure.

use std::fs;

use serde_json::{Value, json};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::oracle::{FakeCloud, fake_azure};
use stillpoint_testkit::tree::TreeSpec;

use super::world::component;
use crate::common::Place;

pub(super) const SUBSCRIPTION: &str = "22222222-2222-4222-8222-222222222222";
const CALLER: &str = "33333333-3333-4333-8333-333333333333";

fn disk(name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/disks/{name}")
}

/// A subscription whose snapshots and disks take a second of the real clock's time.
fn scenario() -> Value {
    json!({
        "start": "now",
        "clock": { "speed": 1 },
        "rules": { "snapshot.seconds": 1, "disk.seconds": 1, "snapshot.delete_seconds": 1, "disk.delete_seconds": 1 },
        "subscriptions": { SUBSCRIPTION: { "groups": {
            "rg": { "disks": [
                { "name": "db", "size_gib": 4, "sku": "Premium_LRS", "zones": ["1"] },
                { "name": "models", "size_gib": 8, "tags": { "ml-workspace": "ml-azure" } },
                { "name": "other", "size_gib": 8 },
            ] },
            "backups": {},
        } } },
        "garbage_collector": { "after_seconds": 3, "every_seconds": 1, "keep_tag": "keep" },
    })
}

/// A place from which the fake is reached, with a configuration that is yet to be written.
pub(super) fn reach(fake: &FakeCloud) -> Place {
    let mut place = Place::new();
    place.env("AZURE_RESOURCE_MANAGER_ENDPOINT", fake.endpoint());
    place.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", fake.endpoint());
    place.flag("--config", place.path("stillpoint.toml").to_str().unwrap());
    place
}

/// A place whose configuration has the workspace `ml-azure`.
fn place(fake: &FakeCloud) -> Place {
    let place = reach(fake);
    let (log, db) = (place.path("log"), disk("db"));
    let note = format!("echo \"$STILLPOINT_HOOK\" >> {}", log.display());
    let text = format!(
        r#"
[[workspace]]
id = "ml-azure"
provider = "azure"
subscription = "{SUBSCRIPTION}"
resource_group = "rg"
region = "westeurope"
protect_tags = {{ "keep" = "true" }}
protect_sources = true
discover_tags = {{ "ml-workspace" = "ml-azure" }}
components = [
  {{ id = "db", kind = "disk", resource = "{db}", settings = {{ snapshot_resource_group = "backups" }} }},
  {{ id = "datasets", kind = "nfs", resource = "nfs.example.com:/export" }},
]
[workspace.hooks]
quiesce = '''{note}'''
resume = '''{note}'''
"#
    );
    fs::write(place.path("stillpoint.toml"), text).unwrap();
    place
}

/// Gives the caller the printed roles where they can be assigned, and nothing more; answers how many assignments that were.
pub(super) fn allow(fake: &FakeCloud, policy: &Value) -> usize {
    let of_part = |part: &&str| {
        let role = policy[*part].clone();
        let scopes = role["AssignableScopes"].as_array().cloned().unwrap_or_default();
        scopes.into_iter().map(move |scope| json!({ "scope": scope, "definition": role })).collect::<Vec<_>>()
    };
    let roles: Vec<Value> = ["groups", "vaults", "subscription"].iter().flat_map(of_part).collect();
    fake.post("set", &json!({ "principal": CALLER, "set": { "roles": roles } }));
    roles.len()
}

/// What the fake has of a type, with its tags.
pub(super) fn all(fake: &FakeCloud, kind: &str) -> Vec<Value> {
    let state = fake.get("state");
    let resources = state["resources"].as_object().unwrap().iter();
    resources
        .filter(|(id, _)| id.contains(&format!("/{kind}/")))
        .map(|(_, resource)| resource.clone())
        .collect()
}

#[test]
fn a_workspace_on_azure_is_looked_at_backed_up_listed_restored_and_deleted() {
    let Some(fake) = fake_azure(&scenario()) else { return };
    let place = place(&fake);
    // From here on nothing is done with more rights than the printed roles give.
    let assigned = allow(&fake, &place.json(["policy", "--workspace", "ml-azure"]));
    assert_eq!(assigned, 3, "two resource groups and the subscription");

    let preflight = place.json(["preflight", "--workspace", "ml-azure"]);
    assert_eq!(preflight["blocked"], false, "{preflight:#}");
    let backup = place.json(["backup", "--workspace", "ml-azure"]);
    assert_eq!(backup["consistency"], "application", "{backup:#}");
    assert_eq!(fs::read_to_string(place.path("log")).unwrap(), "quiesce\nresume\n");
    for (id, group) in [("db", "backups"), ("models", "rg")] {
        let snapshot = component(&backup, id)["snapshot_id"].as_str().unwrap();
        assert!(snapshot.contains(&format!("/resourceGroups/{group}/")), "{snapshot}");
    }
    let guards = fake.get("calls")["calls"]["tags.update_at_scope"].as_u64();
    assert_eq!(guards, Some(4), "each disk carries them while it is captured, and not any more");
    assert!(all(&fake, "disks").iter().all(|disk| disk["tags"]["keep"].is_null()));
    let snapshots = all(&fake, "snapshots");
    assert!(snapshots.iter().all(|snapshot| snapshot["tags"]["keep"] == "true"), "{snapshots:#?}");
    let reason = component(&backup, "datasets")["excluded_reason"].as_str().unwrap();
    assert!(reason.contains("nfs.example.com"), "{reason}");
    let listed = place.json(["list"]);
    assert_eq!(listed["backups"][0]["id"], backup["backup_id"], "{listed:#}");

    let restored = place.json(["restore", "latest", "--as", "ml-new"]);
    assert_eq!(restored["target"], "ml-new", "{restored:#}");
    let disks = all(&fake, "disks");
    assert_eq!(disks.len(), 5, "{disks:#?}");
    let made: Vec<_> = disks.iter().filter(|disk| disk["tags"]["keep"] == "true").collect();
    assert_eq!(made.len(), 2, "{disks:#?}");
    let db = made.iter().find(|disk| disk["tags"]["stillpoint:component"] == "db").unwrap();
    assert_eq!((&db["sku"]["name"], &db["zones"]), (&json!("Premium_LRS"), &json!(["1"])), "{db:#}");
    assert!(db["id"].as_str().unwrap().contains("/resourceGroups/rg/"), "{db:#}");

    // The tags alone tell of the backup.
    let rebuilt = place.json(["rebuild"]);
    assert_eq!(rebuilt["same"], 1, "{rebuilt:#}");
    place.json(["delete", backup["backup_id"].as_str().unwrap()]);
    assert_eq!(place.json(["list"])["backups"], json!([]));
    assert_eq!(all(&fake, "snapshots").len(), 0);
    fake.assert_no_violations();
}

/// A workspace of one share that this host sees below `trees`.
fn workspace_of_share(id: &str, trees: &std::path::Path, share: &str, mounted: bool) -> String {
    format!(
        r#"
[[workspace]]
id = "{id}"
provider = "azure"
subscription = "{SUBSCRIPTION}"
resource_group = "rg"
region = "westeurope"
protect_tags = {{ keep = "true", "do-not-collect" = "true" }}
components = [
  {{ id = "projects", kind = "file-share", mount = "{}", resource = "{}", settings = {{ mounted = {mounted} }} }},
]
"#,
        trees.join(share).display(),
        share_id(share)
    )
}

fn share_id(name: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/files/\
         fileServices/default/shares/{name}"
    )
}

#[test]
fn a_share_that_azures_own_backup_refuses_comes_back_as_a_new_share() {
    let mut scenario = scenario();
    let group = &mut scenario["subscriptions"][SUBSCRIPTION]["groups"]["rg"];
    group["disks"] = json!([]);
    group["storage_accounts"] = json!([{ "name": "files", "kind": "FileStorage", "sku": "Premium_LRS",
        "shares": [{ "name": "projects", "protocol": "NFS", "quota": 256 }] }]);
    let trees = tempfile::tempdir().unwrap();
    scenario["trees"] = json!(trees.path());
    let Some(fake) = fake_azure(&scenario) else { return };
    let place = reach(&fake);
    // What the fake shows of its shares are directories, and nothing is mounted.
    let configure = |mounted: bool| {
        let both = ["projects", "again"]
            .map(|share| workspace_of_share(&format!("ml-{share}"), trees.path(), share, mounted));
        fs::write(place.path("stillpoint.toml"), both.concat()).unwrap();
    };
    configure(true);
    TreeSpec::small(3).plain().generate(&trees.path().join("projects/team")).unwrap();
    // Only what the printed roles allow is done from here on.
    allow(&fake, &place.json(["policy", "--workspace", "ml-projects"]));

    let backup = place.json(["backup", "--workspace", "ml-projects"]);
    assert_eq!(backup["state"], "completed", "{backup:#}");
    assert_eq!(component(&backup, "projects")["provider"], "s3sync", "{backup:#}");
    let listed = place.json(["list"]);
    assert_eq!(listed["backups"][0]["id"], backup["backup_id"], "{listed:#}");
    fs::write(trees.path().join("projects/spoiled"), "since").unwrap();

    // Files that would land on this host's own disk are no restored share.
    let elsewhere = place.json_ending(1, ["restore", "ml-projects@latest", "--as", "ml-again"]);
    assert!(elsewhere["error"]["message"].as_str().unwrap().contains("nothing is mounted"), "{elsewhere:#}");
    assert_eq!(all(&fake, "shares").len(), 1, "nothing was made for it");
    configure(false);
    let restored = place.json(["restore", "ml-projects@latest", "--as", "ml-again"]);
    assert_eq!(restored["state"], "completed", "{restored:#}");
    assert!(restored["warnings"].to_string().contains("do-not-collect"), "{restored:#}");
    assert_same(&trees.path().join("projects/team"), &trees.path().join("again/team"));
    assert!(!trees.path().join("again/spoiled").exists() && trees.path().join("projects/spoiled").exists());
    let new = all(&fake, "shares").into_iter().find(|share| share["id"] == share_id("again")).unwrap();
    let properties = &new["properties"];
    assert_eq!((&properties["enabledProtocols"], &properties["shareQuota"]), (&json!("NFS"), &json!(256)));
    assert_eq!(properties["metadata"]["keep"], "true", "its tags are metadata from its birth: {new:#}");

    place.json(["delete", backup["backup_id"].as_str().unwrap()]);
    assert_eq!(place.json(["list"])["backups"], json!([]));
    assert_eq!(all(&fake, "shares").len(), 2, "what was restored is the user's");
    fake.assert_no_violations();
}
