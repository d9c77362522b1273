//! The fuse of one process: it counts effect boundaries and blows at the chosen one.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::case::{CrashPoint, Moment};

/// How long a suspended process sleeps: longer than any lease, so that another one took over meanwhile.
const SLEEP: Duration = Duration::from_secs(3600);

/// Counts the boundaries that a process crosses. Once it blows, nothing of that process happens any more: each
/// call that goes through it never returns, or, where it was only put to sleep, returns late.
#[derive(Debug)]
pub struct Fuse {
    point: Option<CrashPoint>,
    crossed: AtomicUsize,
    blown: AtomicBool,
    notify: Notify,
    awake: watch::Sender<bool>,
}

impl Fuse {
    /// A fuse that blows at `point`, or never.
    pub fn new(point: Option<CrashPoint>) -> Self {
        Self {
            point,
            crossed: AtomicUsize::new(0),
            blown: AtomicBool::new(false),
            notify: Notify::new(),
            awake: watch::Sender::new(false),
        }
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
        self.blow_at(at, Moment::Asleep).await;
        let answer = call.await;
        self.blow_at(at, Moment::After).await;
        self.halt_if_blown().await;
        answer
    }

    async fn blow_at(&self, at: usize, moment: Moment) {
        if self.point == Some(CrashPoint::new(at, moment)) && !self.is_blown() {
            self.blown.store(true, Ordering::Relaxed);
            self.notify.notify_one();
            if moment != Moment::Asleep {
                pending::<()>().await;
            }
            // The alarm is not the caller's own, who may be dropped or not looked at while it sleeps.
            let awake = self.awake.clone();
            tokio::spawn(async move {
                tokio::time::sleep(SLEEP).await;
                awake.send_replace(true);
            });
            self.wakes().await;
        }
    }

    /// Whether it blew by putting the process to sleep, which wakes by itself.
    pub fn sleeps(&self) -> bool {
        self.is_blown() && self.point.is_some_and(|point| point.moment == Moment::Asleep)
    }

    /// Returns when the sleeper is awake.
    pub async fn wakes(&self) {
        let mut awake = self.awake.subscribe();
        if awake.wait_for(|awake| *awake).await.is_err() {
            pending::<()>().await;
        }
    }

    async fn halt_if_blown(&self) {
        if self.sleeps() {
            self.wakes().await;
        } else if self.is_blown() {
            pending::<()>().await;
        }
    }
}
