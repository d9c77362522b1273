//! Finding out where a job goes on, or claiming a new timestamp for it.

use std::collections::{BTreeMap, HashMap};

use futures::TryStreamExt;
use stillpoint_core::{BackupJob, Clock, Error, ErrorKind, Result, Timestamp};

use crate::error::from_repository;
use crate::mirror::manifest::{FOLDER, ManifestReader};
use crate::mirror::place::{Place, Space};
use crate::mirror::record::{CLAIM, Claim, Completion, Part};
use crate::mirror::{MirrorSource, framed};

/// Backups of one space that may begin within one second.
const NAMES_MAX: u32 = 100;
/// Timestamps that are looked at for one to build on.
const PARENTS_MAX: usize = 64;

/// Where a job stands when it begins.
pub(super) enum Begun {
    /// Its operation had completed this timestamp before.
    Complete(Place, Box<Completion>),
    /// It is to fill this one.
    Open(Box<Open>),
}

/// A timestamp that is ours and not yet whole.
pub(super) struct Open {
    pub(super) place: Place,
    pub(super) claim: Claim,
    /// Counts the runs that filled it, from 1.
    pub(super) run: u32,
    /// Objects that earlier runs left there, with their sizes. What the tree still has is taken out.
    pub(super) leftovers: HashMap<String, u64>,
    /// What unchanged files are recognised by, the best first.
    pub(super) bases: Vec<Base>,
    /// Timestamps that earlier operations on the same component began and will never complete.
    pub(super) abandoned: Vec<(Place, Claim)>,
    /// Why the timestamp that the job names as its base is not among the bases.
    pub(super) base_lost: Option<String>,
}

/// An earlier capture of the same component.
pub(super) struct Base {
    pub(super) place: Place,
    pub(super) manifest: Noted,
    /// When it began to read: what the system changed later may have been captured before.
    pub(super) read_from: Timestamp,
}

/// Where the manifest of a base is noted.
pub(super) enum Noted {
    Parts(Vec<Part>),
    Names(Vec<String>),
}

/// The names of the objects beside each timestamp of a space.
type Kept = BTreeMap<Place, Vec<String>>;

/// Begins a job.
///
/// # Errors
/// `AlreadyExists` where all names of its second are taken, `Unsupported` or `Corrupt` where a record cannot be read.
pub(super) async fn run(
    source: &MirrorSource,
    space: &Space,
    job: &BackupJob,
    clock: &dyn Clock,
) -> Result<Begun> {
    for number in 1..=NAMES_MAX {
        let place = Place::at(space, job.created_at, number);
        let claim = match source.claim(&place).await? {
            None if source.holds_anything(&place.folder()).await? => continue,
            None => match claim(source, &place, job, clock.now()).await? {
                Some(claim) => claim,
                None => continue,
            },
            Some(claim) if claim.is_of_capture(job) && !claim.abandoned => {
                if let Some(completion) = source.completion(&place).await? {
                    return Ok(Begun::Complete(place, Box::new(completion)));
                }
                claim
            }
            Some(_) => continue,
        };
        return open(source, place, claim, job).await.map(|open| Begun::Open(Box::new(open)));
    }
    let message = format!("all names for a backup of {space} begun at {} are taken", job.created_at);
    Err(Error::new(ErrorKind::AlreadyExists, message))
}

/// Claims a timestamp; `None` where another job was faster.
async fn claim(
    source: &MirrorSource,
    place: &Place,
    job: &BackupJob,
    now: Timestamp,
) -> Result<Option<Claim>> {
    let claim = Claim::of_job(job, now);
    let object = framed::seal_record(CLAIM, &claim)?;
    match source.store().create_object(&place.claim(), object).await {
        Ok(()) => Ok(Some(claim)),
        Err(error) if *error.kind() == stillpoint_repository::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(from_repository(error)),
    }
}

async fn open(source: &MirrorSource, place: Place, claim: Claim, job: &BackupJob) -> Result<Open> {
    let mut kept = kept(source, &place.space).await?;
    let own = kept.remove(&place).unwrap_or_default();
    let run = ManifestReader::last_run(own.iter().map(String::as_str)) + 1;
    let mut open = Open {
        place,
        claim,
        run,
        leftovers: HashMap::new(),
        bases: Vec::new(),
        abandoned: Vec::new(),
        base_lost: None,
    };
    let resumed = own.len() > 1 || open.claim.job != job.key.token();
    // A job that was killed right after its claim left nothing, and looks like a new one.
    if resumed || source.holds_anything(&open.place.folder()).await? {
        open.leftovers = leftovers(source, &open.place).await?;
        let (place, read_from) = (open.place.clone(), open.claim.started_at);
        open.bases.push(Base { place, manifest: Noted::Names(own), read_from });
    }
    let is_whole = |names: &[String]| names.iter().any(|name| name == "complete");
    let mut unfinished: Vec<(Place, Vec<String>)> = Vec::new();
    let mut whole: Vec<Place> = Vec::new();
    for (place, names) in kept {
        if is_whole(&names) { whole.push(place) } else { unfinished.push((place, names)) }
    }
    for (place, names) in unfinished {
        // Its component is captured by one operation at a time, so an operation that is not this one has ended.
        let Some(claim) = source.claim(&place).await?.filter(|claim| claim.is_of_line(job)) else { continue };
        if claim.created_at <= job.created_at {
            let read_from = claim.started_at;
            open.bases.push(Base { place: place.clone(), manifest: Noted::Names(names), read_from });
            open.abandoned.push((place, claim));
        }
    }
    whole.sort_by_key(|place| std::cmp::Reverse((place.time(), place.name.clone())));
    let base = base(source, whole, job).await?;
    open.base_lost = base_lost(job, base.as_ref());
    open.bases.extend(base);
    Ok(open)
}

/// What to say of a backup whose base is another timestamp than the one that its job names, or none.
fn base_lost(job: &BackupJob, found: Option<&Base>) -> Option<String> {
    let wanted = Place::of_snapshot(&job.base.as_ref()?.id).ok()?.folder();
    match found.map(|base| base.place.folder()) {
        Some(found) if found == wanted => None,
        Some(found) => Some(format!("timestamp {wanted} is not there; it was built on {found} instead")),
        None => Some(format!("timestamp {wanted} is not there; every file was sent")),
    }
}

/// The newest whole timestamp of the same component, or the one that the job names.
async fn base(source: &MirrorSource, mut whole: Vec<Place>, job: &BackupJob) -> Result<Option<Base>> {
    let wanted = job.base.as_ref().and_then(|base| Place::of_snapshot(&base.id).ok());
    whole.sort_by_key(|place| Some(place) != wanted.as_ref());
    for place in whole.into_iter().take(PARENTS_MAX) {
        match source.completion(&place).await {
            Ok(Some(found)) if found.claim.is_of_line(job) => {
                let (manifest, read_from) = (Noted::Parts(found.parts), found.captured.from);
                return Ok(Some(Base { place, manifest, read_from }));
            }
            Ok(_) => {}
            // It is of use but not needed: without it every file is sent.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                tracing::warn!(timestamp = place.folder(), %error, "an earlier timestamp cannot be built on");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// What lies beside the timestamps of a space.
async fn kept(source: &MirrorSource, space: &Space) -> Result<Kept> {
    let control = space.control();
    let mut objects = source.store().list_objects(&control);
    let mut kept = Kept::new();
    while let Some(object) = objects.try_next().await.map_err(from_repository)? {
        let below = object.key.strip_prefix(&control).and_then(|rest| rest.strip_prefix('/'));
        let Some((folder, name)) = below.and_then(|below| below.split_once('/')) else { continue };
        if let Some(place) = Place::named(space, folder) {
            let names = kept.entry(place).or_default();
            // Content that lies apart is told by the manifest.
            if name.starts_with(FOLDER) || !name.contains('/') {
                names.push(name.to_owned());
            }
        }
    }
    Ok(kept)
}

/// Everything that earlier runs stored at a timestamp, except its claim.
async fn leftovers(source: &MirrorSource, place: &Place) -> Result<HashMap<String, u64>> {
    let mut leftovers = HashMap::new();
    for folder in [place.folder(), place.control()] {
        let mut objects = source.store().list_objects(&folder);
        while let Some(object) = objects.try_next().await.map_err(from_repository)? {
            leftovers.insert(object.key, object.size);
        }
    }
    leftovers.remove(&place.claim());
    Ok(leftovers)
}
