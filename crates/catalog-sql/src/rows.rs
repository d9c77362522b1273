//! Rows and records: the JSON text of a record, and records as read with their columns.

use serde::Serialize;
use serde::de::DeserializeOwned;
use stillpoint_core::{
    BackupRecord, Error, ErrorKind, LeaseInfo, RECORD_FORMAT, Result, Revision, StoredBackup,
    StoredOperation, Timestamp,
};

use crate::engine::Row;

/// The text that is stored of `record`.
pub(crate) fn encode<T: Serialize + ?Sized>(record: &T) -> Result<String> {
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

/// The columns that [`operation`] reads.
macro_rules! operation_columns {
    () => {
        "record, holder, epoch, expires_ms, cancel_requested,
         CAST(CASE WHEN holder IS NOT NULL AND expires_ms > :now THEN 1 ELSE 0 END AS BIGINT) AS live"
    };
}
pub(crate) use operation_columns;

/// Reads a row of [`operation_columns`].
pub(crate) fn operation(row: &Row) -> Result<StoredOperation> {
    let lease = lease(row)?;
    let record = decode(row.text("record")?)?;
    Ok(StoredOperation::new(record, lease, row.truth("cancel_requested")?))
}

/// Reads what a row of [`operation_columns`] says of the lease.
pub(crate) fn lease(row: &Row) -> Result<LeaseInfo> {
    let holder = row.optional_text("holder")?.map(decode).transpose()?;
    Ok(LeaseInfo::new(holder, row.counter("epoch")?, expiry(row)?, row.truth("live")?))
}

/// Reads the column `expires_ms`.
pub(crate) fn expiry(row: &Row) -> Result<Timestamp> {
    row.number("expires_ms").map(Timestamp::from_millis)
}

/// Reads a row with the columns `record` and `revision`.
pub(crate) fn backup(row: &Row) -> Result<StoredBackup> {
    let text = row.text("record")?;
    let revision = Revision(row.counter("revision")?);
    match decode::<BackupRecord>(text) {
        // One of a newer form may well read as one of this form, without what is new in it.
        Ok(record) if record.format > RECORD_FORMAT => Err(written_newer(record.format.into())),
        Ok(record) => Ok(StoredBackup::new(record, revision)),
        Err(damage) => Err(newer(text).unwrap_or(damage)),
    }
}

/// The error of a record whose form is newer than this version knows.
fn newer(text: &str) -> Option<Error> {
    let format = serde_json::from_str::<serde_json::Value>(text).ok()?.get("format")?.as_u64()?;
    (format > u64::from(RECORD_FORMAT)).then(|| written_newer(format))
}

fn written_newer(format: u64) -> Error {
    let message = "a backup in the catalog was recorded by a newer Stillpoint; update this one";
    Error::new(ErrorKind::InvalidConfig, message).with("format", format)
}
