//! Rows and records: the JSON text of a record, and records as read with their columns.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use stillpoint_core::{
    Error, ErrorKind, LeaseInfo, RECORD_FORMAT, Result, Revision, StoredBackup, StoredOperation, Timestamp,
};

use crate::error::fault;

/// The text that is stored of `record`.
pub(crate) fn encode<T: Serialize>(record: &T) -> Result<String> {
    serde_json::to_string(record).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "a record has no JSON form; report this").with_source(error)
    })
}

/// The record that `text` is stored of.
pub(crate) fn decode<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        let message = "a record in the catalog cannot be read; restore or rebuild the catalog";
        Error::new(ErrorKind::Corrupt, message).with_source(error)
    })
}

/// Reads a row with the columns `record`, `holder`, `epoch`, `expires_ms` and `cancel_requested`.
pub(crate) fn operation(row: &SqliteRow, now: Timestamp) -> Result<StoredOperation> {
    let lease = lease(row, now)?;
    let record = decode(row.try_get("record").map_err(fault)?)?;
    Ok(StoredOperation::new(record, lease, row.try_get("cancel_requested").map_err(fault)?))
}

/// Reads a row with the columns `holder`, `epoch` and `expires_ms`.
pub(crate) fn lease(row: &SqliteRow, now: Timestamp) -> Result<LeaseInfo> {
    let holder: Option<&str> = row.try_get("holder").map_err(fault)?;
    let holder = holder.map(decode).transpose()?;
    let expires_at = Timestamp::from_millis(row.try_get("expires_ms").map_err(fault)?);
    let live = holder.is_some() && expires_at > now;
    Ok(LeaseInfo::new(holder, counter(row, "epoch")?, expires_at, live))
}

/// Reads a row with the columns `record` and `revision`.
pub(crate) fn backup(row: &SqliteRow) -> Result<StoredBackup> {
    let text: &str = row.try_get("record").map_err(fault)?;
    let revision = Revision(counter(row, "revision")?);
    match decode(text) {
        Ok(record) => Ok(StoredBackup::new(record, revision)),
        Err(damage) => Err(newer(text).unwrap_or(damage)),
    }
}

/// Reads a column that counts upwards.
pub(crate) fn counter(row: &SqliteRow, column: &str) -> Result<u64> {
    let value: i64 = row.try_get(column).map_err(fault)?;
    u64::try_from(value).map_err(|error| {
        Error::new(
            ErrorKind::Corrupt,
            format!("the catalog holds a negative {column}; restore or rebuild it"),
        )
        .with_source(error)
    })
}

/// The error of a record whose form is newer than this version knows.
fn newer(text: &str) -> Option<Error> {
    let format = serde_json::from_str::<serde_json::Value>(text).ok()?.get("format")?.as_u64()?;
    (format > u64::from(RECORD_FORMAT)).then(|| {
        let message = "a backup in the catalog was recorded by a newer Stillpoint; update this one";
        Error::new(ErrorKind::InvalidConfig, message).with("format", format)
    })
}
