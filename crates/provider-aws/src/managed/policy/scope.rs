//! What a policy is to be about.

use std::collections::{BTreeMap, BTreeSet};

use stillpoint_core::{Component, Error, ErrorKind, Result};

use super::super::arn::Arn;
use super::super::kms::asked_keys;
use super::super::provider::VaultPlace;
use super::super::settings::{BackupSettings, Source, SourceKind};
use super::Task;
use super::on::On;

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
    /// Those of them that are made where they are not there, each with the key that is named for it.
    pub new_vaults: BTreeMap<VaultPlace, Option<String>>,
    /// The roles that are handed to AWS Backup.
    pub roles: BTreeSet<String>,
    sources: Vec<Source>,
    /// The keys that a preflight asks about.
    keys: BTreeSet<String>,
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
                new_vaults: BTreeMap::new(),
                roles: BTreeSet::new(),
                sources: Vec::new(),
                keys: BTreeSet::new(),
            });
            if scope.account != account {
                let message = format!(
                    "{} belongs to account {account}, others to {}; ask for one policy each",
                    component.resource, scope.account
                );
                return Err(Error::new(ErrorKind::InvalidConfig, message));
            }
            scope.keys.extend(asked_keys(component, &source, settings.new_vault.as_ref()));
            let place = VaultPlace::new(region, settings.vault);
            if let Some(new) = settings.new_vault {
                scope.new_vaults.insert(place.clone(), new.kms_key);
            }
            scope.vaults.insert(place);
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

    /// The same with one more vault, which a copy makes where it is not there, encrypted with `kms_key` if one is named.
    #[must_use]
    pub fn with_new_vault(mut self, vault: VaultPlace, kms_key: Option<String>) -> Self {
        self.new_vaults.insert(vault.clone(), kms_key);
        self.with_vault(vault)
    }

    /// Whether the policy is for this task. Vaults are made by what puts something into them.
    pub(super) fn includes(&self, task: Task) -> bool {
        let fills = [Task::Backup, Task::Copy].iter().any(|task| self.tasks.contains(task));
        let makes = task == Task::CreateVault && fills && !self.new_vaults.is_empty();
        makes || self.tasks.contains(&task)
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
            On::Principals => ["user/*", "role/*"]
                .map(|kind| self.arn("iam", "", &self.account, kind))
                .into_iter()
                .collect(),
            On::Sources => self.sources.iter().map(|source| source.arn.to_string()).collect(),
            On::Vaults => self.vaults.iter().map(|place| self.vault(place)).collect(),
            On::NewVaults => self.new_vaults.keys().map(|place| self.vault(place)).collect(),
            On::NewVaultKeys => self.new_vaults.values().flatten().cloned().collect(),
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
            On::Keys => self.keys.clone(),
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

    fn vault(&self, place: &VaultPlace) -> String {
        self.arn("backup", &place.region, &self.account, &format!("backup-vault:{}", place.vault))
    }

    fn arn(&self, service: &str, region: &str, account: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition)
    }
}
