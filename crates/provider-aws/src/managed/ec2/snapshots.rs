//! Snapshots of volumes: looked at. Making and deleting them is AWS Backup's.

use serde::Deserialize;
use stillpoint_core::{Error, ErrorKind, Result, Tags};

use super::{Ec2, Filters, Page, Tag, tags};
use crate::connection::{Form, Items};

/// A snapshot of a volume.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ec2Snapshot {
    pub(crate) id: String,
    /// The account that it belongs to.
    pub(crate) owner: String,
    /// Meaningless on a copy.
    pub(crate) volume: Option<String>,
    pub(crate) state: String,
    pub(crate) size_gib: u64,
    pub(crate) encrypted: bool,
    pub(crate) key: Option<String>,
    /// When its content was captured, in RFC 3339.
    pub(crate) started: Option<String>,
    pub(crate) tags: Tags,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotItem {
    snapshot_id: String,
    #[serde(default)]
    owner_id: String,
    volume_id: Option<String>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    volume_size: u64,
    #[serde(default)]
    encrypted: bool,
    kms_key_id: Option<String>,
    start_time: Option<String>,
    #[serde(default)]
    tag_set: Items<Tag>,
}

impl From<SnapshotItem> for Ec2Snapshot {
    fn from(item: SnapshotItem) -> Self {
        let named = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self {
            id: item.snapshot_id,
            owner: item.owner_id,
            volume: named(item.volume_id),
            state: item.status,
            size_gib: item.volume_size,
            encrypted: item.encrypted,
            key: named(item.kms_key_id),
            started: named(item.start_time),
            tags: tags(item.tag_set),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotsPage {
    #[serde(default)]
    snapshot_set: Items<SnapshotItem>,
    next_token: Option<String>,
}

impl Page for SnapshotsPage {
    type Item = SnapshotItem;

    fn split(self) -> (Vec<SnapshotItem>, Option<String>) {
        (self.snapshot_set.items, self.next_token)
    }
}

impl Ec2<'_> {
    /// The account's own snapshots that pass `filters`.
    ///
    /// # Errors
    /// Whatever the calls meet.
    pub(crate) async fn snapshots(&self, filters: &Filters) -> Result<Vec<Ec2Snapshot>> {
        // Without an owner, EC2 goes through all public snapshots of the region.
        let form = filters.put(Form::new().list("Owner", ["self"]));
        let found = self.all::<SnapshotsPage>("DescribeSnapshots", form).await?;
        Ok(found.into_iter().map(Ec2Snapshot::from).collect())
    }

    /// The snapshot `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub(crate) async fn snapshot(&self, id: &str) -> Result<Ec2Snapshot> {
        let form = Form::new().list("SnapshotId", [id]);
        let page: SnapshotsPage = self.call("DescribeSnapshots", false).query(&form).await?;
        let found = page.snapshot_set.items.into_iter().find(|item| item.snapshot_id == id);
        let found = found.map(Ec2Snapshot::from);
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("EC2 knows no snapshot {id}")))
    }
}
