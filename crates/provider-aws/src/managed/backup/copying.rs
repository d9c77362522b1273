//! Copy jobs of a resource's recovery points: AWS runs one job at a time on a resource, be it a backup or a copy.
//! Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/aws-backup-limits.html>.

use stillpoint_core::{Error, ErrorKind, Result};

use super::super::arn::Arn;
use super::super::clients::Clients;
use super::super::pages::pages;
use super::super::refusal::unread;

/// A copy job that has not ended.
#[derive(Debug)]
pub(super) struct Copying {
    id: String,
    state: String,
}

impl Copying {
    /// The copy jobs that hold `resource`, whoever's they are.
    ///
    /// # Errors
    /// Whatever listing can meet.
    pub(super) async fn on(clients: &Clients, resource: &Arn) -> Result<Vec<Self>> {
        let listed = pages("ListCopyJobs", async |token| {
            let call = clients.backup.list_copy_jobs().by_resource_arn(resource.to_string());
            let answer = call.set_next_token(token).send().await.map_err(unread("ListCopyJobs"))?;
            Ok((answer.copy_jobs.unwrap_or_default(), answer.next_token))
        });
        let jobs = listed.await?.into_iter().filter_map(|job| {
            let state = job.state().map_or("", |state| state.as_str()).to_owned();
            Some(Self { id: job.copy_job_id?, state })
        });
        // A word that nobody knows is no end.
        Ok(jobs.filter(|job| !matches!(job.state.as_str(), "COMPLETED" | "FAILED" | "PARTIAL")).collect())
    }

    pub(super) fn in_words(&self) -> String {
        format!("copy job {} ({})", self.id, self.state)
    }

    /// Why no backup job can start on `resource` now.
    pub(super) fn error(&self, resource: &Arn) -> Error {
        let message = format!("{} holds {resource}; wait for its end", self.in_words());
        Error::new(ErrorKind::Busy, message).with("job", &self.id)
    }
}
