//! One object, and what a client learns of it.

use std::time::SystemTime;

use bytes::Bytes;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{Checksum, ETag, Metadata, Timestamp};

/// Headers that S3 keeps with an object and gives back as they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    pub(super) metadata: Option<Metadata>,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
}

/// Content is shared, so a clone costs nothing and stays as it is when the key is written again.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(super) content: Bytes,
    pub(super) tag: String,
    pub(super) modified: SystemTime,
    pub(super) attributes: Attributes,
    pub(super) checksum: Checksum,
}

impl Object {
    pub(super) fn plain(content: Bytes) -> Self {
        let tag = hex(&Md5::checksum(&content));
        let (attributes, checksum) = (Attributes::default(), Checksum::default());
        Self { content, tag, modified: now(), attributes, checksum }
    }

    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(self.tag.clone())
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        Timestamp::from(self.modified)
    }

    pub(super) fn len(&self) -> u64 {
        self.content.len() as u64
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

pub(super) fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "a stand-in for a store keeps the time as a store does")]
    SystemTime::now()
}

/// Lengths in S3's documents are signed; nothing in memory is long enough to overflow one.
pub(super) fn signed(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
