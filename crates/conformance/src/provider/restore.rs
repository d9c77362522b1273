//! Checks of restores: into new places only, whole, once, and never thrown away by somebody else.

use stillpoint_core::{ErrorKind, JobRequest, JobState, JobStatus, Result, SnapshotId, SnapshotRef};

use super::bench::{Bench, job_refusal, operation, refusal, stuck};
use super::harness::{Content, Harness};

/// A restore into a new place equals what was captured, in another process too, and leaves the source alone.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_restore_brings_back_what_was_captured(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("restored", 40).await?;
    let content = harness.source_content(&source).await?;
    let snapshot = bench.capture(&operation("restored", 1)?, &source, None).await?;
    let restarted = bench.restarted().await?;
    let resource = restarted.bring_back(&operation("restored", 2)?, &snapshot, &source).await?;
    assert_eq!(resource.component, source.id);
    assert_eq!(harness.restored_content(&resource).await?, content);
    assert_eq!(harness.source_content(&source).await?, content, "the source is never written to");
    Ok(())
}

/// Starting a restore twice with one key fills one resource.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn the_same_restore_twice_is_one_resource(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("restored-twice", 41).await?;
    let content = harness.source_content(&source).await?;
    let snapshot = bench.capture(&operation("restored-twice", 1)?, &source, None).await?;
    let operation = operation("restored-twice", 2)?;
    let destination = harness.destination("restored-twice").await?;
    let request = JobRequest::Restore(bench.restore(&operation, &snapshot, &source, destination)?);
    let first = bench.start(&request).await?;
    let second = bench.start(&request).await?;
    assert_eq!(first, second, "one key is one job");
    let status = bench.settle(&first).await?;
    assert_eq!(status.state, JobState::Succeeded);
    let third = bench.start(&request).await?;
    let again = bench.settle(&third).await?;
    assert_eq!(again.state, JobState::Succeeded, "a repeat finds its own work, not a taken target");
    assert_eq!(again.restored, status.restored);
    let resource = status.restored.ok_or_else(|| stuck("the restore named no resource"))?;
    bench.finish(&operation, &resource).await?;
    bench.finish(&operation, &resource).await?;
    assert_eq!(harness.restored_content(&resource).await?, content);
    Ok(())
}

/// A taken destination is refused and stays as it was. Where no destination can be taken, two restores with the
/// same settings make two resources.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_restore_never_writes_over_what_is_there(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("occupied", 42).await?;
    let snapshot = bench.capture(&operation("occupied", 1)?, &source, None).await?;
    let operation_two = operation("occupied", 2)?;
    if let Some(occupied) = harness.occupied("occupied").await? {
        let before = harness.restored_content(&occupied.resource).await?;
        assert!(!before.is_empty(), "the harness must occupy the place");
        let request = bench.restore(&operation_two, &snapshot, &source, occupied.destination)?;
        let answer = bench.run(&JobRequest::Restore(request)).await;
        assert_eq!(job_refusal(&answer), Some(ErrorKind::AlreadyExists), "{answer:?}");
        assert_eq!(harness.restored_content(&occupied.resource).await?, before);
        return Ok(());
    }
    let destination = harness.destination("occupied").await?;
    let first = bench.restore(&operation_two, &snapshot, &source, destination.clone())?;
    let second = bench.restore(&operation("occupied", 3)?, &snapshot, &source, destination)?;
    let first = bench.run(&JobRequest::Restore(first)).await?;
    let second = bench.run(&JobRequest::Restore(second)).await?;
    assert!(first.restored.is_some() && second.restored.is_some(), "{first:?} {second:?}");
    assert_ne!(first.restored, second.restored, "each restore makes a resource of its own");
    Ok(())
}

/// A snapshot that does not exist cannot be restored, and that is said as `NotFound`.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_restore_of_an_unknown_snapshot_fails(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("unknown-point", 43).await?;
    let id = SnapshotId::new("fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210")?;
    let unknown = SnapshotRef::new(bench.provider.id().clone(), id);
    let destination = harness.destination("unknown-point").await?;
    let request = bench.restore(&operation("unknown-point", 1)?, &unknown, &source, destination)?;
    let answer = bench.run(&JobRequest::Restore(request)).await;
    assert_eq!(job_refusal(&answer), Some(ErrorKind::NotFound), "{answer:?}");
    Ok(())
}

/// With the capability a single path comes back and the rest stays away; without it the request is refused.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_single_path_is_restored_as_the_capability_says(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("items", 44).await?;
    let content = harness.source_content(&source).await?;
    let snapshot = bench.capture(&operation("items", 1)?, &source, None).await?;
    let path = single_path(&content)?;
    let operation = operation("items", 2)?;
    let mut request = bench.restore(&operation, &snapshot, &source, harness.destination("items").await?)?;
    request.include.push(path.clone());
    let answer = bench.run(&JobRequest::Restore(request)).await;
    if !bench.provider.capabilities().restores_items {
        assert_eq!(job_refusal(&answer), Some(ErrorKind::Unsupported), "{answer:?}");
        return Ok(());
    }
    let JobStatus { state, restored, .. } = answer?;
    assert_eq!(state, JobState::Succeeded);
    let resource = restored.ok_or_else(|| stuck("the restore named no resource"))?;
    bench.finish(&operation, &resource).await?;
    let landed = harness.restored_content(&resource).await?;
    assert_eq!(landed.get(&path), content.get(&path), "the path asked for comes back as it was");
    let stray: Vec<_> = landed.keys().filter(|other| !related(other, &path)).collect();
    assert!(stray.is_empty(), "only {path} was asked for, but {stray:?} came too");
    Ok(())
}

/// A resource is discarded for the operation that made it only; doing so twice succeeds.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_resource_of_another_operation_is_not_discarded(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("discarded", 45).await?;
    let content = harness.source_content(&source).await?;
    let snapshot = bench.capture(&operation("discarded", 1)?, &source, None).await?;
    let (mine, theirs) = (operation("discarded", 2)?, operation("discarded", 3)?);
    let resource = bench.bring_back(&mine, &snapshot, &source).await?;
    for cx in [bench.cx.clone(), bench.cx_of(&theirs)] {
        let answer = bench.provider.discard(&cx, &resource).await;
        assert_eq!(refusal(&answer), Some(ErrorKind::PermissionDenied), "{answer:?}");
    }
    assert_eq!(harness.restored_content(&resource).await?, content);
    let restarted = bench.restarted().await?;
    restarted.provider.discard(&restarted.cx_of(&mine), &resource).await?;
    assert_eq!(harness.restored_content(&resource).await?, Content::new());
    restarted.provider.discard(&restarted.cx_of(&mine), &resource).await
}

/// The first path that lies in no other one.
fn single_path(content: &Content) -> Result<String> {
    let leaf = |path: &&String| !content.keys().any(|other| other.starts_with(&format!("{path}/")));
    content.keys().find(leaf).cloned().ok_or_else(|| stuck("the harness made an empty source"))
}

/// Whether one of two paths is the other or lies below it.
fn related(a: &str, b: &str) -> bool {
    a == b || a.starts_with(&format!("{b}/")) || b.starts_with(&format!("{a}/")) || a.is_empty() || a == "."
}
