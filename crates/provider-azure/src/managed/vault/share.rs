//! A new share that a recovery point of Recovery Services is restored into: made by us with all marks at its birth, filled by
//! the vault.

use serde_json::{Value, json};
use stillpoint_core::{Error, ErrorKind, OpContext, Readiness, RestoreJob, Result, Tags, Wanted};

use super::super::AzureProvider;
use super::super::names::made_by;
use super::super::resource_id::ResourceId;
use super::super::storage::{ACCOUNTS, Metadata, Share};
use super::super::tags;
use super::STORAGE_ACCOUNT;
use super::item::Item;
use super::recovery;
use super::restore::{Restore, Standing};
use crate::connection::Begun;

/// The storage account that a destination names.
///
/// # Errors
/// `InvalidConfig` where it is none.
pub(super) fn account_of(wanted: &Wanted) -> Result<Option<ResourceId>> {
    let Some(named) = wanted.text(STORAGE_ACCOUNT)? else { return Ok(None) };
    let account: ResourceId = named.parse()?;
    if account.is(ACCOUNTS) {
        return Ok(Some(account));
    }
    let message = format!("{account} is no storage account");
    Err(Error::new(ErrorKind::InvalidConfig, message).with("setting", STORAGE_ACCOUNT))
}

impl AzureProvider {
    /// The share that `job` makes.
    pub(super) async fn share_to_make(
        &self,
        job: &RestoreJob,
        wanted: &Wanted,
        item: &Item,
    ) -> Result<ResourceId> {
        let there = Wanted::new(&job.destination, None);
        let account = match account_of(wanted)? {
            Some(account) => account,
            None => recovery::account(self.connection(), item).await?,
        };
        let name = there.text("name")?.unwrap_or_else(|| made_by(&job.key));
        account.child("fileServices", "default")?.child("shares", &name)
    }

    pub(super) async fn share_standing(&self, restore: &Restore<'_>) -> Result<Standing> {
        let Some(share) = Share::known(self.connection(), &restore.id).await? else {
            return Ok(Standing::Nothing);
        };
        let ours = share.tags().get(tags::JOB) == Some(&restore.job.key.token());
        Ok(if ours { Standing::Ours } else { Standing::Others })
    }

    pub(super) async fn make_share_to_fill(&self, restore: &Restore<'_>) -> Result<()> {
        let metadata = Metadata::of(&restore.tags)?;
        let mut properties = json!({ "metadata": metadata.written });
        if let Some(size) = restore.wanted.get::<u64>("size_gib")? {
            properties["shareQuota"] = json!(size);
        }
        Share::make(self.connection(), &restore.id, &json!({ "properties": properties })).await
    }

    pub(super) async fn ask_for_share(&self, restore: &Restore<'_>) -> Result<(Begun, Value)> {
        let account = restore.id.parent()?.parent()?.to_string();
        let source = recovery::account(self.connection(), &restore.item).await?;
        let body = json!({"properties": {
            "objectType": "AzureFileShareRestoreRequest",
            "recoveryType": "AlternateLocation",
            "sourceResourceId": source.to_string(),
            "copyOptions": "FailOnConflict",
            "restoreRequestType": "FullShareRestore",
            "targetDetails": {"name": restore.id.name(), "targetResourceId": account},
        }});
        let path = format!("{}/restore", restore.point.id);
        restore.item.begin(self.connection(), recovery::RESTORE, path, &restore.mark, &body).await
    }

    /// Whether the share `id` is there with its mark among `wanted`.
    ///
    /// # Errors
    /// `NotFound` where it carries another one.
    pub(super) async fn share_landed(&self, id: &ResourceId, wanted: &Tags) -> Result<bool> {
        let Some(share) = Share::known(self.connection(), id).await? else { return Ok(false) };
        if share.tags().get(tags::JOB) == wanted.get(tags::JOB) {
            return Ok(true);
        }
        Err(Error::new(ErrorKind::NotFound, format!("the share {id} is not what this job makes")))
    }

    /// A share that its job has filled can be used.
    pub(in super::super) async fn finish_share(&self, cx: &OpContext, id: &ResourceId) -> Result<Readiness> {
        let share = Share::get(self.connection(), id).await?;
        tags::owned(cx, id, &share.tags())?;
        Ok(Readiness::Initialized)
    }
}
