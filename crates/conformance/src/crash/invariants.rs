//! What must hold when everything came to its end, whatever died on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, BackupState, Catalog, ComponentState, Consistency, OperationId,
    OperationState, Protection, Request, Result, SnapshotId, StoredOperation,
};

use super::scenario::Scenario;
use crate::sim::SimWorld;

/// What the deaths of processes may add to a hold: each takeover waits for a lease to run out.
const TAKEOVER_SLACK: Duration = Duration::from_secs(1200);

/// Checks every invariant and answers what is broken, in words; nothing where all hold. Times that processes wrote are
/// compared with the cloud's where their clocks are true.
///
/// # Errors
/// Whatever reading the catalog can meet.
pub(super) async fn check(
    world: &SimWorld,
    operation: &OperationId,
    scenario: Scenario,
    clocks_are_true: bool,
) -> Result<Vec<String>> {
    let Some(stored) = world.catalog.operation(operation).await? else {
        return Ok(vec!["the operation is not in the catalog".into()]);
    };
    let backups: Vec<_> = world.catalog.backups(&BackupQuery::all()).await?.items;
    let backups: Vec<BackupRecord> = backups.into_iter().map(|stored| stored.backup).collect();
    let mut broken = Vec::new();
    the_operation_ended(&stored, &mut broken);
    the_workspace_is_free(world, &mut broken);
    one_job_for_each_key(world, &mut broken);
    every_snapshot_is_accounted_for(world, &backups, &stored, &mut broken);
    complete_is_complete(world, &backups, &stored, &mut broken);
    consistency_is_true(world, &backups, &mut broken);
    the_state_fits_the_catalog(&stored, &backups, &mut broken);
    a_verdict_is_in_both_places(world, &stored, &backups, &mut broken);
    a_copy_is_whole_or_not_there(&stored, &backups, &mut broken);
    restores_touch_only_what_is_new(world, &stored, scenario, &mut broken);
    intents_come_first(world, operation, clocks_are_true, &mut broken).await?;
    Ok(broken)
}

fn the_operation_ended(stored: &StoredOperation, broken: &mut Vec<String>) {
    if !stored.operation.state.is_terminal() {
        broken.push(format!("the operation is still {:?}", stored.operation.state));
    }
    if stored.lease.live {
        broken.push("an ended operation is still held".into());
    }
}

fn the_workspace_is_free(world: &SimWorld, broken: &mut Vec<String>) {
    if let Some(id) = world.workspace.held_by() {
        broken.push(format!("the workspace is still held still by {id}"));
    }
    for hold in world.workspace.holds() {
        let lasted = hold.until.map(|until| until.since(hold.from));
        if lasted.is_some_and(|lasted| lasted > hold.budget + TAKEOVER_SLACK) {
            broken
                .push(format!("the workspace was held still for {lasted:?}, {:?} were allowed", hold.budget));
        }
    }
}

fn one_job_for_each_key(world: &SimWorld, broken: &mut Vec<String>) {
    let mut jobs: BTreeMap<_, u32> = BTreeMap::new();
    for job in world.cloud.jobs().into_iter().filter(|job| !job.twin) {
        if let Some(key) = job.key {
            *jobs.entry((job.restore, key)).or_default() += 1;
        }
    }
    for ((_, key), count) in jobs.into_iter().filter(|(_, count)| *count > 1) {
        broken.push(format!("{count} jobs for attempt {} at {}", key.attempt(), key.component()));
    }
    for job in world.cloud.jobs().into_iter().filter(|job| job.ended_at.is_none()) {
        broken.push(format!("job {} was left to itself", job.id));
    }
}

fn every_snapshot_is_accounted_for(
    world: &SimWorld,
    backups: &[BackupRecord],
    stored: &StoredOperation,
    broken: &mut Vec<String>,
) {
    let known: BTreeSet<SnapshotId> = backups
        .iter()
        .flat_map(|backup| &backup.components)
        .filter_map(|component| component.snapshot.as_ref().map(|snapshot| snapshot.id.clone()))
        .collect();
    let admitted = stored.operation.issues.iter().any(|issue| issue.kind == "not-undone");
    for snapshot in world.cloud.snapshots().into_iter().filter(|snapshot| snapshot.operation.is_some()) {
        if !known.contains(&snapshot.id) && !snapshot.twin && !admitted {
            broken.push(format!("snapshot {} is in no catalog entry", snapshot.id));
        }
    }
}

fn complete_is_complete(
    world: &SimWorld,
    backups: &[BackupRecord],
    stored: &StoredOperation,
    broken: &mut Vec<String>,
) {
    let snapshots = world.cloud.snapshots();
    let records = world.cloud.records();
    // What a verification was to find, and came to no verdict about, is for the next one to find.
    let unjudged = |backup: &&BackupRecord| match (&stored.operation.request, stored.operation.state) {
        (Request::Verify(verify), OperationState::Failed | OperationState::Cancelled) => {
            verify.backup == backup.id
        }
        _ => false,
    };
    let complete = backups.iter().filter(|backup| backup.state == BackupState::Completed);
    for backup in complete.filter(|backup| !unjudged(backup)) {
        for component in &backup.components {
            let id = &component.component.id;
            if component.component.protection != Protection::Protected {
                continue;
            }
            let usable = component.snapshot.as_ref().is_some_and(|reference| {
                snapshots.iter().any(|found| {
                    found.id == reference.id
                        && found.usable
                        && found.resource == component.component.resource
                        && found.operation.as_ref() == Some(&backup.operation)
                })
            });
            if component.state != ComponentState::Completed || !usable {
                broken.push(format!("a completed backup has no usable snapshot of {id}"));
            }
        }
        if !records.contains(backup) {
            broken.push("a completed backup has no record, or another one, beside the data".into());
        }
    }
}

fn consistency_is_true(world: &SimWorld, backups: &[BackupRecord], broken: &mut Vec<String>) {
    let snapshots = world.cloud.snapshots();
    for backup in backups.iter().filter(|backup| backup.consistency > Consistency::Crash) {
        let named = backup.components.iter().filter_map(|component| component.snapshot.as_ref());
        let torn = named.filter(|named| snapshots.iter().any(|found| found.id == named.id && !found.still));
        for snapshot in torn {
            let claim = backup.consistency;
            broken.push(format!("{} claims {claim:?}, but services wrote during its capture", snapshot.id));
        }
    }
}

fn the_state_fits_the_catalog(stored: &StoredOperation, backups: &[BackupRecord], broken: &mut Vec<String>) {
    let operation = &stored.operation;
    let of = |id: &OperationId| backups.iter().find(|backup| backup.id == BackupId::of(id));
    match &operation.request {
        Request::Backup(_) => {
            let state = of(&operation.id).map(|backup| backup.state);
            let expected = match operation.state {
                OperationState::Completed => Some(BackupState::Completed),
                OperationState::Partial => Some(BackupState::Partial),
                _ => None,
            };
            if state != expected {
                broken.push(format!("the operation is {:?}, its backup {state:?}", operation.state));
            }
        }
        Request::Delete(delete) => {
            let left = backups.iter().find(|backup| backup.id == delete.backup);
            match (operation.state, left) {
                (OperationState::Completed, Some(_)) => {
                    broken.push("a deleted backup is still listed".into())
                }
                (OperationState::Failed, None) => {
                    broken.push("a backup is gone without a completed deletion".into())
                }
                _ => {}
            }
        }
        _ => {}
    }
}

fn a_verdict_is_in_both_places(
    world: &SimWorld,
    stored: &StoredOperation,
    backups: &[BackupRecord],
    broken: &mut Vec<String>,
) {
    let Request::Verify(request) = &stored.operation.request else { return };
    let Some(backup) = backups.iter().find(|backup| backup.id == request.backup) else {
        broken.push("a verified backup is gone".into());
        return;
    };
    match stored.operation.state {
        OperationState::Completed => broken.push("the loss of a snapshot was not found".into()),
        OperationState::Partial => {
            if backup.state != BackupState::Damaged {
                broken.push(format!("damage was found and the backup is {:?}", backup.state));
            }
            let mut looked = backup.components.iter().filter(|component| component.snapshot.is_some());
            if looked.any(|component| component.verified_at.is_none()) {
                broken.push("a snapshot was passed over".into());
            }
            let said = stored.operation.issues.iter().any(|issue| issue.kind == "record");
            if !said && !world.cloud.records().contains(backup) {
                broken.push("the record beside the data does not hold the verdict".into());
            }
        }
        _ => {}
    }
}

fn a_copy_is_whole_or_not_there(
    stored: &StoredOperation,
    backups: &[BackupRecord],
    broken: &mut Vec<String>,
) {
    let Request::Copy(request) = &stored.operation.request else { return };
    let original = backups.iter().find(|backup| backup.id == request.backup);
    if original.is_none_or(|original| original.state != BackupState::Completed) {
        broken.push(format!("the original of a copy became {original:?}"));
    }
    let made = backups.iter().find(|backup| backup.id == BackupId::of(&stored.operation.id));
    let done = matches!(stored.operation.state, OperationState::Completed | OperationState::Partial);
    if made.is_some() != done || made.is_some_and(|made| made.copy_of.as_ref() != Some(&request.backup)) {
        broken.push(format!("the copy is {:?}, its backup {made:?}", stored.operation.state));
    }
}

fn restores_touch_only_what_is_new(
    world: &SimWorld,
    stored: &StoredOperation,
    scenario: Scenario,
    broken: &mut Vec<String>,
) {
    let Request::Restore(request) = &stored.operation.request else { return };
    for name in ["data", "home"] {
        let files = world.cloud.files(&format!("arn-{name}")).unwrap_or_default();
        if files.get("notes.txt").map(Vec::as_slice) != Some(name.as_bytes()) || files.len() != 1 {
            broken.push(format!("the source {name} was written to"));
        }
    }
    let made: Vec<_> = world.cloud.resources().into_iter().filter(|resource| resource.restored).collect();
    let done = matches!(stored.operation.state, OperationState::Completed | OperationState::Partial);
    if done {
        let attached = world.provisioner.attached(&request.target);
        let names: BTreeSet<_> = made.iter().map(|resource| resource.name.clone()).collect();
        if !world.provisioner.is_active(&request.target) || attached != names || names.len() != 2 {
            broken.push(format!("restored {names:?}, but {attached:?} is attached"));
        }
    } else if stored.operation.issues.iter().all(|issue| issue.kind != "not-undone") {
        if !made.is_empty() {
            broken.push(format!("an undone restore left {made:?}"));
        }
        if world.provisioner.exists(&request.target) {
            broken.push("an undone restore left its workspace".into());
        }
    }
    if scenario == Scenario::Undo && done {
        broken.push("a restore that could not be activated claims success".into());
    }
}

/// Each job that exists has an intent in the ledger that was written before it was made.
async fn intents_come_first(
    world: &SimWorld,
    operation: &OperationId,
    clocks_are_true: bool,
    broken: &mut Vec<String>,
) -> Result<()> {
    let ledger = world.catalog.ledger(operation).await?;
    for job in world.cloud.jobs() {
        let Some(key) = job.key.filter(|key| key.operation() == operation) else { continue };
        let intended = ledger.iter().any(|entry| {
            entry.action == "start"
                && entry.subject == key.component().as_str()
                && entry.attempt == key.attempt()
                && (entry.at <= job.created_at || !clocks_are_true)
        });
        if !intended {
            broken.push(format!("job {} was started without a written intent", job.id));
        }
    }
    let mut fence = 0;
    for entry in &ledger {
        if entry.fence < fence {
            broken.push("a line of the ledger was written under an old lease".into());
        }
        fence = entry.fence;
    }
    Ok(())
}
