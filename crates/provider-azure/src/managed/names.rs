//! What this provider calls its jobs and snapshots: enough to poll, open or delete them from any process.
//!
//! What a job makes has a name that follows from the job's key, so the name of the job is that of what it makes. The address
//! at which Azure tells of the operation is no part of it: the same key must be the same job in every process, whoever
//! heard the address.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use stillpoint_core::{Error, ErrorKind, JobId, JobKey, JobRef, ProviderId, Result, SnapshotId, SnapshotRef};
use url::form_urlencoded;

use super::compute::SNAPSHOTS;
use super::resource_id::ResourceId;

/// What the names of all that a job makes begin with.
const PREFIX: &str = "stillpoint-";

/// The name of what the job `key` makes.
pub(super) fn made_by(key: &JobKey) -> String {
    made_by_token(&key.token())
}

/// The same by the key's token.
pub(super) fn made_by_token(token: &str) -> String {
    format!("{PREFIX}{token}")
}

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobKind {
    Backup,
    Restore,
    Copy,
}

const KINDS: [(JobKind, &str); 3] =
    [(JobKind::Backup, "backup"), (JobKind::Restore, "restore"), (JobKind::Copy, "copy")];

/// A job: `restore/subscriptions/…/disks/NAME?component=db&tag%3Ateam=ml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JobName {
    pub(super) kind: JobKind,
    /// What it makes.
    pub(super) id: ResourceId,
    /// What a poll needs beside it.
    pub(super) notes: BTreeMap<String, String>,
}

impl JobName {
    pub(super) fn new(kind: JobKind, id: ResourceId) -> Self {
        Self { kind, id, notes: BTreeMap::new() }
    }

    /// The same with one more note.
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.notes.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn note(&self, name: &str) -> Option<&str> {
        self.notes.get(name).map(String::as_str)
    }

    /// The job of this name.
    ///
    /// # Errors
    /// `InvalidInput` where the notes are longer than an id may be.
    pub(super) fn of(&self, provider: &ProviderId) -> Result<JobRef> {
        Ok(JobRef::new(provider.clone(), JobId::new(self.to_string())?))
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, word)| word);
        write!(f, "{kind}{}", self.id)?;
        if self.notes.is_empty() {
            return Ok(());
        }
        write!(f, "?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.notes).finish())
    }
}

impl FromStr for JobName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::new(ErrorKind::NotFound, format!("{text:?} is no job of this provider"));
        let (path, notes) = text.split_once('?').unwrap_or((text, ""));
        let (word, id) = path.find('/').map(|at| path.split_at(at)).ok_or_else(unknown)?;
        let kind =
            KINDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind).ok_or_else(unknown)?;
        let id = id.parse().map_err(|error: Error| unknown().with_source(error))?;
        Ok(Self { kind, id, notes: form_urlencoded::parse(notes.as_bytes()).into_owned().collect() })
    }
}

/// A snapshot: the resource that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PointName(pub(super) ResourceId);

impl PointName {
    /// The snapshot of this name.
    ///
    /// # Errors
    /// `InvalidInput` where the name is longer than an id may be.
    pub(super) fn of(&self, provider: &ProviderId) -> Result<SnapshotRef> {
        Ok(SnapshotRef::new(provider.clone(), SnapshotId::new(self.0.to_string())?))
    }
}

impl FromStr for PointName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed: Option<ResourceId> = text.parse().ok().filter(|id: &ResourceId| id.is(SNAPSHOTS));
        parsed.map(Self).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("{text:?} is no snapshot of this provider"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &str = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Compute/snapshots/s";

    #[test]
    fn a_jobs_name_survives_being_stored() {
        let job = JobName::new(JobKind::Restore, SNAPSHOT.parse().unwrap()).with("tag", "a=b&c / ü");
        assert_eq!(job.to_string().parse::<JobName>().unwrap(), job);
        let plain = JobName::new(JobKind::Backup, SNAPSHOT.parse().unwrap());
        assert_eq!(plain.to_string(), format!("backup{SNAPSHOT}"));
    }

    #[test]
    fn names_of_others_are_not_found() {
        for text in ["1B2C", "move/subscriptions/1", "backup", &format!("move{SNAPSHOT}")] {
            assert_eq!(text.parse::<JobName>().unwrap_err().kind(), ErrorKind::NotFound, "{text}");
        }
        for text in ["snap", "vault/arn:aws:ec2:r::snapshot/s", &SNAPSHOT.replace("snapshots", "disks")] {
            assert_eq!(text.parse::<PointName>().unwrap_err().kind(), ErrorKind::NotFound, "{text}");
        }
        assert!(SNAPSHOT.parse::<PointName>().is_ok());
    }
}
