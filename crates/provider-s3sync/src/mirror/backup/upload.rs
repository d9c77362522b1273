//! Sending a file whose content the store does not have.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use stillpoint_core::Result;
use stillpoint_localfs::{ExtendedAttribute, Lineage, Metadata, OpenFile, Source, again_if_stale};
use stillpoint_repository::{Id, Progress};

use super::earlier::Known;
use super::totals::Novelty;
use super::transfer::{CONTENT_KIB_MAX, Transfer, Transferred};
use crate::error::{blocking, from_repository};
use crate::mirror::manifest::Entry;

/// The largest file that is read as a whole and sent in one request.
const WHOLE_BYTES_MAX: u64 = 8 << 20;
/// How often a file that changes while it is read is read again before it counts as torn.
const ATTEMPTS: usize = 3;

/// A file as it was found when it was opened.
enum Opened {
    /// Read to its end.
    Whole(Bytes, End),
    /// To be read part by part.
    Large(OpenFile),
}

/// What is known of a file once it was read.
struct End {
    metadata: Metadata,
    extended: Vec<ExtendedAttribute>,
    /// Why what was read may be a mixture, if it changed meanwhile.
    torn: Option<String>,
}

/// A file as the walk found it.
pub(super) struct Listed {
    pub(super) entry: Entry,
    /// The directory in which it was listed.
    pub(super) parent: Lineage,
}

/// What became of one pass over a large file.
enum Pass {
    Sent(Id, u64, End),
    Unreadable(stillpoint_localfs::Error),
}

impl Transfer {
    /// Reads a file until it holds still and sends it, or copies inside the store where the content turns out to be
    /// what an earlier capture has.
    pub(super) async fn upload(
        &self,
        listed: Listed,
        key: &str,
        known: Option<&Known>,
        in_place: Option<u64>,
    ) -> Result<Transferred> {
        let Listed { entry, parent } = listed;
        let room = self.room(entry.size.min(WHOLE_BYTES_MAX)).await?;
        let open = self.opening(&entry, &parent);
        let opened = blocking(move || Ok(again_if_stale(|| open_until_still(&open, WHOLE_BYTES_MAX))));
        let (bytes, end) = match opened.await? {
            Ok(Opened::Whole(bytes, end)) => (bytes, end),
            Ok(Opened::Large(file)) => {
                drop(room);
                return self.upload_large(Listed { entry, parent }, key, known, in_place, file).await;
            }
            Err(error) => return Ok(self.left_out(&entry, &error)),
        };
        let (size, sha256) = (bytes.len() as u64, Id::of(&bytes));
        self.totals.read(size);
        let same = known.filter(|known| known.sha256 == sha256 && known.entry.size == size);
        let brought = match same {
            Some(known) => self.bring(known, key, in_place).await?,
            None => false,
        };
        if !brought {
            let _turn = self.turn().await?;
            self.store.put_object(key, bytes).await.map_err(from_repository)?;
            self.totals.sent(size);
        }
        self.meter.advanced(size);
        Ok(Some(self.finished(entry, (sha256, size), end, novelty(known, brought))))
    }

    async fn upload_large(
        &self,
        listed: Listed,
        key: &str,
        known: Option<&Known>,
        in_place: Option<u64>,
        mut file: OpenFile,
    ) -> Result<Transferred> {
        let Listed { entry, parent } = listed;
        let _room = self.room(u64::from(CONTENT_KIB_MAX) << 9).await?;
        // Only its inode may have moved, as in a rename: then reading it once spares sending it.
        if let Some(known) =
            known.filter(|known| looks_the_same(&known.entry, file.metadata()) && self.can_copy(known))
        {
            match self.hash(file).await? {
                Ok((sha256, end)) if sha256 == known.sha256 && end.torn.is_none() => {
                    if self.bring(known, key, in_place).await? {
                        let size = known.entry.size;
                        return Ok(Some(self.finished(entry, (sha256, size), end, Novelty::Unmodified)));
                    }
                }
                Ok(_) => {}
                Err(error) => return Ok(self.left_out(&entry, &error)),
            }
            match self.open_large(&entry, &parent).await? {
                Ok(again) => file = again,
                Err(error) => return Ok(self.left_out(&entry, &error)),
            }
        }
        for attempt in 1.. {
            match self.send(file, key, attempt).await? {
                Pass::Unreadable(error) => return Ok(self.left_out(&entry, &error)),
                Pass::Sent(sha256, size, end) if end.torn.is_none() || attempt >= ATTEMPTS => {
                    return Ok(Some(self.finished(entry, (sha256, size), end, novelty(known, false))));
                }
                Pass::Sent(..) => {}
            }
            match self.open_large(&entry, &parent).await? {
                Ok(again) => file = again,
                Err(error) => return Ok(self.left_out(&entry, &error)),
            }
        }
        Ok(None)
    }

    /// Sends a file in parts. One that changed meanwhile becomes no object, unless this was the last attempt.
    async fn send(&self, mut file: OpenFile, key: &str, attempt: usize) -> Result<Pass> {
        let begun = self.store.upload_object(key, file.metadata().size).await;
        let mut upload = begun.map_err(from_repository)?;
        let (mut digest, mut size) = (Sha256::new(), 0);
        loop {
            let length = upload.part_bytes();
            let read =
                blocking(move || Ok((read_part(&mut file, length, &mut digest), file, digest))).await?;
            let part;
            (part, file, digest) = read;
            match part {
                Ok(part) if part.is_empty() => break,
                Ok(part) => {
                    let read = part.len() as u64;
                    size += read;
                    self.totals.read(read);
                    self.totals.sent(read);
                    let _turn = self.turn().await?;
                    upload.part(part).await.map_err(from_repository)?;
                    if attempt == 1 {
                        self.meter.advanced(read);
                    }
                    // A store takes only the last part shorter than it asked for, so a file that grows on ends here.
                    if read < length {
                        break;
                    }
                }
                Err(error) => {
                    upload.abort().await.map_err(from_repository)?;
                    return Ok(Pass::Unreadable(error));
                }
            }
        }
        let end = match blocking(move || Ok(end_of(&file, size))).await? {
            Ok(end) => end,
            Err(error) => {
                upload.abort().await.map_err(from_repository)?;
                return Ok(Pass::Unreadable(error));
            }
        };
        match end.torn.is_some() && attempt < ATTEMPTS {
            true => upload.abort().await.map_err(from_repository)?,
            false => upload.finish().await.map_err(from_repository)?,
        }
        Ok(Pass::Sent(Id::from_bytes(digest.finalize().into()), size, end))
    }

    async fn hash(&self, mut file: OpenFile) -> Result<stillpoint_localfs::Result<(Id, End)>> {
        let hashed = blocking(move || {
            let (mut digest, mut size) = (Sha256::new(), 0);
            loop {
                match read_part(&mut file, WHOLE_BYTES_MAX, &mut digest) {
                    Ok(part) if part.is_empty() => break,
                    Ok(part) => size += part.len() as u64,
                    Err(error) => return Ok(Err(error)),
                }
            }
            let end = end_of(&file, size);
            Ok(end.map(|end| (Id::from_bytes(digest.finalize().into()), size, end)))
        });
        Ok(hashed.await?.map(|(sha256, size, end)| {
            self.totals.read(size);
            (sha256, end)
        }))
    }

    async fn open_large(
        &self,
        entry: &Entry,
        parent: &Lineage,
    ) -> Result<stillpoint_localfs::Result<OpenFile>> {
        let open = self.opening(entry, parent);
        blocking(move || Ok(open())).await
    }

    /// Opens a file each time it is called, also where a directory above it was renamed since it was listed.
    fn opening(
        &self,
        entry: &Entry,
        parent: &Lineage,
    ) -> impl Fn() -> stillpoint_localfs::Result<OpenFile> + Send + 'static {
        let (source, totals) = (Arc::clone(&self.source), Arc::clone(&self.totals));
        let (path, parent) = (entry.path.clone(), parent.clone());
        move || match open(&source, &path) {
            Err(gone) if gone.is_no_directory() => {
                let above = path.parent().unwrap_or(Path::new(""));
                match source.reach(&parent, above)? {
                    Some(directory) => {
                        let opened = directory.open_file(path.file_name().unwrap_or_default());
                        if opened.as_ref().is_err_and(stillpoint_localfs::Error::is_not_found) {
                            totals.vanished(&path);
                        }
                        opened
                    }
                    None => {
                        totals.vanished(above);
                        Err(gone)
                    }
                }
            }
            opened => opened,
        }
    }

    /// The entry as it was when it was read.
    fn finished(&self, listed: Entry, (sha256, size): (Id, u64), end: End, novelty: Novelty) -> Entry {
        let mut entry = Entry::new(listed.path, &end.metadata);
        (entry.user, entry.group, entry.apart) = (listed.user, listed.group, listed.apart);
        (entry.sha256, entry.size, entry.extended) = (Some(sha256), size, end.extended);
        entry.torn = end.torn.is_some();
        if let Some(why) = end.torn {
            self.totals.torn(&entry.path, why);
        }
        self.count(novelty, size);
        entry
    }

    fn left_out(&self, entry: &Entry, error: &stillpoint_localfs::Error) -> Transferred {
        self.totals.unreadable(&entry.path, error);
        self.meter.finished(1);
        None
    }
}

const fn novelty(known: Option<&Known>, brought: bool) -> Novelty {
    match (known, brought) {
        (_, true) => Novelty::Unmodified,
        (Some(_), false) => Novelty::Changed,
        (None, false) => Novelty::New,
    }
}

fn looks_the_same(earlier: &Entry, now: &Metadata) -> bool {
    earlier.size == now.size && earlier.modified == now.modified
}

fn open(source: &Source, path: &Path) -> stillpoint_localfs::Result<OpenFile> {
    let parent = source.directory(path.parent().unwrap_or(Path::new("")))?;
    parent.open_file(path.file_name().unwrap_or_default())
}

/// Reads a file of up to `whole_max` bytes until it holds still. One that yields more than its size says is as large as it
/// turns out to be.
fn open_until_still(
    open: impl Fn() -> stillpoint_localfs::Result<OpenFile>,
    whole_max: u64,
) -> stillpoint_localfs::Result<Opened> {
    let mut attempt = 1;
    loop {
        let mut file = open()?;
        if file.metadata().size > whole_max {
            return Ok(Opened::Large(file));
        }
        let expected = usize::try_from(file.metadata().size).unwrap_or_default();
        let mut bytes = Vec::with_capacity(expected + 1);
        let read = file.by_ref().take(whole_max + 1).read_to_end(&mut bytes);
        read.map_err(|error| file.read_error(error))?;
        if bytes.len() as u64 > whole_max {
            return open().map(Opened::Large);
        }
        let end = end_of(&file, bytes.len() as u64)?;
        if end.torn.is_some() && attempt < ATTEMPTS {
            attempt += 1;
            continue;
        }
        return Ok(Opened::Whole(bytes.into(), end));
    }
}

fn read_part(file: &mut OpenFile, length: u64, digest: &mut Sha256) -> stillpoint_localfs::Result<Bytes> {
    let mut part = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let read = file.by_ref().take(length).read_to_end(&mut part);
    read.map_err(|error| file.read_error(error))?;
    digest.update(&part);
    Ok(part.into())
}

fn end_of(file: &OpenFile, read: u64) -> stillpoint_localfs::Result<End> {
    let extended = file.extended_attributes()?;
    let changed = file.changed()? || read != file.metadata().size;
    let torn = changed.then(|| file.why_torn(ATTEMPTS));
    Ok(End { metadata: *file.metadata(), extended, torn })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use stillpoint_localfs::{FileKind, Timestamp};
    use stillpoint_repository::Store;

    use super::*;
    use crate::jobs::Meter;
    use crate::mirror::Space;
    use crate::mirror::backup::totals::Totals;
    use crate::mirror::place::Place;

    /// The system makes its content up as it is read, and says that it has none.
    #[tokio::test]
    async fn a_file_that_yields_more_than_its_size_says_is_torn_in_the_end() {
        let (directory, path) = (Path::new("/proc"), PathBuf::from("version"));
        let source = Arc::new(Source::open(directory).unwrap());
        let content = std::fs::read(directory.join(&path)).unwrap();
        let Ok(Opened::Large(file)) = open_until_still(|| open(&source, &path), 8) else {
            panic!("it is larger")
        };
        assert_eq!(file.metadata().size, 0);

        let (store, totals) = (Store::memory(), Arc::new(Totals::default()));
        let place = Place::named(&Space::new("ada", "lab").unwrap(), "2026-01-31-18-30-05").unwrap();
        let transfer = Transfer::new(&store, &place, &source, &totals, &Arc::new(Meter::default()));
        let entry = Entry::plain(path, FileKind::File, 0, Timestamp::new(0, 0));
        let sent = transfer
            .upload_large(Listed { entry, parent: Lineage::default() }, "key", None, None, file)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((sent.size, sent.torn, sent.sha256), (content.len() as u64, true, Some(Id::of(&content))));
        assert_eq!(store.get_object("key", sent.size).await.unwrap(), content);
        assert_eq!(totals.take_issues()[0].kind, "torn");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_grows_faster_than_it_is_sent_ends() {
        let folder = tempfile::tempdir().unwrap();
        let grows = std::fs::File::create(folder.path().join("log")).unwrap();
        grows.set_len(1 << 20).unwrap();
        let source = Arc::new(Source::open(folder.path()).unwrap());
        let (store, totals) = (Store::memory(), Arc::new(Totals::default()));
        let place = Place::named(&Space::new("ada", "lab").unwrap(), "2026-01-31-18-30-05").unwrap();
        let transfer = Transfer::new(&store, &place, &source, &totals, &Arc::new(Meter::default()));
        let file = open(&source, Path::new("log")).unwrap();
        grows.set_len(1 << 40).unwrap();
        let Pass::Sent(_, size, end) = transfer.send(file, "key", ATTEMPTS).await.unwrap() else {
            panic!("it is there")
        };
        assert_eq!(size, (1 << 20) + (64 << 20));
        assert!(end.torn.unwrap().starts_with("it grew by more than 64 MiB"));
    }
}
