//! A file some of whose content is still to come.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stillpoint_localfs::{Attributes, Extractor, FileId, FileWriter, LinkKey};

use super::spot::{OpenFolder, Spot};

/// A file being restored. Its pieces may be written in any order and from several threads.
#[derive(Debug)]
pub(super) struct PendingFile {
    spot: Spot,
    size: u64,
    pieces: usize,
    attributes: Attributes,
    /// The inode it shares with other names, if it has any.
    pub(super) link: Option<LinkKey>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    writer: Option<Box<FileWriter>>,
    remaining: usize,
    /// Bytes of content that were written.
    written: u64,
    given_up: bool,
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The file was given up before.
    Ignored,
    /// It is written, and others are still to come.
    Written,
    /// It was the last one: the file is complete. Its identity, if anybody needs to know it.
    Last(Option<FileId>),
}

impl PendingFile {
    /// A file of `pieces` pieces with `size` bytes altogether. Nothing is created before the first piece comes.
    pub(super) fn new(
        spot: Spot,
        size: u64,
        pieces: usize,
        attributes: Attributes,
        link: Option<LinkKey>,
    ) -> Self {
        let state = State { writer: None, remaining: pieces, written: 0, given_up: false };
        Self { spot, size, pieces, attributes, link, state: Mutex::new(state) }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.spot.path()
    }

    /// Writes one piece. The last one completes the file and gives it its name.
    ///
    /// A file that failed is given up: its temporary file is removed and further pieces are ignored.
    pub(super) fn write(
        &self,
        extractor: &Extractor,
        folder: &mut OpenFolder,
        offset: u64,
        data: &[u8],
    ) -> stillpoint_localfs::Result<Piece> {
        let mut state = self.lock();
        if state.given_up {
            return Ok(Piece::Ignored);
        }
        let written = match self.pieces == 1 && self.link.is_none() {
            true => self.write_whole(extractor, folder, data).map(|()| Piece::Last(None)),
            false => self.write_piece(&mut state, extractor, offset, data),
        };
        match &written {
            Ok(_) => state.written += data.len() as u64,
            Err(_) => {
                state.given_up = true;
                state.writer = None;
            }
        }
        written
    }

    /// Completes a file that has no content.
    pub(super) fn write_empty(
        &self,
        extractor: &Extractor,
        folder: &mut OpenFolder,
    ) -> stillpoint_localfs::Result<Option<FileId>> {
        match self.link {
            None => self.write_whole(extractor, folder, &[]).map(|()| None),
            Some(_) => extractor.create_file(&self.path(), 0)?.finish(&self.attributes).map(Some),
        }
    }

    /// Bytes of content that were not written.
    pub(super) fn rest(&self) -> u64 {
        self.size.saturating_sub(self.lock().written)
    }

    /// Gives the file up because a piece of it is lost. Answers whether it was still under way.
    pub(super) fn give_up(&self) -> bool {
        let mut state = self.lock();
        state.writer = None;
        !std::mem::replace(&mut state.given_up, true)
    }

    fn write_whole(
        &self,
        extractor: &Extractor,
        folder: &mut OpenFolder,
        data: &[u8],
    ) -> stillpoint_localfs::Result<()> {
        let folder = folder.above(extractor, &self.spot)?;
        extractor.write_file(folder, self.spot.name(), data, &self.attributes)
    }

    fn write_piece(
        &self,
        state: &mut State,
        extractor: &Extractor,
        offset: u64,
        data: &[u8],
    ) -> stillpoint_localfs::Result<Piece> {
        let mut writer = match state.writer.take() {
            Some(writer) => writer,
            None => Box::new(extractor.create_file(&self.path(), self.size)?),
        };
        writer.write_at(offset, data)?;
        state.remaining -= 1;
        if state.remaining == 0 {
            return writer.finish(&self.attributes).map(|id| Piece::Last(Some(id)));
        }
        // Many files may be under way; only those being written hold a descriptor.
        writer.park();
        state.writer = Some(writer);
        Ok(Piece::Written)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
