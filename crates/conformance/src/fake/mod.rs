//! What tests over the fake of a real cloud have in common, whichever cloud it is: the fake's clock for code that sleeps in
//! several places at once, a workspace with everything that backs it up, and processes that die at every call to the cloud.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use stillpoint_conformance::fake::{Fake, PacedClock};
//! use stillpoint_core::{Clock, Timestamp};
//!
//! /// A cloud in which nothing happens but time.
//! #[derive(Debug, Default)]
//! struct Still(std::sync::atomic::AtomicI64);
//!
//! impl Fake for Still {
//!     fn now(&self) -> Timestamp {
//!         Timestamp::from_millis(self.0.load(std::sync::atomic::Ordering::SeqCst))
//!     }
//!     fn advance(&self, time: Duration) {
//!         self.0.fetch_add(time.as_millis() as i64, std::sync::atomic::Ordering::SeqCst);
//!     }
//!     fn called(&self) -> u64 {
//!         0
//!     }
//!     fn calls_since(&self, _call: u64) -> BTreeMap<String, usize> {
//!         BTreeMap::new()
//!     }
//!     fn cut(&self, _call: &str, _nth: usize, _when: &str) {}
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let clock = PacedClock::of(Arc::new(Still::default()));
//! clock.sleep(Duration::from_secs(3600)).await;
//! assert_eq!(clock.now(), Timestamp::from_millis(3_600_000));
//! # });
//! ```

mod deaths;
mod pace;
mod scene;
mod under_way;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use stillpoint_core::Timestamp;

pub use deaths::{End, Met, Stage, plays, survives};
pub use pace::PacedClock;
pub use scene::{Fuses, NEW_STORAGE, NewStorage, Scene, WORKSPACE};
pub use under_way::Death;

/// The control plane of a fake cloud, whose time only its tests move.
pub trait Fake: Debug + Send + Sync + 'static {
    /// Its time.
    fn now(&self) -> Timestamp;
    /// Moves its time; what is due on the way happens.
    fn advance(&self, time: Duration);
    /// How many calls it has answered so far.
    fn called(&self) -> u64;
    /// The calls after the first `call`, each as often as it was made.
    fn calls_since(&self, call: u64) -> BTreeMap<String, usize>;
    /// Lets the `nth` call of this name from now on lose its connection `before` it arrives or `after` it was carried out.
    fn cut(&self, call: &str, nth: usize, when: &str);
}
