//! Which packs go: a pure function of what is stored and what is needed.

use std::collections::HashMap;

use super::mark::Reached;
use crate::blob::BlobKind;
use crate::id::Id;
use crate::pack::PackEntry;

/// A pack that is in the store.
#[derive(Debug, Clone)]
pub(super) struct StoredPack {
    pub(super) id: Id,
    pub(super) size: u64,
    /// What an index says it holds; nothing if none lists it.
    pub(super) entries: Vec<PackEntry>,
}

/// A pack that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: Id,
    pub(super) size: u64,
    /// Bytes of it that are used and must be copied first.
    pub(super) used: u64,
}

/// What goes and what there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Packs without anything that is used.
    pub(super) unused: Vec<Candidate>,
    /// Packs with too much that is not.
    pub(super) wasteful: Vec<Candidate>,
    pub(super) packs: u64,
    pub(super) bytes: u64,
}

impl Plan {
    /// All packs that go, the unused ones first.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.unused.iter().chain(&self.wasteful)
    }
}

/// Decides for each pack. Of several copies of a blob, the one in the fullest pack counts as used, the others do not.
pub(super) fn plan(packs: &[StoredPack], reached: &Reached, waste_percent: u8) -> Plan {
    let keepers = keepers(packs, reached);
    let mut plan = Plan::default();
    for (at, pack) in packs.iter().enumerate() {
        plan.packs += 1;
        plan.bytes += pack.size;
        let used = used_bytes(pack, |entry| keepers.get(&(entry.kind, entry.id)) == Some(&at));
        let candidate = Candidate { id: pack.id, size: pack.size, used };
        let unused_share = u128::from(pack.size.saturating_sub(used)) * 100;
        // The header is no waste: a pack full of used blobs must never count as wasteful.
        let whole = pack.entries.iter().all(|entry| keepers.get(&(entry.kind, entry.id)) == Some(&at));
        if used == 0 {
            plan.unused.push(candidate);
        } else if !whole && unused_share > u128::from(pack.size) * u128::from(waste_percent) {
            plan.wasteful.push(candidate);
        }
    }
    plan
}

/// For each blob that is used, the position of the pack whose copy stays.
fn keepers(packs: &[StoredPack], reached: &Reached) -> HashMap<(BlobKind, Id), usize> {
    let mut order: Vec<(u64, usize)> = packs
        .iter()
        .enumerate()
        .map(|(at, pack)| {
            let used = used_bytes(pack, |entry| reached.contains(entry.kind, &entry.id));
            (used.saturating_mul(1000) / pack.size.max(1), at)
        })
        .collect();
    order.sort_by_key(|(share, at)| (std::cmp::Reverse(*share), packs.get(*at).map(|pack| pack.id)));
    let mut keepers = HashMap::new();
    for (_, at) in order {
        let entries = packs.get(at).map_or(&[][..], |pack| &pack.entries);
        for entry in entries.iter().filter(|entry| reached.contains(entry.kind, &entry.id)) {
            keepers.entry((entry.kind, entry.id)).or_insert(at);
        }
    }
    keepers
}

fn used_bytes(pack: &StoredPack, is_used: impl Fn(&PackEntry) -> bool) -> u64 {
    pack.entries.iter().filter(|entry| is_used(entry)).map(|entry| u64::from(entry.length)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(name: &[u8]) -> (BlobKind, Id) {
        (BlobKind::Data, Id::of(name))
    }

    fn pack(name: &[u8], blobs: &[(&[u8], u32)]) -> StoredPack {
        let entries = blobs.iter().map(|(name, length)| PackEntry {
            kind: BlobKind::Data,
            id: Id::of(name),
            offset: 0,
            length: *length,
            uncompressed_length: None,
        });
        let entries: Vec<_> = entries.collect();
        let size = entries.iter().map(|entry| u64::from(entry.length)).sum::<u64>() + 50;
        StoredPack { id: Id::of(name), size, entries }
    }

    fn ids(candidates: &[Candidate]) -> Vec<Id> {
        candidates.iter().map(|candidate| candidate.id).collect()
    }

    #[test]
    fn unused_and_wasteful_packs_go_and_full_ones_stay() {
        let packs = [
            pack(b"full", &[(b"a", 1000), (b"b", 1000)]),
            pack(b"half", &[(b"c", 1000), (b"x", 1000)]),
            pack(b"little waste", &[(b"d", 1000), (b"y", 100)]),
            pack(b"dead", &[(b"x2", 1000)]),
            pack(b"in no index", &[]),
        ];
        let reached = Reached::of(&[blob(b"a"), blob(b"b"), blob(b"c"), blob(b"d")]);
        let plan = plan(&packs, &reached, 20);
        assert_eq!(ids(&plan.unused), [Id::of(b"dead"), Id::of(b"in no index")]);
        assert_eq!(ids(&plan.wasteful), [Id::of(b"half")]);
        assert_eq!(
            (plan.packs, plan.bytes, plan.wasteful[0].used),
            (5, 2050 + 2050 + 1150 + 1050 + 50, 1000)
        );
    }

    #[test]
    fn of_two_copies_the_one_in_the_fuller_pack_stays() {
        let packs = [pack(b"worn", &[(b"a", 1000), (b"x", 9000)]), pack(b"fresh", &[(b"a", 1000)])];
        let plan = plan(&packs, &Reached::of(&[blob(b"a")]), 20);
        assert_eq!(ids(&plan.unused), [Id::of(b"worn")]);
        assert!(plan.wasteful.is_empty());
    }

    #[test]
    fn a_small_pack_full_of_used_blobs_is_not_wasteful_for_its_header() {
        let packs = [pack(b"tiny", &[(b"a", 40)])];
        let plan = plan(&packs, &Reached::of(&[blob(b"a")]), 20);
        assert_eq!(plan.candidates().count(), 0);
    }
}
