//! Recognising content that an earlier run, or somebody else, already put in place.

use std::io::Read;

use sha2::{Digest, Sha256};
use stillpoint_localfs::OpenFile;
use stillpoint_repository::Id;

use crate::mirror::manifest::Entry;

/// Whether a file hashes to what it should. Where nobody knows, it does not.
pub(super) fn is_content_of(entry: &Entry, file: &mut OpenFile) -> stillpoint_localfs::Result<bool> {
    Ok(entry.sha256.is_some() && entry.sha256 == Some(digest_of(file)?))
}

fn digest_of(file: &mut OpenFile) -> stillpoint_localfs::Result<Id> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let length = file.read(&mut buffer).map_err(|error| file.read_error(error))?;
        match buffer.get(..length).filter(|read| !read.is_empty()) {
            Some(read) => digest.update(read),
            None => return Ok(Id::from_bytes(digest.finalize().into())),
        }
    }
}
