//! Backup records beside the data: `USER/SPACE/.stillpoint/records/BACKUP`.

use futures::{StreamExt, TryStreamExt, stream};
use stillpoint_core::{
    BackupId, BackupRecord, Component, ComponentRecord, ComponentState, Definition, Error, ErrorKind,
    ProviderId, RECORD_FORMAT, Records, Result, Timestamp,
};
use stillpoint_localfs::FileKind;
use stillpoint_repository::{ErrorKind as Stored, Id};

use super::listing::Listing;
use super::manifest::Item;
use super::place::Place;
use super::snapshot::operation_of;
use super::source::{Point, READS_AT_ONCE, RECORD_BYTES_MAX};
use super::{MirrorSource, Space, framed};
use crate::error::from_repository;
use crate::repository::take;

/// What a record is.
const RECORD: &str = "backup";
/// The folder of records inside a space's own.
const FOLDER: &str = "records";
/// Stands in for the directory of a timestamp whose maker did not say which it was.
const SCRIPT_HOME: &str = "/home/sagemaker-user";

/// Stores a record, over an older one of the same backup.
pub(super) async fn put(source: &MirrorSource, record: &BackupRecord) -> Result<()> {
    let key = key(&Space::of_workspace(&record.workspace), &record.id);
    let object = framed::seal_record(RECORD, record)?;
    source.store().replace_object(&key, object).await.map_err(from_repository)
}

/// All records, and one for each timestamp that the sample script completed. One that is damaged or that a newer version
/// wrote is named and hides no other.
///
/// # Errors
/// The store's failure.
pub(super) async fn all(source: &MirrorSource, provider: &ProviderId) -> Result<Records> {
    let mut records = Records::default();
    for space in source.spaces().await? {
        let folder = folder(&space);
        let mut keys = Vec::new();
        let mut objects = source.store().list_objects(&folder);
        while let Some(object) = objects.try_next().await.map_err(from_repository)? {
            keys.push(object.key);
        }
        keys.sort();
        let read = stream::iter(keys).map(async |key| {
            let read = read(source, &key).await;
            (key, read)
        });
        let mut read = std::pin::pin!(read.buffered(READS_AT_ONCE));
        while let Some((key, read)) = read.next().await {
            // One that is gone was deleted since it was listed.
            if let Some(read) = read.transpose() {
                take(&mut records, &key, read)?;
            }
        }
        of_script(source, provider, &space, &mut records).await?;
    }
    Ok(records)
}

impl MirrorSource {
    /// The record of a backup of this space, if there is one.
    ///
    /// # Errors
    /// `Unsupported` where a newer version wrote it, `Corrupt` where it is damaged; the store's failure.
    pub(crate) async fn backup_record(
        &self,
        space: &Space,
        backup: &BackupId,
    ) -> Result<Option<BackupRecord>> {
        read(self, &key(space, backup)).await
    }
}

async fn read(source: &MirrorSource, key: &str) -> Result<Option<BackupRecord>> {
    match source.store().get_object(key, RECORD_BYTES_MAX).await {
        Ok(bytes) => parse(key, &bytes).map(Some),
        Err(error) if *error.kind() == Stored::NotFound => Ok(None),
        Err(error) => Err(from_repository(error)),
    }
}

/// Removes a record; absent is a success.
pub(super) async fn delete(source: &MirrorSource, backup: &BackupId) -> Result<()> {
    let keys: Vec<String> = source.spaces().await?.iter().map(|space| key(space, backup)).collect();
    source.store().delete_objects(&keys).await.map_err(from_repository)
}

/// Records of the timestamps that the sample script completed in a space.
async fn of_script(
    source: &MirrorSource,
    provider: &ProviderId,
    space: &Space,
    records: &mut Records,
) -> Result<()> {
    let places = stream::iter(source.places(space).await?).map(async |place| {
        // A timestamp of ours has a claim, and its record lies with the others.
        Ok::<_, Error>(match source.exists(&place.claim()).await? {
            true => None,
            false => match source.point(&place).await {
                // A completion without a claim is not the script's, whatever is in it.
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => None,
                point => point?,
            },
        })
    });
    let points: Vec<Option<Point>> = places.buffered(READS_AT_ONCE).try_collect().await?;
    for point in points.into_iter().flatten() {
        if let Point::Script(place) = &point {
            records.readable.push(script_record(source, provider, place, &point).await?);
        }
    }
    Ok(())
}

/// The record of a timestamp that the sample script made. It follows from what lies in the store.
pub(crate) async fn script_record(
    source: &MirrorSource,
    provider: &ProviderId,
    place: &Place,
    point: &Point,
) -> Result<BackupRecord> {
    let (mut files, mut bytes) = (0, 0);
    let mut listing = Listing::new(source.store(), point);
    while let Some(item) = listing.next().await? {
        if let Item::Entry(entry) = item
            && entry.kind == FileKind::File
        {
            files += 1;
            bytes += entry.size;
        }
    }
    let operation = operation_of(place)?;
    let mut definition = Definition::new(place.space.workspace()?);
    for (name, value) in [("root", SCRIPT_HOME), ("provider", provider.as_str())] {
        definition.settings.insert(name.to_owned(), value.into());
    }
    let time = place.time().unwrap_or(Timestamp::from_millis(0));
    let component = Component::new("files".parse()?, "directory", provider.clone(), SCRIPT_HOME);
    let mut captured = ComponentRecord::new(component, ComponentState::Completed);
    captured.snapshot = Some(source.reference(provider, place)?);
    captured.counts = [("files_new", files), ("bytes_scanned", bytes), ("bytes_stored", bytes)]
        .map(|(name, count)| (name.to_owned(), count))
        .into();
    let mut record = BackupRecord::new(BackupId::of(&operation), operation, definition, time);
    record.creator = Some("sample script".to_owned());
    record.components.push(captured);
    (record.size_bytes, record.added_bytes) = (bytes, bytes);
    Ok(record)
}

fn folder(space: &Space) -> String {
    format!("{}/{FOLDER}", space.control())
}

/// The key of a backup's record. Ids that Stillpoint makes stand for themselves; others by their digest.
fn key(space: &Space, backup: &BackupId) -> String {
    let id = backup.as_str();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let name = if id.len() <= 64 && id.bytes().all(plain) {
        id.to_owned()
    } else {
        format!("={}", Id::of(id.as_bytes()))
    };
    format!("{}/{name}", folder(space))
}

fn parse(key: &str, bytes: &bytes::Bytes) -> Result<BackupRecord> {
    let content = framed::open(RECORD, key, bytes)?;
    let damaged = |error: serde_json::Error| framed::damaged(key, "it is no record").with_source(error);
    let format: Format = serde_json::from_slice(&content).map_err(damaged)?;
    if format.format > RECORD_FORMAT {
        let message =
            format!("the backup record {key} was written by a newer version of Stillpoint; use that");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    serde_json::from_slice(&content).map_err(damaged)
}

#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}
