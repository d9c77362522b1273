//! What a restore has to remember to its end, in little memory: beyond that it lies in a nameless file beside what the
//! restore is building.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::target::Target;
use crate::error::{Error, Operation, Result};

/// How many bytes are kept in memory.
const MEMORY_BYTES: usize = 1 << 20;

/// Bytes that are added and cut off at their end only.
#[derive(Debug)]
pub(super) struct Scratch {
    target: Arc<Target>,
    file: Option<File>,
    /// How many bytes the file has. What it has beyond them is old.
    written: u64,
    tail: Vec<u8>,
    memory_bytes: usize,
}

impl Scratch {
    pub(super) const fn new(target: Arc<Target>) -> Self {
        Self { target, file: None, written: 0, tail: Vec::new(), memory_bytes: MEMORY_BYTES }
    }

    #[cfg(test)]
    pub(super) const fn with_memory(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes;
        self
    }

    pub(super) fn length(&self) -> u64 {
        self.written + self.tail.len() as u64
    }

    /// Adds bytes; answers where they begin.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        let begin = self.length();
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > self.memory_bytes {
            let file = match self.file.take() {
                Some(file) => file,
                None => self.target.nameless_file()?,
            };
            let written = file.write_all_at(&self.tail, self.written);
            self.file = Some(file);
            written.map_err(|source| Error::io(Operation::Write, &self.target.path, source))?;
            self.written += self.tail.len() as u64;
            self.tail.clear();
        }
        Ok(begin)
    }

    /// Fills `bytes` with what begins at `begin`; no piece lies in the file in part.
    pub(super) fn read(&self, begin: u64, bytes: &mut [u8]) -> Result<()> {
        let failed = |source| Error::io(Operation::Read, &self.target.path, source);
        if let Some(at) = begin.checked_sub(self.written) {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let found = at.checked_add(bytes.len()).and_then(|end| self.tail.get(at..end));
            bytes.copy_from_slice(found.ok_or_else(|| failed(ended()))?);
            return Ok(());
        }
        match &self.file {
            Some(file) => file.read_exact_at(bytes, begin).map_err(failed),
            None => Err(failed(ended())),
        }
    }

    /// Cuts off everything from `length` on.
    pub(super) fn truncate(&mut self, length: u64) {
        match length.checked_sub(self.written) {
            Some(rest) => self.tail.truncate(usize::try_from(rest).unwrap_or(usize::MAX)),
            None => {
                self.tail.clear();
                self.written = length;
            }
        }
    }
}

fn ended() -> std::io::Error {
    std::io::ErrorKind::UnexpectedEof.into()
}

impl Target {
    /// A file in the staging directory that nothing can reach any more and that is gone when the restore is.
    fn nameless_file(&self) -> Result<File> {
        let failed = |source| Error::io(Operation::Create, &self.path, source);
        let name = self.staged_name();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(&self.staging.fd, &name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        rustix::fs::unlinkat(&self.staging.fd, &name, AtFlags::empty()).map_err(failed)?;
        Ok(file.into())
    }
}

/// Records of which the last one comes out first.
#[derive(Debug)]
pub struct Pile {
    scratch: Scratch,
}

impl Pile {
    pub(super) const fn new(scratch: Scratch) -> Self {
        Self { scratch }
    }

    /// Lays a record on top.
    ///
    /// # Errors
    /// The system's reason where it has to be written to the target's file system.
    pub fn push(&mut self, record: &[u8]) -> Result<()> {
        let length = (record.len() as u64).to_le_bytes();
        self.scratch.append(&[record, length.as_slice()].concat()).map(drop)
    }

    /// Takes the record on top.
    ///
    /// # Errors
    /// The system's reason.
    pub fn pop(&mut self) -> Result<Option<Vec<u8>>> {
        let mut length = [0; 8];
        let Some(end) = self.scratch.length().checked_sub(length.len() as u64) else { return Ok(None) };
        self.scratch.read(end, &mut length)?;
        let length = u64::from_le_bytes(length);
        let mut record = vec![0; usize::try_from(length).unwrap_or_default()];
        let begin = end.saturating_sub(length);
        self.scratch.read(begin, &mut record)?;
        self.scratch.truncate(begin);
        Ok(Some(record))
    }

    /// What it means that a record is not what was laid there.
    pub(super) fn damaged(&self) -> Error {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidData);
        Error::io(Operation::Read, &self.scratch.target.path, source)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExtractOptions;
    use super::*;

    #[test]
    fn records_come_back_in_reverse_from_memory_and_file_alike() {
        let outer = tempfile::tempdir().unwrap();
        let target = outer.path().join("target");
        let target = Arc::new(Target::open(&target, "r", ExtractOptions::default()).unwrap());
        for memory in [0, 7, 100, 1 << 20] {
            let mut pile = Pile::new(Scratch::new(Arc::clone(&target)).with_memory(memory));
            let (mut model, mut state) = (Vec::new(), 1_u32);
            for round in 0..2000_u32 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if round > 1200 || state >> 30 == 0 {
                    assert_eq!(pile.pop().unwrap(), model.pop());
                } else {
                    let record = vec![round.to_le_bytes()[0]; usize::try_from(state >> 27).unwrap()];
                    pile.push(&record).unwrap();
                    model.push(record);
                }
            }
            assert!(model.is_empty() && pile.pop().unwrap().is_none());
            assert!(pile.scratch.tail.capacity() <= 2 * memory + 4096, "{memory}");
        }
        let left: Vec<_> =
            std::fs::read_dir(outer.path().join("target/.stillpoint-restore-r")).unwrap().collect();
        assert_eq!(left.len(), 1, "only the journal has a name: {left:?}");
    }
}
