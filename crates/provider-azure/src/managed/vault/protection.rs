//! Calls to Data Protection: what its vaults know of disks and blobs.

use serde::Deserialize;
use serde_json::json;
use stillpoint_core::{Error, ErrorKind, Result};

use super::super::compute::{or_default, time};
use super::super::resource_id::ResourceId;
use super::item::{Item, Listed, Point, Protected};
use super::job::{Job, Said};
use super::source::{Service, Source};
use crate::connection::{Connection, Request};

/// The version of the service's interface.
pub(super) const VERSION: &str = "2026-06-01";
pub(super) const BACKUP: &str = "Microsoft.DataProtection/backupVaults/backupInstances/backup/action";
pub(super) const RESTORE: &str = "Microsoft.DataProtection/backupVaults/backupInstances/restore/action";
const INSTANCES: &str = "Microsoft.DataProtection/backupVaults/backupInstances/read";
const POLICIES: &str = "Microsoft.DataProtection/backupVaults/backupPolicies/read";
pub(super) const JOBS: &str = "Microsoft.DataProtection/backupVaults/backupJobs/read";
pub(super) const POINTS: &str = "Microsoft.DataProtection/backupVaults/backupInstances/recoveryPoints/read";
/// The type of a policy's rule that makes recovery points.
const BACKUP_RULES: &str = "AzureBackupRule";
/// Where a vault keeps what is to outlive its source, and where the snapshots of a disk stay.
pub(super) const VAULT_STORE: &str = "VaultStore";
pub(super) const OPERATIONAL_STORE: &str = "OperationalStore";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    data_source_info: DataSource,
    policy_info: PolicyInfo,
    #[serde(default)]
    current_protection_state: Option<String>,
}

#[derive(Deserialize)]
struct DataSource {
    #[serde(rename = "resourceID")]
    resource_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyInfo {
    policy_id: String,
    #[serde(default, deserialize_with = "or_default")]
    policy_parameters: PolicyParameters,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PolicyParameters {
    #[serde(deserialize_with = "or_default")]
    backup_datasource_parameters_list: Vec<Chosen>,
}

/// What of an account is backed up.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Chosen {
    containers_list: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Policy {
    properties: PolicyProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyProperties {
    #[serde(default, deserialize_with = "or_default")]
    policy_rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    name: String,
    object_type: String,
    #[serde(default, deserialize_with = "or_default")]
    data_store: DataStore,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DataStore {
    data_store_type: String,
}

#[derive(Deserialize)]
pub(super) struct RawJob {
    name: String,
    properties: RawProperties,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawProperties {
    #[serde(rename = "activityID")]
    activity_id: String,
    backup_instance_id: Option<String>,
    operation_category: String,
    is_user_triggered: bool,
    start_time: Option<String>,
    end_time: Option<String>,
    status: String,
    #[serde(deserialize_with = "or_default")]
    error_details: Vec<Said>,
    #[serde(deserialize_with = "or_default")]
    extended_info: Extended,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Extended {
    data_transferred_in_bytes: Option<f64>,
    #[serde(deserialize_with = "or_default")]
    warning_details: Vec<Warning>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Warning {
    resource_name: Option<String>,
    #[serde(deserialize_with = "or_default")]
    warning: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawPoint {
    recovery_point_time: Option<String>,
    recovery_point_state: Option<String>,
    expiry_time: Option<String>,
}

/// What the vault of `source` knows of it.
pub(super) async fn protected(connection: &Connection, source: &Source) -> Result<Option<Protected>> {
    let request = Request::new(INSTANCES, format!("{}/backupInstances", source.vault), VERSION);
    let listed: Vec<Listed<Instance>> = connection.list(&request).await?;
    for Listed { id, properties } in listed {
        if properties.data_source_info.resource_id.parse::<ResourceId>().is_ok_and(|id| id == source.id) {
            let chosen = properties.policy_info.policy_parameters.backup_datasource_parameters_list;
            return Ok(Some(Protected {
                item: Item { id: id.parse()?, service: Service::Protection },
                state: properties.current_protection_state.unwrap_or_default(),
                policy: Some(properties.policy_info.policy_id.parse()?),
                // Where the vault chooses by rules, or protects all, it names none.
                containers: chosen.into_iter().find_map(|chosen| chosen.containers_list),
            }));
        }
    }
    Ok(None)
}

/// The rule by which `source` is backed up on demand: the one that it names, or the only one that its policy has.
///
/// # Errors
/// `InvalidConfig` that lists the rules.
pub(super) async fn rule(connection: &Connection, source: &Source, policy: &ResourceId) -> Result<String> {
    let policy: Policy = connection.get(&Request::new(POLICIES, policy.to_string(), VERSION)).await?;
    let rules = policy.properties.policy_rules.into_iter();
    // What an operational rule keeps of blobs stays in their account and is no job.
    let fits = |rule: &Rule| !source.is_of_blobs() || rule.data_store.data_store_type == VAULT_STORE;
    let rules: Vec<String> =
        rules.filter(|rule| rule.object_type == BACKUP_RULES && fits(rule)).map(|rule| rule.name).collect();
    let refused = |what: &str| {
        let message = format!("the policy of {} has {what}: {}", source.id, rules.join(", "));
        Err(Error::new(ErrorKind::InvalidConfig, message).with("setting", super::BACKUP_RULE))
    };
    match (&source.rule, rules.as_slice()) {
        (Some(asked), rules) if rules.contains(asked) => Ok(asked.clone()),
        (Some(asked), _) => refused(&format!("no rule {asked:?}; name one of these")),
        (None, [only]) => Ok(only.clone()),
        (None, []) if source.is_of_blobs() => {
            refused("no rule that backs blobs up into the vault, only into their own account")
        }
        (None, []) => refused("no rule that makes recovery points"),
        (None, _) => refused("several rules; choose one by the setting backup_rule"),
    }
}

/// The request for a backup by `rule`.
pub(super) fn backup(source: &Source, rule: &str) -> serde_json::Value {
    let mut trigger = json!({});
    if let Some(tag) = &source.retention_tag {
        trigger = json!({ "retentionTagOverride": tag });
    }
    json!({"backupRuleOptions": {"ruleName": rule, "triggerOption": trigger}})
}

pub(super) async fn jobs(connection: &Connection, item: &Item) -> Result<Vec<Job>> {
    let request = Request::new(JOBS, format!("{}/backupJobs", item.vault()?), VERSION);
    let listed: Vec<RawJob> = connection.list(&request).await?;
    let of_item = |raw: &RawJob| {
        let id = raw.properties.backup_instance_id.as_deref().unwrap_or_default();
        id.parse::<ResourceId>().is_ok_and(|id| id == item.id)
    };
    Ok(listed.into_iter().filter(of_item).map(Job::from).collect())
}

impl From<RawJob> for Job {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of bytes that the service writes as a fraction"
    )]
    fn from(raw: RawJob) -> Self {
        let RawProperties { extended_info, .. } = raw.properties;
        let warnings = extended_info.warning_details.into_iter();
        Self {
            id: raw.name,
            activity: raw.properties.activity_id,
            operation: raw.properties.operation_category,
            asked_for: raw.properties.is_user_triggered,
            started: time(raw.properties.start_time.as_ref()),
            ended: time(raw.properties.end_time.as_ref()),
            status: raw.properties.status,
            bytes: extended_info.data_transferred_in_bytes.map(|bytes| bytes as u64),
            errors: raw.properties.error_details,
            warnings: warnings.map(|each| (each.resource_name.unwrap_or_default(), each.warning)).collect(),
        }
    }
}

impl TryFrom<Listed<RawPoint>> for Point {
    type Error = Error;

    fn try_from(Listed { id, properties }: Listed<RawPoint>) -> Result<Self> {
        Ok(Self {
            id: id.parse()?,
            time: time(properties.recovery_point_time.as_ref()),
            expires: time(properties.expiry_time.as_ref()),
            whole: properties
                .recovery_point_state
                .is_none_or(|state| state.eq_ignore_ascii_case("Completed")),
            soft_deleted: false,
        })
    }
}
