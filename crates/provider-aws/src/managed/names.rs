//! What this provider calls its jobs and snapshots: enough to poll, open or delete them from any process.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use stillpoint_core::{
    Error, ErrorKind, JobId, JobRef, ProviderId, Result, SnapshotId, SnapshotRef, StoreRef,
};
use url::form_urlencoded;

use super::arn::Arn;

/// What a job is to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobKind {
    /// A backup job of AWS Backup.
    Backup,
    /// A restore job of AWS Backup.
    Restore,
    /// A volume that is made from a snapshot.
    Volume,
    /// A copy job of AWS Backup.
    Copy,
}

const KINDS: [(JobKind, &str); 4] = [
    (JobKind::Backup, "backup"),
    (JobKind::Restore, "restore"),
    (JobKind::Volume, "volume"),
    (JobKind::Copy, "copy"),
];

/// A job: `restore/us-west-2/JOB?component=projects&tag=team%3Dml`.
///
/// AWS keeps nothing of ours with a restore job, so what a poll must know (whose resource it is, with what it is to be
/// tagged at first sight) is a part of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JobName {
    pub(super) kind: JobKind,
    pub(super) region: String,
    /// AWS's own id.
    pub(super) id: String,
    /// What a poll needs beside it.
    pub(super) notes: BTreeMap<String, String>,
}

impl JobName {
    pub(super) fn new(kind: JobKind, region: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind, region: region.into(), id: id.into(), notes: BTreeMap::new() }
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
        write!(f, "{kind}/{}/{}", self.region, self.id)?;
        if self.notes.is_empty() {
            return Ok(());
        }
        write!(f, "?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.notes).finish())
    }
}

impl FromStr for JobName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (path, notes) = text.split_once('?').unwrap_or((text, ""));
        let unknown = || Error::new(ErrorKind::NotFound, format!("{text:?} is no job of this provider"));
        let parts: Vec<&str> = path.splitn(3, '/').collect();
        let [kind, region, id] = parts.as_slice() else { return Err(unknown()) };
        let kind = KINDS.iter().find(|(_, word)| word == kind).map(|(kind, _)| *kind).ok_or_else(unknown)?;
        if region.is_empty() || id.is_empty() {
            return Err(unknown());
        }
        let notes = form_urlencoded::parse(notes.as_bytes()).into_owned().collect();
        Ok(Self { kind, region: (*region).to_owned(), id: (*id).to_owned(), notes })
    }
}

/// A snapshot: a recovery point in its vault, `VAULT/ARN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PointName {
    pub(super) vault: String,
    pub(super) arn: Arn,
}

impl PointName {
    pub(super) fn new(vault: impl Into<String>, arn: Arn) -> Self {
        Self { vault: vault.into(), arn }
    }

    /// The snapshot of this name, with the account that the vault is in, where AWS tells the vault's name: that of a volume's
    /// snapshot has no account.
    ///
    /// # Errors
    /// `InvalidInput` where the name is longer than an id may be.
    pub(super) fn of(&self, provider: &ProviderId, vault: Option<&Arn>) -> Result<SnapshotRef> {
        let id = SnapshotId::new(format!("{}/{}", self.vault, self.arn))?;
        let store = vault.map(|vault| StoreRef::new(&vault.account, vault.to_string()));
        Ok(store.into_iter().fold(SnapshotRef::new(provider.clone(), id), SnapshotRef::in_store))
    }

    /// The account in which `snapshot`, which has this name, lies; `None` where nobody noted it.
    pub(super) fn account<'a>(&'a self, snapshot: &'a SnapshotRef) -> Option<&'a str> {
        let noted = snapshot.store.as_ref().map(|store| store.id.as_str());
        noted.or(Some(self.arn.account.as_str())).filter(|account| !account.is_empty())
    }
}

impl FromStr for PointName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = text.split_once('/').filter(|(vault, _)| !vault.is_empty());
        let parsed = named.and_then(|(vault, arn)| Some(Self::new(vault, arn.parse().ok()?)));
        parsed.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("{text:?} is no recovery point of this provider"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jobs_name_survives_being_stored() {
        let job = JobName::new(JobKind::Restore, "us-west-2", "1B2C").with("tag", "a=b&c / ü");
        assert_eq!(job.to_string().parse::<JobName>().unwrap(), job);
        let plain = JobName::new(JobKind::Volume, "us-west-2", "vol-1");
        assert_eq!(plain.to_string(), "volume/us-west-2/vol-1");
        assert_eq!("volume/us-west-2/vol-1".parse::<JobName>().unwrap(), plain);
    }

    #[test]
    fn names_of_others_are_not_found() {
        for text in ["1B2C", "move/us-west-2/1", "backup//1", "backup/us-west-2/"] {
            assert_eq!(text.parse::<JobName>().unwrap_err().kind(), ErrorKind::NotFound, "{text}");
        }
        for text in ["snap-1", "/arn:aws:ec2:r::snapshot/s", "vault/snap-1"] {
            assert_eq!(text.parse::<PointName>().unwrap_err().kind(), ErrorKind::NotFound, "{text}");
        }
    }

    #[test]
    fn a_points_name_survives_being_stored() {
        let point = PointName::new("ml-backups", "arn:aws:ec2:us-west-2::snapshot/snap-1".parse().unwrap());
        let snapshot = point.of(&"aws".parse().unwrap(), None).unwrap();
        assert_eq!(snapshot.id.as_str().parse::<PointName>().unwrap(), point);
    }

    #[test]
    fn the_account_of_a_point_is_its_vaults_or_else_in_its_own_name() {
        let aws: ProviderId = "aws".parse().unwrap();
        let vault: Arn = "arn:aws:backup:us-west-2:111122223333:backup-vault:ml".parse().unwrap();
        let volume = PointName::new("ml", "arn:aws:ec2:us-west-2::snapshot/snap-1".parse().unwrap());
        let files: Arn = "arn:aws:backup:us-west-2:444455556666:recovery-point:1B".parse().unwrap();
        let files = PointName::new("ml", files);
        assert_eq!(volume.account(&volume.of(&aws, Some(&vault)).unwrap()), Some("111122223333"));
        assert_eq!(files.account(&files.of(&aws, None).unwrap()), Some("444455556666"));
        assert_eq!(volume.account(&volume.of(&aws, None).unwrap()), None, "it was never noted");
    }
}
