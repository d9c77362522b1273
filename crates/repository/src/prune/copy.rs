//! Copying what is used out of packs that go.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::blob::{BlobKind, BlobLocation};
use crate::error::Result;
use crate::id::Id;
use crate::lock::Lock;
use crate::repository::{PackRead, Repository, plan_reads};
use crate::writer::{BlobWriter, WriteSummary, WriterOptions};

/// Longest single read, and how many run at once.
const MAX_READ: u64 = 16 << 20;
const AT_ONCE: usize = 4;

/// Stores these blobs again outside `gone`, and indexes them.
pub(super) async fn copy(
    repository: &Repository,
    lock: &Lock,
    gone: &Arc<HashSet<Id>>,
    blobs: Vec<(BlobKind, Id, BlobLocation)>,
) -> Result<WriteSummary> {
    if blobs.is_empty() {
        return Ok(WriteSummary::default());
    }
    let options = WriterOptions::default().avoiding(lock, Arc::clone(gone));
    let writer = BlobWriter::new(repository, options).await?;
    let wanted = blobs.into_iter().map(|(kind, id, location)| (location, (kind, id)));
    let reads = plan_reads(wanted, MAX_READ).into_iter().map(|read| copy_read(repository, &writer, read));
    stream::iter(reads).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    writer.finish().await
}

async fn copy_read(
    repository: &Repository,
    writer: &BlobWriter,
    read: PackRead<(BlobKind, Id)>,
) -> Result<()> {
    let bytes = repository.read_pack_range(&read.pack, read.range.clone()).await?;
    for (location, (kind, id)) in &read.blobs {
        let sealed = read.slice(&bytes, location).unwrap_or_default().to_vec();
        let (kind, id, location) = (*kind, *id, *location);
        let plain = repository
            .blocking(move |repository| repository.decode_blob(kind, &id, &location, &sealed))
            .await?;
        writer.add(kind, id, plain).await?;
    }
    Ok(())
}
