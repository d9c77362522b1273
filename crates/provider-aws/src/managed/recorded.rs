//! What a component is set to beside its data, as a restore of it will need it.

use serde_json::{Value, json};
use stillpoint_core::{Component, Error, ErrorKind, OpContext, Result, Settings};

use super::AwsProvider;
use super::arn::Arn;
use super::clients::Clients;
use super::efs::FileSystemSettings;

impl AwsProvider {
    /// `component` with what a restore of it will need, read now from the volume or file system itself: zone, type, size
    /// and rates, or performance, throughput, lifecycle, policies and access points. A setting that it already has stays.
    ///
    /// A workspace whose inventory passes its components through this keeps everything in each backup's record; without
    /// it a restore asks the source, which may be gone by then. It only reads.
    ///
    /// ```no_run
    /// use stillpoint_core::{Component, OpContext, Result};
    /// use stillpoint_provider_aws::Connection;
    /// use stillpoint_provider_aws::managed::AwsProvider;
    ///
    /// # async fn inventory() -> Result<()> {
    /// let connection = Connection::from_environment(Some("us-west-2")).await?;
    /// let provider = AwsProvider::new("aws".parse()?, connection, []);
    /// let volume = "arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1";
    /// let component = Component::new("db".parse()?, "ebs", "aws".parse()?, volume);
    /// let recorded = provider.record(&OpContext::background(), &component).await?;
    /// println!("it stands in {}", recorded.settings["availability_zone"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `NotFound` where the source does not exist; `Unsupported` where it is neither volume nor file system.
    pub async fn record(&self, cx: &OpContext, component: &Component) -> Result<Component> {
        cx.check()?;
        let arn: Arn = component.resource.parse()?;
        let mut settings = read(&self.clients(&arn.region)?, &arn).await?;
        settings.extend(component.settings.clone());
        let mut recorded = component.clone();
        recorded.settings = settings;
        Ok(recorded)
    }
}

/// What the volume or file system `arn` says of itself.
///
/// # Errors
/// `NotFound` where it does not exist; `Unsupported` where it is something else.
pub(super) async fn read(clients: &Clients, arn: &Arn) -> Result<Settings> {
    match (arn.service.as_str(), arn.resource_type()) {
        ("ec2", "volume") => volume(clients, arn.resource_id()).await,
        ("elasticfilesystem", "file-system") => file_system(clients, arn.resource_id()).await,
        _ => Err(Error::new(ErrorKind::Unsupported, format!("{arn} is neither a volume nor a file system"))),
    }
}

async fn volume(clients: &Clients, id: &str) -> Result<Settings> {
    let volume = clients.ec2().volume(id).await?;
    Ok(known([
        ("availability_zone", json!(volume.zone)),
        ("volume_type", json!(volume.volume_type)),
        ("size_gib", json!(volume.size_gib)),
        ("iops", json!(volume.iops)),
        ("throughput_mibps", json!(volume.throughput_mibps)),
        ("encrypted", json!(volume.encrypted)),
        ("kms_key_id", json!(volume.key)),
    ]))
}

async fn file_system(clients: &Clients, id: &str) -> Result<Settings> {
    let system = clients.efs().file_system(id).await?;
    let mut settings = known([
        ("one_zone", json!(system.zone)),
        ("performance_mode", json!(system.performance_mode)),
        ("encrypted", json!(system.encrypted)),
        ("kms_key_id", json!(system.key)),
    ]);
    let more = serde_json::to_value(clients.efs().settings(id).await?).ok();
    if let Some(Value::Object(more)) = more {
        settings.extend(more);
    }
    Ok(settings)
}

/// The settings that have a value.
fn known<const N: usize>(settings: [(&str, Value); N]) -> Settings {
    let settings = settings.into_iter().filter(|(_, value)| !value.is_null());
    settings.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What every record of a file system has: where these are, the others are absent because they were not set.
pub(super) const ALWAYS_RECORDED: [&str; 2] = ["throughput_mode", "backup_policy"];

/// [`FileSystemSettings`] as a component's settings say them.
///
/// # Errors
/// `InvalidConfig` where one has another form.
pub(super) fn file_system_settings(wanted: &stillpoint_core::Wanted) -> Result<FileSystemSettings> {
    Ok(FileSystemSettings {
        throughput_mode: wanted.text("throughput_mode")?,
        provisioned_mibps: wanted.get("provisioned_mibps")?,
        lifecycle: wanted.get("lifecycle")?.unwrap_or_default(),
        backup_policy: wanted.text("backup_policy")?,
        policy: wanted.text("policy")?,
        access_points: wanted.get("access_points")?.unwrap_or_default(),
    })
}
