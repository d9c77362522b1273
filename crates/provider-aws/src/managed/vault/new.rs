//! Making a vault where there is none: once, whoever asks how often.

use std::time::Duration;

use sha2::{Digest, Sha256};
use stillpoint_core::{Component, Error, ErrorKind, Result, Settings, Tags, Wanted};

use super::super::arn::Arn;
use super::super::clients::Clients;
use super::super::refusal::unread;
use super::super::tags;
use super::Vault;

/// The setting of a component, or of a copy's destination, that lets the vault be made where it is not there: `true`.
pub const CREATE_VAULT: &str = "create_vault";
/// The setting that names the key of a vault that is made, by its full name.
pub const VAULT_KMS_KEY: &str = "vault_kms_key";
/// The setting that says which tags a vault that is made carries.
pub const VAULT_TAGS: &str = "vault_tags";

/// How long a vault that was just made may take until it can be seen and takes recovery points.
const MADE_PAUSE: Duration = Duration::from_secs(5);

/// How a vault is made where there is none.
///
/// It is made by the first backup (or copy) that needs it and never deleted, changed or locked. One that is there already,
/// whoever made it, is taken as it is.
///
/// ```
/// use stillpoint_core::Component;
/// use stillpoint_provider_aws::managed::{BackupSettings, NewVault};
///
/// # fn main() -> stillpoint_core::Result<()> {
/// let volume = "arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1";
/// let role = "arn:aws:iam::123456789012:role/AWSBackupRole";
/// let vault = NewVault::new().with_tag("owner", "ml-team");
/// let settings = BackupSettings::new("ml-backups", role).with_new_vault(vault);
/// let component = settings.on(Component::new("db".parse()?, "ebs", "aws".parse()?, volume));
/// assert_eq!(component.settings["create_vault"], true);
/// assert_eq!(BackupSettings::of(&component)?, settings);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewVault {
    /// The key that encrypts it, by its full name; where none is named, AWS Backup's own.
    pub kms_key: Option<String>,
    /// What is written on it.
    pub tags: Tags,
}

impl NewVault {
    /// A vault with AWS Backup's own key and without tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, encrypted with this key.
    #[must_use]
    pub fn with_kms_key(mut self, arn: impl Into<String>) -> Self {
        self.kms_key = Some(arn.into());
        self
    }

    /// The same with one more tag.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// What `settings` say of it; `None` where no vault is to be made.
    ///
    /// # Errors
    /// `InvalidConfig` where one of them has another form, `InvalidInput` where a tag cannot be written.
    pub(in super::super) fn of(settings: &Settings) -> Result<Option<Self>> {
        let wanted = Wanted::new(settings, None);
        if wanted.get::<bool>(CREATE_VAULT)? != Some(true) {
            return Ok(None);
        }
        let kms_key = wanted.text(VAULT_KMS_KEY)?;
        if let Some(key) = &kms_key
            && !key.parse::<Arn>().is_ok_and(|key| key.service == "kms" && key.resource_type() == "key")
        {
            let message = format!("{VAULT_KMS_KEY} {key:?} is no key (arn:aws:kms:REGION:ACCOUNT:key/ID)");
            return Err(Error::new(ErrorKind::InvalidConfig, message).with("setting", VAULT_KMS_KEY));
        }
        let own = wanted.get::<Tags>(VAULT_TAGS)?.unwrap_or_default();
        let tags = tags::with_own(Tags::new(), &own, tags::TAGS_MAX)?;
        Ok(Some(Self { kms_key, tags }))
    }

    /// `component` with the settings that say this.
    pub(in super::super) fn on(&self, component: Component) -> Component {
        let mut component = component.with_setting(CREATE_VAULT, true);
        if let Some(key) = &self.kms_key {
            component = component.with_setting(VAULT_KMS_KEY, key.as_str());
        }
        if !self.tags.is_empty() {
            component = component.with_setting(VAULT_TAGS, serde_json::json!(self.tags));
        }
        component
    }

    /// Makes the vault `arn` in the clients' region. One that is there already is no error.
    async fn make(&self, clients: &Clients, arn: &Arn) -> Result<()> {
        let call = clients
            .backup
            .create_backup_vault()
            .backup_vault_name(arn.resource_id())
            .creator_request_id(request_id(arn))
            .set_encryption_key_arn(self.kms_key.clone())
            .set_backup_vault_tags(Some(self.tags.clone().into_iter().collect()));
        // A lost answer leaves no job behind, and the same call again is answered with the same vault.
        match call.send().await.map_err(unread("CreateBackupVault")) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}

impl Vault {
    /// The vault `arn` in the clients' region, made as `new` says where it is not there.
    ///
    /// # Errors
    /// `NotFound` where there is none and none is to be made; `Busy` while one that was just made cannot be used yet.
    pub(in super::super) async fn ready(
        clients: &Clients,
        arn: &Arn,
        new: Option<&NewVault>,
    ) -> Result<Self> {
        let name = arn.resource_id();
        let described = Self::describe(clients, name).await;
        let (Err(error), Some(new)) = (&described, new) else { return described };
        // Of a vault that is not there AWS may also say that nobody may look at it.
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) {
            return described;
        }
        new.make(clients, arn).await?;
        let made = match Self::describe(clients, name).await {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            made => Some(made?),
        };
        made.filter(|made| made.trouble().is_none()).ok_or_else(|| {
            let message = format!("the vault {name} was just made and cannot be used yet");
            Error::new(ErrorKind::Busy, message).with("vault", name).retry_after(MADE_PAUSE)
        })
    }
}

/// What tells AWS that two requests mean the same vault.
fn request_id(vault: &Arn) -> String {
    let digest = Sha256::digest(format!("vault {vault}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(settings: serde_json::Value) -> Result<Option<NewVault>> {
        NewVault::of(&serde_json::from_value(settings).unwrap())
    }

    #[test]
    fn a_vault_is_made_only_where_that_is_said_and_said_in_full() {
        for none in [json!({}), json!({"create_vault": false}), json!({"vault_tags": {"a": "b"}})] {
            assert_eq!(of(none).unwrap(), None);
        }
        let key = "arn:aws:kms:us-east-1:1:key/k-1";
        let said = json!({"create_vault": true, "vault_kms_key": key, "vault_tags": {"owner": "ml"}});
        let wanted = NewVault::new().with_kms_key(key).with_tag("owner", "ml");
        assert_eq!(of(said).unwrap(), Some(wanted));
        for wrong in [
            json!({"create_vault": "yes"}),
            json!({"create_vault": true, "vault_kms_key": "alias/mine"}),
            json!({"create_vault": true, "vault_tags": ["owner"]}),
            json!({"create_vault": true, "vault_tags": {"aws:x": ""}}),
        ] {
            assert!(of(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_vault_has_one_request_id_that_aws_takes() {
        let id = |arn: &str| request_id(&arn.parse().unwrap());
        let one = id("arn:aws:backup:us-east-1:1:backup-vault:a");
        assert!(one.len() <= 50 && one.chars().all(|c| c.is_ascii_alphanumeric()), "{one}");
        assert_eq!(one, id("arn:aws:backup:us-east-1:1:backup-vault:a"));
        assert_ne!(one, id("arn:aws:backup:eu-west-1:1:backup-vault:a"));
    }
}
