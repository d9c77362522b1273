//! Receiving a body: its bytes, its entity tag, and every checksum that came with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use hyper::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Result, TrailingHeaders, s3_error};

use super::object::hex;

const PREFIX: &str = "x-amz-checksum-";

/// What arrived whole and matched its checksums.
pub(super) struct Received {
    pub(super) content: Bytes,
    pub(super) md5: [u8; 16],
    pub(super) checksum: Checksum,
}

impl Received {
    pub(super) fn tag(&self) -> String {
        hex(&self.md5)
    }
}

/// Reads `body` to its end. A digest in a header or a trailer that is not the body's is refused with `BadDigest`.
pub(super) async fn receive(
    body: Option<StreamingBlob>,
    headers: &HeaderMap,
    trailers: Option<TrailingHeaders>,
    length: Option<i64>,
) -> S3Result<Received> {
    let expected = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut content = Vec::with_capacity(expected);
    let mut md5 = Md5::new();
    let mut hasher = wanted(headers);
    let mut body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
        md5.update(&piece);
        hasher.update(&piece);
        content.extend_from_slice(&piece);
    }
    if length.is_some() && content.len() != expected {
        return Err(s3_error!(IncompleteBody));
    }
    let (md5, checksum) = (md5.finalize(), hasher.finalize());
    verify(headers, &md5, &checksum)?;
    if let Some(trailers) = trailers.and_then(|trailers| trailers.take()) {
        verify(&trailers, &md5, &checksum)?;
    }
    Ok(Received { content: content.into(), md5, checksum })
}

/// A hasher for each algorithm that a header gives a digest of or announces for the trailer.
fn wanted(headers: &HeaderMap) -> ChecksumHasher {
    let announced = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let trailer = announced("x-amz-trailer").to_ascii_lowercase();
    let chosen = announced("x-amz-sdk-checksum-algorithm").to_ascii_lowercase();
    let wants = |name: &str| {
        let header = format!("{PREFIX}{name}");
        headers.contains_key(&header) || trailer.contains(&header) || chosen == name
    };
    ChecksumHasher {
        crc32: wants("crc32").then(Default::default),
        crc32c: wants("crc32c").then(Default::default),
        crc64nvme: wants("crc64nvme").then(Default::default),
        sha1: wants("sha1").then(Default::default),
        sha256: wants("sha256").then(Default::default),
    }
}

fn verify(headers: &HeaderMap, md5: &[u8], found: &Checksum) -> S3Result<()> {
    let md5 = STANDARD.encode(md5);
    let pairs = [
        ("content-md5", Some(&md5)),
        ("x-amz-checksum-crc32", found.checksum_crc32.as_ref()),
        ("x-amz-checksum-crc32c", found.checksum_crc32c.as_ref()),
        ("x-amz-checksum-crc64nvme", found.checksum_crc64nvme.as_ref()),
        ("x-amz-checksum-sha1", found.checksum_sha1.as_ref()),
        ("x-amz-checksum-sha256", found.checksum_sha256.as_ref()),
    ];
    for (name, digest) in pairs {
        let Some(claimed) = headers.get(name) else { continue };
        if digest.is_none_or(|digest| digest.as_bytes() != claimed.as_bytes()) {
            return Err(s3_error!(BadDigest, "{name} is not that of the body"));
        }
    }
    Ok(())
}
