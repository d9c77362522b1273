//! Volumes: found, made from snapshots, watched while they fill, deleted.

use serde::Deserialize;
use stillpoint_core::{Error, ErrorKind, Result, Tags};

use super::{Done, Ec2, Filters, Page, Tag, tags};
use crate::connection::{Form, Items};

/// A volume.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) size_gib: u64,
    pub(crate) zone: String,
    /// The snapshot it was made from.
    pub(crate) snapshot: Option<String>,
    pub(crate) volume_type: Option<String>,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput_mibps: Option<u32>,
    pub(crate) encrypted: bool,
    pub(crate) key: Option<String>,
    /// RFC 3339.
    pub(crate) created: Option<String>,
    /// The instances that it is attached to.
    pub(crate) instances: Vec<String>,
    pub(crate) tags: Tags,
}

/// What is asked of a new volume. It always comes from a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewVolume {
    /// The idempotency token: the same with equal parameters answers the same volume.
    pub(crate) token: String,
    pub(crate) snapshot: String,
    pub(crate) zone: String,
    pub(crate) size_gib: Option<u64>,
    pub(crate) volume_type: Option<String>,
    pub(crate) iops: Option<u64>,
    pub(crate) throughput_mibps: Option<u64>,
    pub(crate) encrypted: Option<bool>,
    pub(crate) key: Option<String>,
    /// How fast the blocks are fetched from the snapshot, in MiB/s; `None` for lazily.
    pub(crate) initialization_mibps: Option<u64>,
    /// On the volume from its first moment.
    pub(crate) tags: Tags,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeItem {
    volume_id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    availability_zone: String,
    snapshot_id: Option<String>,
    volume_type: Option<String>,
    iops: Option<u32>,
    throughput: Option<u32>,
    #[serde(default)]
    encrypted: bool,
    kms_key_id: Option<String>,
    create_time: Option<String>,
    #[serde(default)]
    attachment_set: Items<Attachment>,
    #[serde(default)]
    tag_set: Items<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    instance_id: Option<String>,
}

impl From<VolumeItem> for Volume {
    fn from(item: VolumeItem) -> Self {
        let named = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self {
            id: item.volume_id,
            state: item.status,
            size_gib: item.size,
            zone: item.availability_zone,
            snapshot: named(item.snapshot_id),
            volume_type: named(item.volume_type),
            iops: item.iops,
            throughput_mibps: item.throughput,
            encrypted: item.encrypted,
            key: named(item.kms_key_id),
            created: named(item.create_time),
            instances: item.attachment_set.items.into_iter().filter_map(|at| named(at.instance_id)).collect(),
            tags: tags(item.tag_set),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumesPage {
    #[serde(default)]
    volume_set: Items<VolumeItem>,
    next_token: Option<String>,
}

impl Page for VolumesPage {
    type Item = VolumeItem;

    fn split(self) -> (Vec<VolumeItem>, Option<String>) {
        (self.volume_set.items, self.next_token)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusAnswer {
    #[serde(default)]
    volume_status_set: Items<StatusItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusItem {
    initialization_status_details: Option<Initialization>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialization {
    progress: Option<u8>,
}

impl Ec2<'_> {
    /// The volumes that pass `filters`.
    ///
    /// # Errors
    /// Whatever the calls meet.
    pub(crate) async fn volumes(&self, filters: &Filters) -> Result<Vec<Volume>> {
        let found = self.all::<VolumesPage>("DescribeVolumes", filters.put(Form::new())).await?;
        Ok(found.into_iter().map(Volume::from).collect())
    }

    /// The volume `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub(crate) async fn volume(&self, id: &str) -> Result<Volume> {
        let form = Form::new().list("VolumeId", [id]);
        let page: VolumesPage = self.call("DescribeVolumes", false).query(&form).await?;
        let found = page.volume_set.items.into_iter().find(|item| item.volume_id == id);
        found.map(Volume::from).ok_or_else(|| absent(id))
    }

    /// How much of the volume `id` has been fetched from its snapshot, in percent; `None` where EC2 does not say,
    /// because it came from none or because it has been whole for long.
    ///
    /// # Errors
    /// `NotFound` where there is no such volume.
    pub(crate) async fn initialized_percent(&self, id: &str) -> Result<Option<u8>> {
        let form = Form::new().list("VolumeId", [id]);
        let answer: StatusAnswer = self.call("DescribeVolumeStatus", false).query(&form).await?;
        let status = answer.volume_status_set.items.into_iter().next().ok_or_else(|| absent(id))?;
        Ok(status.initialization_status_details.and_then(|details| details.progress))
    }

    /// Makes a volume, or answers the one that this token made.
    ///
    /// # Errors
    /// `Conflict` where the token made another one; `MaybeApplied` where no answer came, and then a repeat is safe.
    pub(crate) async fn create_volume(&self, new: &NewVolume) -> Result<Volume> {
        let form = Form::new()
            .with("AvailabilityZone", &new.zone)
            .with("SnapshotId", &new.snapshot)
            .with("ClientToken", &new.token)
            .maybe("Size", new.size_gib)
            .maybe("VolumeType", new.volume_type.as_ref())
            .maybe("Iops", new.iops)
            .maybe("Throughput", new.throughput_mibps)
            .maybe("Encrypted", new.encrypted)
            .maybe("KmsKeyId", new.key.as_ref())
            .maybe("VolumeInitializationRate", new.initialization_mibps)
            .with("TagSpecification.1.ResourceType", "volume")
            .pairs("TagSpecification.1.Tag", &new.tags);
        let item: VolumeItem = self.call("CreateVolume", true).query(&form).await?;
        Ok(item.into())
    }

    /// Deletes the volume `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Busy` while an instance uses it.
    pub(crate) async fn delete_volume(&self, id: &str) -> Result<()> {
        let Done {} = self.call("DeleteVolume", true).query(&Form::new().with("VolumeId", id)).await?;
        Ok(())
    }
}

fn absent(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("EC2 knows no volume {id}"))
}
