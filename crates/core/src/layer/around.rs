//! What a layer is: something around a provider or a catalog that meets each call, and may answer some of them itself.
//!
//! Each trait's methods are listed once, below, and that list makes both the methods of the layer and their forwarding. A
//! method that the contract gains and the list lacks does not pass clippy.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::catalog::*;
use crate::clock::Timestamp;
use crate::context::OpContext;
use crate::error::Result;
use crate::extent::Extent;
use crate::forecast::Estimate;
use crate::id::{BackupId, OperationId, ProviderId, ScheduleId, WorkspaceId};
use crate::operation::{LedgerEntry, OperationRecord};
use crate::outlook::Foreseen;
use crate::provider::*;
use crate::records::Records;
use crate::schedule::{ScheduleQuery, ScheduleRecord, StoredSchedule};
use crate::snapshot::{Snapshot, SnapshotInfo, SnapshotRef};
use crate::workspace::Component;

/// Which call a layer has before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The name of the method.
    pub verb: &'static str,
    /// Whether it may change something outside, or in the catalog.
    pub changes: bool,
}

/// Makes a layer's trait, and the wrapped trait for every layer, of one list of methods. Each is said to read or to change;
/// what all of them begin with is said once, and the methods that are no calls stand first.
macro_rules! layer {
    (
        $(#[$doc:meta])*
        pub trait $Layer:ident around $Inner:ident $context:tt
        { $($plain:tt)* }
        { $($effect:ident fn $verb:ident $args:tt -> $Answer:ty;)+ }
    ) => {
        layer! {
            @each $(#[$doc])* $Layer $Inner $context { $($plain)* }
            $($effect $verb $context $args $Answer;)+
        }
    };
    (
        @each $(#[$doc:meta])* $Layer:ident $Inner:ident ($($context:ident: $Context:ty)?)
        { $(fn $plain:ident($($with:ident: $With:ty)?) -> $Plain:ty;)* }
        $($effect:ident $verb:ident ($($cx:ident: $Cx:ty)?) ($($arg:ident: $Arg:ty),*) $Answer:ty;)+
    ) => {
        $(#[$doc])*
        pub trait $Layer: Debug + Send + Sync + 'static {
            /// What is wrapped.
            fn inner(&self) -> &dyn $Inner;

            /// Makes one call by asking `attempt` for it: once, or again where a repeat is wanted, or not at all. Every call
            /// comes through here, also one whose method the layer overrides.
            ///
            /// # Errors
            /// What the call answers, and whatever the layer refuses.
            fn around<T: Send, F: Future<Output = Result<T>> + Send>(
                &self,
                $($context: $Context,)?
                call: Call,
                attempt: impl Fn() -> F + Send + Sync,
            ) -> impl Future<Output = Result<T>> + Send {
                let _unused = ($($context,)? call);
                attempt()
            }

            $(
                #[doc = concat!("Answers [`", stringify!($Inner), "::", stringify!($verb), "`]: as the inner one does, unless \
                    it is overridden.")]
                ///
                /// # Errors
                /// As there.
                fn $verb(&self $(, $cx: $Cx)? $(, $arg: $Arg)*) -> impl Future<Output = Result<$Answer>> + Send {
                    async move { self.inner().$verb($($cx,)? $($arg),*).await }
                }
            )+
        }

        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<L: $Layer> $Inner for L {
            $(
                fn $plain(&self $(, $with: $With)?) -> $Plain {
                    self.inner().$plain($($with)?)
                }
            )*

            $(
                async fn $verb(&self $(, $cx: $Cx)? $(, $arg: $Arg)*) -> Result<$Answer> {
                    let call = Call { verb: stringify!($verb), changes: layer!(@$effect) };
                    self.around($($cx,)? call, || $Layer::$verb(self $(, $cx)? $(, $arg)*)).await
                }
            )+
        }
    };
    (@reads) => { false };
    (@changes) => { true };
}

layer! {
    /// A layer around a provider, and by that a [`Provider`] itself: under the name and with the capabilities of what it
    /// wraps.
    ///
    /// Behaviour that belongs to every call goes into [`ProviderLayer::around`]; for one method only, that method is
    /// overridden. All the others reach the inner provider, those too that the contract gains later.
    ///
    /// Its methods bear the names of the provider's, so whoever has both traits in scope calls a layer as `dyn Provider`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use stillpoint_core::*;
    /// use stillpoint_core::layer::{Call, ProviderLayer};
    /// use stillpoint_core::memory::MemoryProvider;
    ///
    /// /// Counts what changes something, and keeps every snapshot.
    /// #[derive(Debug)]
    /// struct Keeping {
    ///     inner: Arc<dyn Provider>,
    ///     changes: AtomicUsize,
    /// }
    ///
    /// impl ProviderLayer for Keeping {
    ///     fn inner(&self) -> &dyn Provider {
    ///         &*self.inner
    ///     }
    ///
    ///     async fn around<T: Send, F: Future<Output = Result<T>> + Send>(
    ///         &self,
    ///         _cx: &OpContext,
    ///         call: Call,
    ///         attempt: impl Fn() -> F + Send + Sync,
    ///     ) -> Result<T> {
    ///         self.changes.fetch_add(usize::from(call.changes), Ordering::Relaxed);
    ///         attempt().await
    ///     }
    ///
    ///     async fn delete(&self, _cx: &OpContext, _snapshot: &SnapshotRef) -> Result<DeleteState> {
    ///         Ok(DeleteState::Locked { until: None, reason: "kept for the audit".into() })
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let inner = Arc::new(MemoryProvider::new("memory".parse()?));
    /// let keeping = Arc::new(Keeping { inner, changes: AtomicUsize::new(0) });
    /// let provider: Arc<dyn Provider> = keeping.clone();
    ///
    /// let cx = OpContext::background();
    /// let snapshot = SnapshotRef::new(provider.id().clone(), "monday".parse()?);
    /// assert!(matches!(provider.delete(&cx, &snapshot).await?, DeleteState::Locked { .. }));
    /// assert!(provider.snapshots(&cx, &SnapshotQuery::all()).await?.is_empty());
    /// assert_eq!(keeping.changes.load(Ordering::Relaxed), 1);
    /// # Ok(()) }
    /// ```
    pub trait ProviderLayer around Provider(cx: &OpContext)
    {
        fn id() -> &ProviderId;
        fn capabilities() -> Capabilities;
        fn address(job: &JobRef) -> Option<String>;
    }
    {
        reads fn preflight(component: &Component) -> Vec<Finding>;
        reads fn preflight_retention(component: &Component, retain: Option<Duration>) -> Vec<Finding>;
        reads fn preflight_base(base: &SnapshotRef) -> Vec<Finding>;
        reads fn estimate(component: &Component) -> Option<Estimate>;
        reads fn place(component: &Component) -> BTreeMap<String, String>;
        reads fn extents(component: &Component) -> Vec<Extent>;
        reads fn reaches(snapshot: &SnapshotRef) -> ();
        reads fn reaches_account(snapshot: &SnapshotRef, account: &str) -> ();
        reads fn foresee(request: &JobRequest) -> Foreseen;
        reads fn preflight_guard(component: &Component, tags: &Tags) -> Vec<Finding>;
        reads fn foresee_guard(component: &Component) -> Foreseen;
        changes fn guard(component: &Component, operation: &OperationId, tags: &Tags) -> Tags;
        changes fn unguard(component: &Component, operation: &OperationId) -> ();
        reads fn guarded(component: &Component) -> Option<OperationId>;
        changes fn start(request: &JobRequest) -> JobRef;
        reads fn poll(job: &JobRef, wait: Duration) -> JobStatus;
        reads fn find(request: &JobRequest, since: Timestamp) -> Vec<Candidate>;
        changes fn cancel(job: &JobRef) -> CancelOutcome;
        reads fn open(snapshot: &SnapshotRef) -> Arc<dyn Snapshot>;
        reads fn snapshots(query: &SnapshotQuery) -> Vec<SnapshotInfo>;
        changes fn delete(snapshot: &SnapshotRef) -> DeleteState;
        changes fn keep(snapshot: &SnapshotRef, until: Option<Timestamp>) -> ();
        changes fn finish_restore(resource: &RestoredResource) -> Readiness;
        changes fn discard(resource: &RestoredResource) -> ();
        changes fn put_record(record: &BackupRecord) -> ();
        reads fn records() -> Records;
        changes fn delete_record(backup: &BackupId) -> ();
    }
}

layer! {
    /// A layer around a catalog, and by that a [`Catalog`] itself; made like a [`ProviderLayer`].
    pub trait CatalogLayer around Catalog()
    {}
    {
        changes fn create_operation(record: &OperationRecord, holder: &Holder, ttl: Duration) -> Creation;
        reads fn operation(id: &OperationId) -> Option<StoredOperation>;
        reads fn operations(query: &OperationQuery) -> Page<StoredOperation>;
        changes fn claim_operation(id: &OperationId, holder: &Holder, ttl: Duration, takeover: Option<u64>) -> Claim;
        changes fn renew_lease(lease: &Lease, ttl: Duration) -> Renewal;
        changes fn release_lease(lease: &Lease) -> ();
        changes fn reserve(lease: &Lease, extents: &[Extent]) -> Vec<OperationId>;
        changes fn commit(lease: &Lease, change: &OperationChange<'_>) -> ();
        changes fn request_cancel(id: &OperationId) -> ();
        reads fn ledger(id: &OperationId) -> Vec<LedgerEntry>;
        changes fn remove_operations(ids: &[OperationId]) -> Vec<OperationId>;
        changes fn put_workspace(record: &WorkspaceRecord) -> ();
        reads fn workspace(id: &WorkspaceId) -> Option<WorkspaceRecord>;
        reads fn workspaces(after: Option<&WorkspaceId>, limit: usize) -> Page<WorkspaceRecord>;
        reads fn backup(id: &BackupId) -> Option<StoredBackup>;
        reads fn backups(query: &BackupQuery) -> Page<StoredBackup>;
        reads fn count_backups(query: &BackupQuery) -> u64;
        changes fn put_backup(record: &BackupRecord, expected: Option<Revision>) -> Revision;
        changes fn add_backups(records: &[BackupRecord]) -> Vec<bool>;
        changes fn put_schedule(record: &ScheduleRecord, expected: Option<Revision>) -> Revision;
        reads fn schedule(id: &ScheduleId) -> Option<StoredSchedule>;
        reads fn schedules(query: &ScheduleQuery) -> Page<StoredSchedule>;
        changes fn remove_schedule(id: &ScheduleId) -> ();
    }
}
