//! Files in a backup, as documents.

use serde::{Deserialize, Serialize};
use stillpoint_core::{Entry, Timestamp};
use utoipa::ToSchema;

/// One entry of a snapshot that can list them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct FileItem {
    /// The path inside the component, without a leading slash.
    pub path: String,
    /// `file`, `dir`, `symlink`, …
    pub kind: String,
    /// Bytes of content.
    pub size_bytes: u64,
    /// Permission bits with the file type, as in `st_mode`.
    pub mode: u32,
    /// Last change of the content.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub modified_at: Option<Timestamp>,
    /// The target of a symbolic link.
    pub link_target: Option<String>,
}

impl FileItem {
    /// `entry` as a document.
    pub fn new(entry: Entry) -> Self {
        Self {
            path: entry.path,
            kind: entry.kind,
            size_bytes: entry.size_bytes,
            mode: entry.mode,
            modified_at: entry.modified_at,
            link_target: entry.link_target,
        }
    }
}

/// One page of the entries of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct FilePage {
    /// The component whose files they are.
    pub component: String,
    /// The entries, in path order.
    pub entries: Vec<FileItem>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<String>,
}
