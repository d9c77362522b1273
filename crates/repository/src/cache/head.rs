//! The end of a remembered walk: what it was a walk of, and where each directory lies in the file.

use super::codec::{self, CHECK, Reader};
use crate::id::Id;

pub(super) const MAGIC: &[u8; 8] = b"stlpwlk1";
/// The last bytes of the file: length of the head, its place, and the magic again.
pub(super) const TAIL: usize = 24;
/// Longest head that is read: that of nine million directories.
pub(super) const HEAD_MAX: u64 = 256 << 20;
const PLACE: usize = 28;

/// A directory is known by its file system and inode; those on the root's file system have device 0, because device
/// numbers change when a machine starts anew.
pub(super) type DirectoryKey = (u64, u64);

/// Where a directory's block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) key: DirectoryKey,
    pub(super) offset: u64,
    /// With the checksum.
    pub(super) length: u32,
}

/// The name of an owner as it was when the walk was made.
pub(super) type Owner = (u32, Option<String>);

/// Everything about a walk but its directories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Random; the file of bound snapshots names it too.
    pub(super) generation: [u8; 16],
    pub(super) source: String,
    pub(super) root_device: u64,
    /// The record of the root itself.
    pub(super) root: Vec<u8>,
    /// The listings above the root.
    pub(super) above: Vec<Id>,
    pub(super) users: Vec<Owner>,
    pub(super) groups: Vec<Owner>,
    /// Sorted places.
    pub(super) table: Vec<u8>,
}

impl Place {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for value in [self.key.0, self.key.1, self.offset] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&self.length.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut number = || reader.array().map(u64::from_le_bytes);
        let (key, offset) = ((number()?, number()?), number()?);
        Some(Self { key, offset, length: u32::from_le_bytes(reader.array()?) })
    }
}

impl Head {
    /// Number of directories.
    pub(super) fn directories(&self) -> usize {
        self.table.len() / PLACE
    }

    pub(super) fn place(&self, number: usize) -> Option<Place> {
        let start = number.checked_mul(PLACE)?;
        Place::read(self.table.get(start..start.checked_add(PLACE)?)?)
    }

    pub(super) fn find(&self, key: DirectoryKey) -> Option<Place> {
        let (mut low, mut high) = (0, self.directories());
        while low < high {
            let middle = low.midpoint(high);
            let place = self.place(middle)?;
            match place.key.cmp(&key) {
                std::cmp::Ordering::Equal => return Some(place),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The head and the tail that finds it, for the end of a file of `offset` bytes.
    pub(super) fn encode(&self, offset: u64) -> Vec<u8> {
        let mut out = self.generation.to_vec();
        codec::bytes(&mut out, self.source.as_bytes());
        codec::number(&mut out, self.root_device);
        codec::bytes(&mut out, &self.root);
        codec::number(&mut out, self.above.len() as u64);
        self.above.iter().for_each(|id| out.extend_from_slice(id.as_bytes()));
        for owners in [&self.users, &self.groups] {
            codec::number(&mut out, owners.len() as u64);
            for (id, name) in owners {
                codec::number(&mut out, (*id).into());
                out.push(name.is_some().into());
                codec::bytes(&mut out, name.as_deref().unwrap_or_default().as_bytes());
            }
        }
        codec::bytes(&mut out, &self.table);
        codec::seal(&mut out, 0);
        let length = out.len() as u64;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(MAGIC);
        out
    }

    /// Where a head lies, from the last bytes of a file of `size` bytes.
    pub(super) fn locate(tail: &[u8; TAIL], size: u64) -> Option<std::ops::Range<u64>> {
        let mut reader = Reader::new(tail);
        let (length, offset) = (u64::from_le_bytes(reader.array()?), u64::from_le_bytes(reader.array()?));
        let end = offset.checked_add(length)?;
        let fits = end.checked_add(TAIL as u64) == Some(size) && length <= HEAD_MAX && length > CHECK as u64;
        (fits && reader.array() == Some(*MAGIC)).then_some(offset..end)
    }

    pub(super) fn decode(sealed: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(codec::unseal(sealed)?);
        let generation = reader.array()?;
        let source = std::str::from_utf8(reader.bytes()?).ok()?.to_owned();
        let root_device = reader.number()?;
        let root = reader.bytes()?.to_vec();
        let above = reader.ids()?.chunks_exact(32).filter_map(|id| id.try_into().ok());
        let above = above.map(Id::from_bytes).collect();
        let (users, groups) = (owners(&mut reader)?, owners(&mut reader)?);
        let table = reader.bytes()?.to_vec();
        let whole = table.len().is_multiple_of(PLACE) && reader.remaining() == 0;
        whole.then_some(Self { generation, source, root_device, root, above, users, groups, table })
    }
}

fn owners(reader: &mut Reader<'_>) -> Option<Vec<Owner>> {
    let count: usize = reader.small()?;
    let mut owners = Vec::new();
    for _ in 0..count {
        let (id, named) = (reader.small()?, reader.byte()? == 1);
        let name = std::str::from_utf8(reader.bytes()?).ok()?;
        owners.push((id, named.then(|| name.to_owned())));
    }
    Some(owners)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_head_is_read_as_it_was_written(
            source in ".*", root_device in any::<u64>(), root in any::<Vec<u8>>(), offset in 0..1_u64 << 40,
            users in proptest::collection::vec((any::<u32>(), proptest::option::of("[a-z]*")), 0..4),
            keys in proptest::collection::btree_set(any::<(u64, u64)>(), 0..50),
        ) {
            let mut table = Vec::new();
            let places: Vec<_> =
                keys.into_iter().zip(0..).map(|(key, offset)| Place { key, offset, length: 7 }).collect();
            places.iter().for_each(|place| place.write(&mut table));
            let above = vec![Id::of(b"above")];
            let head =
                Head { generation: [7; 16], source, root_device, root, above, users, groups: vec![], table };
            let encoded = head.encode(offset);
            let (sealed, tail) = encoded.split_at(encoded.len() - TAIL);
            let size = offset + encoded.len() as u64;
            let found = Head::locate(tail.try_into().unwrap(), size).unwrap();
            prop_assert_eq!(found, offset..offset + sealed.len() as u64);
            prop_assert_eq!(Head::locate(tail.try_into().unwrap(), size + 1), None);
            let read = Head::decode(sealed).unwrap();
            prop_assert_eq!(&read, &head);
            for place in places {
                prop_assert_eq!(read.find(place.key), Some(place));
            }
        }

        #[test]
        fn any_bytes_can_be_read_as_a_head(mut data in any::<Vec<u8>>(), sealed in any::<bool>()) {
            if sealed {
                codec::seal(&mut data, 0);
            }
            let _head = Head::decode(&data);
        }
    }
}
