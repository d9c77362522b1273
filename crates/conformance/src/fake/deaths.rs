//! Processes die at every outside call of whole operations on a fake cloud, and whoever takes over brings them to their end.
//!
//! A call to the cloud is cut off before it arrives or after it was carried out, and the process dies of it; or a process
//! dies before or after a hold, a call of the provisioner, or the last writes to the catalog. All cases of a story happen in
//! one fake, one operation after the other. (Every boundary of the catalog is [`crate::crash`]'s, on a simulated cloud.)

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{Catalog, Clock, OperationState, Orchestrator, Request, StoredOperation};

use super::scene::{Fuses, LEASE, Scene};
use crate::crash::{CrashPoint, Moment};

/// The writes to the catalog before whose last ones a process dies: what is done and not yet known.
const LAST_WRITES: usize = 4;

type Played<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How the first process dies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Of the `nth` call of this name, cut off `before` it arrives or `after` it was carried out.
    Cut {
        /// The cloud's name of the call.
        call: String,
        /// Which one of them, from 1.
        nth: usize,
        /// `before` or `after`.
        when: &'static str,
    },
    /// At a call of the workspace or of the provisioner.
    Outside(CrashPoint),
    /// At a write to the catalog.
    Catalog(CrashPoint),
    /// Not at all.
    Never,
}

/// What the first process met.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Met {
    /// Its calls to the cloud, each as often as it was made.
    pub calls: BTreeMap<String, usize>,
    /// Calls of the workspace and of the provisioner.
    pub outside: usize,
    /// Writes to the catalog.
    pub catalog: usize,
    /// Whether it died.
    pub died: bool,
}

/// One fake in which operation follows operation, all of one story.
#[async_trait]
pub trait Stage: Send + Sync {
    /// Where they happen.
    fn scene(&self) -> &Scene;
    /// Whether a call of this name changes nothing. Of those only the first is cut off.
    fn reads(&self, call: &str) -> bool;
    /// Makes what the next operation needs, notes what there is before it, and answers what is asked for.
    async fn next(&mut self) -> Request;
    /// How an operation ends that nothing disturbs.
    fn ending(&self) -> OperationState {
        OperationState::Completed
    }
    /// What is not as it has to be after the operation of the last [`Stage::next`]; empty where all is.
    async fn broken(&self, ended: &StoredOperation) -> String;
}

/// Runs the stage's next operation, whose first process comes to this end.
///
/// # Errors
/// What is broken afterwards.
pub async fn plays(stage: &mut dyn Stage, end: &End) -> Played<Met> {
    let request = stage.next().await;
    let (id, scene) = (request.id().clone(), stage.scene());
    let since = scene.fake.called();
    let (mut outside, mut catalog) = (None, None);
    match end {
        End::Cut { call, nth, when } => scene.fake.cut(call, *nth, when),
        End::Outside(at) => outside = Some(*at),
        End::Catalog(at) => catalog = Some(*at),
        End::Never => {}
    }
    let fuses = Fuses::new(outside, catalog);
    let first = scene.mortal("one", &fuses);
    let told = tokio::select! {
        biased;
        () = fuses.blow() => Ok(()),
        told = goes_on(scene, &first, &request) => told,
    };
    drop(first);
    let met = Met {
        calls: scene.fake.calls_since(since),
        outside: fuses.outside.crossed(),
        catalog: fuses.catalog.crossed(),
        died: fuses.are_blown(),
    };
    if met.died {
        scene.clock.sleep(LEASE + Duration::from_secs(1)).await;
        goes_on(scene, &scene.orchestrator("two"), &request).await?;
    } else {
        told?;
    }
    let stored = scene.catalog.operation(&id).await?.ok_or("the operation is not catalogued")?;
    let mut broken = stage.broken(&stored).await;
    let mut say = |wrong: bool, what: &dyn std::fmt::Debug| match wrong {
        true => writeln!(broken, "{what:?}"),
        false => Ok(()),
    };
    say(stored.operation.state != stage.ending(), &stored.operation)?;
    say(stored.lease.live, &"an ended operation is still held")?;
    say(scene.workspace.held_by().is_some(), &"the workspace is still held still")?;
    let ledger = scene.catalog.ledger(&id).await?;
    say(!ledger.is_sorted_by_key(|entry| entry.fence), &"a line was written under an old lease")?;
    if broken.is_empty() { Ok(met) } else { Err(format!("{end:?}: {broken}").into()) }
}

/// Submits, as a host that does not know how far it got, and follows to the end.
async fn goes_on(
    scene: &Scene,
    process: &stillpoint_core::LocalOrchestrator,
    request: &Request,
) -> Played<()> {
    process.recover().await?;
    process.submit(request.clone()).await?;
    scene.follow(process, request.id()).await?;
    Ok(())
}

/// Every call that changes something, cut off before and after it was carried out; of every call that reads, the first.
fn cuts(stage: &dyn Stage, met: &Met) -> Vec<End> {
    let mut cuts = Vec::new();
    for (call, count) in &met.calls {
        let (count, ends) =
            if stage.reads(call) { (1, &["after"][..]) } else { (*count, &["before", "after"][..]) };
        for nth in 1..=count {
            cuts.extend(ends.iter().map(|when| End::Cut { call: call.clone(), nth, when }));
        }
    }
    cuts
}

fn boundaries(met: &Met) -> impl Iterator<Item = End> + use<> {
    let moments = [Moment::Before, Moment::After];
    let outside = (0..met.outside).flat_map(move |at| moments.map(|moment| CrashPoint::new(at, moment)));
    let last =
        (met.catalog.saturating_sub(LAST_WRITES)..met.catalog).map(|at| CrashPoint::new(at, Moment::Before));
    outside.map(End::Outside).chain(last.map(End::Catalog))
}

/// Runs the story without a death, then once for each that it can meet; answers how many that were.
///
/// # Errors
/// What is broken after one of them; that more than every tenth did not come.
pub async fn survives(stage: &mut dyn Stage) -> Played<usize> {
    let unharmed = plays(stage, &End::Never).await?;
    let ends: Vec<End> = cuts(stage, &unharmed).into_iter().chain(boundaries(&unharmed)).collect();
    let mut lived = Vec::new();
    for end in &ends {
        if !plays(stage, end).await?.died {
            lived.push(end);
        }
    }
    // Two calls at once may come in another order, so not every one comes in every run.
    if lived.len() * 10 > ends.len() {
        return Err(format!("of {} ends these did not come: {lived:?}", ends.len()).into());
    }
    Ok(ends.len())
}
