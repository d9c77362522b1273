//! A blob between sealing and packing.

use std::fmt;
use std::sync::Arc;

use super::Shared;
use crate::error::{Error, ErrorKind};
use crate::sealed::SealedBlob;

/// A sealed blob that its writer counts on. See [`BlobWriter::prepare`](super::BlobWriter::prepare).
#[must_use = "dropping it makes the writer fail"]
pub struct PreparedBlob {
    blob: SealedBlob,
    claim: Claim,
}

/// The writer's promise that the blob will be packed.
struct Claim {
    shared: Option<Arc<Shared>>,
}

impl PreparedBlob {
    pub(super) fn new(blob: SealedBlob, shared: Arc<Shared>) -> Self {
        Self { blob, claim: Claim { shared: Some(shared) } }
    }

    /// Bytes it takes in a pack.
    pub fn stored_length(&self) -> usize {
        self.blob.bytes.len()
    }

    pub(super) fn blob(&self) -> &SealedBlob {
        &self.blob
    }

    /// The promise is kept.
    pub(super) fn packed(mut self) {
        self.claim.shared = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            let message = "a blob was given up before it was packed; run the same command again";
            drop(shared.fail(Error::new(ErrorKind::Cancelled, message)));
        }
    }
}

impl fmt::Debug for PreparedBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedBlob")
            .field("kind", &self.blob.kind)
            .field("id", &self.blob.id)
            .finish_non_exhaustive()
    }
}
