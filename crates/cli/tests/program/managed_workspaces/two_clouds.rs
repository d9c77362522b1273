//! Files go from the one cloud to the other and back, through the repository: taken beside a workspace on a fake AWS into S3,
//! restored into a new share of a fake Azure; taken there into Azurite, restored beside a workspace on AWS.

use std::fs;
use std::path::Path;

use serde_json::json;
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::oracle::{azurite, fake_azure};
use stillpoint_testkit::s3::Server;
use stillpoint_testkit::tree::TreeSpec;

use super::world::{ACCOUNT, FILE_SYSTEM, World, component, scenario};

const SUBSCRIPTION: &str = "22222222-2222-4222-8222-222222222222";

/// A workspace on AWS, one on Azure that takes its files into `share`, and one on AWS that takes them back.
fn config(share: &str, aws: &Path, moved: &Path, again: &Path) -> String {
    format!(
        r#"
[[workspace]]
id = "on-aws"
provider = "aws"
account = "{ACCOUNT}"
region = "us-east-1"
vault = "Default"
role_arn = "arn:aws:iam::{ACCOUNT}:role/AWSBackupDefaultServiceRole"
components = [
  {{ id = "home", kind = "efs", resource = "{FILE_SYSTEM}" }},
  {{ id = "datasets", kind = "nfs", resource = "nfs.example.com:/export", mount = "{aws}" }},
]
[[workspace]]
id = "on-azure"
provider = "azure"
subscription = "{SUBSCRIPTION}"
resource_group = "rg"
region = "westeurope"
components = [
  {{ id = "datasets", kind = "file-share", resource = "{share}", mount = "{moved}", settings = {{ size_gib = 128, mounted = false }} }},
]
[[workspace]]
id = "home-again"
provider = "aws"
account = "{ACCOUNT}"
region = "us-east-1"
components = [{{ id = "datasets", kind = "nfs", mount = "{again}" }}]
"#,
        aws = aws.display(),
        moved = moved.display(),
        again = again.display(),
    )
}

#[test]
fn files_of_a_workspace_go_from_one_cloud_to_the_other_and_back() {
    let (Some(blob), s3) = (azurite(), Server::start_in_memory().unwrap()) else { return };
    let (key, secret) = s3.keys();
    let mut scenario = scenario();
    scenario["accounts"][ACCOUNT]["keys"] = json!({ key: { "secret": secret } });
    let trees = tempfile::tempdir().unwrap();
    let account = json!({ "name": "files", "kind": "FileStorage", "sku": "Premium_LRS", "shares": [] });
    let groups = json!({ "rg": { "storage_accounts": [account] } });
    let azure = json!({ "start": "now", "clock": { "speed": 1 }, "trees": trees.path(),
        "subscriptions": { SUBSCRIPTION: { "groups": groups } } });
    let (Some(mut world), Some(azure)) = (World::of(&scenario), fake_azure(&azure)) else { return };
    let share = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/files/\
         fileServices/default/shares/moved"
    );
    let place = &mut world.place;
    let aws = place.path("aws");
    let own = [
        ("AWS_ENDPOINT_URL_S3", s3.endpoint()),
        ("AWS_ACCESS_KEY_ID", key.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AZURE_RESOURCE_MANAGER_ENDPOINT", azure.endpoint()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.endpoint()),
    ];
    own.into_iter().for_each(|(name, value)| place.env(name, value));
    blob.env().into_iter().for_each(|(name, value)| place.env(&name, value));
    let config = config(&share, &aws, &trees.path().join("moved"), &place.path("again"));
    fs::write(place.path("stillpoint.toml"), config).unwrap();
    TreeSpec::small(5).plain().generate(&aws).unwrap();

    let to_s3 = s3.url("team/backups");
    let backup = place.json(["--store", &to_s3, "backup", "--workspace", "on-aws"]);
    assert_eq!(backup["state"], "completed", "{backup:#}");
    assert_eq!(component(&backup, "home")["provider"], "aws");
    // What AWS keeps stays with AWS, and the refusal says what can go.
    let whole = ["--store", &to_s3, "restore", "on-aws@latest", "--as", "on-azure"];
    let refused = place.json_ending(1, whole);
    assert!(refused["error"]["message"].as_str().unwrap().contains("--component"), "{refused:#}");
    let unknown = place.json_ending(1, [&whole[..], &["--component", "data"]].concat());
    assert!(unknown["error"]["message"].as_str().unwrap().contains("home, datasets"), "{unknown:#}");
    let chosen = [&whole[..], &["--component", "datasets"]].concat();
    let restored = place.json(chosen);
    assert_eq!(restored["state"], "completed", "{restored:#}");
    assert_same(&aws, &trees.path().join("moved"));
    let made = azure.get("state")["resources"][&share]["properties"].clone();
    assert_eq!((&made["enabledProtocols"], &made["shareQuota"]), (&json!("NFS"), &json!(128)), "{made:#}");

    fs::write(trees.path().join("moved/since"), "written on Azure").unwrap();
    blob.create_container("backups");
    let back = place.json(["--store", "az://backups/team", "backup", "--workspace", "on-azure"]);
    assert_eq!(back["state"], "completed", "{back:#}");
    let id = back["backup_id"].as_str().unwrap();
    let restored = place.json(["--store", "az://backups/team", "restore", id, "--as", "home-again"]);
    assert_eq!(restored["state"], "completed", "{restored:#}");
    assert_same(&trees.path().join("moved"), &place.path("again"));
    assert_eq!(fs::read_to_string(place.path("again/since")).unwrap(), "written on Azure");
    world.fake.assert_no_violations();
    azure.assert_no_violations();
}
