//! The addresses of operations that this process began: they tell why one failed, and that one runs which is not shown yet.
//!
//! They are a help and no truth. Another process reads the resource by its name, which every job's name is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stillpoint_core::{Candidate, Error, ErrorKind, JobState, JobStatus, Result, Retry, Timestamp};

use crate::connection::{Begun, Connection, Poll, Polled};

/// The most operations whose addresses are kept.
const OPERATIONS_MAX: usize = 256;
/// What was made is shown after so long at the latest: a call that was given up after a minute may be on its way for
/// another, and a read may ask a replica that lags behind.
const VISIBLE_AFTER: Duration = Duration::from_secs(120);

/// Operations by what they make.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    known: Mutex<BTreeMap<String, Known>>,
}

/// One operation of this process.
#[derive(Debug)]
struct Known {
    /// Later ones have higher numbers.
    turn: u64,
    /// Where Azure tells of it, where it does.
    poll: Option<Poll>,
    shown: Shown,
}

/// Whether what an operation makes has been seen.
#[derive(Clone, Copy, Debug, Default)]
enum Shown {
    #[default]
    NotAskedFor,
    /// Looked for in vain since then.
    NotSince(Timestamp),
    Once,
}

/// What is known of an operation beside its resource.
#[derive(Debug)]
pub(super) enum Told {
    /// It goes on, or has ended well; so soon it may be asked again.
    Alive(Option<Duration>),
    /// It ended without its work done.
    Failed(Error),
    /// Nobody here knows.
    Nothing,
}

impl UnderWay {
    /// Keeps what `begun` says of the operation that makes `resource`.
    pub(super) fn keep(&self, resource: &str, begun: &Begun) {
        let mut known = self.known();
        let turn = known.values().map(|known| known.turn + 1).max().unwrap_or(0);
        let oldest = known.iter().min_by_key(|(_, known)| known.turn).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest.filter(|_| known.len() >= OPERATIONS_MAX) {
            known.remove(&oldest);
        }
        known.insert(resource.to_owned(), Known { turn, poll: begun.poll.clone(), shown: Shown::default() });
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks how the operation goes that makes `resource`, which was begun by `action`.
    ///
    /// # Errors
    /// Whatever asking can meet.
    pub(super) async fn ask(&self, connection: &Connection, action: &str, resource: &str) -> Result<Told> {
        let poll = self.known().get(resource).and_then(|known| known.poll.clone());
        let Some(poll) = poll else { return Ok(Told::Nothing) };
        Ok(match connection.poll(action, &poll).await? {
            Polled::Running { retry_after } => Told::Alive(retry_after),
            Polled::Succeeded => Told::Alive(None),
            Polled::Failed(error) => Told::Failed(error),
            Polled::Lost => Told::Nothing,
        })
    }

    /// Where Azure tells of the operation that makes `resource`, for people.
    pub(super) fn address(&self, resource: &str) -> Option<String> {
        self.known().get(resource)?.poll.as_ref()?.address()
    }

    /// Notes that `resource` is shown: where it no longer is, somebody took it away.
    pub(super) fn shown(&self, resource: &str) {
        if let Some(known) = self.known().get_mut(resource) {
            known.shown = Shown::Once;
        }
    }

    /// What the operation says of a `resource` that is not shown at `now`, and was begun by `action`. Once it is over, or
    /// its address tells nothing, the resource is lost if it stays away for longer than a new one can.
    ///
    /// # Errors
    /// Whatever asking can meet, as long as the resource may still be shown.
    async fn not_shown(
        &self,
        connection: &Connection,
        action: &str,
        resource: &str,
        now: Timestamp,
    ) -> Result<Told> {
        let Some((poll, may_come)) = self.look(resource, now) else { return Ok(Told::Nothing) };
        let polled = match &poll {
            Some(poll) => connection.poll(action, poll).await,
            None => Ok(Polled::Lost),
        };
        match polled {
            Ok(Polled::Running { retry_after }) => Ok(Told::Alive(retry_after)),
            Ok(Polled::Failed(error)) => Ok(Told::Failed(error)),
            _ if !may_come => {
                self.known().remove(resource);
                Ok(Told::Nothing)
            }
            Ok(Polled::Succeeded | Polled::Lost) => Ok(Told::Alive(None)),
            // A narrow role may make things and not ask how that goes.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(Told::Alive(None)),
            Err(error) => Err(error),
        }
    }

    /// The status of a job whose `resource` is not shown: not yet, never, or no longer. It is asked about again after `least`
    /// at the earliest.
    ///
    /// # Errors
    /// `NotFound` that says `absent` where it is lost; those of [`UnderWay::not_shown`].
    pub(super) async fn unseen(
        &self,
        connection: &Connection,
        action: &str,
        resource: &str,
        now: Timestamp,
        (least, absent): (Duration, String),
    ) -> Result<JobStatus> {
        match self.not_shown(connection, action, resource, now).await? {
            Told::Alive(hint) => {
                let mut status = JobStatus::new(JobState::Running);
                status.poll_after = Some(hint.unwrap_or(least).max(least));
                Ok(status)
            }
            Told::Failed(reason) => Ok(JobStatus::new(JobState::Failed(reason.record()))),
            Told::Nothing => Err(Error::new(ErrorKind::NotFound, absent)),
        }
    }

    /// Where to ask for `resource`, which is not shown at `now`, and whether it may be shown yet.
    fn look(&self, resource: &str, now: Timestamp) -> Option<(Option<Poll>, bool)> {
        let mut all = self.known();
        let known = all.get_mut(resource)?;
        let may_come = match known.shown {
            Shown::Once => false,
            Shown::NotSince(since) => now.since(since) < VISIBLE_AFTER,
            Shown::NotAskedFor => {
                known.shown = Shown::NotSince(now);
                true
            }
        };
        Some((known.poll.clone(), may_come))
    }
}

/// Proves that a search at `now` which found nothing means that the job begun at `since` made nothing.
///
/// # Errors
/// `Unavailable`, to look again, where what it makes may be too new to be shown.
pub(super) fn settled(now: Timestamp, since: Timestamp, found: Vec<Candidate>) -> Result<Vec<Candidate>> {
    let age = now.since(since);
    if !found.is_empty() || age >= VISIBLE_AFTER {
        return Ok(found);
    }
    let message = "what was begun may be too new to be shown; look again";
    Err(Error::new(ErrorKind::Unavailable, message).retry_after(VISIBLE_AFTER.saturating_sub(age)))
}

/// Why what its own state calls failed has failed.
pub(super) trait Reason {
    /// The error that says `message`, with the reason where it could be learnt.
    fn reason(self, message: String) -> Error;
}

impl Reason for Result<Told> {
    fn reason(self, message: String) -> Error {
        // The thing has failed, whatever asking for the reason met.
        let unknown = || Error::new(ErrorKind::Unavailable, message.clone()).with_retry(Retry::Never);
        match self {
            Ok(Told::Failed(reason)) => {
                Error::new(reason.kind(), message).with_retry(Retry::Never).with_source(reason)
            }
            Ok(_) => unknown(),
            Err(error) => unknown().with_source(error),
        }
    }
}
