//! Reading blobs.

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::{PackRead, Repository, plan_reads};
use crate::blob::{BlobKind, BlobLocation};
use crate::decoder::Decoder;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::pack::{HEADER_GUESS, PackEntry, read_header};
use crate::sealed::open_blob;
use crate::store::RangeStream;

/// Longest single read of [`Repository::load_blobs`], and how many run at once.
const MAX_READ: u64 = 4 << 20;
const AT_ONCE: usize = 6;

impl Repository {
    /// The plaintext of a blob, checked against its name. One that was stored more than once is read where it is whole.
    ///
    /// # Errors
    /// `Corrupt` if the index does not know it, or its pack is missing or damaged.
    pub async fn load_blob(&self, kind: BlobKind, id: &Id) -> Result<Vec<u8>> {
        let location = self.locate(kind, id).await?;
        let first = match self.load_at(kind, id, location).await {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => error,
            result => return result,
        };
        let (index, mut tried) = (self.index().await?, vec![location.pack]);
        while let Some(other) = index.locate_outside(kind, id, &tried) {
            match self.load_at(kind, id, other).await {
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => tried.push(other.pack),
                result => return result,
            }
        }
        Err(first)
    }

    async fn load_at(&self, kind: BlobKind, id: &Id, location: BlobLocation) -> Result<Vec<u8>> {
        let sealed = self.read_pack_range(&location.pack, u64::from(location.offset)..location.end()).await?;
        let id = *id;
        self.blocking(move |this| this.decode_blob(kind, &id, &location, &sealed)).await
    }

    /// The plaintexts of many blobs, in the order asked for, with neighbours in a pack fetched together.
    ///
    /// All of them are in memory at the end, and a few times 4 MiB while it runs: the caller bounds how many it asks
    /// for.
    ///
    /// # Errors
    /// As [`Self::load_blob`], for the first blob that fails.
    pub async fn load_blobs(&self, kind: BlobKind, ids: &[Id]) -> Result<Vec<Vec<u8>>> {
        let mut wanted = Vec::with_capacity(ids.len());
        for (at, id) in ids.iter().enumerate() {
            wanted.push((self.locate(kind, id).await?, (at, *id)));
        }
        let mut loaded: Vec<Vec<u8>> = vec![Vec::new(); ids.len()];
        let reads = plan_reads(wanted, MAX_READ).into_iter().map(|read| self.run_read(kind, read));
        let mut done = stream::iter(reads).buffer_unordered(AT_ONCE);
        while let Some(blobs) = done.try_next().await? {
            for (at, plaintext) in blobs {
                loaded[at] = plaintext;
            }
        }
        Ok(loaded)
    }

    /// Where a blob lies, if it can be there at all.
    pub(crate) async fn locate(&self, kind: BlobKind, id: &Id) -> Result<BlobLocation> {
        let location = self.index().await?.locate(kind, id).ok_or_else(|| unknown(kind, id))?;
        if location.fits(kind) {
            return Ok(location);
        }
        let object = format!("{} blob {id}", kind.name());
        Err(Error::corrupt(object, "the index says it is longer than one may be"))
    }

    async fn run_read(&self, kind: BlobKind, read: PackRead<(usize, Id)>) -> Result<Vec<(usize, Vec<u8>)>> {
        let wanted: Vec<(usize, Id)> = read.blobs.iter().map(|(_, blob)| *blob).collect();
        match self.run_whole(kind, read).await {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {}
            result => return result,
        }
        let mut loaded = Vec::with_capacity(wanted.len());
        for (at, id) in wanted {
            loaded.push((at, self.load_blob(kind, &id).await?));
        }
        Ok(loaded)
    }

    async fn run_whole(&self, kind: BlobKind, read: PackRead<(usize, Id)>) -> Result<Vec<(usize, Vec<u8>)>> {
        let bytes = self.read_pack_range(&read.pack, read.range.clone()).await?;
        self.blocking(move |this| {
            let decode = |(location, (at, id)): &(BlobLocation, (usize, Id))| {
                let sealed = read.slice(&bytes, location).unwrap_or_default();
                Ok((*at, this.decode_blob(kind, id, location, sealed)?))
            };
            read.blobs.iter().map(decode).collect()
        })
        .await
    }

    /// Raw bytes of a pack; decode them with [`Self::decode_blob`].
    ///
    /// # Errors
    /// `Corrupt` if the pack is missing or shorter than the range.
    pub async fn read_pack_range(&self, pack: &Id, range: Range<u64>) -> Result<Bytes> {
        let key = FileKind::Pack.key(pack);
        self.store().get_range(&key, range).await.map_err(|error| missing(key, error))
    }

    /// The same bytes as they arrive.
    ///
    /// # Errors
    /// As [`Self::read_pack_range`].
    pub(crate) async fn stream_pack_range(&self, pack: &Id, range: Range<u64>) -> Result<RangeStream> {
        let key = FileKind::Pack.key(pack);
        let stream = self.store().stream_range(&key, range).await;
        stream.map_err(|error| missing(key, error))
    }

    /// What a pack says of itself, wherever indexes do not.
    ///
    /// # Errors
    /// `Corrupt` if it is missing or its header is not whole.
    pub(crate) async fn read_pack_header(&self, pack: &Id, size: u64) -> Result<Vec<PackEntry>> {
        let mut wanted = HEADER_GUESS;
        loop {
            let tail = self.read_pack_range(pack, size.saturating_sub(wanted)..size).await?;
            match read_header(self.key(), &tail, size) {
                Ok(Ok(entries)) => return Ok(entries),
                Ok(Err(more)) if more > wanted => wanted = more,
                Ok(Err(_)) => return Err(Error::corrupt(FileKind::Pack.key(pack), "it has no whole header")),
                Err(fault) => return Err(Error::corrupt(FileKind::Pack.key(pack), fault)),
            }
        }
    }

    /// Opens the sealed bytes of a blob: seal, decompression within the declared length, and hash are all checked.
    ///
    /// Keeps a core busy for about a millisecond per MiB; call it off the async threads.
    ///
    /// # Errors
    /// `Corrupt` naming the pack if anything does not match.
    pub fn decode_blob(
        &self,
        kind: BlobKind,
        id: &Id,
        location: &BlobLocation,
        sealed: &[u8],
    ) -> Result<Vec<u8>> {
        open_blob(self.key(), kind, id, location, sealed).map_err(|fault| damaged(kind, id, location, &fault))
    }

    /// As [`Self::decode_blob`], where the blob lies. Its bytes are of no use afterwards.
    pub(crate) fn decode_blob_in_place<'a>(
        &self,
        decoder: &'a mut Decoder,
        kind: BlobKind,
        id: &Id,
        location: &BlobLocation,
        sealed: &'a mut [u8],
    ) -> Result<&'a [u8]> {
        let opened = decoder.open_in_place(self.key(), kind, id, location, sealed);
        opened.map_err(|fault| damaged(kind, id, location, &fault))
    }

    /// As [`Self::decode_blob`], with buffers that are used again for the next blob.
    pub(crate) fn decode_blob_with<'a>(
        &self,
        decoder: &'a mut Decoder,
        kind: BlobKind,
        id: &Id,
        location: &BlobLocation,
        sealed: &[u8],
    ) -> Result<&'a [u8]> {
        decoder
            .open(self.key(), kind, id, location, sealed)
            .map_err(|fault| damaged(kind, id, location, &fault))
    }
}

/// Whether a read failed because the pack is not there. A prune may have deleted it since the index was loaded.
pub(crate) fn is_pack_gone(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>());
    matches!(error.kind(), ErrorKind::Corrupt { .. })
        && source.is_some_and(|source| *source.kind() == ErrorKind::NotFound)
}

/// A pack that is not there is damage of the repository.
fn missing(key: String, error: Error) -> Error {
    if *error.kind() != ErrorKind::NotFound {
        return error;
    }
    Error::corrupt(key, "the pack is missing although the index lists it").with_source(error)
}

fn damaged(kind: BlobKind, id: &Id, location: &BlobLocation, fault: &str) -> Error {
    Error::corrupt(FileKind::Pack.key(&location.pack), format!("{} blob {id}: {fault}", kind.name()))
}

fn unknown(kind: BlobKind, id: &Id) -> Error {
    let object = format!("{} blob {id}", kind.name());
    Error::corrupt(object, "no index lists it")
}
