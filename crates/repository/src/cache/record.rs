//! One entry of a remembered directory.

use stillpoint_localfs::{FileKind, OwnerNames};

use super::codec::{self, Reader};
use super::stat::Stat;
use crate::archive::describe;
use crate::id::Id;
use crate::tree::{ExtendedAttribute, Node};

/// An entry as it was seen and stored. It borrows from the block it was read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) stat: Stat,
    /// Whether equal metadata mean an equal entry.
    pub(crate) trusted: bool,
    /// A file's pieces, or a directory's listing.
    ids: &'a [u8],
    link_target: &'a [u8],
    attributes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Appends the entry that became `node`.
    pub(super) fn write(out: &mut Vec<u8>, node: &Node, stat: &Stat, trusted: bool, root_device: u64) {
        codec::bytes(out, &node.name);
        stat.write(out, trusted, root_device);
        let ids = node.content.as_deref().unwrap_or_default().iter().chain(&node.subtree);
        codec::number(out, ids.clone().count() as u64);
        ids.for_each(|id| out.extend_from_slice(id.as_bytes()));
        codec::bytes(out, &node.link_target);
        let mut attributes = Vec::new();
        for attribute in &node.extended_attributes {
            codec::bytes(&mut attributes, &attribute.name);
            codec::bytes(&mut attributes, &attribute.value);
        }
        codec::bytes(out, &attributes);
    }

    pub(super) fn read(reader: &mut Reader<'a>, root_device: u64) -> Option<Self> {
        let name = reader.bytes()?;
        let (stat, trusted) = Stat::read(reader, root_device)?;
        let ids = reader.ids()?;
        let (link_target, attributes) = (reader.bytes()?, reader.bytes()?);
        Some(Self { name, stat, trusted, ids, link_target, attributes })
    }

    /// The listing of a directory.
    pub(crate) fn subtree(&self) -> Option<Id> {
        self.ids().next().filter(|_| self.stat.kind == FileKind::Directory)
    }

    /// The node that was stored for it.
    pub(crate) fn node(&self, owners: &OwnerNames) -> Node {
        let mut node = describe(self.name, self.stat, owners);
        match self.stat.kind {
            FileKind::File => node.content = Some(self.ids().collect()),
            FileKind::Directory => node.subtree = self.ids().next(),
            _ => node.link_target = self.link_target.to_vec(),
        }
        node.extended_attributes = self.attributes();
        node
    }

    /// Its extended attributes.
    pub(crate) fn attributes(&self) -> Vec<ExtendedAttribute> {
        let mut reader = Reader::new(self.attributes);
        let next = || Some(ExtendedAttribute::new(reader.bytes()?, reader.bytes()?));
        std::iter::from_fn(next).collect()
    }

    fn ids(&self) -> impl Iterator<Item = Id> + 'a {
        self.ids.chunks_exact(32).filter_map(|id| id.try_into().ok().map(Id::from_bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::stat::tests::stats;
    use super::*;

    proptest! {
        #[test]
        fn the_node_of_a_record_is_the_one_that_was_recorded(
            stat in stats(), name in proptest::collection::vec(1..=255_u8, 1..20), count in 0..4_u8,
            target in any::<Vec<u8>>(), attributes in proptest::collection::vec(("[a-z.]{1,9}", any::<Vec<u8>>()), 0..3),
        ) {
            let owners = OwnerNames::new();
            let mut node = describe(&name, stat, &owners);
            match stat.kind {
                FileKind::File => node.content = Some((0..count).map(|number| Id::of(&[number])).collect()),
                FileKind::Directory => node.subtree = Some(Id::of(&target)),
                _ => node.link_target = target,
            }
            let pairs = attributes.into_iter().map(|(name, value)| ExtendedAttribute::new(name, value));
            node.extended_attributes = pairs.collect();
            let mut out = Vec::new();
            Record::write(&mut out, &node, &stat, true, stat.device);
            let mut reader = Reader::new(&out);
            let record = Record::read(&mut reader, stat.device).unwrap();
            prop_assert_eq!(reader.remaining(), 0);
            prop_assert_eq!((record.stat, record.trusted), (stat, true));
            prop_assert_eq!(record.node(&owners), node);
        }

        #[test]
        fn any_bytes_can_be_read_as_a_record(data in any::<Vec<u8>>()) {
            if let Some(record) = Record::read(&mut Reader::new(&data), 0) {
                let _node = record.node(&OwnerNames::new());
            }
        }
    }
}
