//! The mirrored layout: each backup of a directory is a folder of plain objects, `USER/SPACE/TIMESTAMP/PATH`, that any
//! tool can read; what plain objects cannot carry lies beside the timestamps in `USER/SPACE/.stillpoint`.
//!
//! Timestamps that the sample lifecycle script made are read, too.

mod backup;
mod delete;
mod framed;
mod layout;
mod listing;
mod manifest;
mod place;
mod record;
mod records;
mod restore;
mod snapshot;
mod source;
mod verify;

pub(crate) use listing::{Listing, content_key, in_order};
pub(crate) use manifest::{Entry, Item};
pub(crate) use records::script_record;
pub(crate) use source::Point;

pub(crate) use place::LEASES;
pub use place::Space;
pub use source::MirrorSource;
