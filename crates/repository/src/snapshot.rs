//! Snapshots: the roots that name a tree and say when, where and by whom it was saved.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::Id;
use crate::origin::Origin;
use crate::time::Timestamp;

/// Contents of an object under `snapshots/`, field for field as restic writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// When the backup began.
    pub time: Timestamp,
    /// The snapshot that was the base of this one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<Id>,
    /// The root directory.
    pub tree: Id,
    /// What was backed up, as absolute paths.
    #[serde(deserialize_with = "null_is_empty", default)]
    pub paths: Vec<String>,
    /// Host it came from.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub hostname: String,
    /// User who ran the backup.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub username: String,
    /// That user's id.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub uid: u32,
    /// That user's group id.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub gid: u32,
    /// Patterns of what was left out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub excludes: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tags: Vec<String>,
    /// The snapshot this one was first stored as, before a rewrite.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original: Option<Id>,
    /// Program that wrote it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub program_version: String,
    /// Figures of the backup.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub summary: Option<SnapshotSummary>,
}

/// Figures of the backup that made a snapshot, as restic 0.17 and later store them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SnapshotSummary {
    /// When the backup began.
    pub backup_start: Timestamp,
    /// When the last byte was stored.
    pub backup_end: Timestamp,
    /// Files that the parent did not have.
    pub files_new: u64,
    /// Files that differ from the parent.
    pub files_changed: u64,
    /// Files as in the parent.
    pub files_unmodified: u64,
    /// Directories that the parent did not have.
    pub dirs_new: u64,
    /// Directories that differ from the parent.
    pub dirs_changed: u64,
    /// Directories as in the parent.
    pub dirs_unmodified: u64,
    /// New data blobs.
    pub data_blobs: u64,
    /// New tree blobs.
    pub tree_blobs: u64,
    /// Plaintext bytes of new blobs.
    pub data_added: u64,
    /// Stored bytes of new blobs.
    pub data_added_packed: u64,
    /// Files in the snapshot.
    pub total_files_processed: u64,
    /// Bytes of the files in the snapshot.
    pub total_bytes_processed: u64,
}

impl Snapshot {
    /// A snapshot of `tree` taken now-ish at `time` by `origin`, without parent and tags.
    pub fn new(time: Timestamp, tree: Id, paths: Vec<String>, origin: &Origin) -> Self {
        Self {
            time,
            parent: None,
            tree,
            paths,
            hostname: origin.hostname.clone(),
            username: origin.username.clone(),
            uid: origin.uid,
            gid: origin.gid,
            excludes: Vec::new(),
            tags: Vec::new(),
            original: None,
            program_version: concat!("stillpoint ", env!("CARGO_PKG_VERSION")).to_owned(),
            summary: None,
        }
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|source| Error::invalid("the snapshot cannot be written").with_source(source))
    }

    pub(crate) fn from_json(object: &str, json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|source| Error::corrupt(object, "it is not a snapshot").with_source(source))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_survives_its_json_form() {
        let mut snapshot =
            Snapshot::new(Timestamp::new(5, 6), Id::of(b"t"), vec!["/w".to_owned()], &Origin::default());
        snapshot.tags.push("a".to_owned());
        snapshot.summary = Some(SnapshotSummary { files_new: 3, ..Default::default() });
        assert_eq!(Snapshot::from_json("s", &snapshot.to_json().unwrap()).unwrap(), snapshot);
    }

    #[test]
    fn restics_sparse_form_is_read() {
        let json = format!(
            r#"{{"time":"2024-01-01T00:00:00.5+01:00","tree":"{}","paths":null,"new":1}}"#,
            Id::of(b"")
        );
        let snapshot = Snapshot::from_json("s", json.as_bytes()).unwrap();
        assert!(snapshot.paths.is_empty() && snapshot.summary.is_none());
    }
}
