//! Fetching one window of file content in the order of the packs.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::pending::PendingFile;
use super::run::Restore;
use super::summary::add;
use crate::blob::{BlobKind, BlobLocation};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::issue::{Issue, fatal};
use crate::repository::{PackRead, plan_reads};

/// Longest single read, in bytes, and how many are fetched, decoded or written at once. Together they bound what a
/// restore holds of file content.
const READ_BYTES_MAX: u64 = 4 << 20;
const READS_AT_ONCE: usize = 4;

/// When a window is full.
const PIECES_MAX: usize = 32 * 1024;
const FILES_MAX: usize = 8 * 1024;
const PLACES_MAX: usize = 256 * 1024;

/// File content wanted together.
#[derive(Debug, Default)]
pub(super) struct Window {
    files: usize,
    places: usize,
    pieces: Vec<(BlobLocation, Piece)>,
    known: HashMap<Id, usize>,
}

/// One blob and every place it goes.
#[derive(Debug)]
struct Piece {
    id: Id,
    /// How early it was asked for.
    turn: usize,
    destinations: Vec<(Arc<PendingFile>, u64)>,
}

impl Window {
    /// Wants a blob at a place of a file.
    pub(super) fn want(&mut self, id: Id, location: BlobLocation, file: &Arc<PendingFile>, offset: u64) {
        let turn = self.pieces.len();
        let number = *self.known.entry(id).or_insert(turn);
        if number == turn {
            self.pieces.push((location, Piece { id, turn, destinations: Vec::with_capacity(1) }));
        }
        if let Some((_, piece)) = self.pieces.get_mut(number) {
            piece.destinations.push((Arc::clone(file), offset));
            self.places += 1;
        }
    }

    /// Counts a file whose content was wanted.
    pub(super) fn count_file(&mut self) {
        self.files += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.pieces.len() >= PIECES_MAX || self.files >= FILES_MAX || self.places >= PLACES_MAX
    }

    /// Plans the reads, packs in the order they are first needed.
    fn into_reads(self) -> Vec<PackRead<Piece>> {
        let mut reads = plan_reads(self.pieces, READ_BYTES_MAX);
        reads.sort_by_key(|read| read.blobs.iter().map(|(_, piece)| piece.turn).min());
        reads
    }
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

    async fn fetch_read(self: Arc<Self>, read: PackRead<Piece>) -> Result<()> {
        self.cancellation.check()?;
        let fetched = self.repository.read_pack_range(&read.pack, read.range.clone()).await;
        let bytes = match fetched {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                self.lose(read.blobs.iter().map(|(_, piece)| piece), &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        add(&self.totals.fetched, bytes.len() as u64);
        tokio::task::spawn_blocking(move || self.write_read(&bytes, &read)).await.map_err(Error::cancelled)?
    }

    fn write_read(&self, bytes: &Bytes, read: &PackRead<Piece>) -> Result<()> {
        for (location, piece) in &read.blobs {
            self.cancellation.check()?;
            let sealed = read.slice(bytes, location).unwrap_or_default();
            let data = match self.repository.decode_blob(BlobKind::Data, &piece.id, location, sealed) {
                Ok(data) => data,
                Err(error) => {
                    self.lose([piece], &error);
                    continue;
                }
            };
            for (file, offset) in &piece.destinations {
                self.write_piece(file, *offset, &data)?;
            }
        }
        Ok(())
    }

    fn write_piece(&self, file: &PendingFile, offset: u64, data: &[u8]) -> Result<()> {
        match file.write(&self.extractor, offset, data) {
            Ok(finished) => {
                add(&self.totals.written, data.len() as u64);
                self.progress.advanced(data.len() as u64);
                if let Some(id) = finished {
                    self.file_restored(file.link, id);
                }
                Ok(())
            }
            Err(error) if error.is_storage_full() => Err(fatal(error)),
            Err(error) => {
                self.progress.finished(1);
                self.totals.skip(Issue::unwritten(file.path(), &error));
                Ok(())
            }
        }
    }

    fn lose<'a>(&self, pieces: impl IntoIterator<Item = &'a Piece>, error: &Error) {
        for (file, _) in pieces.into_iter().flat_map(|piece| &piece.destinations) {
            if file.give_up() {
                self.progress.finished(1);
                self.totals.skip(Issue::damaged(file.path(), error));
            }
        }
    }
}
