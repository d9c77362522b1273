//! The agent of one directory: a pending restore first, a backup at the start, then one in every interval.
//!
//! What to do next is a pure function of what happened so far and of the time; whoever runs the agent does it, notes
//! how it went, and asks again. Nothing is kept between runs but what catalog and store say: an agent that was killed
//! begins again with [`AgentState::started`].
//!
//! ```
//! use std::time::Duration;
//! use stillpoint_core::Timestamp;
//! use stillpoint_provider_s3sync::agent::{AgentAction, AgentPolicy, AgentState, next};
//!
//! let policy = AgentPolicy::default();
//! let noon = Timestamp::from_millis(0);
//! let mut agent = AgentState::started(noon, None, true);
//! assert_eq!(next(&policy, &mut agent, noon), AgentAction::Restore);
//! agent.restored();
//! assert_eq!(next(&policy, &mut agent, noon), AgentAction::BackUp);
//! agent.backed_up(noon);
//! let tomorrow = noon.after(Duration::from_secs(12 * 3600));
//! assert_eq!(next(&policy, &mut agent, noon), AgentAction::Wait { until: tomorrow });
//! ```

mod lease;

use std::time::Duration;

pub use lease::{AgentLease, HeldLease, LEASE_BEAT, LEASE_TTL, Taken};
use stillpoint_core::Timestamp;

/// The time between two backups unless told otherwise: 12 hours, as in the sample script.
pub const INTERVAL_DEFAULT: Duration = Duration::from_secs(12 * 3600);
/// Below this interval work in the directory may be felt to slow down; the advice of the sample script's authors.
pub const INTERVAL_ADVISED_MIN: Duration = Duration::from_secs(6 * 3600);

/// How often a restore that fails for a reason that may pass is tried before the backups go on without it.
const RESTORE_TRIES_MAX: u32 = 8;
/// The share of the interval by which agents of different directories are spread, as a divisor.
const JITTER_DIVISOR: u64 = 20;

/// When an agent acts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentPolicy {
    /// From one good backup to the next.
    pub interval: Duration,
    /// Added to each interval, so that many agents do not act at once.
    pub jitter: Duration,
    /// The wait after a first failure; doubled after each further one.
    pub retry_first: Duration,
    /// The longest wait after a failure; never longer than the interval.
    pub retry_max: Duration,
}

impl Default for AgentPolicy {
    fn default() -> Self {
        Self::every(INTERVAL_DEFAULT)
    }
}

impl AgentPolicy {
    /// A backup in every `interval`, without jitter.
    pub fn every(interval: Duration) -> Self {
        let (retry_first, retry_max) = (Duration::from_secs(30), Duration::from_secs(30 * 60));
        Self { interval, jitter: Duration::ZERO, retry_first, retry_max }
    }

    /// The same with a jitter of up to a twentieth of the interval that follows from `name`: equal names have equal
    /// jitter, so that an agent keeps its place when it starts again.
    #[must_use]
    pub fn spread_by(mut self, name: &str) -> Self {
        // FNV-1a: any even spread does.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let most = u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX) / JITTER_DIVISOR;
        self.jitter = Duration::from_millis(hash.checked_rem(most).unwrap_or(0));
        self
    }

    fn wait_after(&self, failures: u32) -> Duration {
        let doubled = self.retry_first.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.retry_max).min(self.interval)
    }
}

/// What happened so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentState {
    /// When this agent began.
    pub started_at: Timestamp,
    /// When the newest good backup was begun, by this agent or an earlier one.
    pub last_good: Option<Timestamp>,
    restore: Option<Tries>,
    given_up: bool,
    backup: Tries,
    last_run: Option<Timestamp>,
}

/// Failures in a row, and the last of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tries {
    failures: u32,
    last: Option<Timestamp>,
}

impl Tries {
    fn fail(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some(now);
    }

    /// When to try again; `None` for at once.
    fn due(&self, policy: &AgentPolicy) -> Option<Timestamp> {
        self.last.map(|last| last.after(policy.wait_after(self.failures)))
    }
}

impl AgentState {
    /// An agent that begins now, where the newest good backup is from `last_good`, with or without a pending restore.
    pub fn started(now: Timestamp, last_good: Option<Timestamp>, restore_pending: bool) -> Self {
        Self {
            started_at: now,
            last_good,
            restore: restore_pending.then(Tries::default),
            given_up: false,
            backup: Tries::default(),
            last_run: None,
        }
    }

    /// The pending restore is settled: it is done, or asks for what there is not.
    pub fn restored(&mut self) {
        self.restore = None;
    }

    /// The pending restore failed for a reason that may pass. After several tries the backups go on without it: work
    /// that nobody protects is the greater harm. They are none that the next restore should take for the newest good one
    /// ([`Self::lacks_restore`]).
    pub fn restore_failed(&mut self, now: Timestamp) {
        if let Some(tries) = &mut self.restore {
            tries.fail(now);
            if tries.failures >= RESTORE_TRIES_MAX {
                self.restore_given_up();
            }
        }
    }

    /// The pending restore failed and is not tried again. What it would have brought is missing, so the backups that go on
    /// without it are as after the last of several tries.
    pub fn restore_given_up(&mut self) {
        self.restore = None;
        self.given_up = true;
    }

    /// Whether the backups go on without a restore that was asked for. Whoever makes them makes them partial.
    pub const fn lacks_restore(&self) -> bool {
        self.given_up
    }

    /// A backup that was begun at `began` is good.
    pub fn backed_up(&mut self, began: Timestamp) {
        self.last_good = Some(began);
        self.backed_up_partly(began);
    }

    /// A backup that was begun at `began` is partial: the next one is due as after a good one, because a file that is
    /// always written to would fail the next try too, but no good backup is counted.
    pub fn backed_up_partly(&mut self, began: Timestamp) {
        self.backup = Tries::default();
        self.last_run = Some(began);
    }

    /// A backup failed; it is tried again sooner than the interval says.
    pub fn backup_failed(&mut self, now: Timestamp) {
        self.backup.fail(now);
    }

    /// Holds every time that is noted to `now` at the latest: one in the future is a clock that was set back, and what
    /// is counted from it would come too late.
    fn clock_is(&mut self, now: Timestamp) {
        self.started_at = self.started_at.min(now);
        let restore = self.restore.as_mut().and_then(|tries| tries.last.as_mut());
        let noted = [self.last_good.as_mut(), self.last_run.as_mut(), self.backup.last.as_mut(), restore];
        noted.into_iter().flatten().for_each(|time| *time = (*time).min(now));
    }

    /// Whether the work at the start is over: no restore is pending, and one backup was made or has failed.
    pub fn is_start_over(&self) -> bool {
        self.restore.is_none() && (self.last_run.is_some() || self.backup.failures > 0)
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentAction {
    /// Make the pending restore.
    Restore,
    /// Back the directory up.
    BackUp,
    /// Nothing until then.
    Wait {
        /// When to ask again.
        until: Timestamp,
    },
}

/// Decides what the agent does at `now`. What the state notes of the time after it is forgotten: the clock was set back.
pub fn next(policy: &AgentPolicy, state: &mut AgentState, now: Timestamp) -> AgentAction {
    state.clock_is(now);
    let at = |due: Option<Timestamp>, action| match due {
        Some(until) if until > now => AgentAction::Wait { until },
        _ => action,
    };
    if let Some(tries) = &state.restore {
        // A backup before the restore would make an empty directory the newest good one.
        return at(tries.due(policy), AgentAction::Restore);
    }
    if state.backup.failures > 0 {
        return at(state.backup.due(policy), AgentAction::BackUp);
    }
    let regular = state.last_run.map(|last| last.after(policy.interval + policy.jitter));
    at(regular, AgentAction::BackUp)
}

/// For how long no backup has been good, where that is longer than it should be: half an interval beyond the next one.
pub fn overdue(policy: &AgentPolicy, state: &AgentState, now: Timestamp) -> Option<Duration> {
    let without = now.since(state.last_good.unwrap_or(state.started_at));
    let tolerated = policy.interval + policy.jitter + policy.interval / 2;
    (without > tolerated).then_some(without)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(hours: u32) -> Timestamp {
        Timestamp::from_millis(0).after(HOUR * hours)
    }

    #[test]
    fn a_restore_comes_before_any_backup_and_only_once() {
        let policy = AgentPolicy::every(12 * HOUR);
        let mut agent = AgentState::started(at(0), None, true);
        assert_eq!(next(&policy, &mut agent, at(0)), AgentAction::Restore);
        agent.restore_failed(at(0));
        assert!(matches!(next(&policy, &mut agent, at(0)), AgentAction::Wait { .. }), "no backup meanwhile");
        assert_eq!(next(&policy, &mut agent, at(1)), AgentAction::Restore);
        agent.restored();
        assert_eq!(next(&policy, &mut agent, at(1)), AgentAction::BackUp);
        assert!(!agent.is_start_over());
        agent.backed_up(at(1));
        assert!(agent.is_start_over());
        assert_eq!(next(&policy, &mut agent, at(1)), AgentAction::Wait { until: at(13) });
    }

    #[test]
    fn a_restore_that_never_succeeds_does_not_keep_the_backups_away_for_ever() {
        let policy = AgentPolicy::every(12 * HOUR);
        let mut agent = AgentState::started(at(0), None, true);
        for hour in 0..RESTORE_TRIES_MAX {
            assert!(!agent.lacks_restore());
            assert_eq!(next(&policy, &mut agent, at(hour)), AgentAction::Restore, "{hour}");
            agent.restore_failed(at(hour));
        }
        assert_eq!(next(&policy, &mut agent, at(RESTORE_TRIES_MAX)), AgentAction::BackUp);
        assert!(agent.lacks_restore(), "what is backed up is not what should be there");
    }

    #[test]
    fn a_restore_that_failed_for_good_leaves_backups_that_nobody_takes_for_whole_ones() {
        let policy = AgentPolicy::every(12 * HOUR);
        let mut agent = AgentState::started(at(0), None, true);
        agent.restore_given_up();
        assert_eq!(next(&policy, &mut agent, at(0)), AgentAction::BackUp);
        assert!(agent.lacks_restore());
        let mut settled = AgentState::started(at(0), None, true);
        settled.restored();
        assert!(!settled.lacks_restore(), "there is nothing that could be missing");
    }

    #[test]
    fn each_start_makes_a_backup_however_new_the_last_one_is() {
        let policy = AgentPolicy::every(12 * HOUR);
        let mut agent = AgentState::started(at(10), Some(at(9)), false);
        assert_eq!(next(&policy, &mut agent, at(10)), AgentAction::BackUp);
    }

    #[test]
    fn a_failure_is_tried_again_soon_and_ever_more_patiently() {
        let policy = AgentPolicy::every(12 * HOUR);
        let mut agent = AgentState::started(at(0), None, false);
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..9 {
            agent.backup_failed(now);
            let AgentAction::Wait { until } = next(&policy, &mut agent, now) else {
                panic!("it should wait")
            };
            waits.push(until.since(now).as_secs());
            assert_eq!(next(&policy, &mut agent, until), AgentAction::BackUp);
            now = until;
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
        agent.backed_up(now);
        assert_eq!(next(&policy, &mut agent, now), AgentAction::Wait { until: now.after(12 * HOUR) });
    }

    #[test]
    fn a_partial_backup_keeps_the_interval_and_counts_as_no_good_one() {
        let policy = AgentPolicy::every(12 * HOUR);
        let mut agent = AgentState::started(at(0), None, false);
        agent.backed_up_partly(at(0));
        assert_eq!(next(&policy, &mut agent, at(1)), AgentAction::Wait { until: at(12) });
        agent.backed_up_partly(at(12));
        assert_eq!(overdue(&policy, &agent, at(19)), Some(19 * HOUR));
    }

    #[test]
    fn a_short_interval_is_never_outlasted_by_the_wait_after_a_failure() {
        let policy = AgentPolicy::every(Duration::from_secs(5));
        let mut agent = AgentState::started(at(0), None, false);
        agent.backup_failed(at(0));
        let until = at(0).after(Duration::from_secs(5));
        assert_eq!(next(&policy, &mut agent, at(0)), AgentAction::Wait { until });
    }

    #[test]
    fn an_interval_of_any_length_is_kept() {
        for hours in [5, 7, 24, 48] {
            let policy = AgentPolicy::every(hours * HOUR);
            let mut agent = AgentState::started(at(0), None, false);
            agent.backed_up(at(3));
            assert_eq!(next(&policy, &mut agent, at(4)), AgentAction::Wait { until: at(3 + hours) });
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_the_backups() {
        let policy = AgentPolicy::every(12 * HOUR);
        let mut agent = AgentState::started(at(100), None, false);
        agent.backed_up(at(100));
        assert_eq!(next(&policy, &mut agent, at(10)), AgentAction::Wait { until: at(22) });
        assert_eq!(next(&policy, &mut agent, at(22)), AgentAction::BackUp, "and not another interval later");
        agent.backed_up(at(22));
        agent.backup_failed(at(200));
        assert!(matches!(next(&policy, &mut agent, at(30)), AgentAction::Wait { .. }));
        assert_eq!(
            next(&policy, &mut agent, at(31)),
            AgentAction::BackUp,
            "nor after a failure in the future"
        );
        assert_eq!(overdue(&policy, &agent, at(41)), Some(19 * HOUR));
    }

    #[test]
    fn a_missed_run_is_noticed_after_half_an_interval() {
        let policy = AgentPolicy::every(12 * HOUR);
        let agent = AgentState::started(at(30), Some(at(13)), false);
        assert_eq!(overdue(&policy, &agent, at(31)), None);
        assert_eq!(overdue(&policy, &agent, at(32)), Some(19 * HOUR));
        assert_eq!(overdue(&policy, &AgentState::started(at(0), None, false), at(18)), None);
        assert_eq!(overdue(&policy, &AgentState::started(at(0), None, false), at(19)), Some(19 * HOUR));
    }

    #[test]
    fn agents_are_spread_and_keep_their_places() {
        let jitter = |name: &str| AgentPolicy::default().spread_by(name).jitter;
        assert_eq!(jitter("ada/lab"), jitter("ada/lab"));
        let places: std::collections::BTreeSet<_> = (0..100).map(|n| jitter(&format!("u{n}/lab"))).collect();
        assert!(places.len() > 90, "{} places", places.len());
        assert!(places.iter().all(|jitter| *jitter < INTERVAL_DEFAULT / 20));
    }
}
