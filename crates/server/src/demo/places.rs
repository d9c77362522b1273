//! The workspaces of the demonstration: what they are and how often they were backed up.

use std::time::Duration;

use stillpoint_core::{Component, Definition, Result, RoleGrant, Timestamp, WorkspaceRecord};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);

/// One component: `id`, kind, provider, resource, bytes, files; or the reason why it is left out.
pub(crate) struct Part {
    pub(crate) id: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    pub(crate) excluded: Option<&'static str>,
}

/// One workspace and its past.
pub(crate) struct Place {
    pub(crate) id: &'static str,
    environment: &'static str,
    account: Option<&'static str>,
    region: Option<&'static str>,
    /// The versions it ran, the newest last.
    versions: &'static [&'static str],
    pub(crate) parts: &'static [Part],
    /// How many backups there are.
    pub(crate) backups: u64,
    /// How far they are apart.
    pub(crate) every: Duration,
    /// How old the newest is.
    pub(crate) age: Duration,
    /// Whether it is still there.
    pub(crate) exists: bool,
    /// Who asked for its backups.
    pub(crate) people: &'static [&'static str],
}

const fn part(
    id: &'static str,
    kind: &'static str,
    provider: &'static str,
    resource: &'static str,
    bytes: u64,
    files: u64,
) -> Part {
    Part { id, kind, provider, resource, bytes, files, excluded: None }
}

const NFS: Part = Part {
    id: "datasets",
    kind: "nfs",
    provider: "aws",
    resource: "nfs.example.com:/export/datasets",
    bytes: 0,
    files: 0,
    excluded: Some("external NFS is not part of the workspace; its own administrators back it up"),
};

pub(crate) const PLACES: [Place; 7] = [
    Place {
        id: "ml-prod",
        environment: "prod-env",
        account: Some("111122223333"),
        region: Some("us-west-2"),
        versions: &["2.0.45", "2.0.46", "2.0.47"],
        parts: &[
            part("db", "ebs", "aws", "arn:aws:ec2:us-west-2:111122223333:volume/vol-0a1f4c2d", 180 * GIB, 0),
            part(
                "projects",
                "efs",
                "aws",
                "arn:aws:elasticfilesystem:us-west-2:111122223333:file-system/fs-0b2e7d91",
                612 * GIB,
                4_210_334,
            ),
            NFS,
        ],
        backups: 22,
        every: Duration::from_secs(12 * 3600),
        age: Duration::from_secs(5 * 3600 + 1260),
        exists: true,
        people: &["schedule", "schedule", "schedule", "ada"],
    },
    Place {
        id: "forecasting",
        environment: "prod-env",
        account: Some("6f1c2f60-1111-4c5e-9a55-2d5a7a1b9c10"),
        region: Some("westeurope"),
        versions: &["2.0.46", "2.0.47"],
        parts: &[
            part(
                "system",
                "disk",
                "azure",
                "/subscriptions/6f1c2f60/resourceGroups/ml/providers/Microsoft.Compute/disks/forecast-system",
                96 * GIB,
                0,
            ),
            part(
                "projects",
                "file-share",
                "azure",
                "/subscriptions/6f1c2f60/resourceGroups/ml/providers/Microsoft.Storage/storageAccounts/forecastml/fileServices/default/shares/projects",
                238 * GIB,
                1_120_006,
            ),
        ],
        backups: 12,
        every: Duration::from_secs(24 * 3600),
        age: Duration::from_secs(9 * 3600),
        exists: true,
        people: &["schedule"],
    },
    Place {
        id: "research-gpu",
        environment: "research",
        account: Some("444455556666"),
        region: Some("eu-central-1"),
        versions: &["2.1.0-beta.2"],
        parts: &[
            part(
                "scratch-db",
                "ebs",
                "aws",
                "arn:aws:ec2:eu-central-1:444455556666:volume/vol-0c77ab30",
                64 * GIB,
                0,
            ),
            part(
                "checkpoints",
                "efs",
                "aws",
                "arn:aws:elasticfilesystem:eu-central-1:444455556666:file-system/fs-09aa11c4",
                1_840 * GIB,
                88_412,
            ),
        ],
        backups: 6,
        every: Duration::from_secs(7 * 24 * 3600),
        age: Duration::from_secs(9 * 24 * 3600),
        exists: true,
        people: &["grace", "lin"],
    },
    Place {
        id: "ada/notebooks",
        environment: "studio",
        account: Some("111122223333"),
        region: Some("us-west-2"),
        versions: &["studio-lab 1.9"],
        parts: &[part("home", "directory", "s3sync", "/home/sagemaker-user", 14 * GIB + 311 * MIB, 61_204)],
        backups: 12,
        every: Duration::from_secs(12 * 3600),
        age: Duration::from_secs(2 * 3600 + 480),
        exists: true,
        people: &["agent"],
    },
    Place {
        id: "lin/vision-lab",
        environment: "studio",
        account: Some("111122223333"),
        region: Some("us-west-2"),
        versions: &["studio-lab 1.8", "studio-lab 1.9"],
        parts: &[part("home", "directory", "s3sync", "/home/sagemaker-user", 47 * GIB, 312_880)],
        backups: 7,
        every: Duration::from_secs(24 * 3600),
        age: Duration::from_secs(20 * 3600),
        exists: true,
        people: &["agent", "lin"],
    },
    Place {
        id: "churn-2024",
        environment: "prod-env",
        account: Some("111122223333"),
        region: Some("us-west-2"),
        versions: &["1.9.12"],
        parts: &[
            part("db", "ebs", "aws", "arn:aws:ec2:us-west-2:111122223333:volume/vol-07fe0d55", 40 * GIB, 0),
            part(
                "projects",
                "efs",
                "aws",
                "arn:aws:elasticfilesystem:us-west-2:111122223333:file-system/fs-01d2c3b4",
                71 * GIB,
                402_118,
            ),
        ],
        backups: 2,
        every: Duration::from_secs(24 * 3600),
        age: Duration::from_secs(211 * 24 * 3600),
        exists: false,
        people: &["ada"],
    },
    Place {
        id: "onboarding",
        environment: "studio",
        account: Some("111122223333"),
        region: Some("us-west-2"),
        versions: &["studio-lab 1.9"],
        parts: &[part("home", "directory", "s3sync", "/home/sagemaker-user", 812 * MIB, 4_117)],
        backups: 0,
        every: Duration::from_secs(24 * 3600),
        age: Duration::ZERO,
        exists: true,
        people: &["agent"],
    },
];

impl Place {
    /// Its definition when it ran the version before the newest `back`.
    pub(crate) fn definition(&self, back: usize) -> Result<Definition> {
        let mut definition = Definition::new(self.id.parse()?);
        definition.environment = Some(self.environment.to_owned());
        definition.account = self.account.map(str::to_owned);
        definition.region = self.region.map(str::to_owned);
        let version = self.versions.iter().rev().nth(back).or(self.versions.first());
        definition.software_version = version.map(|version| (*version).to_owned());
        if self.environment != "studio" {
            let grants =
                [("group:data-science", "MLUser"), ("ada@example.com", "MLAdmin"), ("svc-deploy", "MLUser")];
            definition.roles = grants.map(|(principal, role)| RoleGrant::new(principal, role)).into();
        }
        Ok(definition)
    }

    /// Its components.
    pub(crate) fn components(&self) -> Result<Vec<Component>> {
        let component = |part: &Part| {
            let component =
                Component::new(part.id.parse()?, part.kind, part.provider.parse()?, part.resource);
            Ok(match part.excluded {
                Some(reason) => component.excluded(reason),
                None => component,
            })
        };
        self.parts.iter().map(component).collect()
    }

    /// Its record: when it was last seen, it was like this.
    pub(crate) fn record(&self, now: Timestamp) -> Result<WorkspaceRecord> {
        let gone = if self.exists { HOUR / 12 } else { self.age };
        let seen = Timestamp::from_millis(now.as_millis() - i64::try_from(gone.as_millis()).unwrap_or(0));
        Ok(WorkspaceRecord::new(self.definition(0)?, self.components()?, seen))
    }
}
