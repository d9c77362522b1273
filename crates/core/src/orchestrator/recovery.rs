//! Recovery as a task: what nobody drives is taken over, also where nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::context::Cancellation;
use crate::orchestrator::Orchestrator;

/// How often [`Recovery`] looks unless the host says otherwise: a third of [`LEASE_TTL_DEFAULT`](crate::LEASE_TTL_DEFAULT).
pub const RECOVER_EVERY_DEFAULT: Duration = Duration::from_secs(20);
/// The shortest and the longest pause between two looks.
const RECOVER_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Calls [`Orchestrator::recover`] again and again, for hosts that spawn it once and look no more.
///
/// An orchestrator drives what is submitted to it; what another process left behind it takes over only when somebody submits,
/// waits for it, or recovers. With this task in every host, an operation whose process died goes on in one of the others within
/// its lease and one pause, though nobody asks for it. Any number of hosts may run it on one catalog: an operation is
/// claimed by one of them. A look that fails changes nothing; it is told in the log, and the next one tries again.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use stillpoint_core::*;
/// use stillpoint_core::memory::*;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<()> {
/// # let provider = Arc::new(MemoryProvider::new("memory".parse()?));
/// # provider.write("/home/ada", "notes.txt", b"first");
/// # let home = Component::new("home".parse()?, "directory", "memory".parse()?, "/home/ada");
/// # let workspace = MemoryWorkspace::new(Definition::new("ada".parse()?), vec![home]);
/// let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(0)));
/// let catalog = Arc::new(MemoryCatalog::with_clock(clock.clone()));
/// // Another host began a backup and died.
/// let request = BackupRequest::new("op-1".parse()?, "ada".parse()?);
/// let record = OperationRecord::submitted(Request::Backup(request), clock.now());
/// catalog.create_operation(&record, &Holder::new("host-1", "dead"), LEASE_TTL_DEFAULT).await?;
///
/// let orchestrator = LocalOrchestrator::builder(catalog.clone())
///     .clock(clock.clone())
///     .provider(provider)
///     .workspace(Arc::new(workspace))
///     .build();
/// let recovery = Recovery::new(Arc::new(orchestrator), clock.clone());
/// let stop = Cancellation::new();
/// let task = tokio::spawn({
///     let stop = stop.clone();
///     async move { recovery.run(&stop).await }
/// });
///
/// clock.sleep(Duration::from_secs(120)).await;
/// let ended = catalog.operation(&"op-1".parse()?).await?.expect("it is stored");
/// assert_eq!(ended.operation.state, OperationState::Completed);
/// stop.cancel();
/// task.await.expect("it ends when it is told to");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Recovery {
    orchestrator: Arc<dyn Orchestrator>,
    clock: Arc<dyn Clock>,
    every: Duration,
}

impl Recovery {
    /// Recovers with `orchestrator`, at once and then every [`RECOVER_EVERY_DEFAULT`] of `clock`.
    pub fn new(orchestrator: Arc<dyn Orchestrator>, clock: Arc<dyn Clock>) -> Self {
        Self { orchestrator, clock, every: RECOVER_EVERY_DEFAULT }
    }

    /// Pauses for this long between two looks, held within a second and an hour.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause.clamp(RECOVER_EVERY.0, RECOVER_EVERY.1);
        self
    }

    /// Looks until `stop` is raised, which ends a pause at once. What it took over is driven on afterwards.
    pub async fn run(&self, stop: &Cancellation) {
        while !stop.is_cancelled() {
            match self.orchestrator.recover().await {
                Ok(taken) if taken.is_empty() => {}
                Ok(taken) => tracing::info!(operations = taken.len(), "took over what nobody drove"),
                Err(error) => tracing::warn!(%error, "cannot look for operations that nobody drives"),
            }
            tokio::select! {
                () = self.clock.sleep(self.every) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}
