//! Reading one file, once or until it holds still.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use stillpoint_localfs::{Directory, Entry, Identity, JobStack, Metadata, OpenFile};

use super::chunker::{Chunk, Chunker};
use super::node::describe;
use super::summary::Novelty;
use super::walk::{Finished, Job, Place, Walk, guard};
use crate::blob::BlobKind;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::issue::{Issue, IssueKind};
use crate::tree::Node;

/// How often a file that changes while it is read is read again before it counts as torn.
const ATTEMPTS: usize = 3;

/// A file to read.
#[derive(Debug)]
pub(super) struct FileJob {
    place: Place,
    directory: Arc<Directory>,
    name: OsString,
    path: PathBuf,
    /// What tells it from others, as it was listed.
    identity: Identity,
    earlier: Option<Box<Node>>,
}

/// A chunk of a large file for whichever worker is free.
#[derive(Debug)]
pub(super) struct ChunkJob {
    data: Vec<u8>,
    number: usize,
    reading: Arc<Reading>,
}

/// One pass over a file whose chunks may still be on their way to the repository.
#[derive(Debug)]
struct Reading {
    /// Pieces of the file as it was, all of them stored.
    known: HashSet<Id>,
    content: Mutex<Vec<Option<Id>>>,
    /// Chunks not yet stored, and one for the pass itself.
    remaining: AtomicUsize,
    /// Set when the pass is the one that counts.
    verdict: Mutex<Option<Verdict>>,
}

/// What becomes of a file when its last chunk is stored.
#[derive(Debug)]
struct Verdict {
    place: Place,
    node: Node,
    metadata: Metadata,
    earlier: Option<Box<Node>>,
    /// Whether everything about the file could be read.
    sound: bool,
    /// Why its content may be a mixture.
    torn: Option<String>,
}

/// Why a pass over a file ended early.
enum Interruption {
    /// The file cannot be read; others can.
    File(stillpoint_localfs::Error),
    /// The backup cannot go on.
    Backup(Error),
}

impl FileJob {
    /// `earlier` is the file as it was.
    pub(super) fn new(
        place: Place,
        directory: &Arc<Directory>,
        entry: &Entry,
        earlier: Option<Node>,
    ) -> Self {
        let path = place.directory.path.join(&entry.name);
        let (directory, name) = (Arc::clone(directory), entry.name.clone());
        let (identity, earlier) = (Identity::from(&entry.metadata), earlier.map(Box::new));
        Self { place, directory, name, path, identity, earlier }
    }
}

impl Walk {
    pub(super) fn file(&self, job: FileJob, stack: &JobStack<Job>) -> Result<()> {
        self.progress.started(&job.path);
        let place = job.place.clone();
        match self.read_known(&job, stack) {
            Ok((reading, verdict)) => {
                *guard(&reading.verdict) = Some(verdict);
                self.chunk_done(&reading, stack)
            }
            Err(Interruption::Backup(error)) => Err(error),
            Err(Interruption::File(error)) => {
                match error.is_not_found() {
                    true => guard(&place.directory.missing).note_file(&job.path, job.identity, true),
                    false => self.totals.skip(Issue::unreadable(&job.path, &error)),
                }
                self.progress.finished(1);
                self.deliver(place, Finished::LeftOut, stack)
            }
        }
    }

    pub(super) fn chunk(&self, job: ChunkJob, stack: &JobStack<Job>) -> Result<()> {
        let stored = self.sink.store(BlobKind::Data, &job.data, |id| job.reading.known.contains(id));
        self.chunks_waiting.fetch_sub(1, Ordering::Relaxed);
        job.reading.put(job.number, stored?);
        self.chunk_done(&job.reading, stack)
    }

    /// Reads a file, once more where a file server says that it is stale, or the directory in which it was listed.
    fn read_known(
        &self,
        job: &FileJob,
        stack: &JobStack<Job>,
    ) -> Result<(Arc<Reading>, Verdict), Interruption> {
        match self.read_until_still(job, &job.directory, stack) {
            Err(Interruption::File(error)) if error.is_stale() => {
                let anew = self.source.anew(&job.directory).map_err(Interruption::File)?;
                self.read_until_still(job, anew.as_ref().unwrap_or(&job.directory), stack)
            }
            read => read,
        }
    }

    fn read_until_still(
        &self,
        job: &FileJob,
        directory: &Directory,
        stack: &JobStack<Job>,
    ) -> Result<(Arc<Reading>, Verdict), Interruption> {
        let mut attempt = 1;
        loop {
            let mut file = directory.open_file(&job.name).map_err(Interruption::File)?;
            let metadata = *file.metadata();
            if attempt == 1 && Identity::from(&metadata) != job.identity {
                // It may have made way for the one that has its name now, as the log of yesterday does.
                guard(&job.place.directory.missing).note_file(&job.path, job.identity, false);
            }
            let reading = Arc::new(Reading::new(self.stored_content(job.earlier.as_deref())));
            let bytes = self.read(&mut file, &reading, attempt == 1, stack)?;
            let changed = file.changed().map_err(Interruption::File)? || bytes != metadata.size;
            if changed && attempt < ATTEMPTS {
                attempt += 1;
                continue;
            }
            let mut node = describe(job.name.as_bytes(), &metadata, &self.owners);
            let attributes = self.attributes(&job.path, file.extended_attributes());
            let sound = attributes.describe(&mut node);
            node.size = bytes;
            let torn = changed.then(|| file.why_torn(ATTEMPTS));
            let (place, earlier) = (job.place.clone(), job.earlier.clone());
            let verdict = Verdict { place, node, metadata, earlier, sound, torn };
            return Ok((reading, verdict));
        }
    }

    /// Reads a file to its end and returns its length; its chunks may still be on their way.
    fn read(
        &self,
        file: &mut OpenFile,
        reading: &Arc<Reading>,
        first: bool,
        stack: &JobStack<Job>,
    ) -> Result<u64, Interruption> {
        let metadata = *file.metadata();
        if let Some(content) = self.linked_content(&metadata) {
            *guard(&reading.content) = content.into_iter().map(Some).collect();
            self.progress.advanced(metadata.size);
            return Ok(metadata.size);
        }
        let mut total = 0;
        let mut chunker = Chunker::of(&mut *file, metadata.size);
        loop {
            let length = match chunker.next_chunk() {
                Ok(Some(Chunk::Data(data))) => {
                    let length = data.len() as u64;
                    self.totals.read(length);
                    let several = length < metadata.size;
                    self.store_chunk(data, several, reading, stack).map_err(Interruption::Backup)?;
                    length
                }
                Ok(Some(Chunk::Zeros(length))) => {
                    self.store_zeros(length, reading).map_err(Interruption::Backup)?;
                    length as u64
                }
                Ok(None) => return Ok(total),
                Err(error) => {
                    drop(chunker);
                    return Err(Interruption::File(file.read_error(error)));
                }
            };
            total += length;
            if first {
                self.progress.advanced(length);
            }
        }
    }

    /// Notes a chunk of a hole, which is stored the first time one of its length is met.
    fn store_zeros(&self, length: usize, reading: &Reading) -> Result<()> {
        self.sink.check()?;
        let number = reading.reserve();
        let mut zeros = guard(&self.zeros);
        let id = match zeros.get(&length) {
            Some(id) => *id,
            None => {
                let zero = vec![0; length];
                let id = self.sink.store(BlobKind::Data, &zero, |id| reading.known.contains(id))?;
                zeros.insert(length, id);
                id
            }
        };
        reading.put(number, id);
        Ok(())
    }

    /// Stores a chunk here, or leaves one of several to another worker if few enough are waiting.
    fn store_chunk(
        &self,
        data: Vec<u8>,
        several: bool,
        reading: &Arc<Reading>,
        stack: &JobStack<Job>,
    ) -> Result<()> {
        let number = reading.reserve();
        if several && self.chunks_waiting.fetch_add(1, Ordering::Relaxed) < self.chunks_waiting_max {
            reading.remaining.fetch_add(1, Ordering::Relaxed);
            stack.push(Job::Chunk(ChunkJob { data, number, reading: Arc::clone(reading) }));
            return Ok(());
        }
        if several {
            self.chunks_waiting.fetch_sub(1, Ordering::Relaxed);
        }
        reading.put(number, self.sink.store(BlobKind::Data, &data, |id| reading.known.contains(id))?);
        Ok(())
    }

    /// Completes the file if this was the last thing it waited for.
    fn chunk_done(&self, reading: &Reading, stack: &JobStack<Job>) -> Result<()> {
        if reading.remaining.fetch_sub(1, Ordering::AcqRel) != 1 {
            return Ok(());
        }
        let Some(verdict) = guard(&reading.verdict).take() else { return Ok(()) };
        let Verdict { place, mut node, metadata, earlier, sound, torn } = verdict;
        let content: Vec<Id> = guard(&reading.content).drain(..).flatten().collect();
        let is_torn = torn.is_some();
        if let Some(message) = torn {
            let path = place.directory.path.join(crate::browse::path_of(&node.name));
            self.totals.note(Issue::new(path, IssueKind::Torn, message));
        } else {
            self.remember_content(&metadata, &content);
        }
        node.content = Some(content);
        let novelty = match &earlier {
            None => Novelty::New,
            Some(earlier) if **earlier == node => Novelty::Unmodified,
            Some(_) => Novelty::Changed,
        };
        self.totals.files(novelty, 1, node.size);
        self.progress.finished(1);
        let finished = Finished::seen(node, &metadata, sound && !is_torn, earlier.as_deref());
        self.deliver(place, finished, stack)
    }
}

impl Reading {
    fn new(known: HashSet<Id>) -> Self {
        Self { known, content: Mutex::default(), remaining: AtomicUsize::new(1), verdict: Mutex::default() }
    }

    /// Makes room for the next chunk.
    fn reserve(&self) -> usize {
        let mut content = guard(&self.content);
        content.push(None);
        content.len() - 1
    }

    fn put(&self, number: usize, id: Id) {
        if let Some(place) = guard(&self.content).get_mut(number) {
            *place = Some(id);
        }
    }
}
