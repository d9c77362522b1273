//! The form that a volume has in a repository.
//!
//! A snapshot `/ebs/REGION/VOLUME` with `volume.json`, which says whose blocks they are, and for each gibibyte a folder
//! `part-NNNNN` with one file `blocks`, made of one piece for each block of EBS. A part that did not change is the same
//! tree as before. `cat part-*/blocks` is the raw disk, with restic alone too.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use stillpoint_core::{Error, ErrorKind, Result, Tags};
use stillpoint_provider_s3sync::from_repository;
use stillpoint_repository::tree::{Mode, Node, NodeKind};
use stillpoint_repository::{BlobKind, Id, Repository, StoredSnapshot, Timestamp};

use super::BLOCK_BYTES;

/// Blocks in a part: a gibibyte.
pub(super) const PART_BLOCKS: u64 = 2048;
/// The form that this version writes.
const FORMAT: u32 = 1;
/// The label of every image.
const LABEL: &str = "stillpoint-volume";
const HEADER: &str = "volume.json";
/// The largest volume, in GiB. Source: <https://docs.aws.amazon.com/ebs/latest/APIReference/API_StartSnapshot.html>.
const SIZE_GIB_MAX: u64 = 65_536;

/// The piece that stands for every block in which nothing was ever written.
pub(super) static ZERO: LazyLock<Id> = LazyLock::new(|| Id::of(&[0; BLOCK_BYTES]));

/// What an image says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VolumeHeader {
    /// The form of the image.
    pub format: u32,
    /// The region that the snapshot stood in.
    pub region: String,
    /// The account that it belonged to.
    pub account: String,
    /// The volume that it was of, where it still said so.
    pub volume: Option<String>,
    /// The snapshot of EBS that was read.
    pub snapshot: String,
    /// The size of the volume in GiB.
    pub size_gib: u64,
    /// When its content was captured, in RFC 3339.
    pub captured_at: Option<String>,
    /// Whether it was encrypted. The image is sealed by the repository's own key.
    pub encrypted: bool,
    /// What was written on it.
    pub tags: Tags,
}

impl VolumeHeader {
    pub(super) fn format() -> u32 {
        FORMAT
    }

    /// Where the image stands in the repository.
    pub(super) fn path(&self) -> PathBuf {
        Path::new("/ebs").join(&self.region).join(self.volume.as_deref().unwrap_or(&self.snapshot))
    }

    /// The labels by which the image is found again.
    pub(super) fn labels(&self) -> Vec<String> {
        let volume = self.volume.as_deref().unwrap_or("-");
        vec![
            LABEL.to_owned(),
            format!("ebs-volume={}/{volume}", self.region),
            format!("ebs-snapshot={}/{}", self.region, self.snapshot),
        ]
    }
}

/// An image in a repository.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VolumeImage {
    /// The repository's snapshot.
    pub id: Id,
    /// What it says of itself.
    pub header: VolumeHeader,
}

impl VolumeImage {
    /// Reads what the snapshot `id` says of itself.
    ///
    /// # Errors
    /// `NotFound` where it is no image, `Unsupported` where a newer version made it, `Corrupt` where it is damaged.
    pub(super) async fn open(repository: &Repository, id: &Id) -> Result<Self> {
        let node = node_at(repository, id, Path::new(HEADER)).await?;
        let pieces = node.content.unwrap_or_default();
        let text = repository.load_blobs(BlobKind::Data, &pieces).await.map_err(from_repository)?.concat();
        let damaged = |why: &str| Error::new(ErrorKind::Corrupt, format!("the image {} {why}", id.short()));
        let header: VolumeHeader = serde_json::from_slice(&text)
            .map_err(|error| damaged("has a description that cannot be read").with_source(error))?;
        if header.format > FORMAT {
            let message =
                format!("the image {} was made by a newer version of Stillpoint; use that", id.short());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if header.size_gib == 0 || header.size_gib > SIZE_GIB_MAX {
            return Err(damaged("claims a size that no volume has"));
        }
        Ok(Self { id: *id, header })
    }

    /// The pieces of one part, one for each block.
    ///
    /// # Errors
    /// `Corrupt` where the part is missing or has another number of blocks.
    pub(super) async fn part(&self, repository: &Repository, number: u64) -> Result<Vec<Id>> {
        let node = node_at(repository, &self.id, &part_file(number)).await?;
        let pieces = node.content.unwrap_or_default();
        if u64::try_from(pieces.len()).unwrap_or_default() != PART_BLOCKS {
            let message = format!("part {number} of the image {} is not whole", self.id.short());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(pieces)
    }
}

/// All images of a repository, newest first.
pub(super) fn images(mut stored: Vec<StoredSnapshot>, label: &str) -> Vec<Id> {
    stored.retain(|stored| stored.snapshot.tags.iter().any(|tag| tag == label));
    stored.sort_by_key(|stored| Reverse(stored.snapshot.time));
    stored.into_iter().map(|stored| stored.id).collect()
}

/// The label of all images.
pub(super) fn any() -> &'static str {
    LABEL
}

async fn node_at(repository: &Repository, id: &Id, path: &Path) -> Result<Node> {
    let mut found = None;
    let visit = |entry: stillpoint_repository::SnapshotEntry| {
        found = Some(entry.node);
        false
    };
    repository.visit_entries(id, path, false, visit).await.map_err(from_repository)?;
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{path:?} is not in {}", id.short())))
}

/// The folder of a part.
pub(super) fn part_folder(number: u64) -> PathBuf {
    PathBuf::from(format!("part-{number:05}"))
}

/// The file of a part.
pub(super) fn part_file(number: u64) -> PathBuf {
    part_folder(number).join("blocks")
}

/// The path of what the image says of itself.
pub(super) fn header_file() -> &'static Path {
    Path::new(HEADER)
}

pub(super) fn folder(name: &str, time: Timestamp) -> Node {
    let mut node = Node::new(name.as_bytes(), NodeKind::Dir);
    node.mode = Mode::from_unix(0o040_700);
    (node.mtime, node.ctime, node.atime) = (time, time, time);
    node
}

pub(super) fn file(name: &str, time: Timestamp, size: u64, pieces: Vec<Id>) -> Node {
    let mut node = Node::new(name.as_bytes(), NodeKind::File);
    node.mode = Mode::from_unix(0o100_600);
    (node.mtime, node.ctime, node.atime) = (time, time, time);
    (node.size, node.links, node.content) = (size, 1, Some(pieces));
    node
}
