//! Several processes at work on one operation at the same time, any of which may die or sleep at any boundary, each with
//! a clock of its own.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{
    Catalog, Clock, Error, ErrorKind, LocalOrchestrator, Provider, Provisioner, Result, SeededEntropy,
    Workspace,
};
use tokio::task::JoinSet;

use super::case::{Case, CrashPoint, Moment};
use super::fuse::Fuse;
use super::scenario::{Outcome, Scenario, fused, scene, settle, simulated, work};
use crate::sim::{LEASE_TTL, SimConfig, SimWorld, SkewedClock};

/// The last process begins at the latest this long after the first one.
const BEGIN_WITHIN: u64 = 1200;
/// How far clocks are off at the most: an hour, and a day after a jump, in either direction.
const CLOCKS_OFF_MAX: Duration = Duration::from_secs(2 * 25 * 3600);
/// A process that lost its lease asks again so often; each time somebody else has come further.
const ASKS_MAX: u32 = 50;

/// Two to five processes on one catalog, cloud and workspace, all told to do the same.
///
/// Everything is drawn from the seed: the scenario, when each begins, whether and where it dies or sleeps past its
/// lease, and, where asked for, how far its clock is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rivalry {
    /// What is drawn.
    pub seed: u64,
    /// Whether their clocks are off, by up to an hour all the time, or by a day from some moment on.
    pub skewed: bool,
}

#[derive(Debug)]
struct Rival {
    begins_after: Duration,
    fuse: Arc<Fuse>,
    clock: Arc<dyn Clock>,
}

impl Rivalry {
    /// What is drawn from `seed`, all clocks true.
    pub fn new(seed: u64) -> Self {
        Self { seed, skewed: false }
    }

    /// The same with clocks that are off.
    #[must_use]
    pub fn skewed(mut self) -> Self {
        self.skewed = true;
        self
    }

    /// Runs it to its end in a runtime of its own, under virtual time. The outcome's boundaries are those of the rivals, in
    /// the order in which they were drawn.
    ///
    /// # Errors
    /// As [`Scenario::run`].
    pub fn run(self) -> Result<Outcome> {
        simulated(run(self))
    }
}

async fn run(rivalry: Rivalry) -> Result<Outcome> {
    let entropy = SeededEntropy::new(rivalry.seed);
    let draw = |below: u64| entropy.next_u64() % below;
    let scenarios: Vec<_> = Scenario::ALL.into_iter().filter(|one| *one != Scenario::Followed).collect();
    let scenario = scenarios[usize::try_from(draw(scenarios.len() as u64)).unwrap_or(0)];
    // Not the seed itself: the faults would follow the same draws.
    let faults = draw(u64::MAX).max(1);
    let case = Arc::new(Case { guarded: faults % 6 == 0, ..Case::new(scenario, faults, vec![]) });
    let clocks_differ = if rivalry.skewed { CLOCKS_OFF_MAX } else { SimConfig::default().clocks_differ };
    let world = Arc::new(scene(&case, clocks_differ).await?);
    let begun = tokio::time::Instant::now();
    let (mut at_work, mut fuses) = (JoinSet::new(), Vec::new());
    for _ in 0..2 + draw(4) {
        let rival = drawn(&world, rivalry, &draw);
        fuses.push(Arc::clone(&rival.fuse));
        at_work.spawn(compete(Arc::clone(&case), Arc::clone(&world), rival));
    }
    let mut sleepers = Vec::new();
    while let Some(ended) = at_work.join_next().await {
        let ended = ended.map_err(|error| {
            Error::new(ErrorKind::Unexpected, "a process of the simulation panicked").with_source(error)
        })?;
        sleepers.extend(ended?);
    }
    // Whoever comes last finds all others ended, dead or asleep.
    world.pass(LEASE_TTL + Duration::from_secs(1)).await;
    let last = drawn(&world, rivalry, &draw);
    let last = Rival { begins_after: Duration::ZERO, fuse: Arc::new(Fuse::new(None)), ..last };
    compete(Arc::clone(&case), Arc::clone(&world), last).await?;
    for fuse in fuses.iter().filter(|fuse| fuse.sleeps()) {
        fuse.wakes().await;
    }
    let crossed = fuses.iter().map(|fuse| fuse.crossed()).collect();
    let mut outcome = settle(&case, &world, sleepers, crossed, !rivalry.skewed).await?;
    outcome.lasted = begun.elapsed();
    Ok(outcome)
}

fn drawn(world: &SimWorld, rivalry: Rivalry, draw: &impl Fn(u64) -> u64) -> Rival {
    let moments = [Moment::Before, Moment::After, Moment::Asleep, Moment::Asleep];
    let at = usize::try_from(draw(70)).unwrap_or(0);
    let point = CrashPoint::new(at, moments[usize::try_from(draw(4)).unwrap_or(0)]);
    let fuse = Arc::new(Fuse::new((draw(3) != 0).then_some(point)));
    let begins_after = Duration::from_secs(draw(BEGIN_WITHIN));
    let mut clock = Arc::clone(&world.clock);
    if rivalry.skewed {
        let hour = 3_600_000;
        let signed = |most: i64| i64::try_from(draw(2 * most.unsigned_abs() + 1)).unwrap_or(most) - most;
        let mut skewed = SkewedClock::new(clock, signed(hour));
        if draw(2) == 0 {
            let by = if draw(2) == 0 { 24 * hour } else { -24 * hour };
            skewed = skewed.jumping(Duration::from_secs(draw(2 * BEGIN_WITHIN)), by);
        }
        clock = Arc::new(skewed);
    }
    Rival { begins_after, fuse, clock }
}

/// One process from its start to its death, or to the end of the operation. Answers a process that only sleeps.
async fn compete(case: Arc<Case>, world: Arc<SimWorld>, rival: Rival) -> Result<Option<LocalOrchestrator>> {
    world.pass(rival.begins_after).await;
    let provider = Arc::new(world.cloud.provider("sim".parse()?)) as Arc<dyn Provider>;
    let catalog = Arc::clone(&world.catalog) as Arc<dyn Catalog>;
    let workspace = Arc::clone(&world.workspace) as Arc<dyn Workspace>;
    let provisioner = Arc::clone(&world.provisioner) as Arc<dyn Provisioner>;
    let (fuse, clock) = (&rival.fuse, rival.clock);
    let process = fused(&world, clock, fuse, catalog, provider, workspace, provisioner)?;
    let to_the_end = async {
        for _ in 1..ASKS_MAX {
            match work(&case, &world, &process).await {
                // Somebody else has the operation now.
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    world.pass(Duration::from_secs(60)).await;
                }
                ended => return ended,
            }
        }
        work(&case, &world, &process).await
    };
    tokio::select! {
        biased;
        () = fuse.blows() => {}
        result = to_the_end => result?,
    }
    Ok(fuse.sleeps().then_some(process))
}
