//! A restore job: one timestamp into one directory.

mod content;
mod existing;
pub(super) mod preview;
mod run;
mod totals;

use std::path::PathBuf;
use std::sync::Arc;

use stillpoint_core::{
    Error, ErrorKind, JobStatus, Landing, ProviderId, RestoreJob, RestoredResource, Result, Timestamp,
};
use stillpoint_localfs::Landing as LocalLanding;
use stillpoint_repository::Progress as _;

use super::listing::Listing;
use super::manifest::Item;
use super::place::Place;
use super::source::Point;
use super::{MirrorSource, restore::run::Plan};
use crate::jobs::Reporter;
use crate::path_text;
use crate::target::{self, Occupancy};

/// Runs a restore job to its end.
pub(super) async fn run(
    source: Arc<MirrorSource>,
    provider: ProviderId,
    job: RestoreJob,
    reporter: Arc<Reporter>,
) -> JobStatus {
    match Box::pin(fill(&source, &provider, &job, &reporter)).await {
        Ok(status) => status,
        Err(error) => {
            let mut status = reporter.ended_with(&error);
            if error.kind() == ErrorKind::AlreadyExists {
                // What stands there is not this restore's to discard.
                status.restored = None;
            }
            status
        }
    }
}

async fn fill(
    source: &MirrorSource,
    provider: &ProviderId,
    job: &RestoreJob,
    reporter: &Arc<Reporter>,
) -> Result<JobStatus> {
    let target = target::path_in(&job.destination)?;
    let place = Place::of_snapshot(&job.snapshot.id)?;
    let point = reporter.unless_cancelled(source.whole(&place)).await?;
    let include: Vec<PathBuf> = job.include.iter().map(|text| included(text)).collect();
    reporter.unless_cancelled(find_all(source, &point, &include)).await?;
    let (settled, found) = target::settle(job, target, time_of(&point)).await?;
    let resource = |path: &std::path::Path| {
        RestoredResource::new(provider.clone(), job.component.id.clone(), path.to_string_lossy())
    };
    if matches!(job.landing, Landing::Empty | Landing::Side) {
        reporter.restoring(resource(&settled.path));
    }
    if let Point::Ours(_, completion) = &point
        && include.is_empty()
    {
        reporter.meter.expect(completion.files, completion.bytes);
    }
    let mut extract = target::extract_options(job)?;
    if found == Some(Occupancy::Finished) {
        // The operation had filled the directory and died before it could say so.
        extract.landing = LocalLanding::Continue;
    }
    let plan = Plan { point, include, target: settled.path.clone(), id: settled.restore, extract };
    let mut status = run::run(source.store().clone(), plan, Arc::clone(reporter)).await?;
    reporter.meter.finished(0);
    reporter.meter.complete();
    status.restored = Some(resource(&settled.path));
    Ok(status)
}

/// When a timestamp was made.
fn time_of(point: &Point) -> Timestamp {
    let time = match point {
        Point::Ours(_, completion) => Some(completion.claim.created_at),
        Point::Script(place) => place.time(),
    };
    time.unwrap_or(Timestamp::from_millis(0))
}

fn included(text: &str) -> PathBuf {
    let path = path_text::from_text(text);
    path.strip_prefix("/").map_or_else(|_relative| path.clone(), PathBuf::from)
}

/// Fails unless each of the paths is in the timestamp: nothing restored must not look like a success.
async fn find_all(source: &MirrorSource, point: &Point, include: &[PathBuf]) -> Result<()> {
    let mut missing: Vec<&PathBuf> = include.iter().collect();
    let mut listing = Listing::new(source.store(), point);
    while !missing.is_empty() {
        match listing.next().await? {
            Some(Item::Entry(entry)) => missing.retain(|path| entry.path != **path),
            Some(Item::Refused(_)) => {}
            None => break,
        }
    }
    match missing.first() {
        None => Ok(()),
        Some(path) => {
            let message = format!("nothing stands at {path:?} in {}", point.place().folder());
            Err(Error::new(ErrorKind::NotFound, message))
        }
    }
}
