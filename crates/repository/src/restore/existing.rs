//! Where a file's content lies, and recognising content that an earlier run, or somebody else, already put in place.

use std::io::Read;

use stillpoint_localfs::OpenFile;

use crate::blob::{BlobKind, BlobLocation};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::index::Index;
use crate::tree::Node;

/// Where a file's pieces lie, and its length.
///
/// # Errors
/// `Corrupt` if one is lost.
pub(super) fn pieces(index: &Index, node: &Node) -> Result<(Vec<(Id, BlobLocation)>, u64)> {
    let content = node.content.as_deref().unwrap_or_default();
    let mut pieces = Vec::with_capacity(content.len());
    let mut size = 0;
    for id in content {
        let corrupt = |why: &str| Error::corrupt(format!("data blob {id}"), why.to_owned());
        let location = index.locate(BlobKind::Data, id).ok_or_else(|| corrupt("no index lists it"))?;
        if !location.fits(BlobKind::Data) {
            return Err(corrupt("the index says it is longer than one may be"));
        }
        size += u64::from(location.plaintext_length());
        pieces.push((*id, location));
    }
    Ok((pieces, size))
}

/// Whether every piece of a file hashes to its name. Of a file of the right size nothing is left over then.
pub(super) fn content_is(
    index: &Index,
    file: &mut OpenFile,
    content: &[Id],
) -> stillpoint_localfs::Result<bool> {
    let mut piece = Vec::new();
    for id in content {
        let Some(location) = index.locate(BlobKind::Data, id) else { return Ok(false) };
        piece.clear();
        let limit = u64::from(location.plaintext_length());
        let read = file.by_ref().take(limit).read_to_end(&mut piece);
        read.map_err(|error| file.read_error(error))?;
        if Id::of(&piece) != *id {
            return Ok(false);
        }
    }
    Ok(true)
}
