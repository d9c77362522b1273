//! What a policy is to be about.

use std::collections::BTreeSet;

use stillpoint_core::{Component, Error, ErrorKind, Result};

use super::super::arn::Arn;
use super::super::provider::VaultPlace;
use super::super::settings::{BackupSettings, Source, SourceKind};
use super::Task;
use super::calls::On;

/// What a policy is to be about: which tasks on which components, with which vaults and roles.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyScope {
    /// The tasks.
    pub tasks: BTreeSet<Task>,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The account that all of it belongs to.
    pub account: String,
    /// The vaults, each in its region.
    pub vaults: BTreeSet<VaultPlace>,
    /// The roles that are handed to AWS Backup.
    pub roles: BTreeSet<String>,
    sources: Vec<Source>,
}

impl PolicyScope {
    /// `tasks` on `components`, whose settings name the vaults and roles. Components that AWS Backup does not protect
    /// are passed over.
    ///
    /// # Errors
    /// `InvalidConfig` where a component lacks a setting, where they belong to different accounts, or where there is
    /// nothing to protect.
    pub fn of(components: &[Component], tasks: impl IntoIterator<Item = Task>) -> Result<Self> {
        let mut scope: Option<Self> = None;
        let tasks: BTreeSet<Task> = tasks.into_iter().collect();
        for component in components {
            let source = match Source::of(component) {
                Ok(source) => source,
                Err(error) if error.kind() == ErrorKind::Unsupported => continue,
                Err(error) => return Err(error),
            };
            let settings = BackupSettings::of(component)?;
            let Arn { partition, account, region, .. } = source.arn.clone();
            let scope = scope.get_or_insert_with(|| Self {
                tasks: tasks.clone(),
                partition,
                account: account.clone(),
                vaults: BTreeSet::new(),
                roles: BTreeSet::new(),
                sources: Vec::new(),
            });
            if scope.account != account {
                let message = format!(
                    "{} belongs to account {account}, others to {}; ask for one policy each",
                    component.resource, scope.account
                );
                return Err(Error::new(ErrorKind::InvalidConfig, message));
            }
            scope.vaults.insert(VaultPlace::new(region, settings.vault));
            scope.roles.insert(settings.role_arn);
            scope.sources.push(source);
        }
        scope.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                "no component is one that AWS Backup protects; there is no policy",
            )
        })
    }

    /// The same with one more vault: one that recovery points are copied to, or restored from.
    #[must_use]
    pub fn with_vault(mut self, vault: VaultPlace) -> Self {
        self.vaults.insert(vault);
        self
    }

    /// Whether a component is of this kind.
    pub(super) fn has(&self, kind: SourceKind) -> bool {
        self.sources.iter().any(|source| source.kind == kind)
    }

    /// The resources that `on` stands for.
    pub(super) fn resources(&self, on: On) -> Vec<String> {
        let resources: BTreeSet<String> = match on {
            On::Anything => BTreeSet::from(["*".to_owned()]),
            On::Roles | On::PassedRoles => self.roles.clone(),
            On::Sources => self.sources.iter().map(|source| source.arn.to_string()).collect(),
            On::Vaults => {
                let name = |place: &VaultPlace| {
                    self.arn("backup", &place.region, &self.account, &format!("backup-vault:{}", place.vault))
                };
                self.vaults.iter().map(name).collect()
            }
            On::Points => [On::SnapshotPoints, On::MarkedPoints]
                .map(|on| self.resources(on))
                .concat()
                .into_iter()
                .collect(),
            On::SnapshotPoints if !self.has(SourceKind::Volume) => BTreeSet::new(),
            On::MarkedPoints if !self.has(SourceKind::FileSystem) => BTreeSet::new(),
            On::MarkedPoints => self.everything("backup", "recovery-point:*"),
            On::Snapshots | On::SnapshotPoints => {
                self.in_regions(|region| vec![self.arn("ec2", region, "", "snapshot/*")])
            }
            On::Holds => self.everything("backup", "legal-hold:*"),
            On::Keys => self.everything("kms", "key/*"),
            On::Volumes | On::MarkedVolumes => self.everything("ec2", "volume/*"),
            On::AccessPoints => self.everything("elasticfilesystem", "access-point/*"),
            On::FileSystems | On::MarkedFileSystems => self.everything("elasticfilesystem", "file-system/*"),
        };
        resources.into_iter().collect()
    }

    fn everything(&self, service: &str, resource: &str) -> BTreeSet<String> {
        self.in_regions(|region| vec![self.arn(service, region, &self.account, resource)])
    }

    fn in_regions(&self, resources: impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
        let regions: BTreeSet<&str> = self.vaults.iter().map(|place| place.region.as_str()).collect();
        regions.into_iter().flat_map(resources).collect()
    }

    fn arn(&self, service: &str, region: &str, account: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition)
    }
}
