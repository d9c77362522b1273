//! The new disk: one PUT under a name that follows from the job's key, its tags from the first moment.

use serde_json::{Value, json};
use stillpoint_core::{Error, ErrorKind, Result, Wanted};

use super::super::AzureProvider;
use super::super::compute::{Disk, Snapshot, Usable};
use super::super::recorded;
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
        if !wanted.lacks("sku") {
            return Ok(wanted);
        }
        let source = restore.job.component.resource.parse().ok();
        let source = source.filter(|source| snapshot.properties.creation_data.is_of(source));
        let Some(source) = source else { return Ok(wanted) };
        Ok(match Disk::known(self.connection(), &source).await? {
            Some(disk) => wanted.over(recorded::settings(&disk)),
            None => wanted,
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
    let encryption_set = wanted.text("disk_encryption_set")?;
    let encryption = encryption_set.map(|set| {
        let kind = "EncryptionAtRestWithCustomerKey";
        json!({"type": kind, "diskEncryptionSetId": set})
    });
    let properties = known(vec![
        ("creationData", json!({"createOption": "Copy", "sourceResourceId": restore.point.0.to_string()})),
        ("diskSizeGB", json!(size)),
        ("diskIOPSReadWrite", json!(wanted.get::<u64>("iops")?)),
        ("diskMBpsReadWrite", json!(wanted.get::<u64>("throughput_mbps")?)),
        ("tier", json!(wanted.text("tier")?)),
        ("networkAccessPolicy", json!(wanted.text("network_access_policy")?)),
        ("encryption", json!(encryption)),
    ]);
    Ok(known(vec![
        ("location", json!(snapshot.location)),
        ("tags", json!(restore.tags)),
        ("zones", json!(wanted.text("zone")?.map(|zone| [zone]))),
        ("sku", json!(wanted.text("sku")?.map(|sku| json!({"name": sku})))),
        ("properties", properties),
    ]))
}
