//! Reading a tree through file descriptors only.

mod directory;
mod file;
mod source;
mod tick;

pub use directory::{Directory, Entry, Listing};
pub use file::OpenFile;
pub use source::Source;
