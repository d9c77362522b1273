//! One agent at a time for each workspace: waits for the lease beside the data, and keeps it while it is needed.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{Clock, Error, ErrorKind, Result, SystemClock, WorkspaceId};
use stillpoint_provider_s3sync::agent::{AgentLease, AgentState, HeldLease, LEASE_BEAT, LEASE_TTL, Taken};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Agent;
use super::once::instance;
use crate::args::Layout;
use crate::signals::Interrupts;

/// How often a lease that another agent holds is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often it is said, while another agent is waited for, that no backup has been good for too long.
pub(super) const ALARM_EVERY: Duration = Duration::from_secs(3600);

/// A lease that is kept by beats in the background until it is let go.
#[derive(Debug)]
pub(super) struct Kept {
    stop: oneshot::Sender<()>,
    beating: JoinHandle<Option<HeldLease>>,
}

/// Takes the lease, waiting for whoever holds it; `None` where the agent is asked to end meanwhile. One that waits says all
/// the same when no backup has been good for too long: the other one may hang.
///
/// # Errors
/// The store's failure. `Busy` where the agent is to end after the work of the start and the other one is alive.
pub(super) async fn hold(
    agent: &Agent<'_>,
    state: &AgentState,
    interrupts: &mut Interrupts,
) -> Result<Option<Kept>> {
    let (workspace, settings) = (WorkspaceId::new(agent.workspace())?, &agent.session.settings);
    let (store, holder) = (agent.session.store()?, instance(&agent.session)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut lease = match agent.session.settings.layout {
        Layout::Mirror => AgentLease::beside_timestamps(store, &workspace, holder, clock),
        // A path is another directory on another host.
        Layout::Repository if settings.space.is_none() => {
            let name = WorkspaceId::new(format!("{}:{workspace}", settings.host))?;
            AgentLease::in_repository(store, &name, holder, clock)
        }
        Layout::Repository => AgentLease::in_repository(store, &workspace, holder, clock),
    };
    let began = agent.now();
    let mut told = false;
    // Whoever begins to wait has just said so.
    let mut alarmed = agent.is_overdue(state).then(|| agent.clock.elapsed());
    loop {
        // One that is taken all the same while nobody waits for the answer ends by itself.
        let taken = tokio::select! {
            biased;
            taken = lease.take() => taken?,
            () = interrupts.next() => return Ok(None),
        };
        let holder = match taken {
            Taken::Held(held) => return Ok(Some(Kept::of(held))),
            Taken::Busy { holder } => holder,
            _ => "another agent".to_owned(),
        };
        if !std::mem::replace(&mut told, true) {
            agent.tell(format_args!("another agent works on {workspace} ({holder}); this one waits for it"));
        }
        if agent.args.once && agent.now().since(began) > LEASE_TTL + LOOK_EVERY {
            let message = format!("another agent works on {workspace} and is alive; this one ends");
            return Err(Error::new(ErrorKind::Busy, message));
        }
        let elapsed = agent.clock.elapsed();
        if alarmed.is_none_or(|last| elapsed.saturating_sub(last) >= ALARM_EVERY) && agent.tell_overdue(state)
        {
            alarmed = Some(elapsed);
        }
        tokio::select! {
            () = agent.clock.sleep(LOOK_EVERY) => {}
            () = interrupts.next() => return Ok(None),
        }
    }
}

impl Kept {
    fn of(held: HeldLease) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, beating: tokio::spawn(keep(held, stopped)) }
    }

    /// Lets the lease go. What fails is for the log: the lease ends by itself.
    pub(super) async fn release(self, agent: &Agent<'_>) {
        // A task that ended already has no lease any more, and is told nothing.
        let _lost_already = self.stop.send(()).is_err();
        match self.beating.await {
            Ok(Some(held)) => {
                if let Err(error) = held.release().await {
                    agent.tell(format_args!("the lease ends by itself: {}", error.to_string_chain()));
                }
            }
            Ok(None) => {
                agent.tell("ALARM: another agent took over, because this one was silent for too long")
            }
            Err(error) => agent.tell(format_args!("the lease was not kept: {error}")),
        }
    }
}

/// Beats until it is stopped, and gives the lease back; `None` once another agent has it.
async fn keep(mut held: HeldLease, mut stopped: oneshot::Receiver<()>) -> Option<HeldLease> {
    let clock = SystemClock::default();
    loop {
        tokio::select! {
            () = clock.sleep(LEASE_BEAT) => {}
            _stop = &mut stopped => return Some(held),
        }
        match held.beat().await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => tracing::warn!(error = error.to_string_chain(), "the lease was not renewed"),
        }
    }
}
