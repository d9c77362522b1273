//! The form of every object beside the files: one line that says what it is and what it must hash to, then the content.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_repository::Id;

/// The version of the form, and of everything in it. A reader refuses a newer one.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    stillpoint: String,
    format: u32,
    sha256: Id,
}

/// Puts `content`, which is a `what`, into the form.
pub(super) fn seal(what: &str, content: &[u8]) -> Result<Bytes> {
    let head = Head { stillpoint: what.to_owned(), format: FORMAT, sha256: Id::of(content) };
    let mut bytes = serde_json::to_vec(&head).map_err(unwritable)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(content);
    Ok(bytes.into())
}

/// As [`seal`], of a record.
pub(super) fn seal_record(what: &str, record: &impl Serialize) -> Result<Bytes> {
    seal(what, &serde_json::to_vec(record).map_err(unwritable)?)
}

/// The content of an object that must be a `what`.
///
/// # Errors
/// `Corrupt` where it is anything else or does not hash to what it says, `Unsupported` where a newer version wrote it.
pub(super) fn open(what: &str, key: &str, bytes: &Bytes) -> Result<Bytes> {
    let end = bytes.iter().take(1024).position(|byte| *byte == b'\n');
    let (head, content) = end.map_or((&[][..], Bytes::new()), |end| {
        (bytes.get(..end).unwrap_or_default(), bytes.slice(end + 1..))
    });
    let head: Head = serde_json::from_slice(head)
        .map_err(|error| damaged(key, "it does not begin as such an object does").with_source(error))?;
    if head.format > FORMAT {
        let message = format!("{key} was written by a newer version of Stillpoint; use that");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if head.format == 0 || head.stillpoint != what {
        return Err(damaged(
            key,
            &format!("it says to be a {} of form {}, not a {what}", head.stillpoint, head.format),
        ));
    }
    if head.sha256 != Id::of(&content) {
        return Err(damaged(key, "its content does not hash to what its head says"));
    }
    Ok(content)
}

/// As [`open`], of a record.
///
/// # Errors
/// As [`open`].
pub(super) fn open_record<T: DeserializeOwned>(what: &str, key: &str, bytes: &Bytes) -> Result<T> {
    serde_json::from_slice(&open(what, key, bytes)?)
        .map_err(|error| damaged(key, "its content cannot be understood").with_source(error))
}

/// The error of an object that is not what it should be.
pub(super) fn damaged(key: &str, why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{key} is damaged: {why}")).with("object", key)
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "a record cannot be written as JSON").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_byte_and_any_cut_is_noticed() {
        let sealed = seal("claim", b"content of some length").unwrap();
        assert_eq!(open("claim", "k", &sealed).unwrap(), &b"content of some length"[..]);
        assert_eq!(open("manifest", "k", &sealed).unwrap_err().kind(), ErrorKind::Corrupt);
        for at in 0..sealed.len() {
            let mut bytes = sealed.to_vec();
            bytes[at] ^= 1;
            assert!(open("claim", "k", &bytes.into()).is_err(), "byte {at}");
            assert!(open("claim", "k", &sealed.slice(..at)).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_form_is_refused_by_name() {
        let newer = format!("{{\"stillpoint\":\"claim\",\"format\":2,\"sha256\":\"{}\"}}\n", Id::of(b""));
        let error = open("claim", "k", &newer.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
