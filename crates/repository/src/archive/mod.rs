//! Backing a directory up into a snapshot.
//!
//! The directory is walked depth first by several workers. Each worker lists directories, reads and cuts files, hashes,
//! compresses and seals; the [`BlobWriter`](crate::BlobWriter) packs and uploads behind them, and makes them wait when
//! too much is on its way. A file whose size, times and inode are those of the parent snapshot is not opened.

mod assembly;
mod chunker;
mod directory;
mod earlier;
mod file;
mod missing;
mod node;
mod options;
mod plan;
mod publish;
mod run;
#[cfg(test)]
mod simulated;
mod sink;
mod summary;
mod walk;

pub use assembly::{Assembly, ContentWriter};
pub(crate) use node::describe;
pub use options::{BackupOptions, BackupSource, Parent};
pub use summary::BackupSummary;

/// How many chunks `data` is cut into as the content of a file of its own length.
#[cfg(feature = "bench")]
pub(crate) fn count_chunks(data: &[u8]) -> std::io::Result<usize> {
    let mut chunker = chunker::Chunker::new(data, u64::try_from(data.len()).unwrap_or(u64::MAX));
    let mut chunks = 0;
    while chunker.next()?.is_some() {
        chunks += 1;
    }
    Ok(chunks)
}
