//! The control plane: what the API and the page work with.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{
    Cancellation, Catalog, Clock, Entropy, Error, ErrorKind, HistoryKept, INTERVAL_MIN, Orchestrator,
    Provider, Result, SystemClock, SystemEntropy,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::access::{AccessStore, Gate};
use crate::act::RestoreRoute;
use crate::metrics::Metrics;
use crate::streams::Streams;
use crate::view::HoldNotes;

/// Calls a second that each caller may make, unless the host says otherwise.
pub const CALLS_PER_SECOND_DEFAULT: u32 = 50;
/// Heavy reads at a time: those that look through much of the catalog.
const HEAVY_MAX: usize = 2;

/// Everything that the server works with. Cheap to clone; all clones are one.
///
/// ```
/// use std::sync::Arc;
/// use stillpoint_core::LocalOrchestrator;
/// use stillpoint_core::memory::MemoryCatalog;
/// use stillpoint_server::ControlPlane;
/// use stillpoint_server::access::MemoryAccess;
///
/// let catalog = Arc::new(MemoryCatalog::new());
/// let orchestrator = Arc::new(LocalOrchestrator::builder(catalog.clone()).build());
/// let plane = ControlPlane::new(catalog, orchestrator, Arc::new(MemoryAccess::default()));
/// ```
#[derive(Clone, Debug)]
pub struct ControlPlane(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    catalog: Arc<dyn Catalog>,
    orchestrator: Arc<dyn Orchestrator>,
    access: Arc<dyn AccessStore>,
    providers: Vec<Arc<dyn Provider>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    secure: bool,
    restores: Option<Arc<dyn RestoreRoute>>,
    hold_notes: Option<Arc<dyn HoldNotes>>,
    gate: Arc<Gate>,
    metrics: Arc<Metrics>,
    streams: Streams,
    heavy: Arc<Semaphore>,
    stop: Cancellation,
    demo: bool,
    interval_min: Duration,
    history: HistoryKept,
}

impl ControlPlane {
    /// A control plane over `catalog` and `orchestrator`, for whoever has a token in `access`.
    pub fn new(
        catalog: Arc<dyn Catalog>,
        orchestrator: Arc<dyn Orchestrator>,
        access: Arc<dyn AccessStore>,
    ) -> Self {
        Self(Arc::new(Inner {
            catalog,
            orchestrator,
            access,
            providers: Vec::new(),
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(SystemEntropy::default()),
            secure: false,
            restores: None,
            hold_notes: None,
            gate: Arc::new(Gate::new(CALLS_PER_SECOND_DEFAULT)),
            metrics: Arc::default(),
            streams: Streams::default(),
            heavy: Arc::new(Semaphore::new(HEAVY_MAX)),
            stop: Cancellation::new(),
            demo: false,
            interval_min: INTERVAL_MIN,
            history: HistoryKept::default(),
        }))
    }

    /// Tells these providers of holds, and lists files with them.
    #[must_use]
    pub fn with_providers(self, providers: Vec<Arc<dyn Provider>>) -> Self {
        self.with(|inner| inner.providers = providers)
    }

    /// Lets callers restore, to where `route` says.
    #[must_use]
    pub fn with_restores(self, route: Arc<dyn RestoreRoute>) -> Self {
        self.with(|inner| inner.restores = Some(route))
    }

    /// Tells callers of workspaces that were left held still, as `notes` know them.
    #[must_use]
    pub fn with_hold_notes(self, notes: Arc<dyn HoldNotes>) -> Self {
        self.with(|inner| inner.hold_notes = Some(notes))
    }

    /// Lets each caller make so many calls a second for long, and twice as many at once.
    #[must_use]
    pub fn with_calls_per_second(self, calls: u32) -> Self {
        self.with(|inner| inner.gate = Arc::new(Gate::new(calls.max(1))))
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        self.with(|inner| inner.clock = clock)
    }

    /// Takes randomness from `entropy`.
    #[must_use]
    pub fn with_entropy(self, entropy: Arc<dyn Entropy>) -> Self {
        self.with(|inner| inner.entropy = entropy)
    }

    /// Whether browsers reach the server over TLS, its own or a proxy's.
    #[must_use]
    pub fn with_secure_cookies(self, secure: bool) -> Self {
        self.with(|inner| inner.secure = secure)
    }

    /// Refuses schedules whose runs come closer together than this; [`INTERVAL_MIN`] unless the host says otherwise.
    #[must_use]
    pub fn with_interval_min(self, least: Duration) -> Self {
        self.with(|inner| inner.interval_min = least)
    }

    /// Keeps these of the operations that ended, and removes older ones from the catalog.
    #[must_use]
    pub fn with_history(self, kept: HistoryKept) -> Self {
        self.with(|inner| inner.history = kept)
    }

    /// Ends streams of events when `stop` is raised.
    #[must_use]
    pub(crate) fn with_stop(self, stop: Cancellation) -> Self {
        self.with(|inner| inner.stop = stop)
    }

    /// Says on every page that what is shown is invented.
    #[must_use]
    pub fn with_demo(self, demo: bool) -> Self {
        self.with(|inner| inner.demo = demo)
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        change(&mut inner);
        Self(Arc::new(inner))
    }

    pub(crate) fn interval_min(&self) -> Duration {
        self.0.interval_min
    }

    pub(crate) fn hold_notes(&self) -> Option<&dyn HoldNotes> {
        self.0.hold_notes.as_deref()
    }

    pub(crate) fn history(&self) -> HistoryKept {
        self.0.history
    }

    /// The catalog.
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.0.catalog
    }

    /// The orchestrator.
    pub fn orchestrator(&self) -> &Arc<dyn Orchestrator> {
        &self.0.orchestrator
    }

    /// Tokens and the audit log.
    pub fn access(&self) -> &Arc<dyn AccessStore> {
        &self.0.access
    }

    pub(crate) fn providers(&self) -> &[Arc<dyn Provider>] {
        &self.0.providers
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    pub(crate) fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        self.0.entropy.as_ref()
    }

    pub(crate) fn stop(&self) -> &Cancellation {
        &self.0.stop
    }

    pub(crate) fn restores(&self) -> Option<&dyn RestoreRoute> {
        self.0.restores.as_deref()
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// A turn for a read that looks through much of the catalog; the others wait for theirs.
    pub(crate) async fn heavy_turn(&self) -> Result<SemaphorePermit<'_>> {
        self.0.heavy.acquire().await.map_err(|closed| {
            Error::new(ErrorKind::Unavailable, "the server is stopping").with_source(closed)
        })
    }

    pub(crate) fn is_demo(&self) -> bool {
        self.0.demo
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.0.secure
    }
}
