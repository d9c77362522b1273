//! Knows how many calls of a provider are under way, so that no virtual time passes while a real answer is waited for;
//! and lets a process die with an answer that is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use stillpoint_core::layer::{Call, ProviderLayer};
use stillpoint_core::{
    Depth, EntryPage, ErrorKind, Locked, OpContext, Provider, Result, Snapshot, SnapshotInfo, SnapshotRef,
    Verification,
};
use tokio::sync::Notify;

/// Calls under way, and a bell that rings when none is any more.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<(AtomicUsize, Notify)>);

/// The end of a process, which comes with the first answer that it does not get.
#[derive(Clone, Debug, Default)]
pub struct Death(Arc<(AtomicBool, Notify)>);

impl Death {
    /// Returns when the process is dead.
    pub async fn comes(&self) {
        let notified = self.0.1.notified();
        if !self.is_here() {
            notified.await;
        }
    }

    /// Whether it is.
    pub fn is_here(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    fn strike(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.notify_one();
    }
}

/// One call, for as long as it is waited for.
struct Waited(UnderWay);

impl Drop for Waited {
    fn drop(&mut self) {
        if self.0.0.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ring();
        }
    }
}

impl UnderWay {
    pub(super) fn is_any(&self) -> bool {
        self.0.0.load(Ordering::SeqCst) > 0
    }

    /// Wakes whoever waits for something to happen.
    pub(super) fn ring(&self) {
        self.0.1.notify_one();
    }

    /// Returns when something has happened since the last time.
    pub(super) async fn rings(&self) {
        self.0.1.notified().await;
    }

    async fn of<T>(&self, call: impl Future<Output = T>) -> T {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let _waited = Waited(self.clone());
        call.await
    }
}

/// Whatever is called, counted while it is under way.
#[derive(Debug)]
pub(super) struct Counted<T: ?Sized> {
    calls: UnderWay,
    /// The end of whoever calls, if it is to die of a lost answer.
    death: Option<Death>,
    inner: Arc<T>,
}

impl<T: ?Sized + Send + Sync> Counted<T> {
    pub(super) fn new(inner: Arc<T>, calls: UnderWay, death: Option<Death>) -> Self {
        Self { calls, death, inner }
    }

    async fn call<R: Send>(&self, call: impl Future<Output = Result<R>> + Send) -> Result<R> {
        let Some(death) = &self.death else { return self.calls.of(call).await };
        if !death.is_here() {
            let answer = self.calls.of(call).await;
            if !matches!(&answer, Err(error) if error.kind() == ErrorKind::Unavailable) {
                return answer;
            }
            death.strike();
        }
        std::future::pending().await
    }
}

impl ProviderLayer for Counted<dyn Provider> {
    fn inner(&self) -> &dyn Provider {
        &*self.inner
    }
    async fn around<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        _cx: &OpContext,
        _call: Call,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T> {
        self.call(attempt()).await
    }

    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let opened = self.inner.open(cx, snapshot).await?;
        Ok(Arc::new(Counted::new(opened, self.calls.clone(), self.death.clone())))
    }
}

#[async_trait]
impl Snapshot for Counted<dyn Snapshot> {
    async fn describe(&self, cx: &OpContext) -> Result<SnapshotInfo> {
        self.call(self.inner.describe(cx)).await
    }

    async fn verify(&self, cx: &OpContext, depth: Depth) -> Result<Verification> {
        self.call(self.inner.verify(cx, depth)).await
    }

    async fn locked(&self, cx: &OpContext) -> Result<Option<Locked>> {
        self.call(self.inner.locked(cx)).await
    }

    async fn entries(&self, cx: &OpContext, path: &str, after: Option<&str>) -> Result<EntryPage> {
        self.call(self.inner.entries(cx, path, after)).await
    }
}
