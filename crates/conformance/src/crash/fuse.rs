//! The fuse of one process: it counts effect boundaries and blows at the chosen one.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::case::{CrashPoint, Moment};

/// Counts the boundaries that a process crosses. Once it blows, nothing of that process happens any more: each
/// call that goes through it never returns.
#[derive(Debug, Default)]
pub struct Fuse {
    point: Option<CrashPoint>,
    crossed: AtomicUsize,
    blown: AtomicBool,
    notify: Notify,
}

impl Fuse {
    /// A fuse that blows at `point`, or never.
    pub fn new(point: Option<CrashPoint>) -> Self {
        Self { point, ..Self::default() }
    }

    /// How many boundaries were reached.
    pub fn crossed(&self) -> usize {
        self.crossed.load(Ordering::Relaxed)
    }

    /// Whether it blew.
    pub fn is_blown(&self) -> bool {
        self.blown.load(Ordering::Relaxed)
    }

    /// Returns when it blows.
    pub async fn blows(&self) {
        let notified = self.notify.notified();
        if !self.is_blown() {
            notified.await;
        }
    }

    /// Lets a call that changes nothing pass, as long as the process lives.
    pub async fn read<T>(&self, call: impl Future<Output = T>) -> T {
        self.halt_if_blown().await;
        let answer = call.await;
        self.halt_if_blown().await;
        answer
    }

    /// Lets a call that changes something pass, or dies before or after it.
    pub async fn cross<T>(&self, call: impl Future<Output = T>) -> T {
        self.halt_if_blown().await;
        let at = self.crossed.fetch_add(1, Ordering::Relaxed);
        self.blow_at(at, Moment::Before).await;
        let answer = call.await;
        self.blow_at(at, Moment::After).await;
        self.halt_if_blown().await;
        answer
    }

    async fn blow_at(&self, at: usize, moment: Moment) {
        if self.point == Some(CrashPoint::new(at, moment)) && !self.is_blown() {
            self.blown.store(true, Ordering::Relaxed);
            self.notify.notify_waiters();
            self.notify.notify_one();
            pending::<()>().await;
        }
    }

    async fn halt_if_blown(&self) {
        if self.is_blown() {
            pending::<()>().await;
        }
    }
}
