//! What is done while processes die, and how the survivors bring it to its end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{
    Catalog, Clock, Error, ErrorKind, LocalOrchestrator, OnDeadline, OperationId, OperationState,
    Orchestrator, Provider, Provisioner, Request, Result, Timestamp, WhenBusy, Workspace,
};

use super::case::{Case, CrashPoint};
use super::fuse::Fuse;
use super::guards;
use super::invariants::check;
use super::planted::{Ground, PlantedCatalog, PlantedProvider};
use super::wrapped::{FusedCatalog, FusedProvider, FusedProvisioner, FusedWorkspace};
use crate::sim::{Chaos, FaultPlan, LEASE_TTL, SimConfig, SimKind, SimWorld};

const GB: u64 = 1_000_000_000;
/// Faults are drawn for this long; after that the cloud is well and everything must come to its end.
const CHAOS_FOR: Duration = Duration::from_secs(3 * 3600);

/// The backup that is begun behind the first one.
const SECOND: &str = "op-2";

/// What the enumerator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scenario {
    /// A backup of a volume and a file system.
    Backup,
    /// A backup whose deadline passes while jobs run.
    Deadline,
    /// A backup whose deadline passes while jobs run, and a second one right behind it.
    Followed,
    /// A backup whose deadline passes, of a workspace that cannot let itself go.
    Watched,
    /// A backup of a workspace that asks to be held still later, while starts are refused for ten minutes.
    Rested,
    /// A backup that is cancelled while jobs run.
    Cancel,
    /// A restore of a backup.
    Restore,
    /// A restore that fails when all is copied, and is undone.
    Undo,
    /// A deletion of a backup.
    Delete,
    /// A verification of a backup of which one snapshot is gone.
    Verify,
    /// A copy of a backup.
    Copy,
}

/// What is left when everything came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What is broken, in words; empty where every promise was kept.
    pub broken: Vec<String>,
    /// How the operation ended; `None` where it was never stored.
    pub state: Option<OperationState>,
    /// Boundaries that each process crossed, the last one included.
    pub crossed: Vec<usize>,
    /// Every call to the cloud, one a line.
    pub trace: Vec<String>,
    /// How much virtual time passed.
    pub lasted: Duration,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Backup,
        Self::Deadline,
        Self::Followed,
        Self::Watched,
        Self::Rested,
        Self::Cancel,
        Self::Restore,
        Self::Undo,
        Self::Delete,
        Self::Verify,
        Self::Copy,
    ];

    /// Its name in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Deadline => "deadline",
            Self::Followed => "followed",
            Self::Watched => "watched",
            Self::Rested => "rested",
            Self::Cancel => "cancel",
            Self::Restore => "restore",
            Self::Undo => "undo",
            Self::Delete => "delete",
            Self::Verify => "verify",
            Self::Copy => "copy",
        }
    }

    /// The scenario of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// Runs one case to its end in a runtime of its own, under virtual time.
    ///
    /// # Errors
    /// `DeadlineExceeded` where the operation does not end ([`SimWorld::finish`]); whatever the orchestrator answers against the contract.
    pub fn run(case: &Case) -> Result<Outcome> {
        simulated(run(case))
    }

    fn request(self, world: &SimWorld) -> Result<Request> {
        let mut backup = world.backup("op")?;
        backup.on_deadline = OnDeadline::Detach;
        Ok(match self {
            Self::Backup | Self::Rested | Self::Cancel => Request::Backup(backup),
            Self::Deadline | Self::Followed | Self::Watched => {
                backup.timeout = Some(Duration::from_secs(600));
                Request::Backup(backup)
            }
            Self::Restore | Self::Undo => Request::Restore(world.restore("op", "earlier", "ws-2")?),
            Self::Delete => Request::Delete(world.delete("op", "earlier")?),
            Self::Verify => Request::Verify(world.verify("op", "earlier")?),
            Self::Copy => Request::Copy(world.copy("op", "earlier")?),
        })
    }

    fn needs_a_backup(self) -> bool {
        matches!(self, Self::Restore | Self::Undo | Self::Delete | Self::Verify | Self::Copy)
    }
}

/// Runs a simulation in a runtime of its own, under virtual time.
pub(super) fn simulated(run: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| {
        Error::new(ErrorKind::Unexpected, "no runtime for the simulation").with_source(error)
    })?;
    runtime.block_on(run)
}

/// What is there before the first process begins.
pub(super) async fn scene(case: &Case, clocks_differ: Duration) -> Result<SimWorld> {
    let config = SimConfig { poll_after: Duration::from_secs(120), clocks_differ, ..SimConfig::default() };
    let components =
        [("data", SimKind::Volume, 20 * GB, 20_000), ("home", SimKind::FileSystem, 10 * GB, 10_000)];
    let world = SimWorld::new(config, &components)?;
    if case.scenario.needs_a_backup() || case.earlier {
        let orchestrator = world.orchestrator()?;
        let status = world.run(&orchestrator, Request::Backup(world.backup("earlier")?)).await?;
        assert_eq!(status.operation.state, OperationState::Completed, "the scene needs a backup");
    }
    if case.guarded {
        guards::set_the_scene(&world);
    }
    if case.scenario == Scenario::Watched {
        world.workspace.disable_switch();
    }
    if case.scenario == Scenario::Verify
        && let Some(snapshot) = world.cloud.snapshots().first()
    {
        world.cloud.lose(&snapshot.id);
    }
    if case.scenario == Scenario::Undo {
        world.provisioner.fail("activate", u32::MAX);
    }
    let now = world.clock.now();
    let mut faults = FaultPlan::none();
    if case.scenario == Scenario::Rested {
        world.workspace.put_off_quiesce(1);
        // It begins when the preflight is done.
        let outage = [2, 600].map(|seconds| now.after(Duration::from_secs(seconds)));
        faults = faults.outage(outage[0], outage[1]);
    }
    if case.storm {
        // Some operations are over within half an hour, so some storms are near their height already.
        let minutes = i64::try_from(case.seed % 6).unwrap_or(0) * 7;
        let began = Timestamp::from_millis(now.as_millis() - minutes * 60_000);
        faults = FaultPlan::storm(case.seed, began);
    } else if case.seed != 0 {
        faults = faults.chaos(Chaos::new(case.seed, now.after(CHAOS_FOR)));
    }
    world.cloud.set_faults(faults);
    Ok(world)
}

/// Lets everything come to its end and looks behind everybody's back.
pub(super) async fn settle(
    case: &Case,
    world: &SimWorld,
    sleepers: Vec<LocalOrchestrator>,
    crossed: Vec<usize>,
    clocks_are_true: bool,
) -> Result<Outcome> {
    // Whatever a late riser does, and whatever the cloud still runs, comes to its end in this time.
    world.pass(Duration::from_secs(6 * 3600)).await;
    let some_slept = !sleepers.is_empty();
    drop(sleepers);
    let operation: OperationId = "op".parse()?;
    let mut broken = check(world, &operation, case.scenario, clocks_are_true).await?;
    if case.scenario == Scenario::Followed {
        broken.extend(check(world, &SECOND.parse()?, case.scenario, clocks_are_true).await?);
    }
    if case.guarded {
        broken.extend(guards::check(world, some_slept, clocks_are_true).await?);
    }
    let state = world.catalog.operation(&operation).await?.map(|stored| stored.operation.state);
    let trace = world.cloud.journal().iter().map(ToString::to_string).collect();
    Ok(Outcome { broken, state, crossed, trace, lasted: Duration::ZERO })
}

async fn run(case: &Case) -> Result<Outcome> {
    let begun = tokio::time::Instant::now();
    let world = scene(case, SimConfig::default().clocks_differ).await?;
    let ground = Arc::new(Ground::default());
    let (mut crossed, mut sleepers, mut asleep) = (Vec::new(), Vec::new(), Vec::new());
    for point in case.crashes.iter().map(Some).chain([None]) {
        let fuse = Arc::new(Fuse::new(point.copied()));
        if let Some(sleeper) = live(case, &world, &ground, &fuse).await? {
            sleepers.push(sleeper);
            asleep.push(Arc::clone(&fuse));
        }
        crossed.push(fuse.crossed());
        if !fuse.is_blown() {
            break;
        }
    }
    for fuse in asleep {
        fuse.wakes().await;
    }
    let mut outcome = settle(case, &world, sleepers, crossed, true).await?;
    outcome.lasted = begun.elapsed();
    Ok(outcome)
}

/// One process from its start to its death, or to the end of the operation. Answers a process that only sleeps.
async fn live(
    case: &Case,
    world: &SimWorld,
    ground: &Arc<Ground>,
    fuse: &Arc<Fuse>,
) -> Result<Option<LocalOrchestrator>> {
    let process = mortal(case, world, ground, fuse)?;
    tokio::select! {
        biased;
        () = fuse.blows() => {}
        result = work(case, world, &process) => result?,
    }
    let sleeper = fuse.sleeps().then_some(process);
    // The dead one's lease must run out before anybody can take over.
    world.pass(LEASE_TTL + Duration::from_secs(1)).await;
    Ok(sleeper)
}

fn mortal(
    case: &Case,
    world: &SimWorld,
    ground: &Arc<Ground>,
    fuse: &Arc<Fuse>,
) -> Result<LocalOrchestrator> {
    let mut catalog = Arc::clone(&world.catalog) as Arc<dyn Catalog>;
    let mut provider = Arc::new(world.cloud.provider("sim".parse()?)) as Arc<dyn Provider>;
    if let Some(bug) = case.bug {
        catalog = Arc::new(PlantedCatalog { inner: catalog, bug, ground: Arc::clone(ground) });
        provider = Arc::new(PlantedProvider { inner: provider, bug, ground: Arc::clone(ground) });
    }
    let workspace = Arc::clone(&world.workspace) as Arc<dyn Workspace>;
    let provisioner = Arc::clone(&world.provisioner) as Arc<dyn Provisioner>;
    fused(world, Arc::clone(&world.clock), fuse, catalog, provider, workspace, provisioner)
}

/// A process all whose calls pass the fuse.
pub(super) fn fused(
    world: &SimWorld,
    clock: Arc<dyn Clock>,
    fuse: &Arc<Fuse>,
    catalog: Arc<dyn Catalog>,
    provider: Arc<dyn Provider>,
    workspace: Arc<dyn Workspace>,
    provisioner: Arc<dyn Provisioner>,
) -> Result<LocalOrchestrator> {
    world.orchestrator_under(
        clock,
        Arc::new(FusedCatalog::new(catalog, Arc::clone(fuse))),
        Arc::new(FusedProvider::new(provider, Arc::clone(fuse))),
        Arc::new(FusedWorkspace::new(workspace, Arc::clone(fuse))),
        Arc::new(FusedProvisioner::new(provisioner, Arc::clone(fuse))),
    )
}

/// What a process does: submit once more, as a host that does not know how far it got, and follow to the end.
pub(super) async fn work(case: &Case, world: &SimWorld, process: &LocalOrchestrator) -> Result<()> {
    let operation: OperationId = "op".parse()?;
    process.recover().await?;
    process.submit(case.scenario.request(world)?).await?;
    if case.scenario == Scenario::Cancel {
        world.pass(Duration::from_secs(400)).await;
        process.cancel(&operation).await?;
    }
    if case.scenario == Scenario::Followed {
        process.wait(&operation).await?;
        let mut second = world.backup(SECOND)?;
        second.when_busy = WhenBusy::Queue;
        process.submit(Request::Backup(second)).await?;
        world.finish(process, &SECOND.parse()?).await?;
    }
    world.finish(process, &operation).await.map(drop)
}

impl Case {
    /// A case with one more crash.
    #[must_use]
    pub fn and(mut self, crash: CrashPoint) -> Self {
        self.crashes.push(crash);
        self
    }
}
