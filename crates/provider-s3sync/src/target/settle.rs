//! Settling where a restore goes and what it may do there, whatever the layout.

use std::path::PathBuf;

use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, Landing, RestoreJob, Result, Timestamp};
use stillpoint_localfs::{ExtractOptions, Landing as LocalLanding};

use super::place::{admit, claim, restore_id, side_place};
use super::{Occupancy, Place};
use crate::error::blocking;

/// The setting of a restore that replaces which says up to when entries may have been changed that it replaces, in
/// milliseconds since 1970: since when a copy of what stood is safe. One that was changed later stays, whoever goes on
/// with the restore. Without it the moment counts at which the restore began in the directory.
pub const UNCHANGED_SINCE: &str = "unchanged_since";

/// Chooses the place of a restore and claims it where the restore is to have it for itself.
pub(crate) async fn settle(
    job: &RestoreJob,
    target: PathBuf,
    time: Timestamp,
) -> Result<(Place, Option<Occupancy>)> {
    let job = job.clone();
    blocking(move || {
        let place = choose(&job, target, time)?;
        let (operation, landing) = (job.key.operation().clone(), job.landing);
        let found = match landing {
            Landing::Empty | Landing::Side => Some(claim(&place, &operation)?),
            _ => None,
        };
        Ok((place, found))
    })
    .await
}

/// The place that [`settle`] would choose and what the restore might write there. Changes nothing.
pub(crate) async fn foresee(
    job: &RestoreJob,
    target: PathBuf,
    time: Timestamp,
) -> Result<(Place, ExtractOptions)> {
    let job = job.clone();
    blocking(move || {
        let place = choose(&job, target, time)?;
        let mut options = extract_options(&job)?;
        if matches!(job.landing, Landing::Empty | Landing::Side)
            && admit(&place, job.key.operation())? == Occupancy::Finished
        {
            options.landing = LocalLanding::Continue;
        }
        Ok((place, options))
    })
    .await
}

fn choose(job: &RestoreJob, target: PathBuf, time: Timestamp) -> Result<Place> {
    let restore = restore_id(&job.snapshot.id, &job.include);
    let path = match job.landing {
        Landing::Side => side_place(&target, time, &restore, job.key.operation())?,
        _ => target,
    };
    Ok(Place { path, restore })
}

/// What the job and its destination allow a restore to write.
pub(crate) fn extract_options(job: &RestoreJob) -> Result<ExtractOptions> {
    let mut options = ExtractOptions::landing(match job.landing {
        Landing::Empty | Landing::Side => LocalLanding::EmptyTarget,
        Landing::Merge => LocalLanding::Merge,
        Landing::Replace => LocalLanding::Replace,
        other => {
            let message = format!("files cannot be restored with the landing {other:?}");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    });
    let is_set = |name: &str| job.destination.get(name).and_then(Value::as_bool).unwrap_or(false);
    options.privileged = is_set("privileged");
    options.special_files = is_set("special_files");
    options.unchanged_since = job.destination.get(UNCHANGED_SINCE).map(moment).transpose()?;
    Ok(options)
}

fn moment(setting: &Value) -> Result<stillpoint_localfs::Timestamp> {
    let millis = setting.as_i64().ok_or_else(|| {
        let message =
            format!("the restore's setting {UNCHANGED_SINCE} is {setting}, not a count of milliseconds");
        Error::new(ErrorKind::InvalidInput, message)
    })?;
    // The remainder of a thousand is below a billion nanoseconds.
    let nanoseconds = u32::try_from(millis.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Ok(stillpoint_localfs::Timestamp::new(millis.div_euclid(1000), nanoseconds))
}
