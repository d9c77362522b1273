//! Finding out where a job goes on, or claiming a new timestamp for it.

use std::collections::{BTreeMap, HashSet};

use futures::TryStreamExt;
use stillpoint_core::{BackupJob, Clock, Error, ErrorKind, Result, Timestamp};
use stillpoint_repository::Timestamp as Stored;

use crate::error::from_repository;
use crate::mirror::manifest::{FOLDER, ManifestReader};
use crate::mirror::place::{Place, Space};
use crate::mirror::record::{CLAIM, Claim, Completion, Part};
use crate::mirror::{MirrorSource, framed};

/// Backups of one space that may begin within one second.
const NAMES_MAX: u32 = 100;
/// The name of the record that makes a timestamp whole.
const WHOLE: &str = "complete";
/// The folder of content that lies apart.
const APART: &str = "files";
/// Timestamps that are looked at for one to build on.
const PARENTS_MAX: usize = 64;
/// Unfinished timestamps that are built on, each of which costs two listings and a manifest. Where nothing may be deleted
/// they stay for ever, and there is one more with each backup that is cut off.
const UNFINISHED_MAX: usize = 4;

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
    /// Objects that earlier runs left there, with their sizes. What the manifest names is taken out.
    pub(super) leftovers: BTreeMap<String, u64>,
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
    /// Keys of objects that the store got after their timestamp was noted: they hold something else by now.
    pub(super) altered: HashSet<String>,
    /// Whether a capture without any file makes one wonder: it is whole and held some, or said itself that something was
    /// amiss.
    pub(super) not_empty: bool,
}

/// Where the manifest of a base is noted.
#[derive(Clone)]
pub(super) enum Noted {
    Parts(Vec<Part>),
    Names(Vec<String>),
}

/// The records beside a timestamp: their names, and when the store got them.
type Records = Vec<(String, Option<Stored>)>;

/// The records beside each timestamp of a space.
type Kept = BTreeMap<Place, Records>;

/// Begins a job. What writers that were killed left half-written in a local directory is removed on the way.
///
/// # Errors
/// `AlreadyExists` where all names of its second are taken, `Unsupported` or `Corrupt` where a record cannot be read.
pub(super) async fn run(
    source: &MirrorSource,
    space: &Space,
    job: &BackupJob,
    clock: &dyn Clock,
) -> Result<Begun> {
    source.store().sweep().await.map_err(from_repository)?;
    for number in 1..=NAMES_MAX {
        let place = Place::at(space, job.created_at, number);
        let (claim, resumed) = match source.claim(&place).await? {
            None if source.holds_anything(&place.folder()).await? => continue,
            None => match claim(source, &place, job, clock.now()).await? {
                Some(claim) => (claim, false),
                None => continue,
            },
            Some(claim) if claim.is_of_capture(job) && !claim.abandoned => {
                match take_over(source, &place, claim, job).await? {
                    Ok(claim) => (claim, true),
                    Err(completion) => return Ok(Begun::Complete(place, completion)),
                }
            }
            Some(_) => continue,
        };
        return open(source, (place, claim), resumed, job).await.map(|open| Begun::Open(Box::new(open)));
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

/// Makes the timestamp this job's, or finds it completed by the job that held it.
///
/// A completion by any other job is that of an attempt that had lost the timestamp when it wrote it, and counts for
/// nothing. The claim is written before the last look: whoever completes the timestamp after that look sees it.
async fn take_over(
    source: &MirrorSource,
    place: &Place,
    held: Claim,
    job: &BackupJob,
) -> Result<std::result::Result<Claim, Box<Completion>>> {
    let completed = async || {
        let completion = source.completion(place).await?;
        Ok::<_, Error>(completion.filter(|completion| completion.claim.job == held.job))
    };
    if let Some(completion) = completed().await? {
        return Ok(Err(Box::new(completion)));
    }
    if held.job == job.key.token() {
        return Ok(Ok(held));
    }
    let write = async |claim: &Claim| {
        let object = framed::seal_record(CLAIM, claim)?;
        source.store().replace_object(&place.claim(), object).await.map_err(from_repository)
    };
    let ours = Claim { job: job.key.token(), ..held.clone() };
    write(&ours).await?;
    match completed().await? {
        Some(completion) => {
            write(&held).await?;
            Ok(Err(Box::new(completion)))
        }
        None => Ok(Ok(ours)),
    }
}

async fn open(
    source: &MirrorSource,
    (place, claim): (Place, Claim),
    resumed: bool,
    job: &BackupJob,
) -> Result<Open> {
    let mut kept = kept(source, &place.space).await?;
    let own = kept.remove(&place).unwrap_or_default();
    let run = ManifestReader::last_run(own.iter().map(|(name, _)| name.as_str())) + 1;
    let mut open = Open {
        place,
        claim,
        run,
        leftovers: BTreeMap::new(),
        bases: Vec::new(),
        abandoned: Vec::new(),
        base_lost: None,
    };
    if resumed {
        open.leftovers = leftovers(source, &open.place).await?;
        let (place, read_from) = (open.place.clone(), open.claim.started_at);
        open.bases.push(unfinished_base(source, place, own, read_from).await?);
    }
    let is_whole = |names: &[(String, _)]| names.iter().any(|(name, _)| name == WHOLE);
    let mut unfinished = Vec::new();
    let mut whole = Vec::new();
    for (place, names) in kept {
        if is_whole(&names) { whole.push((place, names)) } else { unfinished.push((place, names)) }
    }
    newest_first(&mut whole);
    unfinished.extend(seemingly_whole(source, &mut whole, job).await?);
    newest_first(&mut unfinished);
    for (place, names) in unfinished {
        // Its component is captured by one operation at a time, so an operation that is not this one has ended.
        let Some(claim) = source.claim(&place).await?.filter(|claim| claim.is_of_line(job)) else { continue };
        if claim.created_at > job.created_at {
            continue;
        }
        if open.abandoned.len() < UNFINISHED_MAX {
            open.bases.push(unfinished_base(source, place.clone(), names, claim.started_at).await?);
        }
        open.abandoned.push((place, claim));
    }
    let base = base(source, whole, job).await?;
    open.base_lost = base_lost(job, base.as_ref());
    open.bases.extend(base);
    Ok(open)
}

fn newest_first(places: &mut [(Place, Records)]) {
    places.sort_by_key(|(place, _)| std::cmp::Reverse((place.time(), place.name.clone())));
}

/// Takes out of `whole`, the newest first, what bears a completion that does not count: it is as unfinished as without it.
/// Looks no further than to the timestamp that the job names, or else to the newest that is whole.
async fn seemingly_whole(
    source: &MirrorSource,
    whole: &mut Vec<(Place, Records)>,
    job: &BackupJob,
) -> Result<Vec<(Place, Records)>> {
    let wanted = job.base.as_ref().and_then(|base| Place::of_snapshot(&base.id).ok());
    let newest = whole.iter().take(PARENTS_MAX).map(|(place, _)| place.clone());
    let mut seemingly = HashSet::new();
    for place in newest.take_while(|place| Some(place) != wanted.as_ref()).collect::<Vec<_>>() {
        match source.completed(&place).await {
            Ok(Some(_)) if wanted.is_none() => break,
            Ok(None) => drop(seemingly.insert(place)),
            Ok(Some(_)) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(whole.extract_if(.., |(place, _)| seemingly.contains(place)).collect())
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

/// What the last run at a timestamp noted before it was cut off.
async fn unfinished_base(
    source: &MirrorSource,
    place: Place,
    names: Records,
    read_from: Timestamp,
) -> Result<Base> {
    let last = ManifestReader::last_run(names.iter().map(|(name, _)| name.as_str()));
    let noted = names.iter().filter(|(name, _)| ManifestReader::is_of_run(name, last));
    let altered = altered(source, &place, noted.filter_map(|(_, time)| *time).max()).await?;
    let names = names.into_iter().map(|(name, _)| name).collect();
    Ok(Base { place, manifest: Noted::Names(names), read_from, altered, not_empty: false })
}

/// The newest whole timestamp of the same component, or the one that the job names.
async fn base(
    source: &MirrorSource,
    mut whole: Vec<(Place, Records)>,
    job: &BackupJob,
) -> Result<Option<Base>> {
    let wanted = job.base.as_ref().and_then(|base| Place::of_snapshot(&base.id).ok());
    whole.sort_by_key(|(place, _)| Some(place) != wanted.as_ref());
    for (place, names) in whole.into_iter().take(PARENTS_MAX) {
        match source.completed(&place).await {
            Ok(Some(found)) if found.claim.is_of_line(job) => {
                let not_empty = found.files > 0 || !found.issues.is_empty();
                let (manifest, read_from) = (Noted::Parts(found.parts), found.captured.from);
                let completed = names.into_iter().find(|(name, _)| name == WHOLE);
                let altered = altered(source, &place, completed.and_then(|(_, time)| time)).await?;
                return Ok(Some(Base { place, manifest, read_from, altered, not_empty }));
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

/// Keys of a timestamp's objects that the store got after what was noted of them, by its own clock. Copied forward they
/// would be taken for what the manifest says they are. Where the store tells no times, none is known.
async fn altered(source: &MirrorSource, place: &Place, noted: Option<Stored>) -> Result<HashSet<String>> {
    let mut altered = HashSet::new();
    let Some(noted) = noted else { return Ok(altered) };
    for folder in [place.folder(), format!("{}/{APART}", place.control())] {
        let mut objects = source.store().list_objects(&folder);
        while let Some(object) = objects.try_next().await.map_err(from_repository)? {
            if object.modified.is_some_and(|modified| modified > noted) {
                altered.insert(object.key);
            }
        }
    }
    Ok(altered)
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
                names.push((name.to_owned(), object.modified));
            }
        }
    }
    Ok(kept)
}

/// Everything that earlier runs stored at a timestamp, except its claim, and a completion, which this run writes over.
async fn leftovers(source: &MirrorSource, place: &Place) -> Result<BTreeMap<String, u64>> {
    let mut leftovers = BTreeMap::new();
    for folder in [place.folder(), place.control()] {
        let mut objects = source.store().list_objects(&folder);
        while let Some(object) = objects.try_next().await.map_err(from_repository)? {
            leftovers.insert(object.key, object.size);
        }
    }
    for record in [place.claim(), place.completion()] {
        leftovers.remove(&record);
    }
    Ok(leftovers)
}
