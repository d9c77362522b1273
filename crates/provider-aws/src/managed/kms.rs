//! Keys: whether one can be used.

use serde::{Deserialize, Serialize};
use stillpoint_core::Result;

use super::clients::Clients;
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
