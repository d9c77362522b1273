//! Numbers about what an orchestrator does, for whatever system of metrics its host has.

use std::fmt::Debug;
use std::time::Duration;

/// Names and labels of one number. Labels have few values each: kinds, states, steps, providers and verbs, never ids.
pub type Labels<'a> = [(&'static str, &'a str)];

/// Takes numbers; the host passes them on to its own system. `docs/metrics.md` lists names, units and labels.
///
/// It is called while operations are driven, so it must neither block nor fail. What it is told of is what this process
/// saw: after a crash nothing is told twice, and what happened between the last commit and the crash may be missing.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
/// use stillpoint_core::meter::{Labels, Meter};
///
/// #[derive(Debug, Default)]
/// struct Ended(AtomicU64);
/// impl Meter for Ended {
///     fn count(&self, name: &'static str, labels: &Labels<'_>, by: u64) {
///         if name == stillpoint_core::meter::OPERATIONS && labels.contains(&("state", "completed")) {
///             self.0.fetch_add(by, Ordering::Relaxed);
///         }
///     }
///     fn took(&self, _name: &'static str, _labels: &Labels<'_>, _time: Duration) {}
/// }
///
/// let meter = Ended::default();
/// meter.count(stillpoint_core::meter::OPERATIONS, &[("kind", "backup"), ("state", "completed")], 1);
/// assert_eq!(meter.0.load(Ordering::Relaxed), 1);
/// ```
pub trait Meter: Debug + Send + Sync + 'static {
    /// Something happened `by` more times, or moved `by` more units.
    fn count(&self, name: &'static str, labels: &Labels<'_>, by: u64);

    /// Something took so long.
    fn took(&self, name: &'static str, labels: &Labels<'_>, time: Duration);
}

/// Throws all numbers away.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoMeter;

impl Meter for NoMeter {
    fn count(&self, _name: &'static str, _labels: &Labels<'_>, _by: u64) {}

    fn took(&self, _name: &'static str, _labels: &Labels<'_>, _time: Duration) {}
}

/// Operations that ended; by `kind` and `state`.
pub const OPERATIONS: &str = "stillpoint.operations";
/// How long an operation stayed in a step; by `kind` and `step`.
pub const STEP: &str = "stillpoint.step";
/// How long a workspace was held still.
pub const HOLD: &str = "stillpoint.hold";
/// Bytes that the jobs of an ended operation moved; by `kind`.
pub const BYTES: &str = "stillpoint.bytes";
/// Files that the jobs of an ended operation moved; by `kind`.
pub const FILES: &str = "stillpoint.files";
/// Operations that this process went on with after another one; by `kind`.
pub const TAKEOVERS: &str = "stillpoint.takeovers";
/// Operations that another process took from this one; by `kind`.
pub const LEASES_LOST: &str = "stillpoint.leases.lost";
/// How long a call of a provider took, each try by itself; by `provider`, `verb` and `outcome` (`ok` or the error's kind).
pub const CALL: &str = "stillpoint.call";
/// Calls of a provider that are tried again; by `provider` and `verb`.
pub const RETRIES: &str = "stillpoint.retries";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::memory::{MemoryCatalog, MemoryProvider, MemoryWorkspace};
    use crate::*;

    #[derive(Debug, Default)]
    struct Noted(Mutex<BTreeSet<String>>);

    impl Noted {
        fn note(&self, name: &str, labels: &Labels<'_>) {
            let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
            self.0.lock().unwrap().insert(format!("{name} {}", labels.join(" ")));
        }

        fn has(&self, line: &str) -> bool {
            self.0.lock().unwrap().contains(line)
        }
    }

    impl Meter for Noted {
        fn count(&self, name: &'static str, labels: &Labels<'_>, _by: u64) {
            self.note(name, labels);
        }

        fn took(&self, name: &'static str, labels: &Labels<'_>, _time: Duration) {
            self.note(name, labels);
        }
    }

    fn scene(meter: &Arc<Noted>, catalog: &Arc<MemoryCatalog>, clock: &Arc<dyn Clock>) -> LocalOrchestrator {
        let home =
            Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home/ada");
        let workspace = MemoryWorkspace::new(Definition::new("ada".parse().unwrap()), vec![home]);
        scene_of(Arc::new(workspace), meter, catalog, clock)
    }

    fn scene_of(
        workspace: Arc<dyn Workspace>,
        meter: &Arc<Noted>,
        catalog: &Arc<MemoryCatalog>,
        clock: &Arc<dyn Clock>,
    ) -> LocalOrchestrator {
        let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
        provider.write("/home/ada", "notes.txt", b"first");
        LocalOrchestrator::builder(catalog.clone())
            .clock(clock.clone())
            .holder(Holder::new("host", format!("{meter:p}")))
            .meter(meter.clone())
            .provider(provider)
            .workspace(workspace)
            .build()
    }

    /// A workspace that never answers, so that its backup is under way for as long as it takes.
    #[derive(Debug)]
    struct Silent(WorkspaceId);

    #[async_trait::async_trait]
    impl Workspace for Silent {
        fn id(&self) -> &WorkspaceId {
            &self.0
        }
        async fn definition(&self, _cx: &OpContext) -> Result<Definition> {
            std::future::pending().await
        }
        async fn inventory(&self, _cx: &OpContext) -> Result<Vec<Component>> {
            std::future::pending().await
        }
        async fn quiesce(&self, _: &OpContext, _: &QuiesceId, _: &QuiesceOptions) -> Result<Consistency> {
            std::future::pending().await
        }
        async fn resume(&self, _cx: &OpContext, _id: &QuiesceId) -> Result<()> {
            Ok(())
        }
    }

    fn virtual_clock() -> Arc<dyn Clock> {
        Arc::new(VirtualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_backup_tells_its_end_its_steps_its_hold_its_calls_and_what_it_moved() {
        let (meter, clock) = (Arc::new(Noted::default()), virtual_clock());
        let orchestrator = scene(&meter, &Arc::new(MemoryCatalog::with_clock(clock.clone())), &clock);
        let id: OperationId = "op-1".parse().unwrap();
        let request = BackupRequest::new(id.clone(), "ada".parse().unwrap());
        orchestrator.submit(Request::Backup(request)).await.unwrap();
        orchestrator.wait(&id).await.unwrap();
        for line in [
            "stillpoint.operations kind=backup state=completed",
            "stillpoint.hold ",
            "stillpoint.bytes kind=backup",
            "stillpoint.files kind=backup",
            "stillpoint.call provider=memory verb=start outcome=ok",
            "stillpoint.call provider=memory verb=poll outcome=ok",
        ] {
            assert!(meter.has(line), "{line:?} is not among {meter:?}");
        }
        assert!(
            meter.0.lock().unwrap().iter().any(|line| line.starts_with("stillpoint.step kind=backup step="))
        );
        assert!(!meter.has("stillpoint.takeovers kind=backup"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_takeover_is_told() {
        let (meter, clock) = (Arc::new(Noted::default()), virtual_clock());
        let catalog = Arc::new(MemoryCatalog::with_clock(clock.clone()));
        let id: OperationId = "op-1".parse().unwrap();
        let request = BackupRequest::new(id.clone(), "ada".parse().unwrap());
        let record = OperationRecord::submitted(Request::Backup(request), clock.now());
        let dead = Holder::new("elsewhere", "dead");
        catalog.create_operation(&record, &dead, Duration::from_secs(1)).await.unwrap();
        clock.sleep(Duration::from_secs(90)).await;
        let orchestrator = scene(&meter, &catalog, &clock);
        assert_eq!(orchestrator.recover().await.unwrap(), std::slice::from_ref(&id));
        orchestrator.wait(&id).await.unwrap();
        assert!(meter.has("stillpoint.takeovers kind=backup"), "{meter:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_that_another_process_took_is_told_as_a_lost_lease() {
        let (meter, clock) = (Arc::new(Noted::default()), virtual_clock());
        let catalog = Arc::new(MemoryCatalog::with_clock(clock.clone()));
        let orchestrator = scene_of(Arc::new(Silent("ada".parse().unwrap())), &meter, &catalog, &clock);
        let id: OperationId = "op-1".parse().unwrap();
        let request = BackupRequest::new(id.clone(), "ada".parse().unwrap());
        orchestrator.submit(Request::Backup(request)).await.unwrap();
        assert!(!meter.has("stillpoint.leases.lost kind=backup"));
        let (other, ttl) = (Holder::new("elsewhere", "other"), Duration::from_secs(60));
        let claim = catalog.claim_operation(&id, &other, ttl, Some(1)).await.unwrap();
        assert!(matches!(claim, Claim::Claimed(_)), "the epoch proves that the holder is meant");
        clock.sleep(Duration::from_secs(90)).await;
        assert!(meter.has("stillpoint.leases.lost kind=backup"), "{meter:?}");
        assert!(!meter.has("stillpoint.operations kind=backup state=completed"), "it is the other's to end");
    }
}
