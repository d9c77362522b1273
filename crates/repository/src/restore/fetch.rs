//! Fetching packs while what arrived is decoded and written.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::elsewhere::{Missed, miss};
use super::pending::Piece;
use super::run::Restore;
use super::spot::OpenFolder;
use super::summary::add;
use super::window::{Place, Window, segments};
use crate::blob::BlobKind;
use crate::error::{Error, ErrorKind, Result};
use crate::issue::{Issue, fatal};
use crate::repository::{PackRead, is_pack_gone};
use crate::store::RangeStream;

/// Packs that are fetched at once.
const READS_AT_ONCE: usize = 4;
/// Memory for what arrived and is not yet written, in KiB. Each read waits for a worker with one part in hand, so there is
/// less of it unless blobs are far larger than this program makes them.
pub(super) const MEMORY_KIB: usize = 48 << 10;
/// How often in a row a read may break off before a single part of it arrived.
const BROKEN_MAX: u32 = 4;
/// How long after the first break it is asked for again; longer after each further one.
const REOPEN_AFTER: Duration = Duration::from_millis(250);
/// Longest buffer kept for another part, in bytes.
const KEPT_BYTES: usize = 4 << 20;

/// Part of a read and what it brought.
#[derive(Debug)]
struct Fetched {
    bytes: Vec<u8>,
    read: PackRead<Place>,
    share: OwnedSemaphorePermit,
}

/// A part being decoded and written. It brings back what did not open.
type Work = JoinHandle<Result<Vec<Missed>>>;

/// Parts of one read at work, and what of it the pack did not give.
#[derive(Default)]
struct Works {
    under_way: FuturesUnordered<Work>,
    missed: Vec<Missed>,
}

impl Works {
    fn ended(
        &mut self,
        work: std::result::Result<Result<Vec<Missed>>, tokio::task::JoinError>,
    ) -> Result<()> {
        self.missed.append(&mut ended(work)?);
        Ok(())
    }
}

impl Restore {
    /// Fetches a window and writes it.
    ///
    /// # Errors
    /// Failures of the store, a full disk, cancellation. Blobs that no pack gives cost the files that need them and no more.
    pub(super) async fn fetch(self: &Arc<Self>, window: Window) -> Result<()> {
        let reads = window.into_reads().into_iter().map(|read| self.fetch_read(read));
        stream::iter(reads).buffer_unordered(READS_AT_ONCE).try_collect::<()>().await
    }

    async fn fetch_read(self: &Arc<Self>, read: PackRead<Place>) -> Result<()> {
        let mut works = Works::default();
        let mut parts = segments(read);
        let received = self.receive_all(&mut parts, &mut works).await;
        while let Some(work) = works.under_way.next().await {
            works.ended(work)?;
        }
        match received {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                self.fetch_blobs(parts, error, &mut works.missed).await?;
            }
            received => received?,
        }
        self.fetch_elsewhere(works.missed).await
    }

    /// Receives parts over as many connections as it takes: a store need not keep one open for as long as a slow target
    /// lets it wait. What breaks off costs the part in hand and no more.
    async fn receive_all(
        self: &Arc<Self>,
        parts: &mut VecDeque<PackRead<Place>>,
        works: &mut Works,
    ) -> Result<()> {
        let mut broken = 0;
        while let (Some(first), Some(last)) = (parts.front(), parts.back()) {
            self.cancellation.check()?;
            let (pack, range) = (first.pack, first.range.start..last.range.end);
            let mut stream = self.repository.stream_pack_range(&pack, range).await?;
            let left = parts.len();
            match self.receive(&mut stream, parts, works).await {
                Err(error) if *error.kind() == ErrorKind::Unavailable => {
                    broken = if parts.len() < left { 1 } else { broken + 1 };
                    if broken > BROKEN_MAX {
                        return Err(error);
                    }
                    tokio::time::sleep(REOPEN_AFTER * broken).await;
                }
                received => return received,
            }
        }
        Ok(())
    }

    /// Hands parts to workers as they arrive. Those that did not arrive stay in `parts`.
    async fn receive(
        self: &Arc<Self>,
        stream: &mut RangeStream,
        parts: &mut VecDeque<PackRead<Place>>,
        works: &mut Works,
    ) -> Result<()> {
        while let Some(part) = parts.front() {
            let share = self.share(part).await?;
            let mut bytes =
                self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            stream.take(part.range.clone(), &mut bytes).await?;
            self.cancellation.check()?;
            if let Some(read) = parts.pop_front() {
                works.under_way.push(self.work(Fetched { bytes, read, share }).await?);
            }
            while let Some(Some(work)) = works.under_way.next().now_or_never() {
                works.ended(work)?;
            }
        }
        Ok(())
    }

    /// Waits for the memory that a part takes.
    async fn share(&self, part: &PackRead<Place>) -> Result<OwnedSemaphorePermit> {
        let kib = usize::try_from((part.range.end - part.range.start) >> 10).unwrap_or(usize::MAX);
        let share = u32::try_from(kib.saturating_add(1).min(MEMORY_KIB)).unwrap_or(1);
        Arc::clone(&self.memory).acquire_many_owned(share).await.map_err(Error::cancelled)
    }

    /// Fetches blobs one by one, because their pack could not be read as a whole: it may end early, or be gone.
    async fn fetch_blobs(
        self: &Arc<Self>,
        parts: VecDeque<PackRead<Place>>,
        error: Error,
        missed: &mut Vec<Missed>,
    ) -> Result<()> {
        if is_pack_gone(&error) {
            miss(missed, parts.into_iter().flat_map(|part| part.blobs), error);
            return Ok(());
        }
        for single in parts.into_iter().flat_map(PackRead::into_singles) {
            missed.append(&mut self.fetch_single(single).await?);
        }
        Ok(())
    }

    /// Fetches a part that is one blob and writes it, unless the pack does not give it.
    pub(super) async fn fetch_single(self: &Arc<Self>, single: PackRead<Place>) -> Result<Vec<Missed>> {
        self.cancellation.check()?;
        let share = self.share(&single).await?;
        match self.repository.read_pack_range(&single.pack, single.range.clone()).await {
            Ok(bytes) => ended(self.work(Fetched { bytes: bytes.into(), read: single, share }).await?.await),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                let mut missed = Vec::new();
                miss(&mut missed, single.blobs, error);
                Ok(missed)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives a part to a worker, as soon as one is free.
    async fn work(self: &Arc<Self>, mut fetched: Fetched) -> Result<Work> {
        add(&self.totals.fetched, fetched.bytes.len() as u64);
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(Error::cancelled)?;
        let this = Arc::clone(self);
        Ok(tokio::task::spawn_blocking(move || {
            let written = this.write_part(&mut fetched);
            this.keep(fetched);
            // The restore is let go before the permit: who holds all permits is its only holder.
            drop(this);
            drop(worker);
            written
        }))
    }

    /// Keeps the buffer of a part for another. There are never more than parts under way.
    fn keep(&self, fetched: Fetched) {
        let Fetched { bytes, share, .. } = fetched;
        if bytes.capacity() <= KEPT_BYTES {
            self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
        drop(share);
    }

    fn write_part(&self, fetched: &mut Fetched) -> Result<Vec<Missed>> {
        let Fetched { bytes, read, .. } = fetched;
        let (mut folder, mut missed) = (OpenFolder::default(), Vec::new());
        let (mut next, mut decoded) = (0, 0);
        self.decoders.with(|decoder| {
            for same in read.blobs.chunk_by(|(at, one), (next, other)| at == next && one.id == other.id) {
                self.cancellation.check()?;
                let Some((location, Place { id, .. })) = same.first() else { continue };
                next += same.len();
                let after = read.blobs.get(next).map(|(location, _)| u64::from(location.offset));
                // No honest index has two blobs share bytes; of one that does, each blob is opened as it was read.
                let shares =
                    u64::from(location.offset) < decoded || after.is_some_and(|after| after < location.end());
                decoded = decoded.max(location.end());
                let place = read.place(location).unwrap_or_default();
                let sealed = bytes.get_mut(place).unwrap_or_default();
                let (repository, kind) = (&self.repository, BlobKind::Data);
                let opened = if shares {
                    repository.decode_blob_with(decoder, kind, id, location, sealed)
                } else {
                    repository.decode_blob_in_place(decoder, kind, id, location, sealed)
                };
                match opened {
                    Ok(data) => {
                        same.iter().try_for_each(|(_, place)| self.write_place(place, data, &mut folder))?;
                    }
                    Err(error) => miss(&mut missed, same.iter().cloned(), error),
                }
            }
            Ok(missed)
        })
    }

    fn write_place(&self, place: &Place, data: &[u8], folder: &mut OpenFolder) -> Result<()> {
        let file = &place.file;
        match file.write(&self.extractor, folder, place.offset, data) {
            Ok(Piece::Ignored) => Ok(()),
            Ok(piece) => {
                add(&self.totals.written, data.len() as u64);
                self.progress.advanced(data.len() as u64);
                if let Piece::Last(id) = piece {
                    self.file_restored(file.link, id);
                }
                Ok(())
            }
            Err(error) if error.is_storage_full() => Err(fatal(error)),
            Err(error) => {
                self.file_passed(file.rest());
                self.totals.skip(Issue::unwritten(&file.path(), &error));
                Ok(())
            }
        }
    }

    pub(super) fn lose<'a>(&self, places: impl IntoIterator<Item = &'a Place>, error: &Error) {
        for Place { file, .. } in places {
            if file.give_up() {
                self.file_passed(file.rest());
                self.totals.skip(Issue::damaged(&file.path(), error));
            }
        }
    }
}

fn ended<T>(work: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    work.map_err(Error::cancelled)?
}
