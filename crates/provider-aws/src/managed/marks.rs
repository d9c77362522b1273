//! What is written on what a job makes: the host's tags and our own, carried in the job's name to whoever polls it.

use stillpoint_core::{CopyJob, RestoreJob, Result, Tags};

use super::arn::Arn;
use super::names::JobName;
use super::tags::{self, COMPONENT, JOB, JOB_TAGS_MAX, OPERATION, WORKSPACE};

/// The most tags of what a restore makes: a resource may have 50, and fourteen are for what finishes it.
/// Source: <https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>.
const TAGS_MAX: usize = 36;
/// How a tag is called among the notes of a job's name.
const NOTE: &str = "tag:";

/// The tags that a new resource carries from its birth, or from the first sight of it, to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marks(Tags);

impl Marks {
    /// The tags of the resource that `job` makes.
    ///
    /// # Errors
    /// `InvalidInput` where a tag does not fit, or there are too many.
    pub(super) fn of_restore(job: &RestoreJob) -> Result<Self> {
        let own = [
            (OPERATION, tags::value(job.key.operation().as_str())),
            (WORKSPACE, tags::value(job.target.as_str())),
            (COMPONENT, tags::value(job.key.component().as_str())),
            (JOB, job.key.token()),
        ];
        let own = own.map(|(key, value)| (key.to_owned(), value));
        tags::with_own(own.into(), &job.tags, TAGS_MAX).map(Self)
    }

    /// The tags of the recovery point that `job` makes, in place of those of the original.
    ///
    /// # Errors
    /// `InvalidInput` where a tag does not fit, or there are too many.
    pub(super) fn of_copy(job: &CopyJob) -> Result<Self> {
        let own = tags::mark(&job.key, &job.backup, job.workspace.as_ref(), job.created_at);
        tags::with_own(own, &job.tags, JOB_TAGS_MAX).map(Self)
    }

    /// The same, of a recovery point of `resource` in the vault `vault`.
    pub(super) fn at(mut self, vault: &Arn, resource: &str) -> Self {
        self.0.insert(tags::PLACE.to_owned(), tags::place(vault, resource));
        self
    }

    /// The tags.
    pub(super) fn tags(&self) -> &Tags {
        &self.0
    }

    /// `name` with the tags among its notes, for polls, which know nothing else of the job.
    pub(super) fn note(&self, name: JobName) -> JobName {
        self.0.iter().fold(name, |name, (key, value)| name.with(&format!("{NOTE}{key}"), value))
    }

    /// The tags that a job's name notes.
    pub(super) fn noted(name: &JobName) -> Self {
        let tag =
            |(key, value): (&String, &String)| Some((key.strip_prefix(NOTE)?.to_owned(), value.clone()));
        Self(name.notes.iter().filter_map(tag).collect())
    }

    /// Those that a resource with the tags `found` lacks, or has with another value.
    pub(super) fn missing(&self, found: &Tags) -> Tags {
        let lacks = |(key, value): &(&String, &String)| found.get(*key) != Some(*value);
        self.0.iter().filter(lacks).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Those among the tags `found` of a resource that are of our own kind and were never written on it: AWS copied them from
    /// the source, and they would make its points another backup's.
    pub(super) fn inherited(&self, found: &Tags) -> Tags {
        let strange = |(key, _): &(&String, &String)| tags::is_own_key(key) && !self.0.contains_key(*key);
        found.iter().filter(strange).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// What a person is told whose resource had lost some of its tags on the way.
pub(super) fn lost(resource: &str, tags: &Tags) -> String {
    let keys: Vec<&str> = tags.keys().map(String::as_str).collect();
    format!(
        "somebody took the tags {} off {resource} while it was restored; they are back on it",
        keys.join(", ")
    )
}

#[cfg(test)]
pub(super) mod tests {
    use stillpoint_core::{Component, ErrorKind, JobKey, Settings, SnapshotId, SnapshotRef};

    use super::super::names::JobKind;
    use super::*;

    pub(in super::super) fn job(destination: Settings) -> RestoreJob {
        let key = JobKey::new("op-1".parse().unwrap(), "projects".parse().unwrap(), 1);
        let provider: stillpoint_core::ProviderId = "aws".parse().unwrap();
        let snapshot = SnapshotRef::new(provider.clone(), SnapshotId::new("vault/arn").unwrap());
        let component = Component::new("projects".parse().unwrap(), "efs", provider, "arn");
        RestoreJob::new(key, snapshot, component, "ml-new".parse().unwrap(), destination)
    }

    #[test]
    fn marks_survive_in_a_jobs_name() {
        let mut job = job(Settings::new());
        job.tags = [("keep".to_owned(), "yes = no".to_owned())].into();
        let marks = Marks::of_restore(&job).unwrap();
        assert_eq!(marks.tags()[OPERATION], "op-1");
        let name = marks.note(JobName::new(JobKind::Restore, "us-east-1", "1").with("component", "projects"));
        assert_eq!(Marks::noted(&name.to_string().parse().unwrap()), marks);

        let mut found = marks.tags().clone();
        assert!(marks.missing(&found).is_empty());
        found.insert("keep".to_owned(), "no".to_owned());
        assert_eq!(marks.missing(&found).keys().collect::<Vec<_>>(), ["keep"]);
    }

    #[test]
    fn our_own_tags_that_came_from_the_source_are_told_from_those_of_the_restore() {
        let marks = Marks::of_restore(&job(Settings::new())).unwrap();
        let mut found = marks.tags().clone();
        assert!(marks.inherited(&found).is_empty());
        found.insert(tags::BACKUP.to_owned(), "another".to_owned());
        found.insert("team".to_owned(), "ml".to_owned());
        // Ours with another's value is not taken off but written over.
        found.insert(JOB.to_owned(), "another".to_owned());
        assert_eq!(marks.inherited(&found), Tags::from([(tags::BACKUP.to_owned(), "another".to_owned())]));
        assert_eq!(marks.missing(&found).keys().collect::<Vec<_>>(), [JOB]);
    }

    #[test]
    fn tags_that_do_not_fit_are_refused_before_anything_is_made() {
        let mut long = job(Settings::new());
        long.tags.insert("keep".to_owned(), "x".repeat(257));
        assert_eq!(Marks::of_restore(&long).unwrap_err().kind(), ErrorKind::InvalidInput);
        let mut ours = job(Settings::new());
        ours.tags.insert(OPERATION.to_owned(), "other".to_owned());
        assert_eq!(Marks::of_restore(&ours).unwrap_err().kind(), ErrorKind::InvalidInput);
        let mut many = job(Settings::new());
        many.tags = (0..37).map(|at| (format!("t{at}"), String::new())).collect();
        assert_eq!(Marks::of_restore(&many).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
