//! How long one call to the outside is waited for.

use std::sync::Arc;
use std::time::Duration;

use crate::context::Cancellation;
use crate::decide::{Effect, Outcome, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::orchestrator::effects::Runner;
use crate::snapshot::Depth;

/// For a call that asks or tells something.
const SHORT: Duration = Duration::from_secs(600);
/// For a call that may have to read, write or delete many things.
const LONG: Duration = Duration::from_secs(3600);

/// Waits for the answer of a call, as long as anybody wants to hear it and no longer than such a call may take.
pub(super) async fn answer(runner: Runner, effect: Effect, call: &Cancellation) -> Result<Outcome> {
    let (clock, limit) = (Arc::clone(runner.cx.clock()), call_limit(&effect));
    let late = async {
        match limit {
            Some(limit) => clock.sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        answer = runner.run(effect) => answer,
        () = call.cancelled() => {
            Err(Error::new(ErrorKind::Cancelled, "its answer is no longer waited for").maybe_applied())
        }
        () = late => Err(Error::new(ErrorKind::DeadlineExceeded, "it does not answer").maybe_applied()),
    }
}

/// The longest time one call is waited for, its own delay included. After that its outcome is unknown, as if its
/// answer had been lost. `None` where the operation's own clocks bound it.
fn call_limit(effect: &Effect) -> Option<Duration> {
    match effect {
        Effect::InspectWorkspace | Effect::InspectBackup | Effect::Admit { .. } => None,
        // Reading all content takes as long as there is content; only verifications do, until their deadline.
        Effect::Verify { depth, .. } if *depth > Depth::Sized => None,
        Effect::Provision(_) | Effect::Attach { .. } | Effect::Activate(_) => None,
        Effect::Find { after, .. } | Effect::Poll { after, .. } => Some(SHORT.saturating_add(*after)),
        // Services that drain for hours are waited for as long as the hold may last.
        Effect::Quiesce { budget, .. } => Some(LONG.max(*budget)),
        Effect::Guard { .. } | Effect::Unguard { .. } => Some(SHORT),
        Effect::Resume { .. } | Effect::Start(_) | Effect::CancelJob { .. } => Some(SHORT),
        _ => Some(LONG),
    }
}

/// Whether a call of this step is dropped as soon as the core no longer calls it due. All others are heard out.
pub(super) fn is_droppable(step: &Step) -> bool {
    matches!(step, Step::Admit | Step::Provision | Step::Attach | Step::Activate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::SnapshotRef;

    #[test]
    fn reading_everything_takes_as_long_as_its_operation_lets_it() {
        let look = |depth| Effect::Verify {
            component: "home".parse().unwrap(),
            snapshot: SnapshotRef::new("s3sync".parse().unwrap(), "snapshot".parse().unwrap()),
            depth,
            made_by: "op".parse().unwrap(),
        };
        assert_eq!(call_limit(&look(Depth::Sized)), Some(LONG));
        assert_eq!(call_limit(&look(Depth::Decrypted)), None);
    }

    #[test]
    fn services_that_take_long_to_stop_have_as_long_as_the_hold_may_last() {
        let quiesce = |hours| Effect::Quiesce {
            id: crate::id::QuiesceId::of(&"op".parse().unwrap()),
            budget: LONG * hours,
            earlier: 0,
        };
        assert_eq!(call_limit(&quiesce(11)), Some(LONG * 11));
        assert_eq!(call_limit(&quiesce(0)), Some(LONG), "what was held before is let go first");
    }

    #[test]
    fn a_provider_that_wants_to_be_asked_again_in_the_far_future_overflows_nothing() {
        let job = crate::job::JobRef::new("cloud".parse().unwrap(), "job".parse().unwrap());
        let poll = Effect::Poll { component: "home".parse().unwrap(), job, after: Duration::MAX };
        assert_eq!(call_limit(&poll), Some(Duration::MAX));
    }
}
