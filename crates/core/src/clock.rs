//! Time, injected: the whole orchestrator runs under a virtual clock in tests.

use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// An instant in UTC with millisecond resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// How far the clocks of those who write times and those who read them may differ.
pub(crate) const SKEW_MAX: Duration = Duration::from_secs(5 * 60);

impl Timestamp {
    /// The instant `millis` milliseconds after 1970-01-01T00:00:00Z, held within the years 0 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(-62_167_219_200_000, 253_402_207_200_000))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// So long before this.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The form of directory names in the mirrored layout, `YYYY-MM-DD-HH-MM-SS` in UTC.
    pub fn to_directory_name(self) -> String {
        self.instant().strftime("%Y-%m-%d-%H-%M-%S").to_string()
    }

    /// The year, and the month counted from 1, in UTC.
    pub(crate) fn year_and_month(self) -> (i64, i64) {
        let date = jiff::tz::TimeZone::UTC.to_datetime(self.instant()).date();
        (date.year().into(), date.month().into())
    }

    /// The instant as our time library knows it.
    pub(crate) fn instant(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.instant())
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339, or `YYYY-MM-DD-HH-MM-SS` as UTC.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.parse::<jiff::Timestamp>().or_else(|rfc3339| {
            jiff::civil::DateTime::strptime("%Y-%m-%d-%H-%M-%S", text)
                .and_then(|civil| jiff::tz::TimeZone::UTC.to_timestamp(civil))
                .map_err(|_sample_form| rfc3339)
        });
        parsed.map(|time| Self::from_millis(time.as_millisecond())).map_err(|error| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("{text:?} is not a time; write 2026-01-31T18:30:00Z or 2026-01-31-18-30-00 (UTC)"),
            )
            .with_source(error)
        })
    }
}

/// Where the time comes from.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now. Somebody may set the clock, so that it goes back or jumps ahead.
    fn now(&self) -> Timestamp;

    /// How much time has passed since a moment of the clock's own choosing, whatever the clock is set to meanwhile, and
    /// counting also while the machine is suspended where the system can tell. Leases and waits are measured by it.
    ///
    /// A clock that nobody sets need not implement it.
    fn elapsed(&self) -> Duration {
        self.now().since(Timestamp::from_millis(i64::MIN))
    }

    /// Returns when at least `duration` has passed.
    async fn sleep(&self, duration: Duration);
}

/// The system's clock; sleeping uses tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    #[cfg(unix)]
    fn elapsed(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        // Linux has one that goes on while the machine is suspended (`clock_gettime(2)`).
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        Duration::try_from(clock_gettime(clock)).unwrap_or_default()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that nobody sets: it shows what the clock behind it showed at first, and counts from there.
#[derive(Clone, Debug)]
pub(crate) struct SteadyClock {
    inner: Arc<dyn Clock>,
    shown: Timestamp,
    at: Duration,
}

impl SteadyClock {
    pub(crate) fn new(inner: Arc<dyn Clock>) -> Self {
        let (shown, at) = (inner.now(), inner.elapsed());
        Self { inner, shown, at }
    }
}

#[async_trait]
impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        self.shown.after(self.inner.elapsed().saturating_sub(self.at))
    }

    async fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration).await;
    }
}

/// A clock that follows tokio's timer from a chosen instant.
///
/// Under a runtime whose time is paused (`#[tokio::test(start_paused = true)]`) it is a virtual clock: whenever
/// nothing can run, time jumps to the next timer, so ten hours of a job pass in a millisecond and always alike.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    epoch: Timestamp,
    origin: tokio::time::Instant,
}

impl VirtualClock {
    /// A clock that shows `epoch` now.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, origin: tokio::time::Instant::now() }
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.epoch.after(self.origin.elapsed())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_both_forms_and_print_rfc3339() {
        let time: Timestamp = "2026-01-31T18:30:05.250Z".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-31T18:30:05.250Z");
        assert_eq!(time.to_directory_name(), "2026-01-31-18-30-05");
        let sample: Timestamp = "2026-01-31-18-30-05".parse().unwrap();
        assert_eq!(sample.to_string(), "2026-01-31T18:30:05.000Z");
        let offset: Timestamp = "2026-01-31T20:30:05.25+02:00".parse().unwrap();
        assert_eq!(offset, time);
        for bad in ["", "2026-01", "../../etc", "2026-13-01-00-00-00", "2026-01-31"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?} must be refused");
        }
    }

    #[tokio::test]
    async fn the_systems_elapsed_time_grows_with_the_time_slept() {
        let before = SystemClock.elapsed();
        SystemClock.sleep(Duration::from_millis(2)).await;
        let slept = SystemClock.elapsed() - before;
        assert!((Duration::from_millis(2)..Duration::from_secs(60)).contains(&slept), "{slept:?}");
    }

    /// A virtual clock that is set back by an hour when ten minutes have passed.
    #[derive(Debug)]
    struct SetBack(VirtualClock);

    #[async_trait]
    impl Clock for SetBack {
        fn now(&self) -> Timestamp {
            let hour = if self.0.now().as_millis() < 4_200_000 { 0 } else { 3_600_000 };
            Timestamp::from_millis(self.0.now().as_millis() - hour)
        }
        fn elapsed(&self) -> Duration {
            self.0.elapsed()
        }
        async fn sleep(&self, duration: Duration) {
            self.0.sleep(duration).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_clock_goes_on_while_the_one_behind_it_is_set_back() {
        let set_back = Arc::new(SetBack(VirtualClock::starting_at(Timestamp::from_millis(3_600_000))));
        let clock = SteadyClock::new(set_back.clone());
        clock.sleep(Duration::from_secs(900)).await;
        assert_eq!(set_back.now().as_millis(), 900_000);
        assert_eq!(clock.now().as_millis(), 4_500_000);
    }

    #[tokio::test(start_paused = true)]
    async fn virtual_time_passes_without_waiting() {
        let clock = VirtualClock::starting_at(Timestamp::from_millis(0));
        clock.sleep(Duration::from_secs(10 * 3600)).await;
        assert_eq!(clock.now().as_millis(), 36_000_000);
    }
}
