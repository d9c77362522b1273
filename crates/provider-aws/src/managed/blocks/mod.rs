//! Volumes out of the account, the region and the cloud: the blocks of their snapshots in a repository, and back.
//!
//! AWS Backup keeps a volume's snapshot where the volume is. [`VolumeImages`] reads it block by block through the EBS
//! direct APIs into the same sealed, deduplicated repository that keeps files, and makes a new snapshot from it anywhere.

mod ebs;
mod export;
mod image;
mod import;

use stillpoint_core::Result;
use stillpoint_provider_s3sync::from_repository;
use stillpoint_repository::Repository;

pub use export::ExportedVolume;
pub use image::{VolumeHeader, VolumeImage};
pub use import::{ImportedVolume, NewSnapshot};

use crate::connection::Connection;

/// The bytes of a block of EBS.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-accessing-snapshot.html>.
const BLOCK_BYTES: usize = 512 << 10;
/// Blocks that are on their way at once.
const AT_ONCE: usize = 16;

/// The images of volumes in one repository.
///
/// ```no_run
/// # async fn example(
/// #     repository: stillpoint_repository::Repository,
/// #     snapshot: stillpoint_core::SnapshotRef,
/// # ) -> stillpoint_core::Result<()> {
/// use stillpoint_core::OpContext;
/// use stillpoint_provider_aws::Connection;
/// use stillpoint_provider_aws::managed::blocks::{NewSnapshot, VolumeImages};
///
/// let cx = OpContext::background();
/// let images = VolumeImages::new(repository, Connection::from_environment(None).await?);
/// let exported = images.export(&cx, &snapshot).await?;
/// let new = NewSnapshot::new("eu-west-1", "restore-of-db-1");
/// let there = images.import(&cx, &exported.image.id, &new).await?;
/// println!("{} has {} blocks in {}", there.snapshot, there.blocks, there.region);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct VolumeImages {
    repository: Repository,
    connection: Connection,
}

impl VolumeImages {
    /// Images in `repository`; `connection` has the credentials to read and write snapshots of EBS with.
    pub fn new(repository: Repository, connection: Connection) -> Self {
        Self { repository, connection }
    }

    /// The same images, as they are now: what another handle stored since is seen.
    fn refreshed(&self) -> Self {
        Self { repository: self.repository.with_fresh_index(), connection: self.connection.clone() }
    }

    /// Every image, newest first.
    ///
    /// # Errors
    /// Whatever reading the repository meets; `Unsupported` where a newer version made an image.
    pub async fn list(&self) -> Result<Vec<VolumeImage>> {
        let repository = self.refreshed().repository;
        let stored = repository.snapshots().await.map_err(from_repository)?.readable;
        let mut images = Vec::new();
        for id in image::images(stored, image::any()) {
            images.push(VolumeImage::open(&repository, &id).await?);
        }
        Ok(images)
    }
}
