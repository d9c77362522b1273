//! From AWS's words for a backup job to ours.

use std::time::Duration;

use stillpoint_core::{Error, ErrorKind, Issue, JobState, Progress, Timestamp};

use super::job::Job;

/// The word that says that a completed job has nothing to remark on.
const SUCCESS: &str = "SUCCESS";
/// Ask a job that has not begun no sooner than after this time.
const POLL_QUEUED: Duration = Duration::from_secs(15);
/// The bounds between which a running job is asked.
const POLL_RUNNING: [Duration; 2] = [Duration::from_secs(15), Duration::from_secs(300)];
/// The first look at a job comes so soon, and the next ones each after this part of its age.
const POLL_FIRST: Duration = Duration::from_secs(1);
const POLLS_OF_AN_AGE: u32 = 4;
/// The same while its end is what a workspace may be held still for.
const POLL_HELD: Duration = Duration::from_secs(60);
/// A running job is asked so many times before the end that AWS expects.
const POLLS_TO_THE_END: u32 = 20;

impl Job {
    /// Where it stands, by its own word alone.
    pub(super) fn job_state(&self) -> JobState {
        match self.state.as_str() {
            "CREATED" | "PENDING" => JobState::Queued,
            "RUNNING" => JobState::Running,
            "ABORTING" => JobState::Cancelling,
            "ABORTED" => JobState::Cancelled,
            "EXPIRED" => JobState::Expired,
            "FAILED" => JobState::Failed(self.failure().record()),
            "PARTIAL" => {
                let message = format!("backup job {} ended with a part of the resource only", self.id);
                JobState::Failed(self.error(ErrorKind::Unexpected, &message).record())
            }
            "COMPLETED" if self.has_remark() => JobState::SucceededWithIssues,
            "COMPLETED" => JobState::Succeeded,
            other => JobState::Unknown(other.to_owned()),
        }
    }

    /// Whether AWS says more of a completed job than that it is one: what its console calls "completed with issues".
    fn has_remark(&self) -> bool {
        self.message.is_some() || self.category.as_deref().is_some_and(|word| word != SUCCESS)
    }

    /// What AWS says of an ended job beside its state.
    pub(super) fn remark(&self) -> Option<Issue> {
        let word = self.category.as_deref().filter(|word| *word != SUCCESS);
        let said = match (word, self.message.as_deref()) {
            (Some(word), Some(message)) => format!("{word}: {message}"),
            (Some(word), None) => word.to_owned(),
            (None, Some(message)) => message.to_owned(),
            (None, None) => return None,
        };
        Some(Issue::new("message", &self.resource, format!("AWS Backup says {said}")))
    }

    /// The error of a job that failed. AWS's messages are for people; the category says what to do.
    fn failure(&self) -> Error {
        let letters = |c: &char| c.is_ascii_alphabetic();
        let category: String = self.category.iter().flat_map(|word| word.chars()).filter(letters).collect();
        let (kind, advice) = match category.to_ascii_uppercase().as_str() {
            "ACCESSDENIED" => (
                ErrorKind::PermissionDenied,
                format!(
                    "; give the role {} what AWSBackupServiceRolePolicyForBackup grants, and the key",
                    self.role
                ),
            ),
            "INVALIDPARAMETERS" => (
                ErrorKind::InvalidInput,
                "; compare the retention with the vault's lock, and see that resource and vault exist"
                    .to_owned(),
            ),
            "LIMITEXCEEDED" => (ErrorKind::QuotaExceeded, "; raise the quota or free some of it".to_owned()),
            "RESOURCENOTFOUND" => (ErrorKind::NotFound, String::new()),
            _ => (ErrorKind::Unavailable, String::new()),
        };
        let said = self.message.as_deref().or(self.category.as_deref()).unwrap_or("nothing about it");
        let message = format!("backup job {} failed, and AWS says {said}{advice}", self.id);
        // The job has ended; only a new operation starts another.
        self.error(kind, &message).with_retry(stillpoint_core::Retry::Never)
    }

    pub(super) fn error(&self, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, message).with("job", &self.id).with("resource", &self.resource)
    }

    /// How far it is. AWS tells both numbers as estimates.
    pub(super) fn progress(&self) -> Progress {
        let done = self.transferred_bytes.unwrap_or(0);
        let percent = self.percent.as_deref().and_then(|text| text.trim_end_matches('%').parse::<f64>().ok());
        let total = match percent {
            _ if self.state == "COMPLETED" => Some(done),
            Some(percent) if percent > 0.0 && percent <= 100.0 => whole(done, percent),
            _ => None,
        };
        Progress::new(done, 0).of(total, None)
    }

    /// When to ask again. Until a volume is captured that is at any moment, and a file system is when its job ends.
    pub(super) fn poll_after(&self, now: Timestamp, captured: bool) -> Option<Duration> {
        if !self.is_active() {
            return None;
        }
        let [least, longest] = POLL_RUNNING;
        let most = if captured { longest } else { POLL_HELD };
        // A young job is asked soon: its workspace may stand still until it has begun.
        let age = self.created.map_or(POLL_QUEUED, |created| now.since(created));
        let soon = (age / POLLS_OF_AN_AGE).clamp(POLL_FIRST, POLL_QUEUED);
        match self.expected {
            Some(_) if self.state == "RUNNING" && !captured && self.is_of_volume() => Some(soon),
            Some(expected) if self.state == "RUNNING" => {
                Some((expected.since(now) / POLLS_TO_THE_END).clamp(least.min(soon), most))
            }
            _ => Some(soon),
        }
    }
}

/// What `done` is `percent` of.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an estimate of a positive number of bytes"
)]
fn whole(done: u64, percent: f64) -> Option<u64> {
    (done > 0).then(|| (done as f64 * 100.0 / percent) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: &str, category: Option<&str>, message: Option<&str>) -> Job {
        Job {
            id: "1B2C".into(),
            state: state.into(),
            category: category.map(str::to_owned),
            message: message.map(str::to_owned),
            ..Job::default()
        }
    }

    #[test]
    fn every_word_of_aws_has_its_meaning_and_an_unknown_one_is_no_end() {
        for (state, expected) in [
            ("CREATED", JobState::Queued),
            ("PENDING", JobState::Queued),
            ("RUNNING", JobState::Running),
            ("ABORTING", JobState::Cancelling),
            ("ABORTED", JobState::Cancelled),
            ("EXPIRED", JobState::Expired),
            ("COMPLETED", JobState::Succeeded),
            ("HIBERNATING", JobState::Unknown("HIBERNATING".into())),
        ] {
            let job = job(state, None, None);
            assert_eq!(job.job_state(), expected);
            assert_eq!(job.is_active(), !expected.is_terminal(), "{state}");
        }
    }

    #[test]
    fn a_completed_job_with_a_remark_is_no_plain_success() {
        for (category, message, expected) in [
            (Some("SUCCESS"), None, JobState::Succeeded),
            (Some("SUCCESS"), Some("Some files were skipped."), JobState::SucceededWithIssues),
            (Some("Issues"), None, JobState::SucceededWithIssues),
        ] {
            let job = job("COMPLETED", category, message);
            assert_eq!(job.job_state(), expected);
            assert_eq!(job.remark().is_some(), expected != JobState::Succeeded);
        }
    }

    #[test]
    fn a_failed_job_is_judged_by_its_category_and_not_by_its_prose() {
        for (category, kind) in [
            ("AccessDenied", ErrorKind::PermissionDenied),
            ("INVALIDPARAMETERS", ErrorKind::InvalidInput),
            ("InvalidParameters", ErrorKind::InvalidInput),
            ("LimitExceeded", ErrorKind::QuotaExceeded),
            ("FAILURE", ErrorKind::Unavailable),
        ] {
            let JobState::Failed(error) = job("FAILED", Some(category), Some("Access denied")).job_state()
            else {
                panic!("a failed job is a failure");
            };
            assert_eq!(error.kind, kind, "{category}");
            assert!(error.message.contains("Access denied"), "{error}");
            assert_eq!(error.retry, stillpoint_core::Retry::Never);
        }
        assert!(matches!(job("PARTIAL", None, None).job_state(), JobState::Failed(_)));
    }

    #[test]
    fn progress_is_read_from_a_percentage_in_a_text() {
        let at = |percent: &str| Job {
            transferred_bytes: Some(50),
            percent: Some(percent.into()),
            ..job("RUNNING", None, None)
        };
        assert_eq!(at("25.0").progress(), Progress::new(50, 0).of(Some(200), None));
        assert_eq!(at("25%").progress(), Progress::new(50, 0).of(Some(200), None));
        for odd in ["", "0.0", "many", "-3", "NaN", "400"] {
            assert_eq!(at(odd).progress(), Progress::new(50, 0), "{odd}");
        }
    }

    #[test]
    fn a_long_job_is_asked_seldom_and_an_ended_one_never() {
        let now = Timestamp::from_millis(0);
        let ending = |seconds| {
            let expected = Some(now.after(Duration::from_secs(seconds)));
            Job { expected, ..job("RUNNING", None, None) }
        };
        let file_system = "arn:aws:elasticfilesystem:us-east-1:1:file-system/fs-1";
        let volume = "arn:aws:ec2:us-east-1:1:volume/vol-1";
        for (seconds, resource, captured, expected) in [
            (60, volume, true, 15),
            (36_000, volume, true, 300),
            (36_000, volume, false, 15),
            (36_000, file_system, false, 60),
            (60, file_system, false, 15),
        ] {
            let created = Some(Timestamp::from_millis(-3_600_000));
            let job = Job { resource: resource.into(), created, ..ending(seconds) };
            let expected = Some(Duration::from_secs(expected));
            assert_eq!(job.poll_after(now, captured), expected, "{seconds} {resource} {captured}");
        }
        assert_eq!(job("COMPLETED", None, None).poll_after(now, false), None);
        let aged = |seconds| {
            let at = now.after(Duration::from_secs(seconds));
            Job { created: Some(now), ..job("CREATED", None, None) }.poll_after(at, false)
        };
        assert_eq!(
            [aged(0), aged(8), aged(900)],
            [1, 2, 15].map(|seconds| Some(Duration::from_secs(seconds)))
        );
    }
}
