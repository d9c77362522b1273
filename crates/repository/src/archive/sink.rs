//! Handing blobs to the writer from threads that are not async.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;

use crate::blob::BlobKind;
use crate::cancellation::Cancellation;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::writer::BlobWriter;

/// Sealed bytes between two index files: an eighth of what was stored, within these bounds. The next run finds the packs
/// of an interrupted one without an index too; this only spares it most of the reading.
const CHECKPOINT_BYTES: std::ops::RangeInclusive<u64> = (512 << 20)..=(4 << 30);

/// A writer shared by worker threads.
#[derive(Debug)]
pub(super) struct Sink {
    writer: BlobWriter,
    runtime: Handle,
    cancellation: Cancellation,
    next_checkpoint: AtomicU64,
}

impl Sink {
    pub(super) fn new(writer: BlobWriter, cancellation: Cancellation) -> Self {
        let next_checkpoint = AtomicU64::new(*CHECKPOINT_BYTES.start());
        Self { writer, runtime: Handle::current(), cancellation, next_checkpoint }
    }

    pub(super) fn writer(&self) -> &BlobWriter {
        &self.writer
    }

    /// Fails if the backup was cancelled.
    pub(super) fn check(&self) -> Result<()> {
        self.cancellation.check()
    }

    /// Stores a blob unless it is known, and answers with its id. Blocks while too much is on its way.
    pub(super) fn store(&self, kind: BlobKind, data: &[u8]) -> Result<Id> {
        self.cancellation.check()?;
        let id = Id::of(data);
        if self.writer.is_known(kind, &id) {
            return Ok(id);
        }
        if let Some(prepared) = self.writer.prepare_hashed(kind, id, data)? {
            // A sealed blob that is given up makes the writer fail, and with it everything that could be kept.
            self.runtime.block_on(self.writer.add_prepared(prepared))?;
            self.checkpoint_if_due()?;
        }
        Ok(id)
    }

    /// Runs a future to its end, or until the backup is cancelled.
    pub(super) fn wait<T: Send>(&self, future: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancellation.cancelled() => Err(Error::cancelled("asked to stop")),
                result = future => result,
            }
        })
    }

    fn checkpoint_if_due(&self) -> Result<()> {
        let stored = self.writer.summary().stored_bytes;
        let due = self.next_checkpoint.load(Ordering::Relaxed);
        if stored < due {
            return Ok(());
        }
        let step = (stored / 8).clamp(*CHECKPOINT_BYTES.start(), *CHECKPOINT_BYTES.end());
        let taken = self.next_checkpoint.compare_exchange(
            due,
            stored.saturating_add(step),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if taken.is_ok() { self.wait(self.writer.index_stored()) } else { Ok(()) }
    }
}
