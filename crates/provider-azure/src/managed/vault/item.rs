//! What a vault knows of one source: a backup instance, or a protected item. Both services answer the same questions.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, OpContext, Result, Timestamp};

use super::super::resource_id::ResourceId;
use super::job::Job;
use super::mark::{HEADER, Mark};
use super::source::{Service, Source};
use super::{RECENT, protection, recovery};
use crate::connection::{Begun, Connection, Request};

/// A backup instance or protected item, by its id.
#[derive(Clone, Debug)]
pub(in super::super) struct Item {
    pub(in super::super) id: ResourceId,
    pub(super) service: Service,
}

/// What its vault says of it.
#[derive(Clone, Debug)]
pub(in super::super) struct Protected {
    pub(super) item: Item,
    /// Whether it is backed up at all, in the service's word.
    pub(super) state: String,
    pub(super) policy: Option<ResourceId>,
    /// The containers of an account that are backed up, where the vault names them.
    pub(super) containers: Option<Vec<String>>,
}

/// A recovery point.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) id: ResourceId,
    pub(super) time: Option<Timestamp>,
    /// When it goes by itself.
    pub(super) expires: Option<Timestamp>,
    /// Whether all of the source is in it.
    pub(super) whole: bool,
    /// Whether it was deleted and is kept for a while.
    pub(super) soft_deleted: bool,
}

/// One thing of a list.
#[derive(Deserialize)]
pub(super) struct Listed<T> {
    pub(super) id: String,
    pub(super) properties: T,
}

#[derive(Deserialize)]
struct Located {
    location: String,
}

impl Item {
    /// The item of this id.
    pub(in super::super) fn of(id: &ResourceId) -> Option<Self> {
        let services = [Service::Protection, Service::Recovery];
        let service = services.into_iter().find(|service| id.is(service.items()))?;
        Some(Self { id: id.clone(), service })
    }

    /// The vault that it is in.
    ///
    /// # Errors
    /// None for an item of either service.
    pub(in super::super) fn vault(&self) -> Result<ResourceId> {
        match self.service {
            Service::Protection => self.id.parent(),
            Service::Recovery => self.id.parent()?.parent()?.parent(),
        }
    }

    /// The region of the vault, which is that of its sources.
    ///
    /// # Errors
    /// `NotFound` where it does not exist.
    pub(super) async fn region(&self, connection: &Connection) -> Result<String> {
        let vault = self.vault()?;
        Ok(connection.get::<Located>(&self.service.read_vault(&vault)).await?.location)
    }

    /// The jobs of it that began within `reach` of `now`, oldest first.
    ///
    /// # Errors
    /// Whatever listing can meet.
    pub(super) async fn jobs(
        &self,
        connection: &Connection,
        now: Timestamp,
        reach: Duration,
    ) -> Result<Vec<Job>> {
        let mut jobs = match self.service {
            Service::Protection => protection::jobs(connection, self).await?,
            Service::Recovery => recovery::jobs(connection, self, now, reach).await?,
        };
        jobs.sort_by(|one, other| (one.started, &one.id).cmp(&(other.started, &other.id)));
        // An entry may come twice.
        jobs.dedup_by(|one, other| one.id == other.id);
        Ok(jobs)
    }

    /// The job `id`.
    ///
    /// # Errors
    /// `NotFound` where its vault no longer knows it.
    pub(super) async fn job(&self, connection: &Connection, id: &str) -> Result<Job> {
        match self.service {
            Service::Protection => self.job_as::<protection::RawJob>(connection, protection::JOBS, id).await,
            Service::Recovery => self.job_as::<recovery::RawJob>(connection, recovery::JOBS, id).await,
        }
    }

    /// All of its recovery points.
    ///
    /// # Errors
    /// Whatever listing can meet.
    pub(super) async fn points(&self, connection: &Connection) -> Result<Vec<Point>> {
        match self.service {
            Service::Protection => {
                self.points_as::<protection::RawPoint>(connection, protection::POINTS).await
            }
            Service::Recovery => self.points_as::<recovery::RawPoint>(connection, recovery::POINTS).await,
        }
    }

    /// The recovery point `id`.
    ///
    /// # Errors
    /// `NotFound` where it does not exist.
    pub(super) async fn point(&self, connection: &Connection, id: &ResourceId) -> Result<Point> {
        match self.service {
            Service::Protection => {
                self.point_as::<protection::RawPoint>(connection, protection::POINTS, id).await
            }
            Service::Recovery => self.point_as::<recovery::RawPoint>(connection, recovery::POINTS, id).await,
        }
    }

    async fn job_as<T>(&self, connection: &Connection, action: &'static str, id: &str) -> Result<Job>
    where
        T: DeserializeOwned + Into<Job>,
    {
        let path = self.vault()?.child("backupJobs", id)?.to_string();
        Ok(connection.get::<T>(&Request::new(action, path, self.service.version())).await?.into())
    }

    async fn points_as<T>(&self, connection: &Connection, action: &'static str) -> Result<Vec<Point>>
    where
        T: DeserializeOwned,
        Point: TryFrom<Listed<T>, Error = Error>,
    {
        let request = Request::new(action, format!("{}/recoveryPoints", self.id), self.service.version());
        connection.list::<Listed<T>>(&request).await?.into_iter().map(Point::try_from).collect()
    }

    async fn point_as<T>(
        &self,
        connection: &Connection,
        action: &'static str,
        id: &ResourceId,
    ) -> Result<Point>
    where
        T: DeserializeOwned,
        Point: TryFrom<Listed<T>, Error = Error>,
    {
        let request = Request::new(action, id.to_string(), self.service.version());
        connection.get::<Listed<T>>(&request).await?.try_into()
    }

    /// Sends what begins a job; the service names that later.
    ///
    /// # Errors
    /// `Busy` while another one runs on it; `MaybeApplied` where the answer was lost, and one may have begun.
    pub(super) async fn begin(
        &self,
        connection: &Connection,
        action: &'static str,
        path: String,
        mark: &Mark,
        body: &Value,
    ) -> Result<(Begun, Value)> {
        let request = Request::new(action, path, self.service.version()).with_header(HEADER, mark.as_str());
        connection.post(&request, Some(body)).await
    }
}

impl Source {
    /// What its vault knows of it.
    ///
    /// # Errors
    /// `NotFound` where the vault does not exist, or does not protect it: of an account also where it leaves this container
    /// out.
    pub(in super::super) async fn protected(&self, connection: &Connection) -> Result<Protected> {
        let found = match self.service {
            Service::Protection => protection::protected(connection, self).await?,
            Service::Recovery => recovery::protected(connection, self).await?,
        };
        let absent = |message: String| Error::new(ErrorKind::NotFound, message).with("vault", &self.vault);
        let protected = found.ok_or_else(|| absent(self.unprotected()))?;
        match (&self.container, &protected.containers) {
            (Some(container), Some(known)) if !known.contains(container) => Err(absent(format!(
                "the {} {} protects {} without its container {container} (only {}); whoever owns the vault must add it",
                self.service.in_words(),
                self.vault,
                self.id,
                known.join(", ")
            ))),
            _ => Ok(protected),
        }
    }

    fn unprotected(&self) -> String {
        format!(
            "the {} {} does not protect {}; whoever owns the vault must configure that (its policy, the rights of its \
             identity), which Stillpoint does not",
            self.service.in_words(),
            self.vault,
            self.id
        )
    }
    /// The rule by which it is backed up on demand; a share's vault needs none.
    ///
    /// # Errors
    /// `InvalidConfig` where none can be chosen.
    pub(in super::super) async fn rule_of(
        &self,
        connection: &Connection,
        protected: &Protected,
    ) -> Result<Option<String>> {
        match (self.service, &protected.policy) {
            (Service::Recovery, _) => Ok(None),
            (Service::Protection, Some(policy)) => protection::rule(connection, self, policy).await.map(Some),
            (Service::Protection, None) => {
                let message = format!("{} has no policy by which it could be backed up", protected.item.id);
                Err(Error::new(ErrorKind::InvalidConfig, message))
            }
        }
    }
}

impl Protected {
    pub(in super::super) fn item(&self) -> &Item {
        &self.item
    }

    /// Whether it is backed up at all, in the service's word.
    pub(in super::super) fn state(&self) -> &str {
        &self.state
    }

    /// The backup that runs on it, in words.
    ///
    /// # Errors
    /// Whatever listing can meet.
    pub(in super::super) async fn running(
        &self,
        cx: &OpContext,
        connection: &Connection,
    ) -> Result<Option<String>> {
        let jobs = self.item.jobs(connection, cx.clock().now(), RECENT).await?;
        Ok(jobs.iter().find(|job| job.is_backup() && job.is_active()).map(Job::in_words))
    }
}

impl Point {
    /// Whether a restore can use it.
    pub(super) fn is_usable(&self) -> bool {
        self.whole && !self.soft_deleted
    }

    /// Whether it is what `job` made: one at a time runs on an item.
    pub(super) fn is_of(&self, job: &Job) -> bool {
        let (Some(time), Some(started)) = (self.time, job.started) else { return false };
        let late = job.ended.is_some_and(|ended| time.since(ended) > ROUNDED);
        started.since(time) <= ROUNDED && !late
    }
}

/// The services tell times in different precision.
const ROUNDED: Duration = Duration::from_secs(1);
