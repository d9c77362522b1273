//! The EBS direct calls: blocks of a snapshot listed, read and verified; a snapshot written and sealed.
//!
//! All of them may be repeated: the client tries again by itself, since moving blocks is a data plane of its own with
//! thousands of calls, not steps of an operation.
//! Source: <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-accessing-snapshot.html>.

use std::collections::VecDeque;

use aws_config::retry::RetryConfig;
use aws_sdk_ebs::Client;
use aws_sdk_ebs::primitives::ByteStream;
use aws_sdk_ebs::types::{ChecksumAggregationMethod, ChecksumAlgorithm, Tag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stillpoint_core::{Error, ErrorKind, Result, Tags};
use stillpoint_repository::Id;

use super::super::refusal::{undone, unread};
use super::BLOCK_BYTES;
use crate::connection::{Connection, Service};

/// The longest page of a list of blocks.
const PAGE: i32 = 10_000;
/// Pages without any block, in a row, after which a list is given up. AWS says that there may be some.
const EMPTY_PAGES_MAX: u32 = 1000;
/// How often one block is tried.
const ATTEMPTS: u32 = 6;
/// The longest time that a snapshot waits for its next block, in minutes: the largest that AWS takes.
const TIMEOUT_MINUTES: i32 = 4320;

pub(super) const SERVICE: Service = Service { signing_name: "ebs", id: "EBS", host: "ebs", target: "" };

/// The client of one region.
///
/// # Errors
/// `InvalidConfig` where the endpoint of the environment cannot be used.
pub(super) fn client(connection: &Connection) -> Result<Client> {
    connection.endpoint(&SERVICE)?;
    let mut config = connection.sdk_config().to_builder();
    config.set_retry_config(Some(RetryConfig::standard().with_max_attempts(ATTEMPTS)));
    Ok(Client::new(&config.build()))
}

/// A block as a list names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListedBlock {
    pub(super) index: u64,
    /// What reads it; none where the snapshot holds nothing there any more.
    pub(super) token: Option<String>,
}

/// A list of blocks in the order of their indexes, fetched page by page.
#[derive(Debug)]
pub(super) struct BlockList<'a> {
    client: &'a Client,
    /// The snapshot from which the other one is to be told apart; none for all blocks.
    first: Option<String>,
    second: String,
    page: Option<String>,
    is_over: bool,
    waiting: VecDeque<ListedBlock>,
    last: Option<u64>,
}

impl<'a> BlockList<'a> {
    /// Every block that `snapshot` holds; or only those in which it differs from the snapshot `since`.
    ///
    /// # Errors
    /// Whatever the first call meets: `InvalidInput` where the two are not of one volume, `NotFound` where one is gone.
    pub(super) async fn begin(client: &'a Client, since: Option<&str>, snapshot: &str) -> Result<Self> {
        let mut list = Self {
            client,
            first: since.map(str::to_owned),
            second: snapshot.to_owned(),
            page: None,
            is_over: false,
            waiting: VecDeque::new(),
            last: None,
        };
        list.fill().await?;
        Ok(list)
    }

    /// The blocks that come before the index `end`.
    ///
    /// # Errors
    /// Whatever listing meets; `Unexpected` where the list is not in order.
    pub(super) async fn take_below(&mut self, end: u64) -> Result<Vec<ListedBlock>> {
        let mut taken = Vec::new();
        loop {
            self.fill().await?;
            match self.waiting.front() {
                Some(block) if block.index < end => taken.extend(self.waiting.pop_front()),
                _ => return Ok(taken),
            }
        }
    }

    /// Fetches pages until a block waits or the list is over.
    async fn fill(&mut self) -> Result<()> {
        for _ in 0..EMPTY_PAGES_MAX {
            if !self.waiting.is_empty() || self.is_over {
                return Ok(());
            }
            let (blocks, next) = match self.first.clone() {
                None => self.allocated().await?,
                Some(first) => self.changed(&first).await?,
            };
            for block in blocks {
                match self.last {
                    // A page may repeat what the one before it ended with.
                    Some(last) if block.index == last => continue,
                    Some(last) if block.index < last => {
                        let message = "a list of blocks is not in the order of their indexes";
                        return Err(Error::new(ErrorKind::Unexpected, message));
                    }
                    _ => {}
                }
                self.last = Some(block.index);
                self.waiting.push_back(block);
            }
            self.is_over = next.is_none();
            self.page = next;
        }
        let message = format!("{EMPTY_PAGES_MAX} pages of blocks in a row were empty");
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    async fn allocated(&self) -> Result<(Vec<ListedBlock>, Option<String>)> {
        let call = self.client.list_snapshot_blocks().snapshot_id(&self.second).max_results(PAGE);
        let answer = call.set_next_token(self.page.clone()).send().await;
        let answer = answer.map_err(unread("ListSnapshotBlocks"))?;
        let blocks = answer.blocks.unwrap_or_default();
        let listed = blocks.into_iter().map(|block| match listed(block.block_index, block.block_token)? {
            ListedBlock { index, token: None } => {
                let message = format!("block {index} is listed and nothing says how to read it");
                Err(Error::new(ErrorKind::Unexpected, message))
            }
            whole => Ok(whole),
        });
        Ok((listed.collect::<Result<_>>()?, answer.next_token))
    }

    async fn changed(&self, first: &str) -> Result<(Vec<ListedBlock>, Option<String>)> {
        let call = self.client.list_changed_blocks().first_snapshot_id(first);
        let call = call.second_snapshot_id(&self.second).max_results(PAGE);
        let answer = call.set_next_token(self.page.clone()).send().await;
        let answer = answer.map_err(unread("ListChangedBlocks"))?;
        let blocks = answer.changed_blocks.unwrap_or_default();
        let listed = blocks.into_iter().map(|block| listed(block.block_index, block.second_block_token));
        Ok((listed.collect::<Result<_>>()?, answer.next_token))
    }
}

fn listed(index: Option<i32>, token: Option<String>) -> Result<ListedBlock> {
    let index = index.and_then(|index| u64::try_from(index).ok());
    let index = index.ok_or_else(|| Error::new(ErrorKind::Unexpected, "a listed block has no index"))?;
    Ok(ListedBlock { index, token })
}

/// The bytes of one block, compared with the digest that EBS gives.
///
/// # Errors
/// `Corrupt` where they differ.
pub(super) async fn read(client: &Client, snapshot: &str, index: u64, token: &str) -> Result<Vec<u8>> {
    let call = client.get_snapshot_block().snapshot_id(snapshot).block_index(number(index)?);
    let answer = call.block_token(token).send().await.map_err(unread("GetSnapshotBlock"))?;
    let damaged = |why: &str| Error::new(ErrorKind::Corrupt, format!("block {index} of {snapshot} {why}"));
    let bytes = answer.block_data.collect().await.map_err(|error| {
        let message = format!("block {index} of {snapshot} did not come whole");
        Error::new(ErrorKind::Unavailable, message).with_source(error)
    })?;
    let bytes = bytes.to_vec();
    if bytes.len() != BLOCK_BYTES {
        return Err(damaged("has another length than a block"));
    }
    match answer.checksum {
        Some(digest) if digest == checksum(&Id::of(&bytes)) => Ok(bytes),
        Some(_) => Err(damaged("came with bytes that are not those of its digest; try again")),
        None => Err(damaged("came without a digest")),
    }
}

/// What a new snapshot is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) size_gib: u64,
    /// At most 64 characters.
    pub(super) token: &'a str,
    pub(super) description: &'a str,
    pub(super) tags: &'a Tags,
    pub(super) encrypted: bool,
    pub(super) key: Option<&'a str>,
}

/// Begins a snapshot, or answers the one that was begun with the same token.
pub(super) async fn start(client: &Client, new: &Asked<'_>) -> Result<String> {
    let size = i64::try_from(new.size_gib).unwrap_or(i64::MAX);
    let call = client.start_snapshot().volume_size(size).client_token(new.token).timeout(TIMEOUT_MINUTES);
    let call = call.description(new.description).set_tags(Some(tags(new.tags)));
    let call = match (new.key, new.encrypted) {
        (Some(key), _) => call.encrypted(true).kms_key_arn(key),
        (None, true) => call.encrypted(true),
        (None, false) => call,
    };
    let answer = call.send().await.map_err(undone("StartSnapshot"))?;
    answer
        .snapshot_id
        .ok_or_else(|| Error::new(ErrorKind::Unexpected, "StartSnapshot answered no id").maybe_applied())
}

/// Writes one block, whose digest is `id`.
pub(super) async fn write(
    client: &Client,
    snapshot: &str,
    index: u64,
    id: &Id,
    bytes: Vec<u8>,
) -> Result<()> {
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    let call = client.put_snapshot_block().snapshot_id(snapshot).block_index(number(index)?);
    let call = call
        .data_length(length)
        .checksum(checksum(id))
        .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256);
    call.block_data(ByteStream::from(bytes)).send().await.map(drop).map_err(undone("PutSnapshotBlock"))
}

/// Seals a snapshot into which `blocks` blocks were written; `whole` is the digest of their digests in order.
pub(super) async fn complete(client: &Client, snapshot: &str, blocks: u64, whole: &Id) -> Result<()> {
    let call = client.complete_snapshot().snapshot_id(snapshot).changed_blocks_count(number(blocks)?);
    let call = call.checksum(checksum(whole)).checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256);
    let call = call.checksum_aggregation_method(ChecksumAggregationMethod::ChecksumAggregationLinear);
    call.send().await.map(drop).map_err(undone("CompleteSnapshot"))
}

fn number(index: u64) -> Result<i32> {
    i32::try_from(index)
        .map_err(|error| Error::new(ErrorKind::InvalidInput, "a volume is too large").with_source(error))
}

fn checksum(id: &Id) -> String {
    STANDARD.encode(id.as_bytes())
}

fn tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
