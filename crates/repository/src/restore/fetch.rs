//! Fetching packs ahead, while what arrived is decoded and written.

use std::error::Error as StdError;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::run::Restore;
use super::spot::OpenFolder;
use super::summary::add;
use super::window::{Place, Window, segments};
use crate::blob::BlobKind;
use crate::error::{Error, ErrorKind, Result};
use crate::issue::{Issue, fatal};
use crate::repository::PackRead;

/// Packs that are fetched or worked on at once.
const READS_AT_ONCE: usize = 4;
/// Memory for them, in MiB: two packs as this program writes them.
pub(super) const MEMORY_MIB: usize = 144;

/// A read and what it brought.
#[derive(Debug)]
struct Fetched {
    bytes: Bytes,
    read: PackRead<Place>,
}

impl Restore {
    /// Fetches a window and writes it.
    ///
    /// # Errors
    /// Failures of the store, a full disk, cancellation. Damaged blobs cost the files that need them and no more.
    pub(super) async fn fetch(self: &Arc<Self>, window: Window) -> Result<()> {
        let reads = window.into_reads().into_iter().map(|read| Arc::clone(self).fetch_read(read));
        stream::iter(reads).buffer_unordered(READS_AT_ONCE).try_collect::<()>().await
    }

    async fn fetch_read(self: Arc<Self>, read: PackRead<Place>) -> Result<()> {
        let mib = (read.range.end - read.range.start) >> 20;
        let share = u32::try_from(mib + 1).unwrap_or(u32::MAX).min(u32::try_from(MEMORY_MIB).unwrap_or(1));
        let _share = self.memory.acquire_many(share).await.map_err(Error::cancelled)?;
        self.cancellation.check()?;
        let fetched = self.repository.read_pack_range(&read.pack, read.range.clone()).await;
        let bytes = match fetched {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                return self.fetch_blobs(read, &error).await;
            }
            Err(error) => return Err(error),
        };
        add(&self.totals.fetched, bytes.len() as u64);
        let parts = segments(&read);
        let fetched = Arc::new(Fetched { bytes, read });
        let works = parts.into_iter().map(|part| Arc::clone(&self).work(Arc::clone(&fetched), part));
        stream::iter(works).buffer_unordered(self.worker_count).try_collect::<()>().await
    }

    /// Fetches the blobs of a read one by one, because the pack could not be read as a whole: it may end early.
    async fn fetch_blobs(self: &Arc<Self>, read: PackRead<Place>, error: &Error) -> Result<()> {
        let missing = StdError::source(error).and_then(|source| source.downcast_ref::<Error>());
        if missing.is_some_and(|source| *source.kind() == ErrorKind::NotFound) {
            self.lose(read.blobs.iter().map(|(_, place)| place), error);
            return Ok(());
        }
        for single in read.into_singles() {
            self.cancellation.check()?;
            match self.repository.read_pack_range(&single.pack, single.range.clone()).await {
                Ok(bytes) => {
                    add(&self.totals.fetched, bytes.len() as u64);
                    let all = 0..single.blobs.len();
                    Arc::clone(self).work(Arc::new(Fetched { bytes, read: single }), all).await?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                    self.lose(single.blobs.iter().map(|(_, place)| place), &error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn work(self: Arc<Self>, fetched: Arc<Fetched>, part: Range<usize>) -> Result<()> {
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(Error::cancelled)?;
        let write = move || {
            let written = self.write_segment(&fetched, part);
            // The restore is let go before the permit: who holds all permits is its only holder.
            drop((self, fetched));
            drop(worker);
            written
        };
        tokio::task::spawn_blocking(write).await.map_err(Error::cancelled)?
    }

    fn write_segment(&self, fetched: &Fetched, part: Range<usize>) -> Result<()> {
        let blobs = fetched.read.blobs.get(part).unwrap_or_default();
        let mut folder = OpenFolder::default();
        self.decoders.with(|decoder| {
            for same in blobs.chunk_by(|(at, one), (next, other)| at == next && one.id == other.id) {
                self.cancellation.check()?;
                let Some((location, Place { id, .. })) = same.first() else { continue };
                let sealed = fetched.read.slice(&fetched.bytes, location).unwrap_or_default();
                match self.repository.decode_blob_with(decoder, BlobKind::Data, id, location, sealed) {
                    Ok(data) => {
                        same.iter().try_for_each(|(_, place)| self.write_place(place, data, &mut folder))?;
                    }
                    Err(error) => self.lose(same.iter().map(|(_, place)| place), &error),
                }
            }
            Ok(())
        })
    }

    fn write_place(&self, place: &Place, data: &[u8], folder: &mut OpenFolder) -> Result<()> {
        let file = &place.file;
        match file.write(&self.extractor, folder, place.offset, data) {
            Ok(written) => {
                add(&self.totals.written, data.len() as u64);
                self.progress.advanced(data.len() as u64);
                if let Some(id) = written {
                    self.file_restored(file.link, id);
                }
                Ok(())
            }
            Err(error) if error.is_storage_full() => Err(fatal(error)),
            Err(error) => {
                self.progress.finished(1);
                self.totals.skip(Issue::unwritten(&file.path(), &error));
                Ok(())
            }
        }
    }

    fn lose<'a>(&self, places: impl IntoIterator<Item = &'a Place>, error: &Error) {
        for Place { file, .. } in places {
            if file.give_up() {
                self.progress.finished(1);
                self.totals.skip(Issue::damaged(&file.path(), error));
            }
        }
    }
}
