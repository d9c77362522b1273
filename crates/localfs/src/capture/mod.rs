//! Reading a tree through file descriptors only.

mod directory;
mod file;
mod holes;
mod lineage;
mod source;
mod tick;

pub use directory::{Directory, Entry, Listing};
pub use file::OpenFile;
pub use lineage::{Identity, Lineage};
pub use source::Source;
