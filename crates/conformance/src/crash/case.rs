//! One run of the enumerator, and how to run it again.

use std::fmt;
use std::str::FromStr;

use stillpoint_core::{Error, ErrorKind, Result, SeededEntropy};

use super::planted::Planted;
use super::scenario::Scenario;

/// How a process meets its end at a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// The effect never happens.
    Before,
    /// The effect happens and its answer is lost.
    After,
    /// The process is suspended before the effect, for longer than its lease lasts, and then goes on as if nothing
    /// had been: the effect happens late, when somebody else works on the operation or has ended it.
    Asleep,
}

/// Where a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashPoint {
    /// The boundary, from 0, in the order in which the process reaches them.
    pub at: usize,
    /// Before or after it.
    pub moment: Moment,
}

impl CrashPoint {
    /// Dies at boundary `at`.
    pub fn new(at: usize, moment: Moment) -> Self {
        Self { at, moment }
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::After => "after",
            Moment::Asleep => "asleep",
        };
        write!(f, "{}:{moment}", self.at)
    }
}

impl FromStr for CrashPoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once(':').and_then(|(at, moment)| {
            let moment = match moment {
                "before" => Moment::Before,
                "after" => Moment::After,
                "asleep" => Moment::Asleep,
                _ => return None,
            };
            Some(Self { at: at.parse().ok()?, moment })
        });
        parsed.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("{text:?} is no crash point; write 12:before, 12:after or 12:asleep"),
            )
        })
    }
}

/// A scenario, the seed of its faults (zero for none), and where its processes die, one after the other.
///
/// It prints as `STILLPOINT_SEED=7 STILLPOINT_CRASH=backup/12:after/3:before`, and a test that reads these two
/// variables runs just this case again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// What is done.
    pub scenario: Scenario,
    /// Seeds the faults of the cloud; zero for a cloud without faults.
    pub seed: u64,
    /// Where the first process dies, the second one, and so on; the last process lives.
    pub crashes: Vec<CrashPoint>,
    /// Whether an earlier backup of the workspace must stay as it was.
    pub earlier: bool,
    /// Whether the cloud throttles for forty minutes, and loses answers ([`FaultPlan::storm`](crate::sim::FaultPlan::storm)).
    pub storm: bool,
    /// Whether sources are guarded, in a cloud that removes those that are not.
    pub guarded: bool,
    /// A bug that the processes have.
    pub bug: Option<Planted>,
}

impl Case {
    /// A case.
    pub fn new(scenario: Scenario, seed: u64, crashes: Vec<CrashPoint>) -> Self {
        Self { scenario, seed, crashes, earlier: false, storm: false, guarded: false, bug: None }
    }

    /// The same case beside an earlier backup, which must stay as it was.
    #[must_use]
    pub fn beside_a_backup(mut self) -> Self {
        self.earlier = true;
        self
    }

    /// The same case in a cloud that throttles; the seed draws which calls.
    #[must_use]
    pub fn in_a_storm(mut self) -> Self {
        self.storm = true;
        self
    }

    /// The same case with sources that are guarded, in a cloud that removes those that are not.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.guarded = true;
        self
    }

    /// The same case with processes that have this bug.
    #[must_use]
    pub fn with_bug(mut self, bug: Planted) -> Self {
        self.bug = Some(bug);
        self
    }

    /// A case drawn from `seed`: any scenario, up to three crash points of any kind, and the faults of that seed.
    pub fn seeded(seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        let draw = |below: usize| usize::try_from(entropy.next_u64() % below.max(1) as u64).unwrap_or(0);
        let scenario = Scenario::ALL[draw(Scenario::ALL.len())];
        let moments = [Moment::Before, Moment::After, Moment::Asleep];
        let deaths = draw(4);
        let crashes = (0..deaths).map(|_| CrashPoint::new(draw(70), moments[draw(moments.len())])).collect();
        // Drawn last, so that each seed has the faults and deaths that it always had.
        Self { guarded: draw(6) == 0, ..Self::new(scenario, seed, crashes) }
    }

    /// How many seeded cases to run: `STILLPOINT_SEEDS`, or `default`.
    pub fn seeds(default: u64) -> u64 {
        read("STILLPOINT_SEEDS").and_then(|count| count.parse().ok()).unwrap_or(default)
    }

    /// The first of the seeds: `STILLPOINT_FIRST_SEED`, or 1.
    pub fn first_seed() -> u64 {
        read("STILLPOINT_FIRST_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(1)
    }

    /// Of how many second deaths one is tried for each first one: `STILLPOINT_PAIRS_APART`, or `default`; with 1 it is all.
    pub fn pairs_apart(default: usize) -> usize {
        read("STILLPOINT_PAIRS_APART")
            .and_then(|apart| apart.parse().ok())
            .filter(|apart| *apart > 0)
            .unwrap_or(default)
    }

    /// The case that the environment names, if it names one.
    ///
    /// # Errors
    /// `InvalidInput` where it names one wrongly.
    pub fn from_environment() -> Result<Option<Self>> {
        let Some(crash) = read("STILLPOINT_CRASH") else { return Ok(None) };
        let seed = read("STILLPOINT_SEED").unwrap_or_else(|| "0".into());
        let wrong = |what: &str| Error::new(ErrorKind::InvalidInput, format!("{what:?} names no case"));
        let mut parts = crash.split('/');
        let scenario = parts.next().and_then(Scenario::named).ok_or_else(|| wrong(&crash))?;
        let crashes = parts.map(str::parse).collect::<Result<_>>()?;
        let seed = seed.parse().map_err(|_not_a_number| wrong(&seed))?;
        let storm = read("STILLPOINT_STORM").is_some();
        let guarded = read("STILLPOINT_GUARDED").is_some();
        Ok(Some(Self { storm, guarded, ..Self::new(scenario, seed, crashes) }))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.storm {
            f.write_str("STILLPOINT_STORM=1 ")?;
        }
        if self.guarded {
            f.write_str("STILLPOINT_GUARDED=1 ")?;
        }
        write!(f, "STILLPOINT_SEED={} STILLPOINT_CRASH={}", self.seed, self.scenario.name())?;
        self.crashes.iter().try_for_each(|crash| write!(f, "/{crash}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "cases are named, and their number is set, in the environment")]
fn read(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crash_points_read_back_as_they_print() {
        for text in ["0:before", "12:after", "3:asleep"] {
            assert_eq!(text.parse::<CrashPoint>().unwrap().to_string(), text);
        }
        for bad in ["", "12", "after:12", "1:between"] {
            assert!(bad.parse::<CrashPoint>().is_err(), "{bad:?}");
        }
        let case = Case::new(Scenario::Restore, 7, vec![CrashPoint::new(3, Moment::After)]);
        assert_eq!(case.to_string(), "STILLPOINT_SEED=7 STILLPOINT_CRASH=restore/3:after");
    }
}
