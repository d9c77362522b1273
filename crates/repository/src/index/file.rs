//! Index files: JSON lists of packs and their blobs.

use serde::{Deserialize, Serialize};

use crate::blob::BlobKind;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::pack::PackEntry;

/// Blobs in one index file, as restic bounds it too; more go into a further file.
pub(crate) const MAX_BLOBS_PER_FILE: usize = 50_000;

/// Contents of an object under `index/`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IndexFile {
    /// Index files that this one replaces.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) supersedes: Vec<Id>,
    pub(crate) packs: Vec<IndexedPack>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IndexedPack {
    pub(crate) id: Id,
    #[serde(default)]
    pub(crate) blobs: Vec<IndexedBlob>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IndexedBlob {
    id: Id,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u32,
    length: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    uncompressed_length: Option<u32>,
}

impl IndexFile {
    pub(crate) fn from_json(object: &str, json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|source| Error::corrupt(object, "it is not an index").with_source(source))
    }
}

impl IndexedBlob {
    pub(crate) fn entry(&self) -> PackEntry {
        PackEntry {
            kind: self.kind,
            id: self.id,
            offset: self.offset,
            length: self.length,
            uncompressed_length: self.uncompressed_length.filter(|&length| length != 0),
        }
    }
}

/// The JSON of an index file that lists `packs`.
pub(crate) fn encode<'a>(packs: impl IntoIterator<Item = (Id, &'a [PackEntry])>) -> Result<Vec<u8>> {
    let packs = packs.into_iter().map(|(id, entries)| IndexedPack {
        id,
        blobs: entries
            .iter()
            .map(|entry| IndexedBlob {
                id: entry.id,
                kind: entry.kind,
                offset: entry.offset,
                length: entry.length,
                uncompressed_length: entry.uncompressed_length,
            })
            .collect(),
    });
    let file = IndexFile { supersedes: Vec::new(), packs: packs.collect() };
    serde_json::to_vec(&file)
        .map_err(|source| Error::invalid("the index cannot be written").with_source(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_file_survives_its_json_form() {
        let entries = [
            PackEntry {
                kind: BlobKind::Data,
                id: Id::of(b"1"),
                offset: 0,
                length: 40,
                uncompressed_length: None,
            },
            PackEntry {
                kind: BlobKind::Tree,
                id: Id::of(b"2"),
                offset: 40,
                length: 50,
                uncompressed_length: Some(99),
            },
        ];
        let json = encode([(Id::of(b"p"), &entries[..])]).unwrap();
        let file = IndexFile::from_json("i", &json).unwrap();
        let read: Vec<_> = file.packs[0].blobs.iter().map(IndexedBlob::entry).collect();
        assert_eq!(read, entries);
        assert!(IndexFile::from_json("i", b"{}").is_err());
    }
}
