//! What goes wrong: scripted to the call, or drawn from a seed.

use std::time::Duration;

use stillpoint_core::{ComponentId, Error, ErrorKind, ErrorRecord, SeededEntropy, Timestamp};

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// `Provider::preflight`.
    Preflight,
    /// `Provider::guard`.
    Guard,
    /// `Provider::unguard`.
    Unguard,
    /// `Provider::guarded`.
    Guarded,
    /// `Provider::start`.
    Start,
    /// `Provider::poll`.
    Poll,
    /// `Provider::find`.
    Find,
    /// `Provider::cancel`.
    Cancel,
    /// `Provider::open` and the reads of a snapshot.
    Read,
    /// `Provider::snapshots`.
    Snapshots,
    /// `Provider::delete`.
    Delete,
    /// `Provider::finish_restore`.
    FinishRestore,
    /// `Provider::discard`.
    Discard,
    /// `Provider::put_record`.
    PutRecord,
    /// `Provider::records`.
    Records,
    /// `Provider::delete_record`.
    DeleteRecord,
}

impl Call {
    /// The call's name in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Guard => "guard",
            Self::Unguard => "unguard",
            Self::Guarded => "guarded",
            Self::Start => "start",
            Self::Poll => "poll",
            Self::Find => "find",
            Self::Cancel => "cancel",
            Self::Read => "read",
            Self::Snapshots => "snapshots",
            Self::Delete => "delete",
            Self::FinishRestore => "finish-restore",
            Self::Discard => "discard",
            Self::PutRecord => "put-record",
            Self::Records => "records",
            Self::DeleteRecord => "delete-record",
        }
    }

    /// Whether the call can change anything, so that a lost answer leaves a doubt.
    pub fn is_mutating(self) -> bool {
        !matches!(
            self,
            Self::Preflight
                | Self::Guarded
                | Self::Poll
                | Self::Find
                | Self::Read
                | Self::Snapshots
                | Self::Records
        )
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Refused: too many calls; come back after this time.
    Throttled(Duration),
    /// Not reached at all.
    Unavailable,
    /// No answer, and nothing was done.
    LostBefore,
    /// No answer, but it was done.
    LostAfter,
    /// The call never returns, and nothing was done.
    Silent,
    /// Refused with an error of this kind, and nothing was done.
    Refused(ErrorKind),
}

impl Fault {
    pub(super) fn error(self, call: Call) -> Error {
        let name = call.as_str();
        match self {
            Self::Throttled(wait) => {
                Error::new(ErrorKind::RateLimited, format!("{name}: too many requests")).retry_after(wait)
            }
            Self::Unavailable => {
                Error::new(ErrorKind::Unavailable, format!("{name}: the cloud cannot be reached"))
            }
            Self::Refused(kind) => Error::new(kind, format!("{name}: the cloud refuses")),
            Self::LostBefore | Self::LostAfter | Self::Silent => {
                let error = Error::new(ErrorKind::Unavailable, format!("{name}: the answer was lost"));
                if call.is_mutating() { error.maybe_applied() } else { error }
            }
        }
    }
}

/// What becomes of one job.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Fate {
    /// It waits this much longer before it runs.
    pub delay: Duration,
    /// It runs so many times as long; zero and one are the normal time.
    pub slowness: u32,
    /// How it ends.
    pub end: FateEnd,
    /// While it runs it is reported in this word, which nobody knows.
    pub word: Option<String>,
    /// The cloud runs the request a second time by itself and keeps both results.
    pub doubled: bool,
}

/// How a job ends when nobody stops it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum FateEnd {
    /// Whole.
    #[default]
    Succeeds,
    /// Done with remarks.
    HasIssues(String),
    /// Half-way, without a result.
    Fails(ErrorRecord),
}

impl Fate {
    /// A job that runs as it should.
    pub fn normal() -> Self {
        Self::default()
    }

    /// A job that fails with an error of `kind`.
    pub fn failing(kind: ErrorKind, message: &str) -> Self {
        Self { end: FateEnd::Fails(Error::new(kind, message).record()), ..Self::default() }
    }

    /// A job that ends with a remark.
    pub fn with_issues(message: &str) -> Self {
        Self { end: FateEnd::HasIssues(message.into()), ..Self::default() }
    }

    /// The same job, held back before it runs.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same job, so many times slower.
    #[must_use]
    pub fn slower(mut self, times: u32) -> Self {
        self.slowness = times;
        self
    }

    /// The same job, reported in an unknown word while it runs.
    #[must_use]
    pub fn reported_as(mut self, word: &str) -> Self {
        self.word = Some(word.into());
        self
    }

    /// The same job, run twice by the cloud.
    #[must_use]
    pub fn doubled(mut self) -> Self {
        self.doubled = true;
        self
    }
}

/// Faults drawn from a seed until a given time, after which the cloud is well, so that everything must come to its
/// end. Rates are per thousand.
#[derive(Debug)]
#[non_exhaustive]
pub struct Chaos {
    entropy: SeededEntropy,
    until: Timestamp,
    /// Calls that fail in some way.
    pub calls: u64,
    /// Jobs that fail.
    pub failing: u64,
    /// Jobs that end with issues.
    pub remarked: u64,
    /// Jobs that are held back or slow.
    pub slow: u64,
}

impl Chaos {
    /// Rates drawn from `seed` themselves, so that runs differ in kind and not only in detail.
    pub fn new(seed: u64, until: Timestamp) -> Self {
        let entropy = SeededEntropy::new(seed);
        let rate = |most: u64| entropy.next_u64() % (most + 1);
        let (calls, failing, remarked, slow) = (rate(200), rate(100), rate(100), rate(300));
        Self { entropy, until, calls, failing, remarked, slow }
    }

    fn chance(&self, per_thousand: u64) -> bool {
        self.entropy.next_u64() % 1000 < per_thousand
    }

    fn call(&self, now: Timestamp) -> Option<Fault> {
        if now >= self.until || !self.chance(self.calls) {
            return None;
        }
        Some(match self.entropy.next_u64() % 4 {
            0 => Fault::Throttled(Duration::from_secs(1 + self.entropy.next_u64() % 30)),
            1 => Fault::Unavailable,
            2 => Fault::LostBefore,
            _ => Fault::LostAfter,
        })
    }

    fn fate(&self, now: Timestamp) -> Fate {
        if now >= self.until {
            return Fate::normal();
        }
        let mut fate = if self.chance(self.failing) {
            Fate::failing(ErrorKind::Unexpected, "the job failed by chance")
        } else if self.chance(self.remarked) {
            Fate::with_issues("completed with issues by chance")
        } else {
            Fate::normal()
        };
        if self.chance(self.slow) {
            fate = fate.slower(2 + u32::try_from(self.entropy.next_u64() % 8).unwrap_or(0));
        }
        if self.chance(self.slow) {
            fate = fate.delayed(Duration::from_secs(self.entropy.next_u64() % 7200));
        }
        if self.chance(100) {
            fate = fate.reported_as("REHYDRATING");
        }
        fate
    }
}

/// A cloud that is asked too much for forty minutes.
#[derive(Debug)]
struct Storm {
    entropy: SeededEntropy,
    begins: Timestamp,
}

impl Storm {
    fn call(&self, now: Timestamp) -> Option<Fault> {
        let minutes = now.since(self.begins).as_secs() / 60;
        let per_hundred = match minutes {
            0..30 => 50,
            30..40 => 100,
            _ => return None,
        };
        let drawn = self.entropy.next_u64() % 100;
        if self.entropy.next_u64().is_multiple_of(100) {
            return Some(Fault::LostAfter);
        }
        (drawn < per_hundred).then(|| Fault::Throttled(Duration::from_secs(1 + drawn % 5)))
    }
}

/// Everything that is to go wrong.
#[derive(Debug, Default)]
pub struct FaultPlan {
    calls: Vec<(Call, u64, Fault)>,
    fates: Vec<(ComponentId, u32, Fate)>,
    chaos: Option<Chaos>,
    outages: Vec<(Timestamp, Timestamp)>,
    storm: Option<Storm>,
    seen: Vec<(Call, u64)>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// The `nth` call of this kind (from 1, counted over all processes) fails so.
    #[must_use]
    pub fn call(mut self, call: Call, nth: u64, fault: Fault) -> Self {
        self.calls.push((call, nth, fault));
        self
    }

    /// The `nth` job for this component (from 1) has this fate.
    #[must_use]
    pub fn job(mut self, component: ComponentId, nth: u32, fate: Fate) -> Self {
        self.fates.push((component, nth, fate));
        self
    }

    /// From `from` until `until` no call is answered.
    #[must_use]
    pub fn outage(mut self, from: Timestamp, until: Timestamp) -> Self {
        self.outages.push((from, until));
        self
    }

    /// From `begins` on half the calls are throttled, for half an hour; then all of them, for ten minutes; and from
    /// beginning to end one call in a hundred is done without an answer. `seed` draws which.
    pub fn storm(seed: u64, begins: Timestamp) -> Self {
        Self { storm: Some(Storm { entropy: SeededEntropy::new(seed), begins }), ..Self::default() }
    }

    /// Beside what is scripted, faults are drawn.
    #[must_use]
    pub fn chaos(mut self, chaos: Chaos) -> Self {
        self.chaos = Some(chaos);
        self
    }

    pub(super) fn on_call(&mut self, call: Call, now: Timestamp) -> Option<Fault> {
        let nth = match self.seen.iter_mut().find(|(seen, _)| *seen == call) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                self.seen.push((call, 1));
                1
            }
        };
        if self.outages.iter().any(|(from, until)| *from <= now && now < *until) {
            return Some(Fault::Unavailable);
        }
        let scripted =
            self.calls.iter().find(|(at, on, _)| *at == call && *on == nth).map(|(_, _, fault)| *fault);
        let stormy = || self.storm.as_ref()?.call(now);
        scripted.or_else(stormy).or_else(|| self.chaos.as_ref()?.call(now))
    }

    pub(super) fn on_job(&self, component: &ComponentId, nth: u32, now: Timestamp) -> Fate {
        let scripted = self.fates.iter().find(|(at, on, _)| at == component && *on == nth);
        if let Some((_, _, fate)) = scripted {
            return fate.clone();
        }
        self.chaos.as_ref().map_or_else(Fate::normal, |chaos| chaos.fate(now))
    }
}
