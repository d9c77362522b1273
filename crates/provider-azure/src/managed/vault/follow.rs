//! Which job of the vault a job of ours is, and how it goes.

use std::time::Duration;

use stillpoint_core::{ErrorKind, JobState, JobStatus, OpContext, Result};

use super::super::AzureProvider;
use super::super::names::JobName;
use super::item::Item;
use super::job::{Job, named};
use super::known::{LISTED_AFTER, Request};
use super::mark::Mark;
use super::{JOB, MARK, protection, recovery};
use crate::connection::Polled;

/// Look again after this time for a job that is not listed yet.
const POLL_NEW: Duration = Duration::from_secs(5);

/// What is known of a job.
#[derive(Debug)]
pub(super) enum Found {
    Job(Box<Job>),
    /// It was accepted, or has failed before it was one.
    Told(Box<JobStatus>),
    /// The vault knows no such job.
    Nothing,
}

impl AzureProvider {
    /// The job of the vault that the one called `name` is.
    pub(super) async fn vault_job(&self, cx: &OpContext, item: &Item, name: &JobName) -> Result<Found> {
        cx.check()?;
        let connection = self.connection();
        if let Some(id) = name.note(JOB) {
            return found(item.job(connection, id).await);
        }
        let (called, now) = (name.to_string(), cx.clock().now());
        let heard = self.heard().of(&called);
        if let Some(id) = heard.as_ref().and_then(|heard| heard.job.as_ref()) {
            let job = found(item.job(connection, id).await)?;
            if matches!(job, Found::Nothing) {
                self.heard().forget(&called);
            }
            return Ok(job);
        }
        let mark = Mark::written(name.note(MARK).unwrap_or_default());
        if let Some(job) = item.marked(cx, connection, &mark).await? {
            self.heard().is(&called, now, &job.id);
            return Ok(Found::Job(Box::new(job)));
        }
        let Some(heard) = heard else { return Ok(Found::Nothing) };
        let told = self.ask(item, &called, &heard).await?;
        if let (Found::Nothing, true) = (&told, now.since(heard.at) < LISTED_AFTER) {
            return Ok(Found::Told(Box::new(waiting(None))));
        }
        Ok(told)
    }

    /// What the address says that was given for the request of `heard`, which began the job `called`.
    async fn ask(&self, item: &Item, called: &str, heard: &Request) -> Result<Found> {
        let Some(poll) = &heard.poll else { return Ok(Found::Nothing) };
        let action = match item.service {
            super::Service::Protection => protection::BACKUP,
            super::Service::Recovery => recovery::BACKUP,
        };
        let (polled, told) = match self.connection().poll_result(action, poll).await {
            // A narrow role may begin jobs and not ask how that goes.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(Found::Nothing),
            other => other?,
        };
        match polled {
            Polled::Running { retry_after } => Ok(Found::Told(Box::new(waiting(retry_after)))),
            Polled::Failed(error) => {
                Ok(Found::Told(Box::new(JobStatus::new(JobState::Failed(error.record())))))
            }
            Polled::Succeeded => match named(&told) {
                Some(id) => {
                    self.heard().is(called, heard.at, &id);
                    found(item.job(self.connection(), &id).await)
                }
                None => Ok(Found::Nothing),
            },
            Polled::Lost => Ok(Found::Nothing),
        }
    }
}

fn found(job: Result<Job>) -> Result<Found> {
    match job {
        Ok(job) => Ok(Found::Job(Box::new(job))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

fn waiting(hint: Option<Duration>) -> JobStatus {
    let mut status = JobStatus::new(JobState::Queued);
    status.poll_after = Some(hint.unwrap_or(POLL_NEW).max(POLL_NEW));
    status
}
