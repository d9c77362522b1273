//! The addresses of operations that this process began: they tell why one failed, and that one runs which is not shown yet.
//!
//! They are a help and no truth. Another process reads the resource by its name, which every job's name is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stillpoint_core::{Error, ErrorKind, Result, Retry};

use crate::connection::{Begun, Connection, Poll, Polled};

/// The most operations whose addresses are kept.
const OPERATIONS_MAX: usize = 256;

/// Operations by what they make.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    known: Mutex<BTreeMap<String, (u64, Poll)>>,
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
    /// Keeps the address that `begun` names for what makes `resource`.
    pub(super) fn keep(&self, resource: &str, begun: &Begun) {
        let Some(poll) = &begun.poll else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = known.values().map(|(turn, _)| turn + 1).max().unwrap_or(0);
        let oldest = known.iter().min_by_key(|(_, (turn, _))| *turn).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest.filter(|_| known.len() >= OPERATIONS_MAX) {
            known.remove(&oldest);
        }
        known.insert(resource.to_owned(), (turn, poll.clone()));
    }

    /// Asks how the operation goes that makes `resource`, which was begun by `action`.
    ///
    /// # Errors
    /// Whatever asking can meet.
    pub(super) async fn ask(&self, connection: &Connection, action: &str, resource: &str) -> Result<Told> {
        let poll = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(resource).map(|(_, poll)| poll.clone())
        };
        let Some(poll) = poll else { return Ok(Told::Nothing) };
        Ok(match connection.poll(action, &poll).await? {
            Polled::Running { retry_after } => Told::Alive(retry_after),
            Polled::Succeeded => Told::Alive(None),
            Polled::Failed(error) => Told::Failed(error),
            Polled::Lost => {
                self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(resource);
                Told::Nothing
            }
        })
    }
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
