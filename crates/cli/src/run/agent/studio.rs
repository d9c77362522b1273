//! The agent inside a SageMaker Studio space: who it is, and what the user profile's tag asks for.

use std::path::Path;
use std::time::Duration;

use stillpoint_core::{Clock, Error, ErrorKind, Result, Retry, SystemClock, Timestamp};
use stillpoint_provider_aws::Connection;
use stillpoint_provider_aws::studio::{METADATA_FILE, RestoreTag, SageMaker, SpaceIdentity, SpaceMetadata};

use crate::args::{AgentArgs, Layout};
use crate::output::Output;
use crate::settings::{PasswordSource, Settings};
use crate::signals::Interrupts;

/// The first wait after SageMaker did not answer; doubled up to the longest one.
const WAIT_FIRST: Duration = Duration::from_secs(2);
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Tries of a run that is to end after the work of the start.
const TRIES_ONCE: u32 = 4;
/// Tries to read the tag: about four minutes.
const TRIES_TAG: u32 = 7;

/// The space this agent runs in.
#[derive(Debug)]
pub(super) struct Studio {
    sagemaker: SageMaker,
    identity: SpaceIdentity,
}

impl Studio {
    /// Finds out whose space this is and which point in time its user's tag asks for. An answer that may come later
    /// is waited for; one that leaves any doubt about the name ends the agent, because what is written under a wrong
    /// name overwrites, or is shown to, somebody else.
    ///
    /// # Errors
    /// Whatever SageMaker refuses; `Cancelled` where somebody ends the agent meanwhile. A tag that cannot be read is
    /// told and left: it is no reason to leave the space without backups.
    pub(super) async fn find(output: &Output, args: &AgentArgs) -> Result<(Self, Option<RestoreTag>)> {
        let metadata = metadata(args)?;
        let sagemaker = SageMaker::new(Connection::from_environment(metadata.region()).await?);
        let once = args.once.then_some(TRIES_ONCE);
        let identity = patiently(output, once, || sagemaker.identify(&metadata)).await?;
        // The name is sure by now, so the backups do not wait for ever.
        let tagged = match patiently(output, Some(TRIES_TAG), || sagemaker.restore_tag(&identity)).await {
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => {
                output.note(format_args!("ALARM: no restore is looked for: {}", error.to_string_chain()));
                None
            }
            Ok(tagged) => tagged,
        };
        Ok((Self { sagemaker, identity }, tagged))
    }

    /// Whose space it is.
    pub(super) fn identity(&self) -> &SpaceIdentity {
        &self.identity
    }

    /// Removes the tag from the user profile, if it still asks for the point `time` with this end.
    ///
    /// # Errors
    /// Whatever SageMaker refuses.
    pub(super) async fn remove_tag(&self, time: Timestamp, until: Option<Timestamp>) -> Result<bool> {
        let tag = self.sagemaker.restore_tag(&self.identity).await?;
        if tag.is_none_or(|tag| (tag.time, tag.until) != (time, until)) {
            return Ok(false);
        }
        self.sagemaker.remove_restore_tag(&self.identity).await.map(|()| true)
    }
}

/// What the space's own machine says of it.
///
/// # Errors
/// As [`SpaceMetadata::read`].
pub(super) fn metadata(args: &AgentArgs) -> Result<SpaceMetadata> {
    SpaceMetadata::read(args.metadata_file.as_deref().unwrap_or(Path::new(METADATA_FILE)))
}

/// Asks again, up to `tries_max` times, while this can help. Credentials that are missing or have expired may be there
/// again in a moment: the container gets its own from outside.
async fn patiently<T, F: Future<Output = Result<T>>>(
    output: &Output,
    tries_max: Option<u32>,
    mut ask: impl FnMut() -> F,
) -> Result<T> {
    let (clock, mut interrupts) = (SystemClock::default(), Interrupts::listen());
    let mut wait = WAIT_FIRST;
    for tries in 1_u32.. {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let delay_ms = match error.retry() {
            Retry::After { delay_ms } => delay_ms,
            _ if error.kind() == ErrorKind::Unauthenticated => 0,
            _ => return Err(error),
        };
        if tries_max.is_some_and(|most| tries >= most) {
            return Err(error.with_retry(Retry::Exhausted));
        }
        wait = wait.max(Duration::from_millis(delay_ms)).min(WAIT_MAX);
        output.note(format_args!("{}; asking again in {} s", error.to_string_chain(), wait.as_secs()));
        tokio::select! {
            () = clock.sleep(wait) => {}
            () = interrupts.next() => break,
        }
        wait = wait.saturating_mul(2);
    }
    Err(Error::new(ErrorKind::Cancelled, "the agent was ended while it waited for SageMaker"))
}

/// Refuses to make a key that would be lost together with the volume it is to protect.
///
/// # Errors
/// `InvalidConfig` where the repository's key would lie on this volume only.
pub(super) fn needs_a_key_from_elsewhere(settings: &Settings) -> Result<()> {
    let kept_here = matches!(settings.password, PasswordSource::KeyFile(_));
    if settings.layout == Layout::Mirror || !kept_here {
        return Ok(());
    }
    let message = "a space's repository needs a password from outside the space: give --password-file, \
                   --password-command or STILLPOINT_PASSWORD; a key that lies only on the volume would be lost with \
                   it. Or write plain objects with --layout mirror";
    Err(Error::new(ErrorKind::InvalidConfig, message))
}
