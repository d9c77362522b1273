//! A volume made from its snapshot by EC2: one call, its token, its tags from the first moment.

use std::time::Duration;

use stillpoint_core::{
    Error, ErrorKind, JobId, JobState, JobStatus, OpContext, Progress, RestoredResource, Result, Timestamp,
};

use super::metadata::Rates;
use super::{Restore, component, place, unknown_id};
use crate::managed::AwsProvider;
use crate::managed::arn::Arn;
use crate::managed::ec2::{Ec2Snapshot, Filters, NewVolume, Volume};
use crate::managed::marks::{Marks, lost};
use crate::managed::names::{JobKind, JobName};
use crate::managed::tags::JOB;

/// The note that carries the volume's full name.
const ARN: &str = "arn";
/// The note that says when the volume was made, in milliseconds.
const MADE: &str = "made";
/// A time whose note is as long as any.
const LATEST: &str = "9999-12-31T23:59:59Z";
/// How long EC2 may not yet find a volume that it has just made.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/query-api-troubleshooting.html>.
pub(super) const VISIBLE_AFTER: Duration = Duration::from_secs(300);
const POLL_AFTER: Duration = Duration::from_secs(5);

impl Restore<'_> {
    /// Makes the volume, or answers the one that this key made.
    pub(super) async fn start_volume(&self) -> Result<JobName> {
        if !self.job.include.is_empty() {
            let message = "a volume is restored as a whole; single files come back from the restored volume";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if let Some(name) = self.find_volume().await? {
            return Ok(name);
        }
        let snapshot = self.clients.ec2().snapshot(self.point.arn.resource_id()).await?;
        place::prove(&self.clients, &self.point.arn, &snapshot.owner, &self.wanted).await?;
        usable(&snapshot)?;
        let new = self.new_volume(&snapshot).await?;
        // So that a name that will not fit is refused before anything is made.
        JobId::new(self.volume_name(&unknown_id(), Some(LATEST), &snapshot.owner).to_string())?;
        let made = self.clients.ec2().create_volume(&new).await?;
        Ok(self.volume_name(&made.id, made.created.as_deref(), &snapshot.owner))
    }

    /// The volume that this key made.
    pub(super) async fn find_volume(&self) -> Result<Option<JobName>> {
        let filters = Filters::new().tag(JOB, &self.job.key.token());
        let found = self.clients.ec2().volumes(&filters).await?;
        let alive = found.into_iter().find(|volume| !matches!(volume.state.as_str(), "deleting" | "deleted"));
        let Some(volume) = alive else { return Ok(None) };
        let account = self.clients.caller().await?.account;
        Ok(Some(self.volume_name(&volume.id, volume.created.as_deref(), &account)))
    }

    async fn new_volume(&self, snapshot: &Ec2Snapshot) -> Result<NewVolume> {
        let wanted = self.with_source(&["availability_zone", "volume_type"]).await?;
        let zone = self.zone(&wanted).await?;
        let rates = Rates::of(&wanted)?;
        let key = wanted.text("kms_key_id")?;
        let size = wanted.get::<u64>("size_gib")?;
        if let Some(size) = size.filter(|size| *size < snapshot.size_gib) {
            let message =
                format!("a volume of {size} GiB is smaller than its snapshot of {} GiB", snapshot.size_gib);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(NewVolume {
            token: self.job.key.token(),
            snapshot: snapshot.id.clone(),
            zone,
            size_gib: size,
            iops: rates.iops,
            throughput_mibps: rates.throughput_mibps,
            volume_type: wanted.text("volume_type")?,
            encrypted: if key.is_some() { Some(true) } else { wanted.get("encrypted")?.filter(|on| *on) },
            key,
            initialization_mibps: wanted.get("initialization_rate_mibps")?,
            tags: self.marks.tags().clone(),
        })
    }

    fn volume_name(&self, id: &str, created: Option<&str>, account: &str) -> JobName {
        let point = &self.point.arn;
        let arn = Arn { account: account.to_owned(), ..point.sibling("ec2", format!("volume/{id}")) };
        let made = created.and_then(|time| time.parse::<Timestamp>().ok());
        let name = self.name(JobKind::Volume, id).with(ARN, arn.to_string());
        match made {
            Some(made) => name.with(MADE, made.as_millis().to_string()),
            None => name,
        }
    }
}

fn usable(snapshot: &Ec2Snapshot) -> Result<()> {
    let refused = |kind, what: &str| Err(Error::new(kind, format!("snapshot {} {what}", snapshot.id)));
    match snapshot.state.as_str() {
        "completed" => Ok(()),
        "pending" => refused(ErrorKind::Busy, "is still being written"),
        "error" => refused(ErrorKind::Corrupt, "could not be written; restore another backup"),
        state => refused(ErrorKind::Busy, &format!("is {state}; recover it first")),
    }
}

impl AwsProvider {
    pub(in crate::managed) async fn poll_volume(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        let clients = self.clients(&name.region)?;
        let volume = match clients.ec2().volume(&name.id).await {
            Err(error) if error.kind() == ErrorKind::NotFound && is_new(cx, name) => {
                let mut status = JobStatus::new(JobState::Queued);
                status.poll_after = Some(POLL_AFTER);
                return Ok(status);
            }
            other => other?,
        };
        let missing = Marks::noted(name).missing(&volume.tags);
        clients.ec2().tag(&volume.id, &missing).await?;
        let mut status = JobStatus::new(state_of(&volume));
        let arn = name.note(ARN).unwrap_or(&volume.id);
        status.restored = Some(RestoredResource::new(self.provider_id().clone(), component(name)?, arn));
        let total = volume.size_gib << 30;
        let done = if status.state == JobState::Succeeded { total } else { 0 };
        status.progress = Progress::new(done, 0).of(Some(total), None);
        status.poll_after = Some(POLL_AFTER).filter(|_| !status.state.is_terminal());
        if !missing.is_empty() {
            status.warnings.push(lost(&volume.id, &missing));
        }
        Ok(status)
    }
}

fn is_new(cx: &OpContext, name: &JobName) -> bool {
    let made = name.note(MADE).and_then(|text| text.parse().ok()).map(Timestamp::from_millis);
    made.is_some_and(|made| cx.clock().now() < made.after(VISIBLE_AFTER))
}

/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-describing-volumes.html>.
fn state_of(volume: &Volume) -> JobState {
    let failed = |message: String| JobState::Failed(Error::new(ErrorKind::Unavailable, message).record());
    match volume.state.as_str() {
        "creating" => JobState::Running,
        "available" | "in-use" => JobState::Succeeded,
        "error" => failed(format!(
            "volume {} could not be filled from its snapshot; check the state of its encryption key",
            volume.id
        )),
        "deleting" | "deleted" => {
            failed(format!("somebody deleted volume {} while it was restored", volume.id))
        }
        other => JobState::Unknown(other.to_owned()),
    }
}
