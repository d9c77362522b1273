//! What of the store a remembered walk relies on: the index files that list what it holds, and the packs they name.

use super::codec::{self, Reader};
use super::folder::StoreCache;
use crate::id::Id;
use crate::index::Index;

const MAGIC: &[u8; 8] = b"stlprel1";
/// Longest file that is read: some hundred terabytes of packs.
const BYTES_MAX: u64 = 256 << 20;

/// Index files, and all packs that they name with the lengths these must have; both sorted.
///
/// An index file never changes. So what was in an index while exactly these files were read is in it for as long as
/// each of them is there, whatever others are added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relied {
    pub(crate) indexes: Vec<Id>,
    pub(crate) packs: Vec<(Id, u64)>,
}

impl Relied {
    /// All that an index knows.
    pub(crate) fn on(index: &Index) -> Self {
        let mut relied = Self { indexes: index.files(), packs: index.pack_lengths() };
        relied.indexes.sort_unstable();
        relied.packs.sort_unstable();
        relied
    }

    /// Whether every index file is among those that are `listed`, with their lengths.
    pub(crate) fn is_indexed(&self, listed: &[(Id, u64)]) -> bool {
        let mut listed: Vec<Id> = listed.iter().map(|(id, _)| *id).collect();
        listed.sort_unstable();
        self.indexes.iter().all(|id| listed.binary_search(id).is_ok())
    }

    /// Whether every pack is among those that are `listed`, with its length.
    pub(crate) fn is_whole(&self, listed: &[(Id, u64)]) -> bool {
        let mut listed = listed.to_vec();
        listed.sort_unstable();
        self.packs.iter().all(|pack| listed.binary_search(pack).is_ok())
    }

    pub(super) fn read(cache: &StoreCache, name: &str, generation: [u8; 16]) -> Option<Self> {
        let (of, relied) = Self::decode(&cache.read(name, BYTES_MAX)?)?;
        (of == generation).then_some(relied)
    }

    pub(super) fn write(&self, cache: &StoreCache, name: &str, generation: [u8; 16]) {
        cache.write(name, &self.encode(generation));
    }

    pub(super) fn encode(&self, generation: [u8; 16]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&generation);
        codec::number(&mut out, self.indexes.len() as u64);
        self.indexes.iter().for_each(|id| out.extend_from_slice(id.as_bytes()));
        for (id, length) in &self.packs {
            out.extend_from_slice(id.as_bytes());
            codec::number(&mut out, *length);
        }
        codec::seal(&mut out, 0);
        out
    }

    pub(super) fn decode(data: &[u8]) -> Option<([u8; 16], Self)> {
        let mut reader = Reader::new(codec::unseal(data)?.strip_prefix(MAGIC)?);
        let generation = reader.array()?;
        let ids = reader.ids()?.chunks_exact(32).filter_map(|id| id.try_into().ok());
        let indexes = ids.map(Id::from_bytes).collect();
        let mut packs = Vec::new();
        while reader.remaining() > 0 {
            packs.push((reader.id()?, reader.number()?));
        }
        Some((generation, Self { indexes, packs }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_or_pack_that_is_gone_or_shorter_is_noticed_and_so_is_damage() {
        let id = |number: u8| Id::of(&[number]);
        let mut packs = vec![(id(3), 30), (id(4), 40)];
        packs.sort_unstable();
        let relied = Relied { indexes: vec![id(1), id(2)], packs };
        assert!(relied.is_indexed(&[(id(9), 1), (id(2), 7), (id(1), 7)]));
        assert!(!relied.is_indexed(&[(id(2), 7)]));
        assert!(relied.is_whole(&[(id(4), 40), (id(9), 1), (id(3), 30)]));
        assert!(!relied.is_whole(&[(id(4), 39), (id(3), 30)]) && !relied.is_whole(&[(id(3), 30)]));
        let data = relied.encode([7; 16]);
        assert_eq!(Relied::decode(&data), Some(([7; 16], relied)));
        for at in 0..data.len() {
            let mut altered = data.clone();
            altered[at] ^= 0x10;
            assert_eq!(Relied::decode(&altered), None);
            assert_eq!(Relied::decode(&data[..at]), None);
        }
    }
}
