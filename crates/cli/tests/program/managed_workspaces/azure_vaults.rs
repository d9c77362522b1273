//! A workspace on Azure whose storage goes through vaults, and whose NFS share, which no vault takes, goes into Blob Storage.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::oracle::{Azurite, FakeCloud, azurite, fake_azure};
use stillpoint_testkit::tree::TreeSpec;

use super::azure::{SUBSCRIPTION, all, allow, reach};
use super::world::component;
use crate::common::Place;

/// Long enough for every recovery point of the story to have gone by itself.
const NINE_DAYS: u64 = 9 * 86_400;

fn in_group(path: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/{path}")
}

fn share(name: &str) -> String {
    in_group(&format!("Microsoft.Storage/storageAccounts/files/fileServices/default/shares/{name}"))
}

/// A subscription whose vaults' jobs end at once.
fn scenario(trees: &Path) -> Value {
    let shares = json!([{ "name": "projects" }, { "name": "datasets", "protocol": "NFS", "quota": 256 }]);
    json!({
        "start": "now",
        "clock": { "speed": 1 },
        "trees": trees,
        "rules": { "job.start_delay_seconds": 0, "job.backup_seconds": 0, "job.restore_seconds": 0 },
        "subscriptions": { SUBSCRIPTION: { "groups": { "rg": {
            "disks": [{ "name": "db", "size_gib": 4 }, { "name": "bare", "size_gib": 4 }],
            "storage_accounts": [
                { "name": "files", "kind": "FileStorage", "sku": "Premium_LRS", "soft_delete_days": 0, "shares": shares },
                { "name": "models", "containers": [{ "name": "weights" }, { "name": "scratch" }] },
                { "name": "again" },
            ],
            "backup_vaults": [{ "name": "keep",
                "policies": [{ "name": "daily" }, { "name": "blobs", "type": "Microsoft.Storage/storageAccounts/blobServices" }],
                "instances": [{ "name": "db", "disk": "db" },
                    { "name": "models", "account": "models", "policy": "blobs", "containers": ["weights"] }] }],
            "recovery_vaults": [{ "name": "keep", "items": [{ "account": "files", "share": "projects" }] }],
        } } } },
    })
}

fn place(fake: &FakeCloud, blob: &Azurite, trees: &Path) -> Place {
    let mut place = reach(fake);
    blob.env().into_iter().for_each(|(name, value)| place.env(&name, value));
    place.flag("--store", "az://backups/team");
    let (db, bare) = (in_group("Microsoft.Compute/disks/db"), in_group("Microsoft.Compute/disks/bare"));
    let container = |name: &str| {
        in_group(&format!("Microsoft.Storage/storageAccounts/models/blobServices/default/containers/{name}"))
    };
    let text = format!(
        r#"
[[workspace]]
id = "ml-azure"
provider = "azure"
subscription = "{SUBSCRIPTION}"
resource_group = "rg"
region = "westeurope"
vault = "keep"
protect_tags = {{ keep = "true" }}
components = [
  {{ id = "db", kind = "disk", resource = "{db}" }},
  {{ id = "projects", kind = "file-share", resource = "{projects}" }},
  {{ id = "weights", kind = "blob-container", resource = "{weights}", settings = {{ storage_account = "{again}" }} }},
  {{ id = "datasets", kind = "file-share", resource = "{datasets}", mount = "{mount}" }},
]
[[workspace]]
id = "ml-azure-2"
provider = "azure"
subscription = "{SUBSCRIPTION}"
resource_group = "rg"
region = "westeurope"
protect_tags = {{ keep = "true" }}
components = [
  {{ id = "datasets", kind = "file-share", resource = "{moved}", mount = "{moved_mount}", settings = {{ mounted = false }} }},
]
[[workspace]]
id = "ml-bare"
provider = "azure"
subscription = "{SUBSCRIPTION}"
resource_group = "rg"
region = "westeurope"
vault = "keep"
components = [
  {{ id = "db", kind = "disk", resource = "{bare}" }},
  {{ id = "scratch", kind = "blob-container", resource = "{scratch}" }},
]
"#,
        projects = share("projects"),
        weights = container("weights"),
        scratch = container("scratch"),
        again = in_group("Microsoft.Storage/storageAccounts/again"),
        datasets = share("datasets"),
        mount = trees.join("datasets").display(),
        moved = share("moved"),
        moved_mount = trees.join("moved").display(),
    );
    fs::write(place.path("stillpoint.toml"), text).unwrap();
    place
}

/// The checks of a preflight that block, each with what it says.
fn blockers(told: &Value) -> Vec<(String, String)> {
    let findings = told["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let blocking = findings.filter(|finding| finding["severity"] == "blocker");
    blocking.map(|finding| (text(finding, "check"), text(finding, "message"))).collect()
}

#[test]
fn a_workspace_goes_through_vaults_and_comes_back_while_nobody_deletes_what_they_keep() {
    let trees = tempfile::tempdir().unwrap();
    let (Some(blob), Some(fake)) = (azurite(), fake_azure(&scenario(trees.path()))) else { return };
    blob.create_container("backups");
    let place = place(&fake, &blob, trees.path());

    // What is not mounted, not protected or in nobody's vault is told before anything is begun.
    let told = place.json_ending(1, ["preflight", "--workspace", "ml-azure"]);
    assert_eq!(
        blockers(&told).iter().map(|(check, _)| check.as_str()).collect::<Vec<_>>(),
        ["source-mounted"]
    );
    let empty = place.json_ending(1, ["backup", "--workspace", "ml-azure"]);
    assert!(empty["error"]["message"].as_str().unwrap().contains("nothing is mounted"), "{empty:#}");
    let told = blockers(&place.json_ending(1, ["preflight", "--workspace", "ml-bare"]));
    for words in ["does not protect", "without its container scratch"] {
        assert!(told.iter().any(|(_, message)| message.contains(words)), "{words}: {told:#?}");
    }

    TreeSpec::small(3).plain().generate(&trees.path().join("datasets/team")).unwrap();
    // From here on nothing is done with more rights than the printed roles give.
    allow(&fake, &place.json(["policy", "--workspace", "ml-azure"]));
    let preflight = place.json(["preflight", "--workspace", "ml-azure"]);
    assert_eq!(preflight["blocked"], false, "{preflight:#}");
    let plan = place.json(["backup", "--workspace", "ml-azure", "--dry-run"]);
    assert!(plan.to_string().contains("backupInstances/backup/action"), "{plan:#}");

    let backup = place.json(["backup", "--workspace", "ml-azure", "--retain", "2d"]);
    assert_eq!(backup["state"], "completed", "{backup:#}");
    let kept =
        ["db", "projects", "weights"].map(|id| component(&backup, id)["snapshot_id"].as_str().unwrap());
    assert!(kept.iter().all(|snapshot| snapshot.contains("/recoveryPoints/")), "{kept:?}");
    assert_eq!(component(&backup, "datasets")["provider"], "s3sync", "{backup:#}");
    assert!(backup["warnings"].to_string().contains("nobody can delete it by itself"), "{backup:#}");
    assert_eq!(place.json(["list"])["backups"][0]["id"], backup["backup_id"]);
    assert_eq!(place.json(["rebuild"])["same"], 2, "the store and the vaults' jobs each tell of it");

    let restored = place.json(["restore", "ml-azure@latest", "--as", "ml-azure-2"]);
    assert_eq!(restored["state"], "completed", "{restored:#}");
    let made = |kind: &str| -> Vec<Value> {
        let tags = |thing: &Value| {
            [&thing["tags"]["keep"], &thing["properties"]["metadata"]["keep"]].map(|it| it == "true")
        };
        all(&fake, kind).into_iter().filter(|thing| tags(thing).contains(&true)).collect()
    };
    assert_eq!(["disks", "shares", "containers"].map(|kind| made(kind).len()), [1, 2, 1]);
    assert!(made("containers")[0]["id"].as_str().unwrap().contains("/storageAccounts/again/"));
    assert_same(&trees.path().join("datasets/team"), &trees.path().join("moved/team"));

    // Nobody deletes a recovery point: it is said until when it stays, and the backup stays as good as it was.
    let id = backup["backup_id"].as_str().unwrap();
    let locked = place.json_ending(1, ["delete", id]);
    let message = locked["error"]["message"].as_str().unwrap();
    assert!(message.contains("is locked until 20") && message.contains("no call that deletes"), "{locked:#}");
    assert_eq!(place.json(["list"])["backups"][0]["state"], "completed");
    fake.post("advance", &json!({ "seconds": NINE_DAYS }));
    place.json(["delete", id]);
    assert_eq!(place.json(["list"])["backups"], json!([]));
    fake.assert_no_violations();
}
