//! Checks of snapshots: what they say, that they stay, that they go.

use stillpoint_core::{
    BackupId, Depth, ErrorKind, JobRequest, JobState, OperationId, Result, SnapshotQuery, SnapshotRef,
};

use super::bench::{Bench, operation, refusal, stuck};
use super::harness::Harness;

/// A snapshot says of itself which workspace, component, backup and operation it belongs to, and from when it is.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_snapshot_describes_itself(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("described", 20).await?;
    let operation = operation("described", 1)?;
    let job = bench.backup(&operation, &source, None)?;
    let status = bench.run(&JobRequest::Backup(job.clone())).await?;
    let reference = status.snapshot.ok_or_else(|| stuck("the capture named no snapshot"))?;
    let restarted = bench.restarted().await?;
    let info = restarted.provider.open(&restarted.cx, &reference).await?.describe(&restarted.cx).await?;
    assert_eq!(info.snapshot, reference);
    assert_eq!(info.workspace.as_ref(), Some(&job.workspace));
    assert_eq!(info.component.as_ref(), Some(&source.id));
    assert_eq!(info.backup.as_ref(), Some(&job.backup));
    assert_eq!(info.operation.as_ref(), Some(&operation));
    assert_eq!(info.created_at, job.created_at, "a snapshot carries the time its backup was begun");
    assert!(info.usable, "a captured snapshot can be restored");
    Ok(())
}

/// Snapshots are found by workspace, backup and operation, without any catalog, and never by another's.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn snapshots_are_found_by_what_is_written_on_them(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("listed", 21).await?;
    let (one, two) = (operation("listed", 1)?, operation("listed", 2)?);
    let first = bench.capture(&one, &source, None).await?;
    let second = bench.capture(&two, &source, Some(first.clone())).await?;
    let found = async |query: SnapshotQuery| -> Result<Vec<SnapshotRef>> {
        let list = bench.provider.snapshots(&bench.cx, &query).await?;
        Ok(list.into_iter().map(|info| info.snapshot).collect())
    };
    assert_eq!(found(SnapshotQuery::of_operation(one.clone())).await?, std::slice::from_ref(&first));
    assert_eq!(found(SnapshotQuery::of_backup(BackupId::of(&two))).await?, std::slice::from_ref(&second));
    assert_eq!(
        found(SnapshotQuery::of_workspace(bench.workspace(&one)?)).await?,
        std::slice::from_ref(&first)
    );
    let mut both = SnapshotQuery::of_operation(one);
    both.backup = Some(BackupId::of(&two));
    assert_eq!(found(both).await?, [], "every condition must hold");
    assert_eq!(found(SnapshotQuery::of_operation(OperationId::new("listed-nobody")?)).await?, []);
    let all = found(SnapshotQuery::all()).await?;
    assert!(all.contains(&first) && all.contains(&second), "{all:?}");
    Ok(())
}

/// What is written to the source after the capture is not in the snapshot.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn later_writes_do_not_change_a_snapshot(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("immutable", 22).await?;
    let snapshot = bench.capture(&operation("immutable", 1)?, &source, None).await?;
    let captured = harness.source_content(&source).await?;
    harness.change(&source, 23).await?;
    assert_ne!(harness.source_content(&source).await?, captured, "the harness must change the source");
    let resource = bench.bring_back(&operation("immutable", 2)?, &snapshot, &source).await?;
    assert_eq!(harness.restored_content(&resource).await?, captured);
    Ok(())
}

/// A snapshot that builds on an earlier one stays whole when the earlier one is deleted.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_snapshot_outlives_the_one_it_builds_on(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("incremental", 24).await?;
    let first = bench.capture(&operation("incremental", 1)?, &source, None).await?;
    harness.change(&source, 25).await?;
    let content = harness.source_content(&source).await?;
    let second = bench.capture(&operation("incremental", 2)?, &source, Some(first.clone())).await?;
    bench.delete(&first).await?;
    let opened = bench.provider.open(&bench.cx, &second).await?;
    let verified = opened.verify(&bench.cx, Depth::Decrypted).await?;
    assert!(verified.is_good(), "{verified:?}");
    let resource = bench.bring_back(&operation("incremental", 3)?, &second, &source).await?;
    assert_eq!(harness.restored_content(&resource).await?, content);
    Ok(())
}

/// A deletion is read back, a second one succeeds, and the snapshot can be neither opened nor listed any more.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_deleted_snapshot_is_gone_and_stays_gone(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("deleted", 26).await?;
    let operation = operation("deleted", 1)?;
    let snapshot = bench.capture(&operation, &source, None).await?;
    let opened = bench.provider.open(&bench.cx, &snapshot).await?;
    bench.delete(&snapshot).await?;
    bench.delete(&snapshot).await?;
    let restarted = bench.restarted().await?;
    restarted.delete(&snapshot).await?;
    let answer = restarted.provider.open(&restarted.cx, &snapshot).await;
    assert_eq!(refusal(&answer), Some(ErrorKind::NotFound), "{answer:?}");
    let answer = opened.describe(&bench.cx).await;
    assert_eq!(refusal(&answer), Some(ErrorKind::NotFound), "a description is read now: {answer:?}");
    let listed = restarted.provider.snapshots(&restarted.cx, &SnapshotQuery::of_operation(operation)).await?;
    assert_eq!(listed, Vec::new());
    Ok(())
}

/// A snapshot that nobody made is not found, and deleting it succeeds.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn an_unknown_snapshot_is_not_found(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let unknown = SnapshotRef::new(bench.provider.id().clone(), harness.never_made()?);
    let answer = bench.provider.open(&bench.cx, &unknown).await;
    assert_eq!(refusal(&answer), Some(ErrorKind::NotFound), "{answer:?}");
    bench.delete(&unknown).await
}

/// A verification says how deep it went: never deeper than asked, and never less deep when more is asked.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn verification_never_claims_more_than_was_asked(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("verified", 27).await?;
    let snapshot = bench.capture(&operation("verified", 1)?, &source, None).await?;
    let snapshot = bench.provider.open(&bench.cx, &snapshot).await?;
    let mut deepest = Depth::Listed;
    for asked in [Depth::Listed, Depth::Sized, Depth::Decrypted, Depth::Restored] {
        let verified = snapshot.verify(&bench.cx, asked).await?;
        assert!(verified.depth <= asked, "asked for {asked:?}, claims {verified:?}");
        assert!(verified.depth >= deepest, "went to {deepest:?} before, claims {verified:?}");
        assert!(verified.is_good() || verified.depth < asked, "a good snapshot is good: {verified:?}");
        deepest = verified.depth;
    }
    Ok(())
}

/// A snapshot that can list its entries lists each one once, page by page and in order; one that cannot says so.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn entries_come_whole_and_in_order(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("entries", 28).await?;
    let content = harness.source_content(&source).await?;
    let status =
        bench.run(&JobRequest::Backup(bench.backup(&operation("entries", 1)?, &source, None)?)).await?;
    assert_eq!(status.state, JobState::Succeeded);
    let reference = status.snapshot.ok_or_else(|| stuck("the capture named no snapshot"))?;
    let snapshot = bench.provider.open(&bench.cx, &reference).await?;
    if !bench.provider.capabilities().lists_entries {
        let answer = snapshot.entries(&bench.cx, "", None).await;
        assert_eq!(refusal(&answer), Some(ErrorKind::Unsupported), "{answer:?}");
        return Ok(());
    }
    let mut paths: Vec<String> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = snapshot.entries(&bench.cx, "", after.as_deref()).await?;
        paths.extend(page.entries.iter().map(|entry| entry.path.clone()));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
        assert!(paths.len() < 1_000_000, "the pages do not end");
    }
    assert!(paths.is_sorted_by(|a, b| a < b), "each entry once and in order: {paths:?}");
    for path in content.keys() {
        assert!(paths.contains(path), "{path} is in the source but not listed: {paths:?}");
    }
    // A page asked for after any entry goes on right behind it.
    let middle = paths.len() / 2;
    let rest = snapshot.entries(&bench.cx, "", Some(&paths[middle])).await?;
    assert_eq!(rest.entries.first().map(|entry| &entry.path), paths.get(middle + 1));
    let answer = snapshot.entries(&bench.cx, "no/such/folder", None).await;
    assert_eq!(refusal(&answer), Some(ErrorKind::NotFound), "{answer:?}");
    Ok(())
}
