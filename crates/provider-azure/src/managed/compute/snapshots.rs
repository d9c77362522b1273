//! Snapshots of managed disks.

use serde::Deserialize;
use serde_json::Value;
use stillpoint_core::{Result, Tags, Timestamp};

use super::super::resource::resource;
use super::super::resource_id::ResourceId;
use super::{Access, CreationData, SNAPSHOTS, VERSION, listing, or_default, time};
use crate::connection::{Begun, Connection, Request};

const READ: &str = "Microsoft.Compute/snapshots/read";
const WRITE: &str = "Microsoft.Compute/snapshots/write";
const DELETE: &str = "Microsoft.Compute/snapshots/delete";
/// All of the data is there.
const WHOLE: f64 = 100.0;

/// A snapshot of a managed disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Snapshot {
    pub(in super::super) id: String,
    pub(in super::super) location: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in super::super) tags: Tags,
    pub(in super::super) properties: Properties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct Properties {
    pub(in super::super) provisioning_state: Option<String>,
    pub(in super::super) time_created: Option<String>,
    pub(in super::super) incremental: Option<bool>,
    pub(in super::super) disk_size_bytes: Option<u64>,
    #[serde(rename = "diskSizeGB")]
    pub(in super::super) disk_size_gib: Option<u64>,
    pub(in super::super) disk_state: Option<String>,
    /// How much of the data has been copied; Premium v2, Ultra and copies from other regions only.
    pub(in super::super) completion_percent: Option<f64>,
    pub(in super::super) copy_completion_error: Option<CopyError>,
    pub(in super::super) immutability_policy: Option<ImmutabilityPolicy>,
    #[serde(flatten)]
    pub(in super::super) access: Access,
    #[serde(deserialize_with = "or_default")]
    pub(in super::super) creation_data: CreationData,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct CopyError {
    pub(in super::super) error_code: String,
    pub(in super::super) error_message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct ImmutabilityPolicy {
    #[serde(rename = "type")]
    pub(in super::super) kind: Option<String>,
    policy_expiration_time: Option<String>,
    is_policy_expired: Option<bool>,
}

impl ImmutabilityPolicy {
    /// When it ends, where it has not.
    pub(in super::super) fn holds_until(&self, now: Timestamp) -> Option<Option<Timestamp>> {
        let until = time(self.policy_expiration_time.as_ref());
        let over = self.is_policy_expired.unwrap_or_else(|| until.is_some_and(|until| until <= now));
        (!over).then_some(until)
    }
}

/// Whether a restore can use a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Usable {
    Now,
    /// It is being made.
    NotYet,
    /// It is there, and its data is still being copied.
    Filling,
    /// It could not be made, or is on its way out.
    Never,
    /// A word that nobody knows yet.
    Unknown(String),
}

resource!(Snapshot, READ, DELETE, VERSION);

impl Snapshot {
    /// All snapshots of a subscription, or of one of its resource groups.
    ///
    /// # Errors
    /// Whatever listing can meet.
    pub(in super::super) async fn list(
        connection: &Connection,
        subscription: &str,
        group: Option<&str>,
    ) -> Result<Vec<Self>> {
        let path = listing(subscription, group, SNAPSHOTS)?;
        connection.list(&Request::new(READ, path, VERSION)).await
    }

    /// Takes the snapshot `id`.
    ///
    /// # Errors
    /// Whatever the call can meet.
    pub(in super::super) async fn put(
        connection: &Connection,
        id: &ResourceId,
        body: &Value,
    ) -> Result<Begun> {
        connection.put(&Request::new(WRITE, id.to_string(), VERSION), body).await
    }

    /// When its content was captured, all of it at once.
    pub(in super::super) fn captured(&self) -> Option<Timestamp> {
        time(self.properties.time_created.as_ref())
    }

    pub(in super::super) fn usable(&self) -> Usable {
        let state = self.properties.provisioning_state.as_deref().unwrap_or("Succeeded");
        match state.to_ascii_lowercase().as_str() {
            "succeeded" if self.properties.copy_completion_error.is_some() => Usable::Never,
            "succeeded" if self.percent() < WHOLE => Usable::Filling,
            "succeeded" => Usable::Now,
            "creating" | "updating" | "accepted" | "running" => Usable::NotYet,
            "failed" | "canceled" | "cancelled" | "deleting" => Usable::Never,
            _ => Usable::Unknown(state.to_owned()),
        }
    }

    /// How much of it is there, in percent.
    pub(in super::super) fn percent(&self) -> f64 {
        self.properties.completion_percent.unwrap_or(WHOLE)
    }

    pub(in super::super) fn is_deleting(&self) -> bool {
        self.properties
            .provisioning_state
            .as_deref()
            .is_some_and(|state| state.eq_ignore_ascii_case("Deleting"))
    }

    /// Its state, and what Azure says about it.
    pub(in super::super) fn in_words(&self) -> String {
        let state = self.properties.provisioning_state.as_deref().unwrap_or("there");
        match &self.properties.copy_completion_error {
            Some(error) => format!("{state} ({}: {})", error.error_code, error.error_message),
            None if self.percent() < WHOLE => format!("{state}, {} percent of its data", self.percent()),
            None => state.to_owned(),
        }
    }

    /// How many bytes the disk has that it was taken of.
    pub(in super::super) fn size_bytes(&self) -> Option<u64> {
        let whole = self.properties.disk_size_gib.and_then(|size| size.checked_mul(1 << 30));
        self.properties.disk_size_bytes.or(whole)
    }

    /// How many bytes of it are there.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an estimate of a positive number of bytes"
    )]
    pub(in super::super) fn copied_bytes(&self) -> u64 {
        let part = self.percent().clamp(0.0, WHOLE) / WHOLE;
        (self.size_bytes().unwrap_or(0) as f64 * part) as u64
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot(properties: &Value) -> Snapshot {
        let body = json!({"id": "x", "location": "westeurope", "tags": null, "properties": properties});
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_snapshot_is_usable_only_once_all_of_its_data_is_there() {
        let usable = |properties| snapshot(&properties).usable();
        assert_eq!(usable(json!({"provisioningState": "Succeeded"})), Usable::Now);
        assert_eq!(usable(json!({"provisioningState": "Succeeded", "completionPercent": 100})), Usable::Now);
        assert_eq!(
            usable(json!({"provisioningState": "Succeeded", "completionPercent": 99.5})),
            Usable::Filling
        );
        assert_eq!(
            usable(json!({"provisioningState": "Creating", "completionPercent": 100})),
            Usable::NotYet
        );
        let error = json!({"errorCode": "CopySourceNotFound", "errorMessage": "gone"});
        let broken = json!({"provisioningState": "Succeeded", "copyCompletionError": error});
        assert_eq!(usable(broken), Usable::Never);
        assert_eq!(
            usable(json!({"provisioningState": "Hibernating"})),
            Usable::Unknown("Hibernating".into())
        );
        assert_eq!(snapshot(&json!({"diskSizeGB": 2, "completionPercent": 50.0})).copied_bytes(), 1 << 30);
    }

    #[test]
    fn a_policy_holds_until_it_ends() {
        let policy = |value| serde_json::from_value::<ImmutabilityPolicy>(value).unwrap();
        let at: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        let ends = "2026-01-05T00:00:00.0000000+00:00";
        let before = Timestamp::from_millis(at.as_millis() - 1);
        assert_eq!(policy(json!({"policyExpirationTime": ends})).holds_until(before), Some(Some(at)));
        assert_eq!(policy(json!({"policyExpirationTime": ends})).holds_until(at), None);
        let told = json!({"policyExpirationTime": ends, "isPolicyExpired": true});
        assert_eq!(policy(told).holds_until(before), None);
        assert_eq!(policy(json!({})).holds_until(at), Some(None));
    }
}
