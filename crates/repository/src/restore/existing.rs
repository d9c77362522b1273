//! Recognising content that an earlier run, or somebody else, already put in place.

use std::io::Read;

use stillpoint_localfs::OpenFile;

use super::scan::Scan;
use crate::blob::BlobKind;
use crate::id::Id;

impl Scan {
    /// Whether every piece of a file hashes to its name. Of a file of the right size nothing is left over then.
    pub(super) fn content_is(&self, file: &mut OpenFile, content: &[Id]) -> stillpoint_localfs::Result<bool> {
        let mut piece = Vec::new();
        for id in content {
            let Some(location) = self.restore.whereabouts.index().locate(BlobKind::Data, id) else {
                return Ok(false);
            };
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
}
