//! From what the repository stores to what the file system is told.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use stillpoint_localfs::{Attributes, ExtendedAttribute, Timestamp};

use crate::tree::Node;

/// The attributes a restored node gets.
pub(super) fn attributes(node: &Node) -> Attributes {
    let extended = node.extended_attributes.iter();
    let extended = extended.map(|entry| ExtendedAttribute {
        name: OsString::from_vec(entry.name.clone()),
        value: entry.value.clone(),
    });
    Attributes::new(node.mode.unix_permissions(), node.uid, node.gid)
        .with_times(stamp(node.atime), stamp(node.mtime))
        .with_extended(extended.collect())
}

/// A stored time as the file system crate has it.
pub(super) fn stamp(time: crate::time::Timestamp) -> Timestamp {
    Timestamp::new(time.seconds, time.nanoseconds)
}
