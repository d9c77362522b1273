//! Backup records beside the data: `stillpoint/backups/<id>` in the repository's place.

use futures::{StreamExt, stream};
use stillpoint_core::{
    BackupId, BackupRecord, DamagedRecord, Error, ErrorKind, RECORD_FORMAT, Records, Result,
};
use stillpoint_repository::{Id, Repository};

use crate::error::from_repository;

const KIND: &str = "backups";
/// Records read at once.
const AT_ONCE: usize = 16;

/// Stores a record, over an older one of the same backup.
pub(crate) async fn put_record(repository: &Repository, record: &BackupRecord) -> Result<()> {
    let json = serde_json::to_vec(record).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "the backup's record cannot be written as JSON").with_source(error)
    })?;
    repository.replace_record(KIND, &name(&record.id), &json).await.map_err(from_repository)
}

/// All records. One that is damaged or that a newer version wrote is named and hides no other.
///
/// # Errors
/// The store's failure.
pub(crate) async fn records(repository: &Repository) -> Result<Records> {
    let mut records = Records::default();
    let names = repository.list_records(KIND).await.map_err(from_repository)?;
    let read = |name: String| async move {
        let json = repository.read_record(KIND, &name).await;
        (name, json)
    };
    let mut reads = stream::iter(names.into_iter().map(read)).buffered(AT_ONCE);
    while let Some((name, json)) = reads.next().await {
        match json {
            Ok(json) => take(&mut records, &object(&name), parse(&name, &json))?,
            // Deleted since it was listed.
            Err(error) if *error.kind() == stillpoint_repository::ErrorKind::NotFound => {}
            Err(error) => take(&mut records, &object(&name), Err(from_repository(error)))?,
        }
    }
    Ok(records)
}

/// Puts a record beside the others, or among those that cannot be read.
///
/// # Errors
/// What says nothing of this record alone.
pub(crate) fn take(records: &mut Records, object: &str, read: Result<BackupRecord>) -> Result<()> {
    match read {
        Ok(record) => records.readable.push(record),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
            tracing::warn!(object, %error, "a backup record cannot be read");
            // A name that begins so is the digest of an id.
            let name = object.rsplit('/').next().filter(|name| !name.starts_with('='));
            let backup = name.and_then(|name| BackupId::new(name).ok());
            records.damaged.push(DamagedRecord::new(object, backup, error.record()));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

fn object(name: &str) -> String {
    format!("stillpoint/{KIND}/{name}")
}

/// Whether the backup has a record.
pub(crate) async fn has_record(repository: &Repository, backup: &BackupId) -> Result<bool> {
    stored(repository, backup).await.map(|stored| stored.is_some())
}

/// The record of a backup, if it has one.
pub(crate) async fn record_of(repository: &Repository, backup: &BackupId) -> Result<Option<BackupRecord>> {
    let stored = stored(repository, backup).await?;
    stored.map(|json| parse(&name(backup), &json)).transpose()
}

async fn stored(repository: &Repository, backup: &BackupId) -> Result<Option<Vec<u8>>> {
    match repository.read_record(KIND, &name(backup)).await {
        Ok(json) => Ok(Some(json)),
        Err(error) if *error.kind() == stillpoint_repository::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(from_repository(error)),
    }
}

/// Removes a record; absent is a success.
pub(crate) async fn delete_record(repository: &Repository, backup: &BackupId) -> Result<()> {
    repository.delete_record(KIND, &name(backup)).await.map_err(from_repository)
}

pub(crate) fn parse(name: &str, json: &[u8]) -> Result<BackupRecord> {
    let object = object(name);
    let damaged = |error: serde_json::Error| {
        let message = format!("the backup record {object} cannot be read");
        Error::new(ErrorKind::Corrupt, message).with("object", &object).with_source(error)
    };
    let format: Format = serde_json::from_slice(json).map_err(damaged)?;
    if format.format > RECORD_FORMAT {
        let message =
            format!("the backup record {object} was written by a newer version of Stillpoint; use that");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    serde_json::from_slice(json).map_err(damaged)
}

#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}

/// The name of a backup's record. Ids that Stillpoint makes stand for themselves; others by their digest.
fn name(backup: &BackupId) -> String {
    let id = backup.as_str();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if id.len() <= 64 && id.bytes().all(plain) {
        id.to_owned()
    } else {
        format!("={}", Id::of(id.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};
    use stillpoint_core::{Definition, Timestamp};
    use stillpoint_repository::{Credentials, Origin, store::object_store::from_object_store};

    use super::*;

    fn record() -> BackupRecord {
        let definition = Definition::new("w".parse().unwrap());
        BackupRecord::new(
            "b 1/ü".parse().unwrap(),
            "op".parse().unwrap(),
            definition,
            Timestamp::from_millis(0),
        )
    }

    #[test]
    fn a_newer_record_is_refused_and_a_broken_one_is_damage() {
        let mut record = record();
        let json = serde_json::to_vec(&record).unwrap();
        assert_eq!(parse("x", &json).unwrap(), record);
        record.format = RECORD_FORMAT + 1;
        let newer = parse("x", &serde_json::to_vec(&record).unwrap()).unwrap_err();
        assert_eq!(newer.kind(), ErrorKind::Unsupported);
        assert_eq!(parse("x", b"{").unwrap_err().kind(), ErrorKind::Corrupt);
    }

    /// How long reading so many records takes, where each answer of the store takes a second.
    async fn reading_takes(count: usize) -> Duration {
        let store = Arc::new(ThrottledStore::new(InMemory::new(), ThrottleConfig::default()));
        let kept = from_object_store(Arc::clone(&store) as _, "", "memory:");
        let credentials = Credentials::machine_key("1".repeat(40)).unwrap();
        let repository = Repository::init(kept, &credentials, Origin::default()).await.unwrap();
        for number in 0..count {
            let mut record = record();
            record.id = format!("b-{number}").parse().unwrap();
            put_record(&repository, &record).await.unwrap();
        }
        store.config_mut(|config| config.wait_get_per_call = Duration::from_secs(1));
        let begun = tokio::time::Instant::now();
        assert_eq!(records(&repository).await.unwrap().readable.len(), count);
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn records_are_read_sixteen_at_once_and_no_more() {
        let one = reading_takes(1).await;
        assert!(!one.is_zero());
        assert_eq!(reading_takes(AT_ONCE).await, one);
        assert_eq!(reading_takes(2 * AT_ONCE + 1).await, 3 * one);
    }

    #[test]
    fn any_backup_id_has_a_record_name() {
        assert_eq!(name(&"0a1b".parse().unwrap()), "0a1b");
        let odd = name(&record().id);
        assert!(odd.starts_with('=') && odd.len() == 65, "{odd}");
    }
}
