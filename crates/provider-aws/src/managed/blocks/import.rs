//! An image in the repository into a new snapshot of EBS, in any account and region.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use stillpoint_core::{Error, ErrorKind, OpContext, Result, Tags};
use stillpoint_provider_s3sync::from_repository;
use stillpoint_repository::{BlobKind, Id};

use super::super::ec2::Ec2;
use super::ebs::{self, Asked};
use super::export::own_tags;
use super::image::{PART_BLOCKS, VolumeImage, ZERO};
use super::{AT_ONCE, VolumeImages};

/// Blocks that are in memory at once: 32 MiB.
const WINDOW: usize = 64;
/// How often a sealed snapshot is looked at, and how often at the most.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const LOOKS_MAX: u32 = 2000;

/// The snapshot that an import is to make.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewSnapshot {
    /// Where.
    pub region: String,
    /// Names the request: the same token for the same image is the same snapshot, so a repeat after a crash goes on with
    /// it.
    pub token: String,
    /// What it says of itself.
    pub description: String,
    /// Written on it at its birth.
    pub tags: Tags,
    /// Whether it is to be encrypted, with the account's own default key unless `key` names one; by default where the
    /// volume was.
    pub encrypted: Option<bool>,
    /// The ARN of the key to encrypt it with.
    pub key: Option<String>,
}

impl NewSnapshot {
    /// A snapshot in `region`, recognised by `token`, without further tags and encrypted if the volume was.
    pub fn new(region: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            token: token.into(),
            description: "restored by Stillpoint".to_owned(),
            tags: Tags::new(),
            encrypted: None,
            key: None,
        }
    }
}

/// What an import made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedVolume {
    /// The region it stands in.
    pub region: String,
    /// The snapshot of EBS, completed: volumes can be made from it.
    pub snapshot: String,
    /// Its size in GiB.
    pub size_gib: u64,
    /// Blocks of 512 KiB that it holds; others are empty.
    pub blocks: u64,
    /// Whether an earlier request had completed it.
    pub known: bool,
}

impl VolumeImages {
    /// Writes an image into a new snapshot of EBS and waits until it is completed.
    ///
    /// Every block carries its digest, and the digest of them all seals the snapshot: EBS completes nothing that differs
    /// from the image. The same token goes on with the same snapshot, also in another process after a crash.
    ///
    /// # Errors
    /// `Conflict` where the token stands for another request, `NeedsAttention` where EBS gave the snapshot up,
    /// `Corrupt` where the repository lacks content; whatever reading and writing can meet.
    pub async fn import(&self, cx: &OpContext, image: &Id, new: &NewSnapshot) -> Result<ImportedVolume> {
        let images = self.refreshed();
        let image = VolumeImage::open(&images.repository, image).await?;
        let connection = self.connection.in_region(&new.region);
        let (client, ec2) = (ebs::client(&connection)?, Ec2::new(&connection));
        let mut tags = own_tags(&image.header.tags);
        tags.extend(new.tags.clone());
        let encrypted = new.key.is_some() || new.encrypted.unwrap_or(image.header.encrypted);
        // Another image under the same name is another request.
        let token = Id::of(format!("{}\0{}", new.token, image.id.to_hex()).as_bytes()).to_hex();
        let asked = Asked {
            size_gib: image.header.size_gib,
            token: &token,
            description: &new.description,
            tags: &tags,
            encrypted,
            key: new.key.as_deref(),
        };
        let snapshot = ebs::start(&client, &asked).await?;
        let mut made = ImportedVolume {
            region: new.region.clone(),
            snapshot,
            size_gib: image.header.size_gib,
            blocks: 0,
            known: false,
        };
        // A snapshot of a process that died may be sealed already.
        made.known = state(&ec2, &made.snapshot).await? == State::Completed;
        let mut digests = Vec::new();
        for number in 0..image.header.size_gib {
            let pieces = image.part(&images.repository, number).await?;
            let written = pieces.iter().enumerate().filter(|(_, id)| **id != *ZERO);
            let due: Vec<(u64, Id)> = written
                .map(|(place, id)| (number * PART_BLOCKS + u64::try_from(place).unwrap_or_default(), *id))
                .collect();
            made.blocks += u64::try_from(due.len()).unwrap_or_default();
            if made.known {
                continue;
            }
            for window in due.chunks(WINDOW) {
                cx.check()?;
                images.write(&client, &made.snapshot, window).await?;
                window.iter().for_each(|(_, id)| digests.extend_from_slice(id.as_bytes()));
            }
        }
        if made.known {
            return Ok(made);
        }
        ebs::complete(&client, &made.snapshot, made.blocks, &Id::of(&digests)).await?;
        settle(cx, &ec2, &made.snapshot).await?;
        Ok(made)
    }

    async fn write(&self, client: &aws_sdk_ebs::Client, snapshot: &str, window: &[(u64, Id)]) -> Result<()> {
        let ids: Vec<Id> = window.iter().map(|(_, id)| *id).collect();
        let blocks = self.repository.load_blobs(BlobKind::Data, &ids).await.map_err(from_repository)?;
        stream::iter(window.iter().zip(blocks))
            .map(|((index, id), bytes)| ebs::write(client, snapshot, *index, id, bytes))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Completed,
}

/// Where the snapshot stands.
async fn state(ec2: &Ec2<'_>, snapshot: &str) -> Result<State> {
    match ec2.snapshot(snapshot).await {
        Ok(found) if found.state == "completed" => Ok(State::Completed),
        Ok(found) if found.state == "error" => {
            let message = format!(
                "EBS gave snapshot {snapshot} up, most likely because no block came for days; remove it and import again \
                 as another request"
            );
            Err(Error::new(ErrorKind::NeedsAttention, message).with("snapshot", snapshot))
        }
        // A new snapshot may not be shown at once.
        Ok(_) => Ok(State::Pending),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(State::Pending),
        Err(error) => Err(error),
    }
}

async fn settle(cx: &OpContext, ec2: &Ec2<'_>, snapshot: &str) -> Result<()> {
    for _ in 0..LOOKS_MAX {
        if state(ec2, snapshot).await? == State::Completed {
            return Ok(());
        }
        cx.check()?;
        cx.clock().sleep(LOOK_EVERY).await;
    }
    let message = format!("snapshot {snapshot} is sealed and still not completed; look again later");
    Err(Error::new(ErrorKind::Unavailable, message).with("snapshot", snapshot))
}
