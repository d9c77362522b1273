//! What an earlier backup knew of a directory and its entries.

use std::sync::Arc;

use stillpoint_localfs::OwnerNames;

use super::node::is_unchanged;
use crate::cache::{Block, Record, Stat};
use crate::time::Timestamp;
use crate::tree::{ExtendedAttribute, Node, Tree};

/// A directory's entries as they were.
#[derive(Debug)]
pub(super) enum EarlierListing {
    /// Nothing is known.
    None,
    /// From the parent snapshot, whose backup began at this time.
    Stored(Arc<Tree>, Timestamp),
    /// From this machine's memory of the walk that made the parent snapshot.
    Remembered(Arc<Block>),
}

/// One entry as it was, and where.
#[derive(Clone, Debug, Default)]
pub(super) enum EarlierEntry {
    /// It was not there.
    #[default]
    None,
    /// As the parent snapshot has it.
    Stored(Box<Node>, Timestamp),
    /// At this position of a remembered directory.
    Remembered(Arc<Block>, usize),
    /// The root of a remembered walk: its node, its metadata, and whether these can be relied on.
    Root(Box<Node>, Box<Stat>, bool),
}

impl EarlierListing {
    /// Number of entries.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Stored(tree, _) => tree.nodes().len(),
            Self::Remembered(block) => block.count,
        }
    }

    pub(super) fn block(&self) -> Option<&Arc<Block>> {
        match self {
            Self::Remembered(block) => Some(block),
            Self::None | Self::Stored(..) => None,
        }
    }
}

impl EarlierEntry {
    /// Whether it is the same entry, unchanged, as far as metadata can tell.
    pub(super) fn is_unchanged(&self, stat: &Stat) -> bool {
        match self {
            Self::None => false,
            Self::Stored(node, since) => {
                node.error.is_empty() && is_unchanged(node, stat) && stat.settled_before(*since)
            }
            Self::Remembered(block, at) => block.record(*at).is_some_and(|record| is_same(&record, stat)),
            Self::Root(_, earlier, trusted) => *trusted && **earlier == *stat,
        }
    }

    /// Its node.
    pub(super) fn node(&self, owners: &OwnerNames) -> Option<Node> {
        match self {
            Self::None => None,
            Self::Stored(node, _) | Self::Root(node, ..) => Some((**node).clone()),
            Self::Remembered(block, at) => Some(block.record(*at)?.node(owners)),
        }
    }

    /// Its extended attributes.
    pub(super) fn attributes(&self) -> Vec<ExtendedAttribute> {
        match self {
            Self::None => Vec::new(),
            Self::Stored(node, _) | Self::Root(node, ..) => node.extended_attributes.clone(),
            Self::Remembered(block, at) => {
                block.record(*at).map(|record| record.attributes()).unwrap_or_default()
            }
        }
    }
}

/// Whether an entry that is seen like this is the remembered one, unchanged.
pub(super) fn is_same(record: &Record<'_>, stat: &Stat) -> bool {
    record.trusted && record.stat == *stat
}
