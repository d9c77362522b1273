//! Jobs of both services, in one form.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use stillpoint_core::{
    Error, ErrorKind, Issue, JobState, JobStatus, OpContext, Progress, Result, Retry, Timestamp,
};

use super::item::Item;
use super::mark::Mark;
use crate::connection::{Connection, kind_of_code};

/// A job is looked at so soon and so rarely, and between that each time after this part of its age.
const POLL: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];
const POLLS_OF_AN_AGE: u32 = 4;

/// One thing that a service says of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Said {
    pub(super) code: String,
    pub(super) message: String,
    #[serde(deserialize_with = "super::super::compute::or_default")]
    pub(super) recommended_action: Vec<String>,
}

/// A job of a vault.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    pub(super) id: String,
    /// What its request was called.
    pub(super) activity: String,
    /// `Backup`, `Restore`, or another.
    pub(super) operation: String,
    /// Whether a person or program asked for it, and no policy.
    pub(super) asked_for: bool,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) status: String,
    pub(super) bytes: Option<u64>,
    /// Why it failed.
    pub(super) errors: Vec<Said>,
    /// What it remarks, each on something.
    pub(super) warnings: Vec<(String, Said)>,
}

impl Job {
    pub(super) fn is_backup(&self) -> bool {
        self.operation.eq_ignore_ascii_case("Backup")
    }

    /// Whether it may still run. A word that nobody knows yet is no end.
    pub(super) fn is_active(&self) -> bool {
        !self.state().is_terminal()
    }

    /// Whether it has a result.
    pub(super) fn has_result(&self) -> bool {
        matches!(self.state(), JobState::Succeeded | JobState::SucceededWithIssues)
    }

    /// Whose it is, in words.
    pub(super) fn in_words(&self) -> String {
        let whose = match Mark::read(&self.activity) {
            Some(said) => format!("of operation {}", said.operation()),
            None if self.asked_for => "that somebody asked for".to_owned(),
            None => "of the vault's policy".to_owned(),
        };
        format!("{} job {} {whose} ({})", self.operation.to_lowercase(), self.id, self.status)
    }

    /// Where it stands, by its own word alone.
    /// Source: <https://learn.microsoft.com/rest/api/dataprotection/jobs/get>.
    pub(super) fn state(&self) -> JobState {
        match self.status.to_ascii_lowercase().as_str() {
            "inprogress" | "paused" => JobState::Running,
            "cancelling" => JobState::Cancelling,
            "completed" => JobState::Succeeded,
            "completedwithwarnings" => JobState::SucceededWithIssues,
            "cancelled" => JobState::Cancelled,
            "failed" => JobState::Failed(self.failure().record()),
            _ => JobState::Unknown(self.status.clone()),
        }
    }

    fn failure(&self) -> Error {
        let kind = self.errors.iter().find_map(|said| kind_of_code(&said.code, &said.message));
        let said: Vec<String> = self.errors.iter().map(Said::in_words).collect();
        let said = if said.is_empty() { "nothing about it".to_owned() } else { said.join("; ") };
        let message = format!("{} job {} failed, and Azure says {said}", self.operation, self.id);
        let code = self.errors.first().map(|said| said.code.clone()).unwrap_or_default();
        // The job has ended; only a new one can be better.
        Error::new(kind.unwrap_or(ErrorKind::Unavailable), message)
            .with_retry(Retry::Never)
            .with("job", &self.id)
            .with("code", code)
    }

    /// What is told of it beside what it made.
    pub(super) fn job_status(&self, now: Timestamp) -> JobStatus {
        let mut status = JobStatus::new(self.state());
        status.progress = Progress::new(self.bytes.unwrap_or(0), 0);
        status.issues = self.issues();
        if self.status.eq_ignore_ascii_case("Paused") {
            status
                .warnings
                .push(format!("the vault has paused job {}; it goes on when that is lifted", self.id));
        }
        if self.is_active() {
            let age = self.started.map(|started| now.since(started)).unwrap_or_default();
            let [soon, seldom] = POLL;
            status.poll_after = Some((age / POLLS_OF_AN_AGE).clamp(soon, seldom));
        }
        status
    }

    fn issues(&self) -> Vec<Issue> {
        let issue = |(item, said): &(String, Said)| Issue::new("message", item, said.in_words());
        let mut issues: Vec<Issue> = self.warnings.iter().map(issue).collect();
        if self.state() == JobState::SucceededWithIssues && issues.is_empty() {
            let message = format!("job {} is CompletedWithWarnings, and Azure does not say why", self.id);
            issues.push(Issue::new("message", &self.id, message));
        }
        issues
    }
}

impl Said {
    pub(super) fn in_words(&self) -> String {
        let parts = [&self.code, &self.message].into_iter().chain(&self.recommended_action);
        parts.filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(": ")
    }
}

/// The id of a job that an operation's address or answer names; one of the services names it in full.
pub(super) fn named(told: &Value) -> Option<String> {
    let at = |path: &str| told.pointer(path).and_then(Value::as_str);
    let id = at("/properties/jobId").or_else(|| at("/jobId"))?;
    id.rsplit('/').next().filter(|id| !id.is_empty()).map(str::to_owned)
}

impl Item {
    /// Proves that nobody's backup of it runs.
    ///
    /// # Errors
    /// `Busy` that says whose job does.
    pub(super) fn free(&self, jobs: &[Job]) -> Result<()> {
        let Some(other) = jobs.iter().find(|job| job.is_backup() && job.is_active()) else { return Ok(()) };
        let message = format!("{} holds {}; wait for its end", other.in_words(), self.id);
        Err(Error::new(ErrorKind::Busy, message).with("job", &other.id).with("resource", &self.id))
    }

    /// The job of `mark` among the newest, the first one where a lost answer made two.
    pub(super) async fn marked(
        &self,
        cx: &OpContext,
        connection: &Connection,
        mark: &Mark,
    ) -> Result<Option<Job>> {
        let jobs = self.jobs(connection, cx.clock().now(), super::RECENT).await?;
        Ok(jobs.into_iter().find(|job| mark.is_of(&job.activity)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(status: &str) -> Job {
        Job { id: "1".into(), operation: "Backup".into(), status: status.into(), ..Job::default() }
    }

    #[test]
    fn every_word_of_a_vault_has_its_meaning_and_an_unknown_one_is_no_end() {
        for (status, expected) in [
            ("InProgress", JobState::Running),
            ("Paused", JobState::Running),
            ("Cancelling", JobState::Cancelling),
            ("Completed", JobState::Succeeded),
            ("COMPLETEDWITHWARNINGS", JobState::SucceededWithIssues),
            ("Cancelled", JobState::Cancelled),
            ("Hibernating", JobState::Unknown("Hibernating".into())),
        ] {
            let job = job(status);
            assert_eq!(job.state(), expected);
            assert_eq!(job.is_active(), !expected.is_terminal(), "{status}");
            assert_eq!(job.job_status(Timestamp::from_millis(0)).poll_after.is_some(), job.is_active());
        }
        assert!(job("Paused").job_status(Timestamp::from_millis(0)).warnings[0].contains("paused"));
    }

    #[test]
    fn a_success_with_warnings_is_told_as_issues_even_where_it_says_none() {
        let said =
            Said { code: "W1".into(), message: "3 blobs".into(), recommended_action: vec!["look".into()] };
        let told = Job { warnings: vec![("db".into(), said)], ..job("CompletedWithWarnings") };
        assert_eq!(told.issues(), [Issue::new("message", "db", "W1: 3 blobs: look")]);
        assert_eq!(job("CompletedWithWarnings").issues().len(), 1);
        assert_eq!(job("Completed").issues(), []);
    }

    #[test]
    fn a_failure_says_what_the_service_says() {
        let errors = vec![
            Said {
                code: "UserErrorMissingRequiredPermissions".into(),
                message: "grant it".into(),
                ..Said::default()
            },
            Said { code: "Other".into(), message: "and this".into(), ..Said::default() },
        ];
        let JobState::Failed(error) = (Job { errors, ..job("Failed") }).state() else { panic!("it failed") };
        assert_eq!((error.kind, error.retry), (ErrorKind::PermissionDenied, Retry::Never));
        assert!(error.message.contains("grant it") && error.message.contains("and this"), "{error:?}");
        assert!(
            matches!(job("Failed").state(), JobState::Failed(error) if error.message.contains("nothing"))
        );
    }

    #[test]
    fn an_operation_names_its_job_in_either_way() {
        let full =
            json!({"objectType": "OperationJobExtendedInfo", "jobId": "/subscriptions/1/backupJobs/j"});
        assert_eq!(named(&full).as_deref(), Some("j"));
        assert_eq!(
            named(&json!({"status": "Succeeded", "properties": {"jobId": "j"}})).as_deref(),
            Some("j")
        );
        for nothing in [json!(null), json!({"properties": null}), json!({"jobId": ""})] {
            assert_eq!(named(&nothing), None, "{nothing}");
        }
    }
}
