//! The vault, its lock, and the key that encrypts what goes into it.

use std::time::Duration;

use stillpoint_core::{Component, Error, ErrorKind, Finding, Result, Severity};

use super::super::AwsProvider;
use super::super::backup::{refusal, too_long};
use super::super::settings::{BackupSettings, Source};
use super::super::vault::{CREATE_VAULT, VAULT_KMS_KEY, Vault};
use super::{Subject, blocker, judged, warning};

impl AwsProvider {
    /// What stands against keeping a backup for `retain`. What cannot be read here, the other checks tell.
    pub(in super::super) async fn check_kept_for(
        &self,
        component: &Component,
        retain: Option<Duration>,
    ) -> Result<Vec<Finding>> {
        let read = Source::of(component).and_then(|source| Ok((source, BackupSettings::of(component)?)));
        let Ok((source, settings)) = read else { return Ok(Vec::new()) };
        let clients = self.clients(&source.arn.region)?;
        let refused = match too_long(retain) {
            Some(message) => Some(message),
            None => match Vault::describe(&clients, &settings.vault).await {
                Ok(vault) => refusal(&vault, retain),
                Err(error) if is_passing(&error) => return Err(error),
                Err(_) => None,
            },
        };
        Ok(refused.map(|message| blocker("vault-retention", message)).into_iter().collect())
    }
}

/// Whether the same look may well be answered soon.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Unavailable)
}

impl Subject<'_> {
    /// The vault, where it may be looked at, and what is to be said about it.
    pub(super) async fn vault(&self) -> Result<(Option<Vault>, Vec<Finding>)> {
        let name = &self.settings.vault;
        let vault = match Vault::describe(&self.clients, name).await {
            Ok(vault) => vault,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut findings = vec![self.no_vault(name)];
                let key = self.settings.new_vault.as_ref().and_then(|new| new.kms_key.as_deref());
                if let Some(key) = key {
                    findings.extend(judged("kms-key", self.key(key).await)?);
                }
                return Ok((None, findings));
            }
            Err(error) => return Ok((None, judged("vault-exists", Err(error))?)),
        };
        let mut findings = Vec::new();
        if let Some(state) = vault.trouble() {
            let message = format!("the vault {name} is {state} and takes nothing; wait, or name another");
            findings.push(blocker("vault-exists", message));
        }
        findings.extend(self.other_key(&vault));
        if vault.locked {
            // A backup whose retention does not fit is refused when it is to start.
            let severity = if vault.refuses(None).is_some() { Severity::Warning } else { Severity::Info };
            let message = format!(
                "the vault {name} is locked ({}): nobody deletes a recovery point before its retention ends, and a backup \
                 kept for another time is refused; choose the retention (--retain) accordingly",
                vault.lock_in_words()
            );
            findings.push(Finding::new("vault-lock", severity, message));
        }
        Ok((Some(vault), findings))
    }

    fn no_vault(&self, name: &str) -> Finding {
        let region = &self.clients.region;
        if self.settings.new_vault.is_some() {
            let message = format!("there is no vault {name} in {region} yet; the backup makes it");
            return Finding::new("vault-exists", Severity::Info, message);
        }
        let message =
            format!("there is no vault {name} in {region}; make it, name another, or set {CREATE_VAULT}");
        blocker("vault-exists", message)
    }

    /// A vault that is there keeps its key.
    fn other_key(&self, vault: &Vault) -> Option<Finding> {
        let asked = self.settings.new_vault.as_ref()?.kms_key.as_ref()?;
        let (name, own) = (&vault.name, vault.key.as_ref()?);
        (own != asked).then(|| {
            let message = format!(
                "the vault {name} is encrypted with {own} and not with {asked}, and stays so; correct {VAULT_KMS_KEY}, or \
                 name another vault"
            );
            warning("vault-key", message)
        })
    }

    /// Whether the key `id` can be used.
    pub(super) async fn key(&self, id: &str) -> Result<Vec<Finding>> {
        Ok(match self.clients.key_trouble(id).await {
            Ok(None) => Vec::new(),
            Ok(Some(state)) => {
                let message =
                    format!("the key {id} is {state}; enable it, or nothing can be encrypted with it");
                vec![blocker("kms-key", message)]
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                vec![blocker(
                    "kms-key",
                    format!("there is no key {id}; what is encrypted with it cannot be read"),
                )]
            }
            Err(error) => return Err(error),
        })
    }
}
