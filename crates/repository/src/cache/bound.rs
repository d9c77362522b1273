//! The snapshots that a remembered walk ended in.

use super::codec::{self, Reader};
use super::folder::StoreCache;
use crate::id::Id;

const MAGIC: &[u8; 8] = b"stlpbnd1";
/// Snapshots that are remembered; more come only from backups without any change.
const SNAPSHOTS_MAX: usize = 64;
const BYTES_MAX: u64 = 16 << 10;

/// Snapshots whose source looked exactly as one generation of a walk cache says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) generation: [u8; 16],
    pub(super) snapshots: Vec<Id>,
}

impl Bound {
    pub(super) fn read(cache: &StoreCache, name: &str) -> Option<Self> {
        Self::decode(&cache.read(name, BYTES_MAX)?)
    }

    pub(super) fn write(&self, cache: &StoreCache, name: &str) {
        cache.write(name, &self.encode());
    }

    /// Adds a snapshot, and drops the oldest where there are too many.
    pub(super) fn add(&mut self, snapshot: Id) {
        self.snapshots.push(snapshot);
        let surplus = self.snapshots.len().saturating_sub(SNAPSHOTS_MAX);
        self.snapshots.drain(..surplus);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.generation);
        codec::number(&mut out, self.snapshots.len() as u64);
        self.snapshots.iter().for_each(|id| out.extend_from_slice(id.as_bytes()));
        codec::seal(&mut out, 0);
        out
    }

    pub(super) fn decode(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(codec::unseal(data)?.strip_prefix(MAGIC)?);
        let generation = reader.array()?;
        let ids = reader.ids()?.chunks_exact(32).filter_map(|id| id.try_into().ok());
        let snapshots = ids.map(Id::from_bytes).collect();
        (reader.remaining() == 0).then_some(Self { generation, snapshots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_snapshots_are_kept_and_damage_is_noticed() {
        let mut bound = Bound { generation: [1; 16], snapshots: Vec::new() };
        (0..100_u8).for_each(|number| bound.add(Id::of(&[number])));
        assert_eq!((bound.snapshots.len(), bound.snapshots.last()), (SNAPSHOTS_MAX, Some(&Id::of(&[99]))));
        let data = bound.encode();
        assert_eq!(Bound::decode(&data), Some(bound));
        for at in 0..data.len() {
            let mut altered = data.clone();
            altered[at] ^= 0x10;
            assert_eq!(Bound::decode(&altered), None);
            assert_eq!(Bound::decode(&data[..at]), None);
        }
    }
}
