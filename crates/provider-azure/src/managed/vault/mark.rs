//! What a request to a vault is called, by which its job is known as ours.
//!
//! A job of a vault carries neither tags nor a token of its caller's. What it does carry is the id of the activity that
//! began it, and that is what its request was called by its client: jobs that people begin in the portal have that one's
//! ids, `GUID-Ibz`. So a request is called by all that there is to know of its job, after a GUID that alone proves it.

use stillpoint_core::{BackupJob, JobKey, RestoreJob, Result, Timestamp};

use super::super::names::made_by_token;
use super::super::volumes::Said;

/// The header by which a client calls its request.
pub(super) const HEADER: &str = "x-ms-client-request-id";

/// What a request is called: `GUID.MILLISECONDS.COMPONENT.OPERATION.WORKSPACE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark(String);

impl Mark {
    /// The mark of the backup `job`.
    ///
    /// # Errors
    /// `InvalidInput` where the job's ids are too long for one.
    pub(super) fn of_backup(job: &BackupJob) -> Result<Self> {
        Self::of(&job.key, &Said::of(job))
    }

    /// The mark of the restore `job`.
    ///
    /// # Errors
    /// Those of [`Mark::of_backup`].
    pub(super) fn of_restore(job: &RestoreJob) -> Result<Self> {
        Self::of(&job.key, &Said::new(&job.key, Timestamp::from_millis(0), &job.target))
    }

    fn of(key: &JobKey, said: &Said) -> Result<Self> {
        let (token, name) = (key.token(), said.name()?);
        let rest = name.strip_prefix(&made_by_token(&token)).unwrap_or_default();
        Ok(Self(format!("{}{rest}", guid(&token))))
    }

    /// The mark that a job's name carries.
    pub(super) fn written(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a job with this activity was begun by the request of this mark. Its beginning is enough: a service may cut
    /// what it keeps, or add to it.
    pub(super) fn is_of(&self, activity: &str) -> bool {
        let own = self.0.split('.').next().unwrap_or_default();
        let other = activity.get(..GUID_CHARS).unwrap_or_default();
        own.len() == GUID_CHARS && own.eq_ignore_ascii_case(other)
    }

    /// What an activity says, where it is one of ours.
    pub(super) fn read(activity: &str) -> Option<Said> {
        let (guid, rest) = activity.split_once('.')?;
        if guid.len() != GUID_CHARS {
            return None;
        }
        let token = guid.replace('-', "").to_lowercase();
        Said::read(&format!("{}.{rest}", made_by_token(&token)))
    }
}

const GUID_CHARS: usize = 36;

/// 32 hexadecimal digits as a GUID is written.
fn guid(token: &str) -> String {
    let mut parts = Vec::new();
    let mut rest = token;
    for length in [8, 4, 4, 4] {
        let (part, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{BackupId, Component, OperationId};

    use super::super::super::tags;
    use super::*;

    fn job(operation: &str) -> BackupJob {
        let operation: OperationId = operation.parse().unwrap();
        let component = Component::new("db".parse().unwrap(), "disk", "azure".parse().unwrap(), "x");
        let key = JobKey::new(operation.clone(), component.id.clone(), 1);
        let at = Timestamp::from_millis(1_767_571_200_123);
        BackupJob::new(key, "team/ml-1".parse().unwrap(), BackupId::of(&operation), component, at)
    }

    #[test]
    fn a_request_is_called_by_all_that_is_to_be_known_of_its_job() {
        let job = job("op-1");
        let mark = Mark::of_backup(&job).unwrap();
        assert_eq!(mark.as_str().split('.').next().unwrap().len(), GUID_CHARS);
        let said = Mark::read(mark.as_str()).unwrap().tags();
        assert_eq!((said[tags::WORKSPACE].as_str(), said[tags::OPERATION].as_str()), ("team/ml-1", "op-1"));
        assert_eq!(said[tags::CREATED], job.created_at.to_string());
    }

    #[test]
    fn an_activity_proves_a_job_by_its_beginning_and_tells_more_only_where_it_is_whole() {
        let mark = Mark::of_backup(&job("op-1")).unwrap();
        let cut = &mark.as_str()[..GUID_CHARS];
        assert!(mark.is_of(cut) && mark.is_of(&format!("{}-Ibz", cut.to_uppercase())));
        assert_eq!(Mark::read(cut), None);
        let other = Mark::of_backup(&job("op-2")).unwrap();
        for foreign in [other.as_str(), "", "3c59479b-3a7e-4e7b-aa8a-da0b6dd7d04a-Ibz", "grün"] {
            assert!(!mark.is_of(foreign), "{foreign}");
        }
        assert!(!Mark::written("").is_of(""), "no mark proves nothing");
        let forged = mark.as_str().replace(".db.", ".models.");
        assert_eq!(Mark::read(&forged), None, "the mark must follow from what it says");
    }
}
