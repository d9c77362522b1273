//! The id of a restore whose result was not told yet.
//!
//! A restore that is killed after its last step, but before its result was printed, has ended, and its target is no
//! longer empty. So that the same command again gets the result instead of a refusal, the operation's id is noted
//! before it is submitted and forgotten when the result was told: the same request is then the same operation.

use std::fs;
use std::io;
use std::path::PathBuf;

use stillpoint_core::{Catalog, Error, ErrorKind, OperationId, OperationState, RestoreRequest, Result};
use stillpoint_repository::Id;

use crate::engine;
use crate::settings::DataDir;

/// The note about one restore.
#[derive(Debug)]
pub(super) struct Claim(PathBuf);

impl Claim {
    /// Gives `request` the id of the same restore whose result was not told, or notes the id that it has.
    ///
    /// # Errors
    /// Whatever reading the catalog or writing the note meets.
    pub(super) async fn take(
        data_dir: &DataDir,
        catalog: &dyn Catalog,
        request: &mut RestoreRequest,
    ) -> Result<Self> {
        let folder = data_dir.untold_results();
        let claim = Self(folder.join(name_of(request)?));
        if let Some(id) = claim.noted() {
            let stored = catalog.operation(&id).await?;
            let untold = stored.is_none_or(|stored| {
                let state = stored.operation.state;
                // Whoever goes on with one that was asked to stop only stops it.
                let stops = stored.cancel_requested && !state.is_terminal();
                !stops && is_told_again(state, request)
            });
            if untold {
                request.id = id;
                return Ok(claim);
            }
        }
        fs::create_dir_all(&folder).and_then(|()| fs::write(&claim.0, request.id.as_str())).map_err(
            |error| {
                let kind = match error.kind() {
                    io::ErrorKind::StorageFull => ErrorKind::QuotaExceeded,
                    _ => ErrorKind::PermissionDenied,
                };
                Error::new(kind, format!("{} cannot be written", claim.0.display())).with_source(error)
            },
        )?;
        Ok(claim)
    }

    /// Forgets the id: the result was told.
    pub(super) fn told(self) {
        if let Err(error) = fs::remove_file(&self.0) {
            // The note costs nothing; at worst the same restore into the same target is told once more.
            tracing::debug!(path = %self.0.display(), %error, "a note about a restore stays");
        }
    }

    fn noted(&self) -> Option<OperationId> {
        fs::read_to_string(&self.0).ok().and_then(|text| OperationId::new(text).ok())
    }
}

/// Whether an operation in `state` is still the answer to `request`: it goes on, or what it made still stands.
fn is_told_again(state: OperationState, request: &RestoreRequest) -> bool {
    let ended_well = matches!(state, OperationState::Completed | OperationState::Partial);
    // Whether a managed workspace still stands is nothing that this host sees.
    let stands =
        request.provisioner != engine::PROVISIONER || PathBuf::from(request.target.as_str()).is_dir();
    !state.is_terminal() || (ended_well && stands)
}

/// A name that follows from what is asked for and nothing else: who asks and how long it may take is left out.
fn name_of(request: &RestoreRequest) -> Result<String> {
    let mut asked = request.clone();
    (asked.id, asked.creator) = (OperationId::new("asked")?, None);
    (asked.timeout, asked.stall_timeout) = (None, None);
    let json = serde_json::to_vec(&asked).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "a request cannot be written").with_source(error)
    })?;
    Ok(Id::of(&json).to_hex())
}

#[cfg(test)]
mod tests {
    use stillpoint_core::memory::MemoryCatalog;
    use stillpoint_core::{Settings, WorkspaceId};

    use super::*;

    fn request(target: &str, id: &str) -> RestoreRequest {
        let target = WorkspaceId::new(target).unwrap();
        RestoreRequest::new(id.parse().unwrap(), "b".parse().unwrap(), target, "directory", Settings::new())
    }

    #[tokio::test]
    async fn the_same_restore_keeps_its_id_until_its_result_was_told() {
        let dir = tempfile::tempdir().unwrap();
        let (data_dir, catalog) = (DataDir::at(dir.path()), MemoryCatalog::new());
        let take =
            async |request: &mut RestoreRequest| Claim::take(&data_dir, &catalog, request).await.unwrap();
        take(&mut request("/a", "one")).await;

        let mut again = request("/a", "two");
        let claim = take(&mut again).await;
        assert_eq!(again.id.as_str(), "one");
        let mut other = request("/b", "three");
        take(&mut other).await;
        assert_eq!(other.id.as_str(), "three");

        claim.told();
        let mut afresh = request("/a", "four");
        take(&mut afresh).await;
        assert_eq!(afresh.id.as_str(), "four");
    }

    #[test]
    fn an_end_is_told_again_only_while_its_result_stands() {
        let dir = tempfile::tempdir().unwrap();
        let there = request(dir.path().to_str().unwrap(), "one");
        let gone = request("/no/such/place", "one");
        assert!(is_told_again(OperationState::Completed, &there));
        assert!(!is_told_again(OperationState::Completed, &gone));
        assert!(!is_told_again(OperationState::Cancelled, &there));
        assert!(is_told_again(OperationState::Running, &gone));
    }
}
