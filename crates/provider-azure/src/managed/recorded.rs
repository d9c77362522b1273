//! What a component is set to beside its data, as a restore of it will need it.

use serde_json::{Value, json};
use stillpoint_core::{Component, OpContext, Result, Settings};

use super::AzureProvider;
use super::compute::Disk;
use super::kind::{BLOB_CONTAINER, Kind};
use super::netapp::Volume;
use super::settings::Source;
use super::storage::Share;
use super::{shares, volumes};

impl AzureProvider {
    /// `component` with what a restore of it will need, read now from the source itself: of a disk zone, SKU, size,
    /// rates, tier, encryption and network access; of a share protocol and size; of a volume pool, network and protocols. A setting that it already has stays.
    ///
    /// A workspace whose inventory passes its components through this keeps everything in each backup's record; without
    /// it a restore asks the source, which may be gone by then. It only reads.
    ///
    /// ```no_run
    /// use stillpoint_core::{Component, OpContext, Result};
    /// use stillpoint_provider_azure::Connection;
    /// use stillpoint_provider_azure::managed::AzureProvider;
    ///
    /// # async fn inventory() -> Result<()> {
    /// let provider = AzureProvider::new("azure".parse()?, Connection::from_environment()?, []);
    /// let disk = "/subscriptions/…/resourceGroups/ml/providers/Microsoft.Compute/disks/db";
    /// let component = Component::new("db".parse()?, "disk", "azure".parse()?, disk);
    /// let recorded = provider.record(&OpContext::background(), &component).await?;
    /// println!("it is a {}", recorded.settings["sku"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `NotFound` where the source does not exist; `Unsupported` where it is neither disk nor share nor volume.
    pub async fn record(&self, cx: &OpContext, component: &Component) -> Result<Component> {
        cx.check()?;
        // A container has nothing that a restore of it would need.
        if component.kind == BLOB_CONTAINER {
            return Ok(component.clone());
        }
        let mut settings = match Kind::of(component) {
            Kind::Disk => settings(&Disk::get(self.connection(), &Source::of(component)?.id).await?),
            Kind::Share => {
                shares::settings(&Share::get(self.connection(), &shares::source(component)?).await?)
            }
            Kind::Volume => {
                let source = volumes::Source::of(component)?;
                volumes::settings(&source.id, &Volume::get(self.connection(), &source.id).await?)
            }
        };
        settings.extend(component.settings.clone());
        let mut recorded = component.clone();
        recorded.settings = settings;
        Ok(recorded)
    }
}

/// How a disk is encrypted where nobody says.
const PLATFORM_KEY: &str = "EncryptionAtRestWithPlatformKey";

/// What a disk says of itself. Rates are set of some SKUs only, and what is not customary is not recorded.
pub(super) fn settings(disk: &Disk) -> Settings {
    let properties = &disk.properties;
    let rate = |rate: Option<u64>| json!(rate.filter(|_| disk.sku.is_paced()));
    let customary = |kind: &&str| *kind != PLATFORM_KEY;
    let settings: [(&str, Value); 11] = [
        ("zone", json!(disk.zones.first())),
        ("sku", json!(disk.sku.name)),
        ("size_gib", json!(properties.disk_size_gib)),
        ("iops", rate(properties.iops)),
        ("throughput_mbps", rate(properties.throughput_mbps)),
        ("tier", json!(properties.tier)),
        ("disk_encryption_set", json!(properties.encryption.disk_encryption_set_id)),
        ("encryption_type", json!(properties.encryption.kind.as_deref().filter(customary))),
        ("network_access_policy", json!(properties.access.policy)),
        ("disk_access_id", json!(properties.access.through)),
        ("public_network_access", json!(properties.access.public)),
    ];
    let settings = settings.into_iter().filter(|(_, value)| !value.is_null());
    settings.map(|(name, value)| (name.to_owned(), value)).collect()
}
