//! What a component must say so that AWS can back it up: the resource, the vault, the role, the windows.

use std::time::Duration;

use serde_json::Value;
use stillpoint_core::{Component, Error, ErrorKind, Result};

use super::arn::Arn;
use super::vault::NewVault;

/// The setting of a component that names the vault its recovery points go to.
pub const VAULT: &str = "vault";
/// The setting of a component that names the role with which AWS Backup works.
pub const ROLE_ARN: &str = "role_arn";
/// The setting of a component that says how long a job may wait for its start, in minutes.
pub const START_WINDOW_MINUTES: &str = "start_window_minutes";
/// The setting of a component that says how long after its creation AWS may let a job run, in minutes.
pub const COMPLETE_WINDOW_MINUTES: &str = "complete_window_minutes";

/// The shortest start window that AWS Backup takes.
/// Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartBackupJob.html>.
const START_WINDOW_LEAST: u32 = 60;
/// The longest window that AWS Backup takes: a hundred years.
const WINDOW_MOST: u32 = 52_560_000;
/// How long a job may wait for its start where nothing else is said: what AWS itself grants.
const START_WINDOW: u32 = 8 * 60;
/// How long a job may take where nothing else is said: as long as AWS lets a file system's backup run at all, so that
/// the deadline that ends a backup is the operation's own.
const COMPLETE_WINDOW: u32 = 30 * 24 * 60;

/// How a component is backed up, read from its [`settings`](Component::settings).
///
/// ```
/// use std::time::Duration;
/// use stillpoint_core::Component;
/// use stillpoint_provider_aws::managed::BackupSettings;
///
/// # fn main() -> stillpoint_core::Result<()> {
/// let volume = "arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1";
/// let settings = BackupSettings::new("ml-backups", "arn:aws:iam::123456789012:role/AWSBackupRole");
/// let component = settings.on(Component::new("db".parse()?, "ebs", "aws".parse()?, volume));
/// assert_eq!(component.settings["vault"], "ml-backups");
/// assert_eq!(BackupSettings::of(&component)?, settings);
/// assert!(settings.start_window >= Duration::from_secs(3600));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupSettings {
    /// The vault, in the region of the resource.
    pub vault: String,
    /// The role with which AWS Backup reads the resource and writes the recovery point.
    pub role_arn: String,
    /// How long a job may wait for its start; at least an hour, whole minutes.
    pub start_window: Duration,
    /// How long after its creation AWS stops a job; longer than any deadline of ours should be, whole minutes.
    pub complete_window: Duration,
    /// How the vault is made where it is not there; `None` leaves that to somebody else, and the backup fails.
    pub new_vault: Option<NewVault>,
}

impl BackupSettings {
    /// The vault's full name: it is where the resource `source` is.
    pub(super) fn vault_arn(&self, source: &Arn) -> Arn {
        source.sibling("backup", format!("backup-vault:{}", self.vault))
    }

    /// Backups into `vault` by `role_arn`, with windows that AWS never closes before we do.
    pub fn new(vault: impl Into<String>, role_arn: impl Into<String>) -> Self {
        Self {
            vault: vault.into(),
            role_arn: role_arn.into(),
            start_window: minutes(START_WINDOW),
            complete_window: minutes(COMPLETE_WINDOW),
            new_vault: None,
        }
    }

    /// The same, which make the vault where it is not there.
    #[must_use]
    pub fn with_new_vault(mut self, vault: NewVault) -> Self {
        self.new_vault = Some(vault);
        self
    }

    /// The settings of `component`.
    ///
    /// # Errors
    /// `InvalidConfig` that names the setting which is missing or cannot be used.
    pub fn of(component: &Component) -> Result<Self> {
        let mut settings = Self::new(text(component, VAULT)?, text(component, ROLE_ARN)?);
        if !is_vault_name(&settings.vault) {
            return Err(wrong(component, VAULT, "has 2 to 50 letters, digits, hyphens and underscores"));
        }
        let role: Option<Arn> = settings.role_arn.parse().ok();
        if !role.is_some_and(|role| role.service == "iam" && role.resource_type() == "role") {
            return Err(wrong(component, ROLE_ARN, "is a role's name, arn:aws:iam::ACCOUNT:role/NAME"));
        }
        if let Some(start) = window(component, START_WINDOW_MINUTES, START_WINDOW_LEAST)? {
            settings.start_window = start;
        }
        if let Some(complete) = window(component, COMPLETE_WINDOW_MINUTES, START_WINDOW_LEAST)? {
            settings.complete_window = complete;
        }
        if settings.complete_window < settings.start_window {
            return Err(wrong(
                component,
                COMPLETE_WINDOW_MINUTES,
                "counts from the job's creation and cannot end before the start window",
            ));
        }
        settings.new_vault = NewVault::of(&component.settings)?;
        Ok(settings)
    }

    /// `component` with these settings.
    #[must_use]
    pub fn on(&self, component: Component) -> Component {
        let component = match &self.new_vault {
            Some(vault) => vault.on(component),
            None => component,
        };
        component
            .with_setting(VAULT, self.vault.as_str())
            .with_setting(ROLE_ARN, self.role_arn.as_str())
            .with_setting(START_WINDOW_MINUTES, self.start_window.as_secs() / 60)
            .with_setting(COMPLETE_WINDOW_MINUTES, self.complete_window.as_secs() / 60)
    }
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(60 * u64::from(minutes))
}

fn is_vault_name(name: &str) -> bool {
    (2..=50).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

fn text(component: &Component, name: &str) -> Result<String> {
    match component.settings.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(_) => Err(wrong(component, name, "is a text")),
        None => Err(wrong(component, name, "is needed and not set")),
    }
}

fn window(component: &Component, name: &str, least: u32) -> Result<Option<Duration>> {
    let Some(value) = component.settings.get(name) else { return Ok(None) };
    let given = value.as_u64().and_then(|given| u32::try_from(given).ok());
    match given.filter(|given| (least..=WINDOW_MOST).contains(given)) {
        Some(given) => Ok(Some(minutes(given))),
        None => {
            let bounds = format!("is a whole number of minutes between {least} and {WINDOW_MOST}");
            Err(wrong(component, name, &bounds))
        }
    }
}

fn wrong(component: &Component, name: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("the setting {name} of component {} {what}", component.id))
        .with("component", &component.id)
        .with("setting", name)
}

/// What AWS Backup is asked to back up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceKind {
    /// An EBS volume: a snapshot of one instant.
    Volume,
    /// An EFS file system: read from start to end.
    FileSystem,
}

/// The resource of a component, by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) kind: SourceKind,
    pub(super) arn: Arn,
}

impl Source {
    /// The resource of `component`; region and account follow from it.
    ///
    /// # Errors
    /// `Unsupported` where components of this kind are none of AWS Backup's here; `InvalidInput` where the resource has
    /// no full name.
    pub(super) fn of(component: &Component) -> Result<Self> {
        let kind = match component.kind.as_str() {
            "ebs" => SourceKind::Volume,
            "efs" => SourceKind::FileSystem,
            other => {
                let message = format!("{other:?} is no kind of component that AWS Backup protects here");
                return Err(Error::new(ErrorKind::Unsupported, message).with("component", &component.id));
            }
        };
        let arn: Arn = component.resource.parse()?;
        let fits = match kind {
            SourceKind::Volume => arn.service == "ec2" && arn.resource_type() == "volume",
            SourceKind::FileSystem => {
                arn.service == "elasticfilesystem" && arn.resource_type() == "file-system"
            }
        };
        if !fits || arn.region.is_empty() || arn.account.is_empty() {
            let message = format!(
                "{arn} does not name what component {} of kind {} is; write its ARN with region and account",
                component.id, component.kind
            );
            return Err(Error::new(ErrorKind::InvalidInput, message).with("component", &component.id));
        }
        Ok(Self { kind, arn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/AWSBackupRole";

    fn component(kind: &str, resource: &str) -> Component {
        Component::new("db".parse().unwrap(), kind, "aws".parse().unwrap(), resource)
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        let good = BackupSettings::new("vault", ROLE).on(component("ebs", "x"));
        for (name, value) in [
            (VAULT, Value::from("a vault")),
            (VAULT, Value::from(7)),
            (ROLE_ARN, Value::from("AWSBackupRole")),
            (START_WINDOW_MINUTES, Value::from(59)),
            (START_WINDOW_MINUTES, Value::from("60")),
            (COMPLETE_WINDOW_MINUTES, Value::from(60)),
        ] {
            let error = BackupSettings::of(&good.clone().with_setting(name, value)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert_eq!(error.context("setting"), Some(name), "{error}");
        }
        let mut without = good;
        without.settings.remove(ROLE_ARN);
        assert_eq!(BackupSettings::of(&without).unwrap_err().context("setting"), Some(ROLE_ARN));
    }

    #[test]
    fn only_full_names_of_volumes_and_file_systems_are_sources() {
        let volume = "arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1";
        assert_eq!(Source::of(&component("ebs", volume)).unwrap().kind, SourceKind::Volume);
        for (kind, resource, refused) in [
            ("nfs", "nfs.example.com:/export", ErrorKind::Unsupported),
            ("efs", volume, ErrorKind::InvalidInput),
            ("ebs", "vol-0a1", ErrorKind::InvalidInput),
            ("ebs", "arn:aws:ec2:us-west-2::volume/vol-0a1", ErrorKind::InvalidInput),
            ("ebs", "arn:aws:ec2:us-west-2:1:snapshot/snap-1", ErrorKind::InvalidInput),
        ] {
            assert_eq!(Source::of(&component(kind, resource)).unwrap_err().kind(), refused, "{resource}");
        }
    }
}
