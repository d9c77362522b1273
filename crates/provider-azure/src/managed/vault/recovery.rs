//! Calls to Recovery Services: what its vaults know of SMB shares.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use stillpoint_core::{BackupJob, Error, Result, Timestamp};

use super::super::compute::{or_default, time};
use super::super::resource_id::ResourceId;
use super::item::{Item, Listed, Point, Protected};
use super::job::{Job, Said};
use super::source::{Service, Source};
use crate::connection::{Connection, Request};

/// The version of the interface of backups, and that of vaults.
pub(super) const VERSION: &str = "2026-10-01";
pub(super) const VAULT_VERSION: &str = "2026-11-01";
pub(super) const BACKUP: &str =
    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/backup/action";
pub(super) const RESTORE: &str = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/\
                                  recoveryPoints/restore/action";
const CANCEL: &str = "Microsoft.RecoveryServices/vaults/backupJobs/cancel/action";
const ITEMS: &str = "Microsoft.RecoveryServices/vaults/backupProtectedItems/read";
const ITEM: &str = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read";
pub(super) const JOBS: &str = "Microsoft.RecoveryServices/vaults/backupJobs/read";
pub(super) const POINTS: &str =
    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/read";
/// What is asked for of the kinds of things that such a vault keeps.
const OF_SHARES: &str = "backupManagementType eq 'AzureStorage'";
/// A recovery point that nobody gives an end is kept for a month, and one may be kept for 99 years.
/// Source: <https://learn.microsoft.com/azure/backup/backup-azure-file-share-rest-api>.
const KEPT_MOST: Duration = Duration::from_secs(99 * 365 * 24 * 3600);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawItem {
    friendly_name: Option<String>,
    source_resource_id: Option<String>,
    protection_state: Option<String>,
    policy_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawJob {
    name: String,
    properties: RawProperties,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawProperties {
    activity_id: String,
    entity_friendly_name: String,
    storage_account_name: String,
    operation: String,
    is_user_triggered: bool,
    start_time: Option<String>,
    end_time: Option<String>,
    status: String,
    #[serde(deserialize_with = "or_default")]
    error_details: Vec<RawError>,
    #[serde(deserialize_with = "or_default")]
    extended_info: Extended,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawError {
    error_code: Option<i64>,
    error_string: String,
    #[serde(deserialize_with = "or_default")]
    recommendations: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Extended {
    dynamic_error_message: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPoint {
    recovery_point_time: Option<String>,
    #[serde(deserialize_with = "or_default")]
    recovery_point_properties: Lifetime,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Lifetime {
    expiry_time: Option<String>,
    is_soft_deleted: Option<bool>,
}

/// What the vault of `source` knows of it.
pub(super) async fn protected(connection: &Connection, source: &Source) -> Result<Option<Protected>> {
    let account = source.id.parent()?.parent()?;
    let request = Request::new(ITEMS, format!("{}/backupProtectedItems", source.vault), VERSION)
        .asking("$filter", OF_SHARES);
    let listed: Vec<Listed<RawItem>> = connection.list(&request).await?;
    for Listed { id, properties } in listed {
        let of = properties.source_resource_id.and_then(|id| id.parse::<ResourceId>().ok());
        let name = properties.friendly_name.unwrap_or_default();
        if of.as_ref() == Some(&account) && name.eq_ignore_ascii_case(source.id.name()) {
            return Ok(Some(Protected {
                item: Item { id: id.parse()?, service: Service::Recovery },
                state: properties.protection_state.unwrap_or_default(),
                policy: properties.policy_id.and_then(|id| id.parse().ok()),
                containers: None,
            }));
        }
    }
    Ok(None)
}

/// The request for the backup `job`, whose recovery point is kept as long as the job says.
pub(super) fn backup(job: &BackupJob) -> Value {
    let until = job.created_at.after(job.retain.unwrap_or(KEPT_MOST).min(KEPT_MOST));
    json!({"properties": {
        "objectType": "AzureFileShareBackupRequest", "recoveryPointExpiryTimeInUTC": until.to_string(),
    }})
}

pub(super) async fn jobs(
    connection: &Connection,
    item: &Item,
    now: Timestamp,
    reach: Duration,
) -> Result<Vec<Job>> {
    let (account, share) = named(connection, item).await?;
    let since = Timestamp::from_millis(
        now.as_millis().saturating_sub_unsigned(u64::try_from(reach.as_millis()).unwrap_or(u64::MAX)),
    );
    let span = format!(
        "{OF_SHARES} and startTime eq '{}' and endTime eq '{}'",
        written(since),
        written(now.after(Duration::from_secs(3600)))
    );
    let request =
        Request::new(JOBS, format!("{}/backupJobs", item.vault()?), VERSION).asking("$filter", span);
    let listed: Vec<RawJob> = connection.list(&request).await?;
    let of_item = |raw: &RawJob| {
        raw.properties.entity_friendly_name.eq_ignore_ascii_case(&share)
            && raw.properties.storage_account_name.eq_ignore_ascii_case(&account)
    };
    Ok(listed.into_iter().filter(of_item).map(Job::from).collect())
}

/// Asks the job `id` to stop.
///
/// # Errors
/// `InvalidInput` where it has ended.
pub(super) async fn cancel(connection: &Connection, vault: &ResourceId, id: &str) -> Result<()> {
    let path = format!("{}/cancel", vault.child("backupJobs", id)?);
    connection.post(&Request::new(CANCEL, path, VERSION), None).await.map(drop)
}

/// The account of the share that `item` is.
///
/// # Errors
/// `NotFound` where the vault no longer has it.
pub(super) async fn account(connection: &Connection, item: &Item) -> Result<ResourceId> {
    let known: Listed<RawItem> = connection.get(&Request::new(ITEM, item.id.to_string(), VERSION)).await?;
    known.properties.source_resource_id.unwrap_or_default().parse()
}

/// The account and the share of an item, by whose names its jobs call it. Its own name may be a digest.
async fn named(connection: &Connection, item: &Item) -> Result<(String, String)> {
    let known: Listed<RawItem> = connection.get(&Request::new(ITEM, item.id.to_string(), VERSION)).await?;
    let account = known.properties.source_resource_id.and_then(|id| id.parse::<ResourceId>().ok());
    let account = account.map(|account| account.name().to_owned());
    Ok((account.unwrap_or_default(), known.properties.friendly_name.unwrap_or_default()))
}

/// A time as this service's filters take it: `2026-01-05 01:30:00 PM`.
fn written(at: Timestamp) -> String {
    let name = at.to_directory_name();
    let parts: Vec<&str> = name.split('-').collect();
    let [year, month, day, hour, minute, second] = parts.as_slice() else { return name };
    let hour: u32 = hour.parse().unwrap_or(0);
    let (half, hour) =
        (if hour < 12 { "AM" } else { "PM" }, if hour.is_multiple_of(12) { 12 } else { hour % 12 });
    format!("{year}-{month}-{day} {hour:02}:{minute}:{second} {half}")
}

impl From<RawJob> for Job {
    fn from(raw: RawJob) -> Self {
        let RawProperties { entity_friendly_name: share, .. } = &raw.properties;
        let said: Vec<Said> = raw.properties.error_details.iter().map(Said::from).collect();
        let more = raw.properties.extended_info.dynamic_error_message.iter();
        let more = more.map(|message| Said { message: message.clone(), ..Said::default() });
        let said: Vec<Said> = said.into_iter().chain(more).collect();
        Self {
            warnings: said.iter().map(|said| (share.clone(), said.clone())).collect(),
            errors: said,
            id: raw.name,
            activity: raw.properties.activity_id,
            operation: raw.properties.operation,
            asked_for: raw.properties.is_user_triggered,
            started: time(raw.properties.start_time.as_ref()),
            ended: time(raw.properties.end_time.as_ref()),
            status: raw.properties.status,
            bytes: None,
        }
    }
}

impl From<&RawError> for Said {
    fn from(raw: &RawError) -> Self {
        Self {
            code: raw.error_code.map(|code| code.to_string()).unwrap_or_default(),
            message: raw.error_string.clone(),
            recommended_action: raw.recommendations.clone(),
        }
    }
}

impl TryFrom<Listed<RawPoint>> for Point {
    type Error = Error;

    fn try_from(Listed { id, properties }: Listed<RawPoint>) -> Result<Self> {
        let lifetime = properties.recovery_point_properties;
        Ok(Self {
            id: id.parse()?,
            time: time(properties.recovery_point_time.as_ref()),
            expires: time(lifetime.expiry_time.as_ref()),
            whole: true,
            soft_deleted: lifetime.is_soft_deleted == Some(true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_asked_for_as_the_service_writes_them() {
        for (at, text) in [
            ("2026-01-05T00:07:09Z", "2026-01-05 12:07:09 AM"),
            ("2026-01-05T12:00:00Z", "2026-01-05 12:00:00 PM"),
            ("2026-11-26T23:59:59Z", "2026-11-26 11:59:59 PM"),
        ] {
            assert_eq!(written(at.parse().unwrap()), text);
        }
    }

    #[test]
    fn an_item_is_in_its_vault() {
        let id = "/subscriptions/1/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/backupFabrics/Azure/\
                  protectionContainers/StorageContainer;Storage;rg;files/protectedItems/AzureFileShare;projects";
        let item = Item::of(&id.parse().unwrap()).unwrap();
        assert_eq!(item.vault().unwrap().name(), "v");
    }
}
