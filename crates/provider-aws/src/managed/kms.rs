//! Keys: whether one can be used.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stillpoint_core::{Component, Result};

use super::arn::Arn;
use super::clients::Clients;
use super::settings::{Source, SourceKind};
use super::vault::NewVault;
use crate::connection::{Call, Service};

/// Source: the service model of KMS, version 2014-11-01.
const SERVICE: Service = Service { signing_name: "kms", id: "KMS", host: "kms", target: "TrentService" };

/// The state of a key that can be used.
const ENABLED: &str = "Enabled";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Asked<'a> {
    key_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    key_metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    #[serde(default)]
    key_state: String,
}

/// The key that a preflight of `component` asks about, as IAM names it: the one that its settings (or those of its vault)
/// name, every key of the region where none is named, and none for a volume that is said not to be encrypted.
pub(super) fn asked_keys(component: &Component, source: &Source, vault: Option<&NewVault>) -> Option<String> {
    let said = |name: &str| component.settings.get(name);
    let named = match source.kind {
        SourceKind::Volume if said("encrypted").and_then(Value::as_bool) == Some(false) => return None,
        SourceKind::Volume => said("kms_key_id").and_then(Value::as_str),
        // The points of a file system have the key of their vault.
        SourceKind::FileSystem => vault.and_then(|vault| vault.kms_key.as_deref()),
    };
    let full = |key: &str| match key.parse::<Arn>() {
        Ok(arn) => (arn.service == "kms" && arn.resource_type() == "key").then(|| key.to_owned()),
        // An alias stands for a key without naming it.
        Err(_) if key.contains(['/', ':']) => None,
        Err(_) => Some(source.arn.sibling("kms", format!("key/{key}")).to_string()),
    };
    named.and_then(full).or_else(|| Some(source.arn.sibling("kms", "key/*").to_string()))
}

impl Clients {
    /// What keeps the key `id` from being used, in AWS's own word; `None` for a key that can be.
    ///
    /// # Errors
    /// `NotFound` where there is no such key.
    pub(super) async fn key_trouble(&self, id: &str) -> Result<Option<String>> {
        let call = Call {
            connection: &self.connection,
            service: &SERVICE,
            operation: "DescribeKey",
            mutates: false,
        };
        let answer: Answer = call.json(&Asked { key_id: id }).await?;
        Ok(Some(answer.key_metadata.key_state).filter(|state| state != ENABLED))
    }
}
