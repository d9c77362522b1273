//! Listings, in the order of the keys' bytes.

use std::collections::BTreeMap;
use std::ops::Bound;

use s3s::dto::{CommonPrefix, EncodingType, ListObjectsV2Input, ListObjectsV2Output};
use s3s::dto::{Object as Entry, ObjectStorageClass};

use super::object::{Object, signed};

const PAGE_MAX: i32 = 1_000;

/// One page. An empty delimiter or prefix is none at all.
pub(super) fn list(objects: &BTreeMap<String, Object>, input: ListObjectsV2Input) -> ListObjectsV2Output {
    let prefix = input.prefix.as_deref().unwrap_or("");
    let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let after = input.continuation_token.as_deref().max(input.start_after.as_deref()).unwrap_or("");
    let limit = input.max_keys.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
    let url = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
    let encode = |text: &str| if url { percent(text) } else { text.to_owned() };

    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    let mut last = String::new();
    let mut truncated = false;
    let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
    let found = objects.range::<str, _>((start, Bound::Unbounded));
    for (key, object) in found.take_while(|(key, _)| key.starts_with(prefix)) {
        let group = delimiter.and_then(|delimiter| group(key, prefix, delimiter));
        if group.is_some_and(|group| group <= after || group == last) {
            continue;
        }
        if contents.len() + prefixes.len() == usize::try_from(limit).unwrap_or(0) {
            truncated = limit > 0;
            break;
        }
        last = group.unwrap_or(key).to_owned();
        match group {
            Some(group) => prefixes.push(CommonPrefix { prefix: Some(encode(group)) }),
            None => contents.push(entry(encode(key), object)),
        }
    }
    ListObjectsV2Output {
        key_count: i32::try_from(contents.len() + prefixes.len()).ok(),
        max_keys: Some(limit),
        is_truncated: Some(truncated),
        next_continuation_token: truncated.then_some(last),
        contents: (!contents.is_empty()).then_some(contents),
        common_prefixes: (!prefixes.is_empty()).then_some(prefixes),
        continuation_token: input.continuation_token,
        prefix: input.prefix.as_deref().map(encode),
        delimiter: input.delimiter.as_deref().map(encode),
        start_after: input.start_after.as_deref().map(encode),
        encoding_type: input.encoding_type,
        name: Some(input.bucket),
        ..ListObjectsV2Output::default()
    }
}

/// `key` up to and with the first delimiter after the prefix.
fn group<'a>(key: &'a str, prefix: &str, delimiter: &str) -> Option<&'a str> {
    let at = key.get(prefix.len()..)?.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

fn entry(key: String, object: &Object) -> Entry {
    Entry {
        key: Some(key),
        size: Some(signed(object.len())),
        e_tag: Some(object.etag()),
        last_modified: Some(object.timestamp()),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Entry::default()
    }
}

/// As S3 encodes keys on demand: everything but unreserved characters and the slash.
fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}
