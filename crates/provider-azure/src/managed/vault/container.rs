//! A new container from a recovery point of Data Protection.
//!
//! A vault restores blobs into containers that it makes, in another storage account than the source, under names that may be
//! chosen. It writes nothing of ours on them, so what is written is written at first sight, as metadata.
//! Source: <https://learn.microsoft.com/azure/backup/blob-restore>.

use serde_json::{Value, json};
use stillpoint_core::{Error, ErrorKind, OpContext, Readiness, RestoreJob, Result, Tags, Wanted};

use super::super::AzureProvider;
use super::super::names::made_by;
use super::super::resource_id::ResourceId;
use super::super::storage::{ACCOUNTS, Container, Metadata};
use super::super::tags;
use super::restore::{Restore, Standing};
use super::share::account_of;
use super::{STORAGE_ACCOUNT, protection};
use crate::connection::Begun;

/// The type of what a vault calls the blobs of an account.
const BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices";

/// The container that `job` makes.
///
/// # Errors
/// `InvalidConfig` where no account is named, or the source's own.
pub(super) fn container_to_make(job: &RestoreJob, wanted: &Wanted) -> Result<ResourceId> {
    let source: ResourceId = job.component.resource.parse()?;
    let own = source.parent()?.parent()?;
    let refused = |message: String| {
        Err(Error::new(ErrorKind::InvalidConfig, message)
            .with("setting", STORAGE_ACCOUNT)
            .with("component", &job.component.id))
    };
    let account = match account_of(wanted)? {
        Some(account) if account != own => account,
        Some(_) => {
            return refused(format!(
                "a vault restores blobs into another storage account than theirs, {own}"
            ));
        }
        None => {
            return refused(format!(
                "a vault restores blobs into another storage account than theirs, {own}; name one by the setting \
                 {STORAGE_ACCOUNT} of the component that {} is restored as",
                job.component.id
            ));
        }
    };
    // What a name was recorded for is there already.
    let name = Wanted::new(&job.destination, None).text("name")?.unwrap_or_else(|| made_by(&job.key));
    account.child("blobServices", "default")?.child("containers", &name)
}

impl AzureProvider {
    pub(super) async fn container_standing(&self, restore: &Restore<'_>) -> Result<Standing> {
        let Some(container) = Container::known(self.connection(), &restore.id).await? else {
            return Ok(Standing::Nothing);
        };
        Ok(restore.owned_by(container.tags().get(tags::JOB)))
    }

    pub(super) async fn ask_for_container(
        &self,
        restore: &Restore<'_>,
        region: &str,
    ) -> Result<(Begun, Value)> {
        let account = restore.id.parent()?.parent()?;
        let source: ResourceId = restore.job.component.resource.parse()?;
        let body = json!({
            "objectType": "AzureBackupRecoveryPointBasedRestoreRequest",
            "recoveryPointId": restore.point.id.name(),
            "sourceDataStoreType": protection::VAULT_STORE,
            "restoreTargetInfo": {
                "objectType": "ItemLevelRestoreTargetInfo",
                "recoveryOption": "FailIfExists",
                "restoreLocation": region,
                "restoreCriteria": [{
                    "objectType": "ItemPathBasedRestoreCriteria", "itemPath": source.name(),
                    "isPathRelativeToBackupItem": true, "renameTo": restore.id.name(),
                }],
                "datasourceInfo": {
                    "objectType": "Datasource", "datasourceType": BLOBS, "resourceType": ACCOUNTS,
                    "resourceID": account.to_string(), "resourceName": account.name(), "resourceLocation": region,
                    "resourceUri": account.to_string(),
                },
            },
        });
        let path = format!("{}/restore", restore.item.id);
        restore.item.begin(self.connection(), protection::RESTORE, path, &restore.mark, &body).await
    }

    /// Whether the container `id` is there; if so, it carries from now on what metadata can hold of `wanted`.
    ///
    /// # Errors
    /// `NotFound` where it carries the mark of another job.
    pub(super) async fn container_landed(&self, id: &ResourceId, wanted: &Tags) -> Result<bool> {
        let Some(container) = Container::known(self.connection(), id).await? else { return Ok(false) };
        let (mut wanted, left_out) = (wanted.clone(), Metadata::of(wanted)?.left_out);
        wanted.retain(|key, _| !left_out.contains(key));
        if let Some(all) = tags::landed(id, &wanted, container.tags())? {
            Container::write_tags(self.connection(), id, &all).await?;
        }
        Ok(true)
    }

    /// A container is restored when its job ends, and is not used before.
    pub(in super::super) async fn finish_container(
        &self,
        cx: &OpContext,
        id: &ResourceId,
    ) -> Result<Readiness> {
        let container = Container::get(self.connection(), id).await?;
        tags::owned(cx, id, &container.tags())?;
        Ok(Readiness::Initialized)
    }

    /// Removes a container that carries the mark of the restore.
    pub(in super::super) async fn discard_container(&self, cx: &OpContext, id: &ResourceId) -> Result<()> {
        let Some(container) = Container::known(self.connection(), id).await? else { return Ok(()) };
        tags::owned(cx, id, &container.tags())?;
        match Container::delete(self.connection(), id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
