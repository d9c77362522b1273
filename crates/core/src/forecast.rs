//! How long a capture will take: from what earlier ones took, else from what its provider usually reaches.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalog::{BackupRecord, ComponentRecord};
use crate::workspace::Component;

/// An hour.
const HOUR: Duration = Duration::from_secs(3600);
/// No deadline that follows from a measurement is shorter, so that a day with more change than usual still fits.
const TOTAL_LEAST: Duration = Duration::from_secs(4 * 3600);
/// No deadline that follows from a forecast is longer: a week.
const TOTAL_MOST: Duration = Duration::from_secs(7 * 24 * 3600);
/// A deadline is so many times as long as the forecast.
const TOTAL_TIMES: u32 = 4;
/// No stall clock that follows from a forecast is shorter: clouds report coarsely.
const STALL_LEAST: Duration = HOUR;
/// No stall clock that follows from a forecast is longer.
const STALL_MOST: Duration = Duration::from_secs(12 * 3600);

/// How much there is to read, and how fast its provider usually reads: what [`Provider::estimate`] answers.
///
/// [`Provider::estimate`]: crate::Provider::estimate
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Estimate {
    /// Bytes the component holds, where known.
    pub bytes: Option<u64>,
    /// Files the component holds, where known.
    pub files: Option<u64>,
    /// Bytes a second that the provider usually reaches with large files.
    pub bytes_per_second: Option<u64>,
    /// Files a second that the provider usually reaches with small ones.
    pub files_per_second: Option<u64>,
}

impl Estimate {
    /// An estimate that knows the size only.
    pub fn of_size(bytes: Option<u64>, files: Option<u64>) -> Self {
        Self { bytes, files, ..Self::default() }
    }

    /// The same with the rates that the provider usually reaches.
    #[must_use]
    pub fn at(mut self, bytes_per_second: Option<u64>, files_per_second: Option<u64>) -> Self {
        self.bytes_per_second = bytes_per_second;
        self.files_per_second = files_per_second;
        self
    }

    /// The time at the usual rates: the longer one of what the bytes and what the files take.
    fn time(&self) -> Option<Duration> {
        let span = |count: Option<u64>, rate: Option<u64>| {
            Some(Duration::from_secs(count? / rate.filter(|rate| *rate > 0)?))
        };
        span(self.bytes, self.bytes_per_second).max(span(self.files, self.files_per_second))
    }
}

/// Where a forecast comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// From the rates that the provider usually reaches.
    Prior,
    /// From what earlier captures of the same component took.
    Measured,
}

/// How long something will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Forecast {
    /// The time from the first job's start to the last one's end.
    pub expected: Duration,
    /// The weakest ground it stands on.
    pub basis: Basis,
}

impl Forecast {
    /// `expected`, on this ground.
    pub fn new(expected: Duration, basis: Basis) -> Self {
        Self { expected, basis }
    }

    /// The deadline that follows where the request names none: four times the forecast, at least four hours, at
    /// most a week; never less than `default` where nothing was measured.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stillpoint_core::{Basis, Forecast};
    ///
    /// let hours = |hours: u64| Duration::from_secs(hours * 3600);
    /// assert_eq!(Forecast::new(hours(10), Basis::Measured).total(hours(12)), hours(40));
    /// assert_eq!(Forecast::new(hours(0), Basis::Measured).total(hours(12)), hours(4));
    /// assert_eq!(Forecast::new(hours(1), Basis::Prior).total(hours(12)), hours(12));
    /// ```
    pub fn total(&self, default: Duration) -> Duration {
        let least = if self.basis == Basis::Measured { TOTAL_LEAST } else { default };
        self.expected.saturating_mul(TOTAL_TIMES).clamp(least, TOTAL_MOST.max(least))
    }

    /// The stall clock that follows where the request names none: as long without any progress as the whole capture
    /// usually takes, at least an hour, at most twelve. Without a measurement there is none.
    pub fn stall(&self) -> Option<Duration> {
        (self.basis == Basis::Measured).then(|| self.expected.clamp(STALL_LEAST, STALL_MOST))
    }
}

/// Forecasts the capture of `components`, which run at once; `None` where nothing is known of one of them.
///
/// A pure function. `earlier` are earlier backups of the workspace; each component's estimate is what its provider
/// says now. Where earlier captures of a component are known, the slowest of them counts, by its bytes and its
/// files a second where both sizes are known.
pub fn forecast<'a>(
    earlier: &[BackupRecord],
    components: impl IntoIterator<Item = (&'a Component, Option<Estimate>)>,
) -> Option<Forecast> {
    let mut all: Option<Forecast> = None;
    for (component, estimate) in components {
        let estimate = estimate.unwrap_or_default();
        let taken = earlier.iter().filter_map(|backup| time_at_rate_of(backup, component, &estimate)).max();
        let one = match (taken, estimate.time()) {
            (Some(taken), _) => Forecast::new(taken, Basis::Measured),
            (None, Some(time)) => Forecast::new(time, Basis::Prior),
            (None, None) => return None,
        };
        let so_far = all.unwrap_or(one);
        all = Some(Forecast::new(so_far.expected.max(one.expected), so_far.basis.min(one.basis)));
    }
    all
}

/// Bytes and files a second that a restore is taken to reach where nothing of it was measured: those of a store across a
/// network.
const RESTORE_BYTES_PER_SECOND: u64 = 50 << 20;
const RESTORE_FILES_PER_SECOND: u64 = 500;

/// Forecasts the restore of `backup`, whose components are filled at once; `None` where neither their sizes nor what
/// their captures took is known.
///
/// A pure function. A restore is a full copy, so it is taken to last as long as the slowest capture did, and as long as
/// its bytes and files take at an ordinary pace. Nothing of it was measured, so no deadline that follows is shorter than
/// the default.
///
/// ```
/// use std::time::Duration;
/// use stillpoint_core::{BackupRecord, Definition, Timestamp, forecast_restore};
///
/// let definition = Definition::new("ada".parse()?);
/// let mut backup = BackupRecord::new("b-1".parse()?, "op".parse()?, definition, Timestamp::from_millis(0));
/// assert_eq!(forecast_restore(&backup), None);
/// backup.size_bytes = 600 << 30;
/// let hours = forecast_restore(&backup).unwrap().expected.as_secs() / 3600;
/// assert_eq!(hours, 3);
/// # Ok::<(), stillpoint_core::Error>(())
/// ```
pub fn forecast_restore(backup: &BackupRecord) -> Option<Forecast> {
    let restored = backup.components.iter().filter(|component| component.snapshot.is_some());
    let captured = restored.clone().filter_map(|component| component.took).max().unwrap_or_default();
    let files = restored.map(|component| scanned(component).1).fold(0, u64::saturating_add);
    let bytes = Duration::from_secs(backup.size_bytes / RESTORE_BYTES_PER_SECOND);
    let expected = captured.max(bytes).max(Duration::from_secs(files / RESTORE_FILES_PER_SECOND));
    (!expected.is_zero()).then(|| Forecast::new(expected, Basis::Prior))
}

/// Bytes and files that a capture went through.
fn scanned(made: &ComponentRecord) -> (u64, u64) {
    let count = |name: &str| made.counts.get(name).copied().unwrap_or(0);
    let files = ["files_new", "files_changed", "files_unmodified"].map(count);
    (count("bytes_scanned"), files.into_iter().fold(0, u64::saturating_add))
}

/// What an earlier capture took, scaled to the size of now.
fn time_at_rate_of(backup: &BackupRecord, component: &Component, now: &Estimate) -> Option<Duration> {
    let same = |made: &&ComponentRecord| {
        made.component.id == component.id && made.component.provider == component.provider
    };
    let made = backup.components.iter().find(same)?;
    let took = made.took?;
    let (bytes, files) = scanned(made);
    let scaled = [(now.bytes, bytes), (now.files, files)].into_iter().filter_map(|(now, then)| {
        let factor = u128::from(now?) * took.as_millis() / u128::from(then.max(1));
        (then > 0).then(|| Duration::from_millis(u64::try_from(factor).unwrap_or(u64::MAX)))
    });
    Some(scaled.max().unwrap_or(took))
}
