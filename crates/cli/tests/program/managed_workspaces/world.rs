//! One account of the fake with a workspace in it, its configuration, and services that hooks stop and start.

use std::fmt::Write;
use std::fs;

use serde_json::{Value, json};
use stillpoint_testkit::oracle::{FakeAws, fake_aws};

use crate::common::Place;

pub(super) const ACCOUNT: &str = "111122223333";
pub(super) const VOLUME: &str = "arn:aws:ec2:us-east-1:111122223333:volume/vol-00000000000000001";
pub(super) const FILE_SYSTEM: &str =
    "arn:aws:elasticfilesystem:us-east-1:111122223333:file-system/fs-00000000000000001";

/// A place to run the program in, and the fake that it talks to.
pub(super) struct World {
    pub(super) place: Place,
    pub(super) fake: FakeAws,
}

/// An account whose jobs take a second or two of the real clock's time.
pub(super) fn scenario() -> Value {
    let quick = [
        ("backup.start_delay_seconds", 0_u64),
        ("backup.ebs_seconds", 1),
        ("backup.efs_seconds", 2),
        ("backup.ebs_bytes_per_second", 1_000_000_000_000),
        ("backup.efs_bytes_per_second", 1_000_000_000_000),
        ("backup.efs_files_per_second", 1_000_000_000),
        ("backup.stop_seconds", 1),
        ("list.lag_seconds", 0),
        ("tagging.lag_seconds", 0),
        ("delete.seconds", 1),
        ("delete.expire_seconds", 1),
        ("restore.start_delay_seconds", 0),
        ("restore.ebs_seconds", 1),
        ("restore.efs_seconds", 2),
        ("restore.efs_bytes_per_second", 1_000_000_000_000),
        ("efs.create_seconds", 1),
        ("efs.mount_target_seconds", 1),
        ("ec2.volume_seconds", 1),
        ("ec2.snapshot_seconds", 1),
        ("ebs.seal_seconds", 1),
        ("ec2.lazy_bytes_per_second", 1_000_000_000_000),
    ];
    json!({
        "start": "now",
        "clock": { "speed": 1 },
        "rules": quick.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect::<serde_json::Map<_, _>>(),
        "accounts": { ACCOUNT: {
            "keys": { "test": { "secret": "test" } },
            "roles": { "AWSBackupDefaultServiceRole": {} },
            "regions": { "us-east-1": {
                "opt_in": { "EBS": true, "EFS": true },
                "vaults": { "Default": {} },
                "volumes": [ { "id": "vol-00000000000000001", "size_gib": 1, "blocks": 40, "tags": { "ml-workspace": "ml-prod" } } ],
                "file_systems": [ { "id": "fs-00000000000000001", "bytes": 1_000_000, "files": 20 } ],
                "subnets": [ { "id": "subnet-00000001", "zone": "us-east-1a", "vpc": "vpc-1", "cidr": "10.0.1.0/24" } ],
            } }
        } }
    })
}

impl World {
    /// The quick account.
    pub(super) fn new() -> Option<Self> {
        Self::of(&scenario())
    }

    /// An account like the quick one, with other rules.
    pub(super) fn with_rules(rules: &[(&str, u64)]) -> Option<Self> {
        let mut scenario = scenario();
        for (name, value) in rules {
            scenario["rules"][name] = json!(value);
        }
        Self::of(&scenario)
    }

    /// The account of a scenario, and the configuration of its workspace `ml-prod`.
    pub(super) fn of(scenario: &Value) -> Option<Self> {
        let fake = fake_aws(scenario)?;
        let mut place = Place::new();
        place.env("AWS_ENDPOINT_URL", fake.endpoint());
        place.env("AWS_ACCESS_KEY_ID", "test");
        place.env("AWS_SECRET_ACCESS_KEY", "test");
        place.flag("--config", place.path("stillpoint.toml").to_str().unwrap());
        let world = Self { place, fake };
        world.configure("", &world.hooks());
        Some(world)
    }

    /// Hooks that note their calls, and stop and start the services, which are a file.
    pub(super) fn hooks(&self) -> String {
        let (log, services) = (self.place.path("log"), self.place.path("stopped"));
        let note = format!("echo \"$STILLPOINT_HOOK $STILLPOINT_OPERATION_ID\" >> {}", log.display());
        let plan =
            format!("cp \"$STILLPOINT_PLAN\" {}/plan-$STILLPOINT_HOOK.json", self.place.dir.path().display());
        let mut text = String::new();
        for (hook, work) in [
            ("quiesce", format!("touch {}", services.display())),
            ("resume", format!("rm -f {}", services.display())),
            (
                "provision",
                format!("{plan}; printf '{{\"workspace\": \"%s\"}}' \"$STILLPOINT_TARGET_WORKSPACE_ID\""),
            ),
            ("activate", plan.clone()),
            ("reroot", plan.clone()),
            ("discard", "true".to_owned()),
        ] {
            writeln!(text, "{hook} = '''{note}; {work}'''").unwrap();
        }
        text
    }

    /// Writes the configuration: keys beside those every test has, and the hooks.
    pub(super) fn configure(&self, more: &str, hooks: &str) {
        let text = format!(
            r#"
[[workspace]]
id = "ml-prod"
provider = "aws"
account = "{ACCOUNT}"
region = "us-east-1"
environment = "prod-env"
software_version = "2.0.47"
vault = "Default"
role_arn = "arn:aws:iam::{ACCOUNT}:role/AWSBackupDefaultServiceRole"
protect_tags = {{ "keep" = "true" }}
roles = [{{ principal = "ada", role = "MLAdmin" }}]
destination = {{ subnets = ["subnet-00000001"] }}
components = [
  {{ id = "db", kind = "ebs", resource = "{VOLUME}" }},
  {{ id = "projects", kind = "efs", resource = "{FILE_SYSTEM}" }},
  {{ id = "datasets", kind = "nfs", resource = "nfs.example.com:/export" }},
]
[workspace.hooks]
{hooks}
{more}
"#
        );
        fs::write(self.place.path("stillpoint.toml"), text).unwrap();
    }

    /// One successful backup.
    #[track_caller]
    pub(super) fn back_up(&self) -> Value {
        self.place.json(["backup", "--workspace", "ml-prod"])
    }

    /// The hooks that were called so far, in their order.
    pub(super) fn called(&self) -> Vec<String> {
        let text = fs::read_to_string(self.place.path("log")).unwrap_or_default();
        text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }

    /// Whether the services stand still.
    pub(super) fn is_stopped(&self) -> bool {
        self.place.path("stopped").exists()
    }

    /// The plan that a hook was given last.
    pub(super) fn plan(&self, hook: &str) -> Value {
        serde_json::from_slice(&fs::read(self.place.path(&format!("plan-{hook}.json"))).unwrap()).unwrap()
    }

    /// The region of the account, as the fake has it now.
    pub(super) fn region(&self) -> Value {
        self.fake.get("state")["regions"][format!("{ACCOUNT}/us-east-1")].clone()
    }

    /// How often an operation was called so far.
    pub(super) fn calls(&self, operation: &str) -> usize {
        let calls = self.fake.get("calls");
        calls["calls"][operation].as_u64().map_or(0, |count| usize::try_from(count).unwrap())
    }
}

/// The component of this id in a document.
#[track_caller]
pub(super) fn component<'a>(document: &'a Value, id: &str) -> &'a Value {
    let components = document["components"].as_array().unwrap();
    components.iter().find(|component| component["id"] == id).unwrap_or_else(|| panic!("{id}: {document:#}"))
}
