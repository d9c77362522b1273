//! The cloud's state and how it moves on with time.
//!
//! Nothing runs in the background: each call first brings the state up to the time of the call, event by event in
//! the order of their times, so that a job that ended hours ago ended *then*.

use std::collections::BTreeMap;

use stillpoint_core::{
    BackupId, BackupRecord, Error, ErrorKind, ErrorRecord, JobId, JobKey, JobRequest, SnapshotId, Timestamp,
};

use super::config::SimConfig;
use super::fault::FaultPlan;
use super::job::{End, Job, Phase};
use super::journal::Journal;
use super::resource::{Image, Resource, SimKind};

/// The tag that keeps the garbage collector away.
pub(super) const PROTECTED: &str = "cloud:protected";
/// The tag by which a restored resource is known as an operation's own.
pub(super) const MADE_BY: &str = "stillpoint:operation";

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) config: SimConfig,
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) jobs: Vec<Job>,
    pub(super) points: BTreeMap<SnapshotId, Point>,
    pub(super) records: BTreeMap<BackupId, BackupRecord>,
    /// Which job a token made, and when.
    pub(super) tokens: BTreeMap<String, (JobId, Timestamp)>,
    pub(super) faults: FaultPlan,
    pub(super) journal: Journal,
    /// Since when each resource has no running job.
    pub(super) free_since: BTreeMap<String, Timestamp>,
    pub(super) counter: u64,
}

/// A snapshot as the cloud stores it.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) request: Option<JobRequest>,
    pub(super) resource: String,
    pub(super) image: Image,
    pub(super) phase: PointPhase,
    pub(super) created_at: Timestamp,
    /// Locked for good, or until a time.
    pub(super) lock: Option<Option<Timestamp>>,
    /// A deletion is answered with success and keeps it.
    pub(super) sticky: bool,
    pub(super) twin: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PointPhase {
    Creating,
    Available,
    Deleting { until: Timestamp },
}

#[derive(Clone, Debug)]
enum Event {
    Begin(usize),
    Expire(usize),
    Finish(usize),
    Stopped(usize),
    PointGone(SnapshotId),
    Collect(String),
    Unpause(String),
}

impl State {
    pub(super) fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == *id)
    }

    pub(super) fn job_mut(&mut self, id: &JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == *id)
    }

    /// Brings everything up to `now`.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some((at, event)) = self.next_event().filter(|(at, _)| *at <= now) {
            self.apply(&event, at);
        }
    }

    /// The earliest thing that will happen by itself; the first one where several happen at once.
    fn next_event(&self) -> Option<(Timestamp, Event)> {
        let mut next: Option<(Timestamp, Event)> = None;
        let mut offer = |at: Timestamp, event: Event| {
            if next.as_ref().is_none_or(|(earliest, _)| at < *earliest) {
                next = Some((at, event));
            }
        };
        for (index, job) in self.jobs.iter().enumerate() {
            match &job.phase {
                Phase::Queued => {
                    if let Some(at) = self.may_begin_at(job) {
                        offer(at, Event::Begin(index));
                    }
                    offer(job.expires_at(&self.config), Event::Expire(index));
                }
                Phase::Running { from, until } => {
                    if let Some(after) = self.config.collect_sources_after.filter(|_| self.is_exposed(job)) {
                        offer(from.after(after), Event::Collect(job.resource.clone()));
                    }
                    offer(*until, Event::Finish(index));
                }
                Phase::Cancelling { until, .. } => offer(*until, Event::Stopped(index)),
                Phase::Ended { .. } => {}
            }
        }
        for (id, point) in &self.points {
            if let PointPhase::Deleting { until } = point.phase {
                offer(until, Event::PointGone(id.clone()));
            }
        }
        for (name, resource) in &self.resources {
            if let Some(at) = resource.still_until {
                offer(at, Event::Unpause(name.clone()));
            }
        }
        if let Some(after) = self.config.collect_after {
            for (name, resource) in &self.resources {
                let exposed = resource.restored && resource.kind == SimKind::Volume;
                if exposed && !resource.tags.contains_key(PROTECTED) {
                    offer(resource.created_at.after(after), Event::Collect(name.clone()));
                }
            }
        }
        next
    }

    /// Whether a source is without a protective tag while one of our own jobs reads it.
    fn is_exposed(&self, job: &Job) -> bool {
        let reads = matches!(job.request, Some(JobRequest::Backup(_))) && !job.twin;
        let source = self.resources.get(&job.resource).filter(|_| reads);
        source.is_some_and(|source| !source.tags.contains_key(PROTECTED))
    }

    fn may_begin_at(&self, job: &Job) -> Option<Timestamp> {
        let at = job.may_run_at(&self.config);
        if job.is_restore() {
            return Some(at);
        }
        let occupied =
            self.jobs.iter().any(|other| other.resource == job.resource && other.occupies_its_resource());
        if occupied {
            return None;
        }
        Some(self.free_since.get(&job.resource).map_or(at, |free| at.max(*free)))
    }

    fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Begin(index) => self.begin(*index, at),
            Event::Expire(index) => self.end(*index, at, End::Expired),
            Event::Stopped(index) => self.end(*index, at, End::Cancelled),
            Event::Finish(index) => {
                let end = self.jobs[*index].end_of_run();
                self.end(*index, at, end);
            }
            Event::PointGone(id) => {
                self.points.remove(id);
            }
            Event::Unpause(name) => {
                if let Some(resource) = self.resources.get_mut(name) {
                    resource.pause(None, at);
                }
            }
            Event::Collect(name) => {
                self.resources.remove(name);
            }
        }
    }

    fn begin(&mut self, index: usize, at: Timestamp) {
        let job = self.jobs[index].clone();
        let prepared = match &job.request {
            None => Ok(job.bytes),
            Some(JobRequest::Backup(_)) => self.begin_capture(&job, at),
            Some(JobRequest::Restore(restore)) => {
                let usable = self
                    .points
                    .get(&restore.snapshot.id)
                    .filter(|point| point.phase == PointPhase::Available);
                match (usable, restore.destination.contains_key("zone")) {
                    (None, _) => Err(missing(restore.snapshot.id.as_str())),
                    (_, false) => {
                        Err(Error::new(ErrorKind::InvalidInput, "the destination names no zone").record())
                    }
                    (Some(point), true) => Ok(point.image.size_bytes),
                }
            }
            Some(JobRequest::Copy(copy)) => match self.points.get(&copy.snapshot.id) {
                Some(point) if point.phase == PointPhase::Available => Ok(point.image.size_bytes),
                _ => Err(missing(copy.snapshot.id.as_str())),
            },
            Some(_) => Err(Error::new(ErrorKind::Unsupported, "this cloud knows no such job").record()),
        };
        match prepared {
            Ok(bytes) => {
                let base_lost = self.lost_base(&job);
                let job = &mut self.jobs[index];
                (job.bytes, job.base_lost) = (bytes, base_lost);
                job.phase = Phase::Running { from: at, until: at.after(job.duration(&self.config)) };
            }
            Err(error) => self.end(index, at, End::Failed(error)),
        }
    }

    fn begin_capture(&mut self, job: &Job, at: Timestamp) -> Result<u64, ErrorRecord> {
        let missed = self.config.needs_base && !self.has_its_base(job);
        let resource = self.resources.get_mut(&job.resource).ok_or_else(|| missing(&job.resource))?;
        let bytes = if missed { resource.size_bytes } else { resource.due_bytes(at) };
        if resource.kind == SimKind::Volume {
            let image = Image::of(resource, at);
            let point = Point::new(job, image, PointPhase::Creating, at);
            self.points.extend(job.snapshot.clone().map(|id| (id, point)));
        }
        resource.capture_begun(at);
        Ok(bytes)
    }

    fn has_its_base(&self, job: &Job) -> bool {
        let Some(JobRequest::Backup(backup)) = &job.request else { return false };
        let named = backup.base.as_ref().and_then(|base| self.points.get(&base.id));
        named.is_some_and(|point| point.phase == PointPhase::Available && point.resource == job.resource)
    }

    /// What to say of a capture whose base is gone, where the cloud needs one.
    fn lost_base(&self, job: &Job) -> Option<String> {
        let Some(JobRequest::Backup(backup)) = &job.request else { return None };
        let base = backup.base.as_ref().filter(|_| self.config.needs_base && !self.has_its_base(job))?;
        Some(format!("snapshot {} is not there; everything was copied", base.id))
    }

    fn end(&mut self, index: usize, at: Timestamp, end: End) {
        let job = self.jobs[index].clone();
        let from = job.started_at();
        let done = matches!(end, End::Succeeded | End::Issues(_));
        match &job.request {
            Some(JobRequest::Backup(_)) => self.end_capture(&job, from, at, done),
            Some(JobRequest::Copy(copy)) if done => {
                let source = self.points.get(&copy.snapshot.id).cloned();
                if let (Some(id), Some(source)) = (&job.snapshot, source) {
                    let mut made = Point::new(&job, source.image, PointPhase::Available, at);
                    made.resource = source.resource;
                    self.points.insert(id.clone(), made);
                }
            }
            // Somebody else's snapshot: it is there, but nothing on it is ours.
            None if done => {
                if let (Some(id), Some(resource)) = (&job.snapshot, self.resources.get(&job.resource)) {
                    let image = Image::of(resource, from.unwrap_or(at));
                    self.points.insert(id.clone(), Point::new(&job, image, PointPhase::Available, at));
                }
            }
            Some(JobRequest::Restore(restore)) if done => {
                if let Some(point) = self.points.get(&restore.snapshot.id) {
                    let mut made = Resource::new(point.image.kind, point.image.size_bytes, 0, at);
                    made.files.clone_from(&point.image.files);
                    made.restored = true;
                    self.resources.insert(job.resource.clone(), made);
                }
            }
            _ => {}
        }
        if !job.is_restore() && from.is_some() {
            self.free_since.insert(job.resource.clone(), at);
        }
        self.jobs[index].phase = Phase::Ended { from, at, end };
    }

    fn end_capture(&mut self, job: &Job, from: Option<Timestamp>, at: Timestamp, done: bool) {
        let (Some(id), Some(from)) = (&job.snapshot, from) else { return };
        if let Some(resource) = self.resources.get_mut(&job.resource) {
            resource.capture_ended(done, job.bytes);
            if done && resource.kind == SimKind::FileSystem {
                let image = Image::of(resource, from);
                self.points.insert(id.clone(), Point::new(job, image, PointPhase::Available, at));
            }
        }
        if !done {
            self.points.remove(id);
        } else if let Some(point) = self.points.get_mut(id) {
            point.phase = PointPhase::Available;
        }
    }
}

impl Point {
    fn new(job: &Job, image: Image, phase: PointPhase, created_at: Timestamp) -> Self {
        Self {
            request: job.request.clone(),
            resource: job.resource.clone(),
            image,
            phase,
            created_at,
            lock: None,
            sticky: false,
            twin: job.twin,
        }
    }

    pub(super) fn key(&self) -> Option<&JobKey> {
        self.request.as_ref().map(JobRequest::key)
    }
}

pub(super) fn missing(what: &str) -> ErrorRecord {
    Error::new(ErrorKind::NotFound, format!("{what} does not exist")).record()
}
