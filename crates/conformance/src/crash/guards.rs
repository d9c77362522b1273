//! What must hold of guarded sources when everything came to its end, whatever died on the way.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{
    Catalog, OpContext, OperationId, OperationQuery, Provider, Result, Settlement, Tags, reconcile, settle,
};

use crate::sim::{FaultPlan, SimWorld};

/// A source without a protective tag lasts this long once a job reads it: no job of the scene is done sooner.
const COLLECTED_AFTER: Duration = Duration::from_secs(60);

/// The tag that keeps the cloud's collector away.
const PROTECTED: &str = "cloud:protected";

/// What the sources carry before, and must carry afterwards. One tag of theirs is asked for as well, with another value.
fn own_tags(source: &str) -> Tags {
    [("Name".to_owned(), source.to_owned()), ("tier".to_owned(), "gold".to_owned())].into()
}

/// Sources with tags of their own, a workspace that guards them, and a collector that makes it worth while.
pub(super) fn set_the_scene(world: &SimWorld) {
    for source in ["arn-data", "arn-home"] {
        own_tags(source).iter().for_each(|(key, value)| world.cloud.tag(source, key, value));
    }
    let wanted = [(PROTECTED, "true"), ("keep", "true"), ("tier", "free")];
    world.workspace.guard_sources(wanted.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    world.cloud.collect_sources(COLLECTED_AFTER);
}

/// Checks everything that is promised of guards and answers what is broken, in words. Where a process slept through the end
/// of its operation, what it left is found and removed by a reconciliation.
///
/// # Errors
/// Whatever reading the catalog can meet.
pub(super) async fn check(world: &SimWorld, some_slept: bool, clocks_are_true: bool) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    let operations = world.catalog.operations(&OperationQuery::all()).await?.items;
    let warnings: Vec<_> = operations.iter().flat_map(|stored| &stored.operation.warnings).collect();
    let said = |what: &str| warnings.iter().any(|warning| warning.contains(what));
    if world.cloud.files("arn-data").is_none() || world.cloud.files("arn-home").is_none() {
        // Whoever gave a job up said so, and its guard went with it.
        let gave_up = operations.iter().any(|stored| {
            let issues = stored.operation.issues.iter().map(|issue| issue.message.clone());
            let error = stored.operation.error.iter().map(ToString::to_string);
            issues.chain(error).any(|words| words.contains("may still run"))
        });
        if !gave_up && !said("without all its protective tags") {
            broken.push("a source was collected while it was captured".into());
        }
        return Ok(broken);
    }
    if !some_slept && !said("could not be removed") {
        sources_are_as_they_were(world, &mut broken);
    }
    what_was_left_is_removed(world).await?;
    sources_are_as_they_were(world, &mut broken);
    for stored in &operations {
        intents_come_first(world, &stored.operation.id, clocks_are_true, &mut broken).await?;
    }
    Ok(broken)
}

fn sources_are_as_they_were(world: &SimWorld, broken: &mut Vec<String>) {
    for found in world.cloud.resources().into_iter().filter(|resource| !resource.restored) {
        if found.tags != own_tags(&found.name) {
            broken.push(format!("{} has the tags {:?}", found.name, found.tags));
        }
    }
}

async fn what_was_left_is_removed(world: &SimWorld) -> Result<()> {
    world.cloud.set_faults(FaultPlan::none());
    let cx = OpContext::new(Arc::clone(&world.clock));
    let providers = [Arc::new(world.cloud.provider("sim".parse()?)) as Arc<dyn Provider>];
    let mut settlement = Settlement::default();
    let report = reconcile(&cx, world.catalog.as_ref(), &providers).await?;
    settlement.remove_guards_since = Some(report.clone());
    settle(&cx, world.catalog.as_ref(), &providers, &report, &settlement).await.map(drop)
}

/// Each guard that was written or removed has an intent in the ledger that was written before.
async fn intents_come_first(
    world: &SimWorld,
    operation: &OperationId,
    clocks_are_true: bool,
    broken: &mut Vec<String>,
) -> Result<()> {
    let ledger = world.catalog.ledger(operation).await?;
    let of_it = format!(" of {operation}");
    for call in world.cloud.journal().iter().filter(|entry| ["guard", "unguard"].contains(&entry.call)) {
        let Some(subject) = call.subject.strip_suffix(&of_it) else { continue };
        let intended = ledger.iter().any(|entry| {
            entry.action == call.call && entry.subject == subject && (entry.at <= call.at || !clocks_are_true)
        });
        // A reconciliation is no operation; it removes what an ended one left.
        let ended = ledger.last().is_none_or(|last| call.call == "unguard" && call.at > last.at);
        if !intended && !ended {
            broken.push(format!("{subject} was {}ed without a written intent", call.call));
        }
    }
    Ok(())
}
