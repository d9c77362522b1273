//! What was asked of the server, counted.

use std::collections::BTreeMap;

use hyper::header::CONTENT_LENGTH;
use hyper::{HeaderMap, Request};

/// Counted requests. A faulty request counts like any other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// By kind: the HTTP method, with `LIST` for the listing of a bucket.
    pub by_kind: BTreeMap<String, u64>,
    /// By the name of the operation in S3's documentation, such as `UploadPart`.
    pub by_operation: BTreeMap<&'static str, u64>,
    /// Faults that were injected.
    pub faults: u64,
    /// Length of the requests' bodies, in bytes.
    pub bytes_in: u64,
    /// Length of the answers' bodies, in bytes, for answers whose length is known before they are sent.
    pub bytes_out: u64,
}

impl Requests {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.by_kind.values().sum()
    }

    /// Requests of one kind, such as `PUT` or `LIST`.
    pub fn of(&self, kind: &str) -> u64 {
        self.by_kind.get(kind).copied().unwrap_or(0)
    }

    /// Requests of one operation, such as `PutObject`.
    pub fn operation(&self, name: &str) -> u64 {
        self.by_operation.get(name).copied().unwrap_or(0)
    }
}

pub(super) fn length(headers: &HeaderMap) -> u64 {
    let text = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The operation that method, path, query and headers stand for, of those that file clients use.
pub(super) fn operation<B>(request: &Request<B>) -> &'static str {
    let query = request.uri().query().unwrap_or("");
    let has = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    let path = request.uri().path().trim_start_matches('/');
    let keyed = path.split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let copies = request.headers().contains_key("x-amz-copy-source");
    match (request.method().as_str(), keyed) {
        ("GET", _) if path.is_empty() => "ListBuckets",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("GET", false) if has("location") => "GetBucketLocation",
        ("GET", false) if has("list-type") => "ListObjectsV2",
        ("GET", false) => "ListObjects",
        ("GET", true) if has("uploadId") => "ListParts",
        ("GET", true) => "GetObject",
        ("HEAD", false) => "HeadBucket",
        ("HEAD", true) => "HeadObject",
        ("PUT", false) => "CreateBucket",
        ("PUT", true) if has("partNumber") && copies => "UploadPartCopy",
        ("PUT", true) if has("partNumber") => "UploadPart",
        ("PUT", true) if copies => "CopyObject",
        ("PUT", true) => "PutObject",
        ("POST", false) if has("delete") => "DeleteObjects",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        _ => "Other",
    }
}
