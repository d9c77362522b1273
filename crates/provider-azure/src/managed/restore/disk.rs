//! The new disk: one PUT under a name that follows from the job's key, its tags from the first moment.

use serde_json::{Value, json};
use stillpoint_core::{Error, ErrorKind, Result, Wanted};

use super::super::AzureProvider;
use super::super::compute::{Disk, Snapshot, Usable, is_paced};
use super::super::recorded;
use super::super::resource_id::ResourceId;
use super::super::tags;
use super::{Restore, place};

impl AzureProvider {
    /// Makes the disk, where this key has not made it yet.
    pub(super) async fn make_disk(&self, restore: &Restore<'_>) -> Result<()> {
        if self.made_disk(restore).await?.is_some() {
            return Ok(());
        }
        let snapshot = Snapshot::get(self.connection(), &restore.point.0).await?;
        place::prove(&restore.point.0.subscription, &snapshot.location, &restore.wanted)?;
        usable(&snapshot)?;
        let wanted = self.with_source(restore, &snapshot).await?;
        let body = body(restore, &snapshot, &wanted)?;
        let begun = Disk::put(self.connection(), &restore.id, &body).await?;
        self.under_way().keep(&restore.id.to_string(), &begun);
        Ok(())
    }

    /// The disk that this key made.
    ///
    /// # Errors
    /// `AlreadyExists` where a disk of the name is there that it did not make.
    pub(super) async fn made_disk(&self, restore: &Restore<'_>) -> Result<Option<Disk>> {
        let Some(disk) = Disk::known(self.connection(), &restore.id).await? else { return Ok(None) };
        let ours = disk.tags.get(tags::JOB) == Some(&restore.job.key.token());
        if ours && disk.properties.creation_data.is_of(&restore.point.0) {
            return Ok(Some(disk));
        }
        let message =
            format!("the disk {} exists already; a restore makes a new one, so name another", restore.id);
        Err(Error::new(ErrorKind::AlreadyExists, message).with("resource", &restore.id))
    }

    /// What is wanted, with what the source itself says where the backup does not, as long as it exists.
    async fn with_source(&self, restore: &Restore<'_>, snapshot: &Snapshot) -> Result<Wanted> {
        let wanted = restore.wanted.clone();
        if !wanted.lacks("sku") && !wanted.lacks("zone") {
            return Ok(wanted);
        }
        let component = &restore.job.component;
        // A copy was made of another snapshot, and carries the component in its tags.
        let marked = snapshot.tags.get(tags::COMPONENT) == Some(&tags::value(component.id.as_str()));
        let source: Option<ResourceId> = component.resource.parse().ok();
        let source = source.filter(|source| marked || snapshot.properties.creation_data.is_of(source));
        let Some(source) = source else { return Ok(wanted) };
        let Some(mut disk) = Disk::known(self.connection(), &source).await? else { return Ok(wanted) };
        if disk.location.eq_ignore_ascii_case(&snapshot.location) {
            return Ok(wanted.over(recorded::settings(&disk)));
        }
        disk.properties.access = disk.properties.access.elsewhere();
        let mut settings = recorded::settings(&disk);
        settings.retain(|name, _| !OF_ONE_REGION.contains(&name.as_str()));
        Ok(wanted.over(settings))
    }
}

/// Settings of a source that mean nothing in another region.
const OF_ONE_REGION: [&str; 3] = ["zone", "disk_encryption_set", "encryption_type"];

/// What the SKU of the new disk takes of what is wanted: what was recorded of another SKU does not fit every one.
/// Source: <https://learn.microsoft.com/azure/virtual-machines/disks-types>.
#[derive(Debug)]
struct Fitting {
    sku: String,
    zone: Option<String>,
    iops: Option<u64>,
    throughput_mbps: Option<u64>,
    tier: Option<String>,
}

impl Fitting {
    /// Those that fit.
    ///
    /// # Errors
    /// `InvalidConfig` where nobody knows the SKU, or a setting has another form.
    fn of(restore: &Restore<'_>, wanted: &Wanted) -> Result<Self> {
        let there = Wanted::new(&restore.job.destination, None);
        let what = "neither the backup nor its source says what the disk was; a restore of it";
        let sku = wanted.needed("sku", what)?;
        let paced = is_paced(&sku);
        // A tier belongs to one size of one SKU, and a zone to a disk that is in no more than one.
        let as_it_was = sku.starts_with("Premium_") && there.lacks("sku") && there.lacks("size_gib");
        let tier = if as_it_was { wanted.text("tier")? } else { there.text("tier")? };
        let zone = if sku.ends_with("_ZRS") { there.text("zone")? } else { wanted.text("zone")? };
        Ok(Self {
            zone,
            iops: wanted.get("iops")?.filter(|_| paced),
            throughput_mbps: wanted.get("throughput_mbps")?.filter(|_| paced),
            tier,
            sku,
        })
    }
}

fn usable(snapshot: &Snapshot) -> Result<()> {
    let refused = |kind, what: &str| {
        Err(Error::new(kind, format!("snapshot {} is {}; {what}", snapshot.id, snapshot.in_words())))
    };
    match snapshot.usable() {
        Usable::Now => Ok(()),
        Usable::NotYet | Usable::Filling | Usable::Unknown(_) => {
            refused(ErrorKind::Busy, "wait until all of it is there")
        }
        Usable::Never => refused(ErrorKind::Corrupt, "restore another backup"),
    }
}

fn body(restore: &Restore<'_>, snapshot: &Snapshot, wanted: &Wanted) -> Result<Value> {
    let size: Option<u64> = wanted.get("size_gib")?;
    if let (Some(size), Some(least)) = (size, snapshot.properties.disk_size_gib)
        && size < least
    {
        let message = format!("a disk of {size} GiB is smaller than its snapshot of {least} GiB");
        return Err(Error::new(ErrorKind::InvalidInput, message).with("setting", "size_gib"));
    }
    let known = |members: Vec<(&str, Value)>| -> Value {
        members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    };
    let encryption_type = wanted.text("encryption_type")?;
    let encryption = wanted.text("disk_encryption_set")?.map(|set| {
        let kind = encryption_type.as_deref().unwrap_or("EncryptionAtRestWithCustomerKey");
        json!({"type": kind, "diskEncryptionSetId": set})
    });
    let policy = wanted.text("network_access_policy")?;
    let through = wanted.text("disk_access_id")?.filter(|_| policy.as_deref() == Some("AllowPrivate"));
    let fitting = Fitting::of(restore, wanted)?;
    let properties = known(vec![
        ("creationData", json!({"createOption": "Copy", "sourceResourceId": restore.point.0.to_string()})),
        ("diskSizeGB", json!(size)),
        ("diskIOPSReadWrite", json!(fitting.iops)),
        ("diskMBpsReadWrite", json!(fitting.throughput_mbps)),
        ("tier", json!(fitting.tier)),
        ("networkAccessPolicy", json!(policy)),
        ("diskAccessId", json!(through)),
        ("publicNetworkAccess", json!(wanted.text("public_network_access")?)),
        ("encryption", json!(encryption)),
    ]);
    Ok(known(vec![
        ("location", json!(snapshot.location)),
        ("tags", json!(restore.tags)),
        ("zones", json!(fitting.zone.map(|zone| [zone]))),
        ("sku", json!({"name": fitting.sku})),
        ("properties", properties),
    ]))
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{Component, JobKey, RestoreJob, Settings, SnapshotId, SnapshotRef};

    use super::*;

    const POINT: &str = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Compute/snapshots/s";

    /// The request for a disk that was recorded so, restored to `destination`.
    fn made(recorded: &Value, destination: &Value) -> Result<Value> {
        let settings = |value: &Value| serde_json::from_value::<Settings>(value.clone()).unwrap();
        let mut component = Component::new("db".parse().unwrap(), "disk", "azure".parse().unwrap(), "gone");
        component.settings = settings(recorded);
        let point = SnapshotRef::new("azure".parse().unwrap(), SnapshotId::new(POINT).unwrap());
        let key = JobKey::new("op".parse().unwrap(), "db".parse().unwrap(), 1);
        let job = RestoreJob::new(key, point, component, "w".parse().unwrap(), settings(destination));
        let restore = Restore::of(&job)?;
        let snapshot = json!({"id": POINT, "location": "westeurope", "properties": {"diskSizeGB": 8}});
        body(&restore, &serde_json::from_value(snapshot).unwrap(), &restore.wanted)
    }

    #[test]
    fn what_was_recorded_is_sent_only_where_the_new_sku_takes_it() {
        let fast = json!({"sku": "PremiumV2_LRS", "zone": "1", "iops": 4000, "throughput_mbps": 200});
        let same = made(&fast, &json!({})).unwrap();
        assert_eq!((&same["properties"]["diskIOPSReadWrite"], &same["zones"]), (&json!(4000), &json!(["1"])));
        let other = made(&fast, &json!({"sku": "Premium_ZRS"})).unwrap();
        for gone in ["diskIOPSReadWrite", "diskMBpsReadWrite", "tier"] {
            assert!(other["properties"][gone].is_null(), "{gone}: {other}");
        }
        assert!(other["zones"].is_null(), "it is in all of them: {other}");

        let tiered = json!({"sku": "Premium_LRS", "size_gib": 8, "tier": "P30"});
        let tier = |destination: Value| made(&tiered, &destination).unwrap()["properties"]["tier"].clone();
        assert_eq!(tier(json!({})), "P30");
        assert!(tier(json!({"sku": "StandardSSD_LRS"})).is_null());
        assert!(tier(json!({"size_gib": 64})).is_null(), "it is a smaller size's");
        assert_eq!(tier(json!({"size_gib": 64, "tier": "P40"})), "P40", "what is asked for is asked for");
    }

    #[test]
    fn who_may_export_it_and_how_it_is_encrypted_stays() {
        let recorded = json!({"sku": "Premium_LRS", "disk_encryption_set": "/set", "encryption_type":
            "EncryptionAtRestWithPlatformAndCustomerKeys", "network_access_policy": "AllowPrivate", "disk_access_id": "/a",
            "public_network_access": "Disabled"});
        let properties = made(&recorded, &json!({})).unwrap()["properties"].clone();
        let encryption =
            json!({"type": "EncryptionAtRestWithPlatformAndCustomerKeys", "diskEncryptionSetId": "/set"});
        assert_eq!(properties["encryption"], encryption);
        assert_eq!(
            (
                &properties["networkAccessPolicy"],
                &properties["diskAccessId"],
                &properties["publicNetworkAccess"]
            ),
            (&json!("AllowPrivate"), &json!("/a"), &json!("Disabled"))
        );
        let closed = made(&recorded, &json!({"network_access_policy": "DenyAll"})).unwrap();
        assert!(closed["properties"]["diskAccessId"].is_null(), "nobody goes that way any more: {closed}");
        let open = made(&json!({"sku": "Premium_LRS"}), &json!({})).unwrap()["properties"].clone();
        assert_eq!(open.as_object().unwrap().keys().collect::<Vec<_>>(), ["creationData"]);
    }

    #[test]
    fn a_disk_of_which_nobody_knows_what_it_was_is_not_made_of_whatever_azure_takes() {
        let refused = made(&json!({}), &json!({})).unwrap_err();
        assert_eq!((refused.kind(), refused.context("setting")), (ErrorKind::InvalidConfig, Some("sku")));
        assert_eq!(made(&json!({}), &json!({"sku": "Standard_LRS"})).unwrap()["sku"]["name"], "Standard_LRS");
    }
}
