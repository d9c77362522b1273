//! What is written on shares and their snapshots, which have metadata and no tags.
//!
//! A name is an identifier and a value plain ASCII, as both travel in headers of the data plane. Source:
//! <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-shares--directories--files--and-metadata>.

use std::collections::BTreeMap;

use stillpoint_core::{Error, ErrorKind, GUARD_TAG, GuardChange, Result, Tags};

use super::super::resource_id::ResourceId;

/// The longest metadata of one share, in bytes of all names and values.
const BYTES_MAX: usize = 8 << 10;
/// What our own names begin with, as tags and as metadata.
const OURS: [(&str, &str); 2] = [("stillpoint:", "stillpoint_"), ("-", "_")];
/// What numbers the marks of a guard, likewise.
const NUMBERED: [&str; 2] = [":", "_"];

/// Tags as metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Metadata {
    /// What is written.
    pub(in super::super) written: BTreeMap<String, String>,
    /// The names of those tags that metadata cannot hold.
    pub(in super::super) left_out: Vec<String>,
}

impl Metadata {
    /// `tags` as metadata: our own in another spelling, others as they are or not at all.
    ///
    /// # Errors
    /// `InvalidInput` where all of them together are too long.
    pub(in super::super) fn of(tags: &Tags) -> Result<Self> {
        let mut metadata = Self::default();
        for (key, value) in tags {
            if key.starts_with(OURS[0].0) {
                metadata.written.insert(name_of(key), escaped(value));
            } else if is_identifier(key) && value.chars().all(is_plain) {
                metadata.written.insert(key.clone(), value.clone());
            } else {
                metadata.left_out.push(key.clone());
            }
        }
        fits(&metadata.written)?;
        Ok(metadata)
    }

    /// All of the metadata `found`, with `change` made in it and everything else under its own name and as it was.
    ///
    /// # Errors
    /// `InvalidInput` where it is too long then.
    pub(in super::super) fn changed(
        found: &BTreeMap<String, String>,
        change: &GuardChange,
    ) -> Result<BTreeMap<String, String>> {
        let (written, removed) = (Self::of(&change.write)?.written, Self::of(&change.remove)?.written);
        // Names have no case.
        let goes =
            |name: &String| written.keys().chain(removed.keys()).any(|each| each.eq_ignore_ascii_case(name));
        let stay = found.iter().filter(|(name, _)| !goes(name));
        let mut all: BTreeMap<_, _> = stay.map(|(name, value)| (name.clone(), value.clone())).collect();
        all.extend(written);
        fits(&all)?;
        Ok(all)
    }
}

impl Metadata {
    /// What is said of the tags that `id` cannot carry, where there are any.
    pub(in super::super) fn told(&self, id: &ResourceId) -> Option<String> {
        let names = self.left_out.join(", ");
        (!names.is_empty()).then(|| {
            format!(
                "{id} has metadata and no tags, which cannot hold {names}: a name must be an identifier, a value plain ASCII"
            )
        })
    }
}

fn fits(metadata: &BTreeMap<String, String>) -> Result<()> {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes <= BYTES_MAX {
        return Ok(());
    }
    let message = format!("{bytes} bytes of tags are too many for a share, which takes {BYTES_MAX}");
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// The tags that `written` stands for.
pub(in super::super) fn read_metadata(written: &BTreeMap<String, String>) -> Tags {
    let read = |(name, value): (&String, &String)| match name.to_lowercase().strip_prefix(OURS[0].1) {
        Some(rest) => {
            let key = format!("{}{}", OURS[0].0, rest.replace(OURS[1].1, OURS[1].0));
            let number = key.strip_prefix(GUARD_TAG).and_then(|rest| rest.strip_prefix(OURS[1].0));
            (number.map_or(key.clone(), |number| format!("{GUARD_TAG}:{number}")), unescaped(value))
        }
        None => (name.clone(), value.clone()),
    };
    written.iter().map(read).collect()
}

fn name_of(key: &str) -> String {
    let name = OURS.iter().fold(key.to_owned(), |name, (tag, metadata)| name.replace(tag, metadata));
    name.replace(NUMBERED[0], NUMBERED[1])
}

fn is_identifier(key: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    key.starts_with(letter)
        && !key.to_lowercase().starts_with(OURS[0].1)
        && key.chars().all(|c| letter(c) || c.is_ascii_digit())
}

fn is_plain(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic()
}

/// `value` in plain ASCII.
fn escaped(value: &str) -> String {
    let escape = |c: char| {
        if is_plain(c) && c != '%' {
            return c.to_string();
        }
        let mut bytes = [0; 4];
        c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect()
    };
    value.chars().map(escape).collect()
}

fn unescaped(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_tags_survive_as_metadata_whatever_they_say() {
        let tags: Tags = [
            ("stillpoint:job", "0123"),
            ("stillpoint:created-at", "2026-01-05T00:00:00Z"),
            ("stillpoint:workspace", "größe 50%/ß"),
            ("stillpoint:guard", "op-1 0123"),
            ("stillpoint:guard:12", "0123 keep"),
            ("keep", "yes"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let metadata = Metadata::of(&tags).unwrap();
        assert!(metadata.left_out.is_empty());
        assert_eq!(metadata.written["stillpoint_created_at"], "2026-01-05T00:00:00Z");
        assert!(metadata.written.values().all(|value| value.is_ascii()), "{metadata:?}");
        assert_eq!(read_metadata(&metadata.written), tags);
    }

    #[test]
    fn what_metadata_cannot_hold_is_left_out_by_name_and_never_changed() {
        for (key, value) in
            [("do-not-collect", "x"), ("größe", "x"), ("keep", "ü"), ("stillpoint_job", "x"), ("1", "x")]
        {
            let metadata = Metadata::of(&[(key.to_owned(), value.to_owned())].into()).unwrap();
            assert_eq!((metadata.left_out, metadata.written.len()), (vec![key.to_owned()], 0));
        }
        let long = Tags::from([("k".to_owned(), "x".repeat(BYTES_MAX))]);
        assert_eq!(Metadata::of(&long).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
