//! What would make a backup through a vault fail, and what the vault's own safeguards mean.

use serde::Deserialize;
use stillpoint_core::{Component, ErrorKind, Finding, OpContext, RESOURCE_BUSY, Result};

use super::super::AzureProvider;
use super::super::compute::Disk;
use super::super::policy::Task;
use super::super::policy::calls::On;
use super::super::policy::vaults::granted_on;
use super::super::shares::SNAPSHOTS_MAX;
use super::super::storage::{self, Container, SHARES, Share};
use super::super::vault::{STORAGE_ACCOUNT, Service, Source};
use super::rights::granted;
use super::{blocker, info, judged, warning};

/// How a vault says that it backs something up.
const PROTECTED: [&str; 4] = ["ProtectionConfigured", "Protected", "IRPending", "ConfiguringProtection"];
/// So close to the most snapshots that a share may have, it is said: each recovery point of it is one.
const NEARLY: usize = 10;

#[derive(Deserialize)]
struct Vault {
    location: String,
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Properties {
    security_settings: Option<Security>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Security {
    soft_delete_settings: Option<SoftDelete>,
    immutability_settings: Option<State>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    state: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SoftDelete {
    #[serde(alias = "softDeleteState")]
    state: Option<String>,
    #[serde(alias = "softDeleteRetentionPeriodInDays")]
    retention_duration_in_days: Option<f64>,
}

impl AzureProvider {
    pub(super) async fn check_vaulted(
        &self,
        cx: &OpContext,
        component: &Component,
        source: &Source,
    ) -> Result<Vec<Finding>> {
        let connection = self.connection();
        let vault: Vault = match connection.get(&source.service.read_vault(&source.vault)).await {
            Ok(vault) => vault,
            Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                return Ok(vec![blocker("credentials", error.to_string())]);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!("there is no vault {}; make it, or name another", source.vault);
                return Ok(vec![blocker("vault-exists", message)]);
            }
            Err(error) => return judged("vault-exists", Err(error)),
        };
        let mut findings = safeguards(source, vault.properties.security_settings.unwrap_or_default());
        findings.extend(judged("resource-exists", self.vaulted_source(source, &vault.location).await)?);
        cx.check()?;
        findings.extend(judged("vault-protects", self.vaulted_item(cx, source).await)?);
        findings.extend(judged("permissions", self.vault_rights(source).await)?);
        if source.is_of_blobs() && !component.settings.contains_key(STORAGE_ACCOUNT) {
            let message = format!(
                "blobs of {} come back as a new container of another storage account, which a restore must name by the \
                 setting {STORAGE_ACCOUNT}",
                component.id
            );
            findings.push(info("restore", message));
        }
        if source.service == Service::Protection {
            let message = format!(
                "how long backups of {} are kept is for the policy of its vault to say, and nobody deletes one before",
                component.id
            );
            findings.push(info("retention", message));
        }
        Ok(findings)
    }

    /// Whether the source is there, where its vault is, and of a kind that Azure Backup takes.
    async fn vaulted_source(&self, source: &Source, region: &str) -> Result<Vec<Finding>> {
        let (connection, id) = (self.connection(), &source.id);
        let mut findings = Vec::new();
        let at = if id.is(SHARES) {
            match Share::known(connection, id).await? {
                Some(share) if share.properties.enabled_protocols.as_deref() == Some("NFS") => {
                    let message = format!(
                        "{id} is an NFS share, which Azure Backup does not take; set vault = \"\" for it, and it is captured by \
                         share snapshots"
                    );
                    findings.push(blocker("protocol", message));
                }
                Some(_) => {
                    let count = Share::snapshots(connection, id).await?.len();
                    let message = format!(
                        "{id} has {count} of at most {SNAPSHOTS_MAX} snapshots, and each recovery point is one; let some go"
                    );
                    if count >= SNAPSHOTS_MAX {
                        findings.push(blocker("snapshot-quota", message));
                    } else if count + NEARLY >= SNAPSHOTS_MAX {
                        findings.push(warning("snapshot-quota", message));
                    }
                }
                None => return Ok(vec![absent(source)]),
            }
            storage::region(connection, id).await?
        } else if let Some(container) = source.container_id()? {
            if Container::known(connection, &container).await?.is_none() {
                let message =
                    format!("there is no container {container}; take it out of the workspace, or correct it");
                return Ok(vec![blocker("resource-exists", message)]);
            }
            storage::region(connection, &container).await?
        } else {
            match Disk::known(connection, id).await? {
                Some(disk) => disk.location,
                None => return Ok(vec![absent(source)]),
            }
        };
        if !at.eq_ignore_ascii_case(region) {
            let message = format!("{id} is in region {at}, its vault in {region}; it must be the same");
            findings.push(blocker("region", message));
        }
        Ok(findings)
    }

    /// Whether the vault backs it up, by which rule, and whether a job runs.
    async fn vaulted_item(&self, cx: &OpContext, source: &Source) -> Result<Vec<Finding>> {
        let connection = self.connection();
        let protected = match source.protected(connection).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(vec![blocker("vault-protects", error.to_string())]);
            }
            other => other?,
        };
        let mut findings = Vec::new();
        let state = protected.state();
        if !PROTECTED.iter().any(|word| word.eq_ignore_ascii_case(state)) {
            let message = format!("the vault {} says of {} that it is {state}", source.vault, source.id);
            findings.push(blocker("vault-protects", message));
        }
        match source.rule_of(connection, &protected).await {
            Err(error) if error.kind() == ErrorKind::InvalidConfig => {
                findings.push(blocker("backup-rule", error.to_string()));
            }
            other => drop(other?),
        }
        if let Some(job) = protected.running(cx, connection).await? {
            findings.push(warning(
                RESOURCE_BUSY,
                format!("{job} runs on {}; a backup waits for its end", source.id),
            ));
        }
        Ok(findings)
    }

    async fn vault_rights(&self, source: &Source) -> Result<Vec<Finding>> {
        let vault = &source.vault;
        let granted = granted(self.connection(), &vault.subscription, &vault.group).await?;
        let denied: Vec<&str> = granted_on(On::Vaults, source.what(), Task::Backup)
            .filter(|action| !granted.iter().any(|permission| permission.allows(action)))
            .collect();
        let message = format!(
            "the caller may not {} in resource group {}; assign what `policy` prints",
            denied.join(", "),
            vault.group
        );
        Ok((!denied.is_empty()).then(|| blocker("permissions", message)).into_iter().collect())
    }
}

fn absent(source: &Source) -> Finding {
    let message = format!("{} does not exist; take it out of the workspace, or correct it", source.id);
    blocker("resource-exists", message)
}

/// What soft deletion and immutability of a vault mean for its backups.
/// Source: <https://learn.microsoft.com/azure/backup/secure-by-default> and
/// <https://learn.microsoft.com/azure/backup/backup-azure-immutable-vault-concept>.
fn safeguards(source: &Source, security: Security) -> Vec<Finding> {
    let vault = &source.vault;
    let soft = security.soft_delete_settings.unwrap_or_default();
    let days = soft.retention_duration_in_days.unwrap_or(14.0);
    let mut findings = Vec::new();
    match soft.state.as_deref().unwrap_or("On") {
        "Off" | "Disabled" => findings.push(warning(
            "soft-delete",
            format!("soft deletion of {vault} is off: whoever may stop its protection deletes all backups at once"),
        )),
        state => findings.push(info(
            "soft-delete",
            format!("what is deleted in {vault} can be brought back for {days} days ({state}), and is paid for that long"),
        )),
    }
    let immutable = security.immutability_settings.and_then(|settings| settings.state);
    match immutable.as_deref().unwrap_or("Disabled") {
        "Locked" => findings.push(info(
            "immutability",
            format!("{vault} is immutable for ever: no backup goes before its time, whoever asks"),
        )),
        "Unlocked" => findings.push(info(
            "immutability",
            format!("{vault} is immutable until somebody lifts that, since it is not locked"),
        )),
        _ => {}
    }
    findings
}
