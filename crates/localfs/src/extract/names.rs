//! Entries that a restore comes back to, each by its name and the directory above it, and the attributes that directories
//! get when all is in them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::scratch::{Pile, Scratch};
use crate::attributes::{Attributes, ExtendedAttribute};
use crate::error::Result;
use crate::metadata::Timestamp;

/// An entry of which [`Names`] knows the name. It is greater than those above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u64);

impl EntryId {
    /// The target itself.
    pub const TARGET: Self = Self(0);

    /// Eight bytes that say which one it is.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// The entry of which these are the bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }
}

/// The names of entries. However many they are, they take about a MiB of memory: see [`Extractor::names`](super::Extractor::names).
#[derive(Debug)]
pub struct Names {
    scratch: Scratch,
}

impl Names {
    pub(super) const fn new(scratch: Scratch) -> Self {
        Self { scratch }
    }

    /// Notes the entry `name` of the directory `above`; a relative path will do for a name.
    ///
    /// # Errors
    /// The system's reason where it has to be written to the target's file system.
    pub fn add(&mut self, above: EntryId, name: &OsStr) -> Result<EntryId> {
        let length = (name.len() as u64).to_le_bytes();
        let record = [above.to_bytes().as_slice(), &length, name.as_bytes()].concat();
        self.scratch.append(&record).map(|begin| EntryId(begin + 1))
    }

    /// The directory above an entry, and the entry's name in it. Above the target is the target.
    ///
    /// # Errors
    /// The system's reason.
    pub fn entry(&self, entry: EntryId) -> Result<(EntryId, OsString)> {
        let Some(begin) = entry.0.checked_sub(1) else { return Ok((EntryId::TARGET, OsString::new())) };
        let mut number = [0; 8];
        self.scratch.read(begin, &mut number)?;
        let above = EntryId::from_bytes(number);
        self.scratch.read(begin + 8, &mut number)?;
        let mut name = vec![0; usize::try_from(u64::from_le_bytes(number)).unwrap_or_default()];
        self.scratch.read(begin + 16, &mut name)?;
        Ok((above, OsString::from_vec(name)))
    }

    /// The path of an entry, relative to the target.
    ///
    /// # Errors
    /// The system's reason.
    pub fn path(&self, mut entry: EntryId) -> Result<PathBuf> {
        let mut names = Vec::new();
        while entry != EntryId::TARGET {
            let name;
            (entry, name) = self.entry(entry)?;
            names.push(name);
        }
        Ok(names.into_iter().rev().collect())
    }
}

/// Directories that get their attributes when nothing will be written below them any more.
#[derive(Debug)]
pub struct Unfinished {
    pile: Pile,
}

impl Unfinished {
    pub(super) const fn new(pile: Pile) -> Self {
        Self { pile }
    }

    /// Notes a directory, after those above it.
    ///
    /// # Errors
    /// As [`Pile::push`].
    pub fn push(&mut self, directory: EntryId, attributes: &Attributes) -> Result<()> {
        self.pile.push(&encode(directory, attributes))
    }

    /// The directory that was noted last, so that those above it are still to come.
    ///
    /// # Errors
    /// As [`Pile::pop`].
    pub fn pop(&mut self) -> Result<Option<(EntryId, Attributes)>> {
        let Some(record) = self.pile.pop()? else { return Ok(None) };
        decode(&record).map(Some).ok_or_else(|| self.pile.damaged())
    }
}

fn encode(directory: EntryId, attributes: &Attributes) -> Vec<u8> {
    let Attributes { mode, uid, gid, accessed, modified, extended } = attributes;
    let mut record = directory.to_bytes().to_vec();
    for number in [*mode, *uid, *gid, accessed.nanoseconds, modified.nanoseconds] {
        record.extend(number.to_le_bytes());
    }
    for seconds in [accessed.seconds, modified.seconds] {
        record.extend(seconds.to_le_bytes());
    }
    for ExtendedAttribute { name, value } in extended {
        for bytes in [name.as_bytes(), value] {
            record.extend((bytes.len() as u64).to_le_bytes());
            record.extend(bytes);
        }
    }
    record
}

/// What [`encode`] made.
fn decode(mut record: &[u8]) -> Option<(EntryId, Attributes)> {
    let record = &mut record;
    let directory = EntryId::from_bytes(take(record)?);
    let mut number = || take(record).map(u32::from_le_bytes);
    let mut attributes = Attributes::new(number()?, number()?, number()?);
    let nanoseconds = (number()?, number()?);
    let accessed = Timestamp::new(i64::from_le_bytes(take(record)?), nanoseconds.0);
    let modified = Timestamp::new(i64::from_le_bytes(take(record)?), nanoseconds.1);
    attributes = attributes.with_times(accessed, modified);
    while !record.is_empty() {
        let name = OsString::from_vec(take_long(record)?);
        attributes.extended.push(ExtendedAttribute::new(name, take_long(record)?));
    }
    Some((directory, attributes))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

fn take_long(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(u64::from_le_bytes(take(bytes)?)).ok()?;
    let (first, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(first.to_vec())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::ExtractOptions;
    use super::super::target::Target;
    use super::*;

    fn scratch(outer: &Path, memory: usize) -> Scratch {
        let target = Target::open(&outer.join("target"), "r", ExtractOptions::default()).unwrap();
        Scratch::new(Arc::new(target)).with_memory(memory)
    }

    #[test]
    fn entries_keep_their_paths() {
        for memory in [0, 50, 1 << 20] {
            let outer = tempfile::tempdir().unwrap();
            let mut names = Names::new(scratch(outer.path(), memory));
            let mut entries = vec![(EntryId::TARGET, PathBuf::new())];
            for number in 0..300_usize {
                let (above, path) = entries[number * 7 % entries.len()].clone();
                let name = OsString::from_vec(format!("{number}\u{ff}").into_bytes());
                let entry = names.add(above, &name).unwrap();
                assert!(entry > above);
                entries.push((entry, path.join(name)));
            }
            for (entry, path) in &entries {
                assert_eq!(names.path(*entry).unwrap(), *path);
            }
            assert_eq!(names.entry(EntryId::TARGET).unwrap().0, EntryId::TARGET);
        }
    }

    #[test]
    fn attributes_come_back_as_they_were() {
        let outer = tempfile::tempdir().unwrap();
        let mut unfinished = Unfinished::new(Pile::new(scratch(outer.path(), 100)));
        let noted: Vec<_> = (0..50_u32)
            .map(|number| {
                let extended = (0..number % 3).map(|at| {
                    ExtendedAttribute::new(format!("user.{at}"), vec![0xff; usize::try_from(number).unwrap()])
                });
                let times = (Timestamp::new(-7, number), Timestamp::new(i64::MAX, 999_999_999));
                let attributes = Attributes::new(0o7755, number, u32::MAX).with_times(times.0, times.1);
                (EntryId(u64::from(number)), attributes.with_extended(extended.collect()))
            })
            .collect();
        for (entry, attributes) in &noted {
            unfinished.push(*entry, attributes).unwrap();
        }
        for expected in noted.into_iter().rev() {
            assert_eq!(unfinished.pop().unwrap(), Some(expected));
        }
        assert_eq!(unfinished.pop().unwrap(), None);
    }
}
