//! Our own records beside restic's objects: small sealed values under `stillpoint/<kind>/<name>`.

use bytes::Bytes;

use super::Repository;
use crate::error::{Error, Result};

/// Longest value of a record.
const MAX_RECORD: usize = 4 << 20;
const MAX_STORED: u64 = 5 << 20;
const FOLDER: &str = "stillpoint";

impl Repository {
    /// Stores a record, of at most 4 MiB, under a name that must be free; storing the same bytes again is success.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken by another value, `InvalidInput` if kind, name or size is not allowed.
    pub async fn create_record(&self, kind: &str, name: &str, value: &[u8]) -> Result<()> {
        let (key, sealed) = self.seal_record(kind, name, value)?;
        match self.store().put_new(&key, sealed).await {
            // Sealing the same value twice gives different bytes, so the comparison is of the values.
            Err(error) if *error.kind() == crate::ErrorKind::AlreadyExists => {
                if self.read_record(kind, name).await? == value { Ok(()) } else { Err(error) }
            }
            result => result,
        }
    }

    /// Stores a record, replacing any value it had.
    ///
    /// # Errors
    /// `InvalidInput` if kind, name or size is not allowed, or if the store fails.
    pub async fn replace_record(&self, kind: &str, name: &str, value: &[u8]) -> Result<()> {
        let (key, sealed) = self.seal_record(kind, name, value)?;
        self.store().put(&key, sealed).await
    }

    /// The value of a record. One that was moved here from another name or kind counts as damaged.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Corrupt` if it is damaged.
    pub async fn read_record(&self, kind: &str, name: &str) -> Result<Vec<u8>> {
        let key = record_key(kind, name)?;
        let sealed = self.store().get(&key, MAX_STORED).await?;
        let framed = self.open_file(&key, &sealed)?;
        record_value(&key, &framed)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Error::corrupt(key, "it belongs under another name"))
    }

    /// Names of all records of a kind, sorted.
    ///
    /// # Errors
    /// `InvalidInput` if the kind is not allowed, or if the store fails.
    pub async fn list_records(&self, kind: &str) -> Result<Vec<String>> {
        check_name(kind)?;
        let folder = format!("{FOLDER}/{kind}");
        let listed = self.store().list(&folder).await?;
        let mut names: Vec<String> = listed
            .iter()
            .filter_map(|object| object.key.strip_prefix(&folder)?.strip_prefix('/'))
            .filter(|name| check_name(name).is_ok())
            .map(ToOwned::to_owned)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Removes a record; an absent one counts as removed.
    ///
    /// # Errors
    /// If the store fails or denies it.
    pub async fn delete_record(&self, kind: &str, name: &str) -> Result<()> {
        self.store().delete(&record_key(kind, name)?).await
    }

    /// The frame binds the value to its name inside the seal, so that a hostile store cannot swap two records.
    fn seal_record(&self, kind: &str, name: &str, value: &[u8]) -> Result<(String, Bytes)> {
        let key = record_key(kind, name)?;
        if value.len() > MAX_RECORD {
            return Err(Error::invalid(format!("the record {key} is longer than {MAX_RECORD} bytes")));
        }
        let framed = [b"{", key.as_bytes(), b"}", value].concat();
        let sealed = self.seal_file(&framed)?;
        Ok((key, sealed))
    }
}

/// The value in a frame, if it was made for `key`.
pub(crate) fn record_value<'a>(key: &str, framed: &'a [u8]) -> Option<&'a [u8]> {
    framed.strip_prefix(b"{")?.strip_prefix(key.as_bytes())?.strip_prefix(b"}")
}

fn record_key(kind: &str, name: &str) -> Result<String> {
    check_name(kind)?;
    check_name(name)?;
    if kind == "tmp" {
        return Err(Error::invalid("records of kind `tmp` are not allowed; the name is taken"));
    }
    Ok(format!("{FOLDER}/{kind}/{name}"))
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=');
    if (1..=200).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "`{}` is no name for a record: use letters, digits, - _ . =",
        name.escape_debug()
    )))
}
