//! Writing a manifest part by part.

use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_repository::{Id, Store};

use super::{Entry, FOLDER, MANIFEST};
use crate::error::from_repository;
use crate::mirror::framed;
use crate::mirror::place::Place;
use crate::mirror::record::Part;

/// Uncompressed bytes at which a part is full.
const PART_BYTES: usize = 4 << 20;
/// Digits of the digest of a job's token in the names of its parts.
const JOB_DIGITS: usize = 12;
/// Fast, and what it leaves is mostly digests that no level shrinks.
const LEVEL: i32 = 1;

/// The manifest of one run at one timestamp. Parts of an earlier run are left alone.
#[derive(Debug)]
pub(crate) struct ManifestWriter {
    store: Store,
    place: Place,
    run: u32,
    /// Tells the parts of two jobs that take themselves for the same run.
    job: String,
    lines: Vec<u8>,
    entries: u64,
    parts: Vec<Part>,
}

impl ManifestWriter {
    /// The manifest of the `run`-th run, by the job of this token.
    pub(crate) fn new(store: &Store, place: &Place, run: u32, token: &str) -> Self {
        let (store, place) = (store.clone(), place.clone());
        let job = Id::of(token.as_bytes()).to_hex().chars().take(JOB_DIGITS).collect();
        Self { store, place, run, job, lines: Vec::new(), entries: 0, parts: Vec::new() }
    }

    /// Adds the next entry in path order.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn push(&mut self, entry: &Entry) -> Result<()> {
        let line = entry.to_json().map_err(|error| {
            Error::new(ErrorKind::Unexpected, "an entry cannot be written as JSON").with_source(error)
        })?;
        self.lines.extend_from_slice(&line);
        self.lines.push(b'\n');
        self.entries += 1;
        if self.lines.len() >= PART_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Stores what was added so far.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if self.entries == 0 {
            return Ok(());
        }
        let packed = zstd::bulk::compress(&self.lines, LEVEL).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "a manifest cannot be compressed").with_source(error)
        })?;
        let object = framed::seal(MANIFEST, &packed)?;
        let name = format!("{FOLDER}/{:03}-{}-{:06}", self.run, self.job, self.parts.len() + 1);
        let (sha256, entries) = (Id::of(&object), self.entries);
        let key = format!("{}/{name}", self.place.control());
        self.store.put_object(&key, object).await.map_err(from_repository)?;
        self.parts.push(Part { name, sha256, entries });
        self.lines.clear();
        self.entries = 0;
        Ok(())
    }

    /// Stores the rest and names all parts.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn finish(mut self) -> Result<Vec<Part>> {
        self.flush().await?;
        Ok(self.parts)
    }
}

/// The run that wrote a part, the job whose run it was, and the part's number; `None` for a foreign name. Older names have
/// no job.
pub(super) fn numbers(name: &str) -> Option<(u32, &str, u32)> {
    let (run, rest) = name.strip_prefix(FOLDER)?.strip_prefix('/')?.split_once('-')?;
    let (job, number) = rest.rsplit_once('-').unwrap_or(("", rest));
    Some((run.parse().ok()?, job, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_by_run_job_and_number_whoever_named_them() {
        assert_eq!(numbers("manifest/003-00ff-000012"), Some((3, "00ff", 12)));
        assert_eq!(numbers("manifest/003-000012"), Some((3, "", 12)));
        for name in ["manifest/x-1", "manifest/3", "other/003-000012", "manifest/003-000012-"] {
            assert_eq!(numbers(name), None, "{name}");
        }
    }
}
