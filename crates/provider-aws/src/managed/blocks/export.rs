//! A snapshot of EBS into the repository: only blocks that changed are read, only new content is stored.

use futures::{StreamExt, TryStreamExt, stream};
use stillpoint_core::{Error, ErrorKind, OpContext, Result, SnapshotRef, Tags};
use stillpoint_provider_s3sync::from_repository;
use stillpoint_repository::{Assembly, ContentWriter, Id, Origin, Snapshot, SnapshotSummary, Timestamp};

use super::super::arn::Arn;
use super::super::ec2::Ec2Snapshot;
use super::super::names::PointName;
use super::ebs::{self, BlockList, ListedBlock};
use super::image::{self, PART_BLOCKS, VolumeHeader, VolumeImage, ZERO};
use super::{AT_ONCE, BLOCK_BYTES, VolumeImages};

/// The volume that a copied snapshot claims to be of. Source: the model of EC2's `Snapshot.VolumeId`.
const NO_VOLUME: &str = "vol-ffffffff";

/// What an export did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExportedVolume {
    /// The image.
    pub image: VolumeImage,
    /// Whether it was there already.
    pub known: bool,
    /// The image that it builds on: blocks that did not change since were not read.
    pub base: Option<Id>,
    /// Blocks of 512 KiB that were read.
    pub blocks_read: u64,
    /// Bytes that the repository grew by.
    pub bytes_stored: u64,
}

/// One export under way.
#[derive(Debug)]
struct Export<'a> {
    images: &'a VolumeImages,
    client: &'a aws_sdk_ebs::Client,
    header: VolumeHeader,
    base: Option<VolumeImage>,
    time: Timestamp,
}

impl VolumeImages {
    /// Reads the snapshot of a volume into the repository, so that it no longer depends on its account, region or cloud.
    ///
    /// - A snapshot that was exported before is answered as it is.
    /// - Builds on the newest image of the same volume whose snapshot EBS still has; without one, every block that was
    ///   ever written is read, and content that the repository has is not stored again.
    /// - Every block is compared with the digest that EBS gives before it is stored.
    /// - An export that is cut short leaves no image; the next one stores nothing twice.
    ///
    /// # Errors
    /// `InvalidInput` where `snapshot` is none of a volume, `Busy` while EBS is not done with it, `NotFound` where it is
    /// gone; whatever reading and storing can meet.
    pub async fn export(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<ExportedVolume> {
        self.refreshed().export_now(cx, snapshot).await
    }

    async fn export_now(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<ExportedVolume> {
        let point: PointName = snapshot.id.as_str().parse()?;
        if point.arn.resource_type() != "snapshot" {
            let message = format!("{} is no snapshot of a volume; only those have blocks to read", point.arn);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let connection = self.connection.in_region(&point.arn.region);
        let client = ebs::client(&connection)?;
        let header = self.describe(&connection, &point.arn).await?;
        let stored = self.repository.snapshots().await.map_err(from_repository)?.readable;
        let [_, volume, same] = &header.labels()[..] else {
            return Err(Error::new(ErrorKind::Unexpected, "an image has three labels"));
        };
        if let Some(known) = image::images(stored.clone(), same).first() {
            let image = VolumeImage::open(&self.repository, known).await?;
            return Ok(ExportedVolume { image, known: true, base: None, blocks_read: 0, bytes_stored: 0 });
        }
        let base = match (&header.volume, image::images(stored, volume).first()) {
            (Some(_), Some(id)) => Some(VolumeImage::open(&self.repository, id).await?),
            _ => None,
        };
        let (base, list) = begin(&client, &header, base).await?;
        let time = seconds(header.captured_at.as_deref(), cx);
        let export = Export { images: self, client: &client, header, base, time };
        export.run(cx, list).await
    }

    async fn describe(&self, connection: &crate::connection::Connection, arn: &Arn) -> Result<VolumeHeader> {
        let ec2 = super::super::ec2::Ec2::new(connection);
        let found: Ec2Snapshot = ec2.snapshot(arn.resource_id()).await?;
        if found.state != "completed" {
            let message = format!("snapshot {} is {}; export it when it is completed", found.id, found.state);
            return Err(Error::new(ErrorKind::Busy, message));
        }
        Ok(VolumeHeader {
            format: VolumeHeader::format(),
            region: arn.region.clone(),
            account: found.owner,
            volume: found.volume.filter(|volume| volume != NO_VOLUME),
            snapshot: found.id,
            size_gib: found.size_gib,
            captured_at: found.started,
            encrypted: found.encrypted,
            tags: found.tags,
        })
    }
}

/// The list of what is to be read: what changed since `base` where EBS can tell, else every block.
async fn begin<'a>(
    client: &'a aws_sdk_ebs::Client,
    header: &VolumeHeader,
    base: Option<VolumeImage>,
) -> Result<(Option<VolumeImage>, BlockList<'a>)> {
    if let Some(base) = base {
        match BlockList::begin(client, Some(&base.header.snapshot), &header.snapshot).await {
            Ok(list) => return Ok((Some(base), list)),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                tracing::info!(
                    base = base.header.snapshot,
                    error = error.to_string_chain(),
                    "EBS cannot tell what changed; every block is read"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok((None, BlockList::begin(client, None, &header.snapshot).await?))
}

impl Export<'_> {
    async fn run(self, cx: &OpContext, mut list: BlockList<'_>) -> Result<ExportedVolume> {
        let root = image::folder("volume", self.time);
        let mut assembly = Assembly::begin(&self.images.repository, root).await.map_err(from_repository)?;
        let blocks_read = match self.fill(cx, &mut assembly, &mut list).await {
            Ok(read) => read,
            Err(error) => {
                if let Err(error) = assembly.abandon().await {
                    tracing::info!(%error, "what was read is not kept");
                }
                return Err(error);
            }
        };
        let mut bytes_stored = 0;
        let describe = |tree, written: &stillpoint_repository::WriteSummary| {
            bytes_stored = written.stored_bytes;
            let paths = vec![self.header.path().to_string_lossy().into_owned()];
            let mut snapshot = Snapshot::new(self.time, tree, paths, &Origin::detect());
            snapshot.tags = self.header.labels();
            snapshot.parent = self.base.as_ref().map(|base| base.id);
            let mut summary = SnapshotSummary::default();
            (summary.backup_start, summary.backup_end) = (self.time, self.time);
            summary.total_files_processed = self.header.size_gib;
            summary.total_bytes_processed = self.header.size_gib << 30;
            (summary.data_blobs, summary.tree_blobs) = (written.data_blobs, written.tree_blobs);
            (summary.data_added, summary.data_added_packed) = (written.plaintext_bytes, written.stored_bytes);
            snapshot.summary = Some(summary);
            snapshot
        };
        let (id, _) = assembly.finish(&self.header.path(), describe).await.map_err(from_repository)?;
        let base = self.base.as_ref().map(|base| base.id);
        let image = VolumeImage { id, header: self.header };
        Ok(ExportedVolume { image, known: false, base, blocks_read, bytes_stored })
    }

    /// Adds part by part, and counts the blocks that were read.
    async fn fill(&self, cx: &OpContext, assembly: &mut Assembly, list: &mut BlockList<'_>) -> Result<u64> {
        let writer = assembly.content();
        let mut read = 0;
        for number in 0..self.header.size_gib {
            cx.check()?;
            let start = number * PART_BLOCKS;
            let mut pieces = self.known(assembly, number).await?;
            let due = list.take_below(start + PART_BLOCKS).await?;
            read +=
                u64::try_from(due.iter().filter(|block| block.token.is_some()).count()).unwrap_or_default();
            let fetched: Vec<(u64, Id)> = stream::iter(due)
                .map(|block| self.fetch(block, &writer))
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            for (index, id) in fetched {
                let place = usize::try_from(index - start).unwrap_or(usize::MAX);
                if let Some(piece) = pieces.get_mut(place) {
                    *piece = id;
                }
            }
            if pieces.contains(&ZERO) && !assembly.has_content(&ZERO) {
                writer.piece(vec![0; BLOCK_BYTES]).await.map_err(from_repository)?;
            }
            let folder = image::folder(&image::part_folder(number).to_string_lossy(), self.time);
            assembly.add(&image::part_folder(number), folder).await.map_err(from_repository)?;
            let file = image::file("blocks", self.time, 1 << 30, pieces);
            assembly.add(&image::part_file(number), file).await.map_err(from_repository)?;
        }
        // An earlier snapshot may have been of a larger volume; what it had there is gone.
        let rest = list.take_below(u64::MAX).await?;
        if let Some(beyond) = rest.iter().find(|block| block.token.is_some()) {
            let message = format!("EBS lists block {} beyond the end of the volume", beyond.index);
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        let text = serde_json::to_vec_pretty(&self.header).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "an image cannot be described as JSON").with_source(error)
        })?;
        let size = u64::try_from(text.len()).unwrap_or_default();
        let piece = writer.piece(text).await.map_err(from_repository)?;
        let node = image::file("volume.json", self.time, size, vec![piece]);
        assembly.add(image::header_file(), node).await.map_err(from_repository)?;
        Ok(read)
    }

    /// The pieces that a part has as long as nothing else is known: those of the base, or nothing written at all.
    async fn known(&self, assembly: &Assembly, number: u64) -> Result<Vec<Id>> {
        let nothing = || vec![*ZERO; usize::try_from(PART_BLOCKS).unwrap_or_default()];
        let Some(base) = self.base.as_ref().filter(|base| number < base.header.size_gib) else {
            return Ok(nothing());
        };
        let pieces = base.part(&self.images.repository, number).await?;
        if let Some(lost) = pieces.iter().find(|id| !assembly.has_content(id)) {
            let message = format!(
                "the image {} that this one builds on lacks the content {}; run `stillpoint check`, remove that image \
                 and export again",
                base.id.short(),
                lost.short()
            );
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(pieces)
    }

    /// Reads and stores one block; a block without content is nothing written.
    async fn fetch(&self, block: ListedBlock, writer: &ContentWriter) -> Result<(u64, Id)> {
        let Some(token) = block.token else { return Ok((block.index, *ZERO)) };
        let bytes = ebs::read(self.client, &self.header.snapshot, block.index, &token).await?;
        let id = writer.piece(bytes).await.map_err(from_repository)?;
        Ok((block.index, id))
    }
}

/// When the content was captured, or else now.
fn seconds(captured: Option<&str>, cx: &OpContext) -> Timestamp {
    let time = captured.and_then(|text| text.parse::<stillpoint_core::Timestamp>().ok());
    let millis = time.unwrap_or_else(|| cx.clock().now()).as_millis();
    let nanos = u32::try_from(millis.rem_euclid(1000) * 1_000_000).unwrap_or_default();
    Timestamp::new(millis.div_euclid(1000), nanos)
}

/// The tags of an image, without those that AWS reserves and would refuse, and without the marks of its backup: the new
/// snapshot is not that backup's.
pub(super) fn own_tags(tags: &Tags) -> Tags {
    let own = tags.iter().filter(|(key, _)| !key.starts_with("aws:") && !key.starts_with("stillpoint:"));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}
