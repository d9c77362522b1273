//! Checks of preflight, start, poll, find and cancel.

use std::time::Duration;

use stillpoint_core::{
    CancelOutcome, Evidence, JobId, JobRef, JobRequest, JobState, Result, Severity, SnapshotQuery,
};

use super::bench::{Bench, operation, refusal};
use super::harness::Harness;

/// A preflight of a good source finds nothing that would stop a backup.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_source_that_is_there_has_no_blocker(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("there", 1).await?;
    let findings = bench.provider.preflight(&bench.cx, &source).await?;
    let blocker = findings.iter().find(|finding| finding.severity == Severity::Blocker);
    assert_eq!(blocker, None, "a source that is there can be backed up");
    Ok(())
}

/// A preflight reports a source that does not exist, under a name by which it could be waived.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_missing_source_is_a_blocker(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let findings = bench.provider.preflight(&bench.cx, &harness.missing()).await?;
    let blocker = findings.iter().find(|finding| finding.severity == Severity::Blocker);
    assert!(blocker.is_some_and(|finding| !finding.check.is_empty()), "a blocker is due: {findings:?}");
    Ok(())
}

/// Starting twice with one key answers one job, which makes one snapshot.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn the_same_key_is_one_job(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("twice", 2).await?;
    let operation = operation("the-same-key", 1)?;
    let request = JobRequest::Backup(bench.backup(&operation, &source, None)?);
    let first = bench.start(&request).await?;
    let second = bench.start(&request).await?;
    assert_eq!(first, second, "one key is one job");
    let status = bench.settle(&first).await?;
    assert_eq!(bench.start(&request).await?, first, "one key is one job, also after its end");
    let again = bench.settle(&first).await?;
    assert_eq!(again.snapshot, status.snapshot);
    let made = bench.provider.snapshots(&bench.cx, &SnapshotQuery::of_operation(operation)).await?;
    assert_eq!(made.len(), 1, "one key is one snapshot: {made:?}");
    Ok(())
}

/// Starting again with the same key in another process answers the same job and makes no second snapshot.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn the_same_key_after_a_restart_is_one_job(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("restarted", 3).await?;
    let operation = operation("the-same-key-restarted", 1)?;
    let request = JobRequest::Backup(bench.backup(&operation, &source, None)?);
    let first = bench.start(&request).await?;
    let snapshot = bench.settle(&first).await?.snapshot;
    let restarted = bench.restarted().await?;
    let second = restarted.start(&request).await?;
    assert_eq!(first, second, "the key is known in every process");
    let status = restarted.settle(&second).await?;
    assert_eq!(status.state, JobState::Succeeded);
    assert_eq!(status.snapshot, snapshot, "the key leads to the snapshot it made");
    let made = restarted.provider.snapshots(&restarted.cx, &SnapshotQuery::of_operation(operation)).await?;
    assert_eq!(made.len(), 1, "one key is one snapshot: {made:?}");
    Ok(())
}

/// Two operations on one source are two jobs with two snapshots.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn another_operation_is_another_job(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("two-operations", 4).await?;
    let first = bench.capture(&operation("another-operation", 1)?, &source, None).await?;
    let second = bench.capture(&operation("another-operation", 2)?, &source, Some(first.clone())).await?;
    assert_ne!(first, second, "each operation has a snapshot of its own");
    Ok(())
}

/// A job that nobody started is not found.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn an_unknown_job_is_not_found(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let unknown = JobRef::new(bench.provider.id().clone(), JobId::new("0123456789abcdef0123456789abcdef")?);
    let answer = bench.provider.poll(&bench.cx, &unknown, Duration::ZERO).await;
    assert_eq!(refusal(&answer), Some(stillpoint_core::ErrorKind::NotFound), "{answer:?}");
    Ok(())
}

/// The job of a request whose answer was lost is found, by another process too, and proven once it ended.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_found_job_is_proven_ours(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("found", 5).await?;
    let operation = operation("a-found-job", 1)?;
    let since = bench.cx.clock().now();
    let request = JobRequest::Backup(bench.backup(&operation, &source, None)?);
    let job = bench.start(&request).await?;
    let snapshot = bench.settle(&job).await?.snapshot;
    let restarted = bench.restarted().await?;
    let found = restarted.provider.find(&restarted.cx_of(&operation), &request, since).await?;
    let proven: Vec<_> = found.iter().filter(|candidate| candidate.evidence == Evidence::Proven).collect();
    assert_eq!(proven.len(), 1, "exactly one job carries the key: {found:?}");
    let status = restarted.settle(&proven[0].job).await?;
    assert_eq!(status.snapshot, snapshot, "the job found is the job started");
    Ok(())
}

/// The search for a job that was never started ends empty once the provider can say so for sure.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_job_never_started_is_not_there(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("never-started", 6).await?;
    let operation = operation("a-job-never-started", 1)?;
    let since = bench.cx.clock().now();
    let request = JobRequest::Backup(bench.backup(&operation, &source, None)?);
    for _ in 0..100 {
        match bench.provider.find(&bench.cx_of(&operation), &request, since).await {
            Ok(found) => {
                assert_eq!(found, Vec::new(), "nothing was started");
                return Ok(());
            }
            // Where lists lag behind, the provider must not claim that there is nothing before it can know.
            Err(error) if matches!(error.retry(), stillpoint_core::Retry::After { .. }) => {
                bench.cx.clock().sleep(Duration::from_secs(5)).await;
            }
            Err(error) => return Err(error),
        }
    }
    Err(super::bench::stuck("the search never came to an answer"))
}

/// A job that can be cancelled ends as cancelled, or had succeeded already; one that cannot says so and runs on.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn cancelling_follows_the_capability(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("cancelled", 7).await?;
    let operation = operation("cancelling", 1)?;
    let request = JobRequest::Backup(bench.backup(&operation, &source, None)?);
    let job = bench.start(&request).await?;
    let outcome = bench.provider.cancel(&bench.cx_of(&operation), &job).await?;
    let can = bench.provider.capabilities().cancel_backup;
    assert_eq!(outcome == CancelOutcome::Unsupported, !can && outcome != CancelOutcome::AlreadyTerminal);
    let status = bench.settle(&job).await?;
    let made = bench.provider.snapshots(&bench.cx, &SnapshotQuery::of_operation(operation)).await?;
    let usable = made.iter().filter(|info| info.usable).count();
    match status.state {
        JobState::Succeeded => assert_eq!(usable, 1, "a job that was done first keeps its snapshot"),
        JobState::Cancelled => {
            assert_eq!(outcome, CancelOutcome::Requested, "only a cancelled job ends as cancelled");
            assert_eq!(usable, 0, "a cancelled job leaves no usable snapshot: {made:?}");
        }
        other => return Err(super::bench::stuck(&format!("a cancelled job ended as {other:?}"))),
    }
    Ok(())
}

/// Cancelling what has ended, or what nobody knows, succeeds and changes nothing.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn cancelling_an_ended_or_unknown_job_succeeds(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("ended", 8).await?;
    let operation = operation("cancelling-ended", 1)?;
    let request = JobRequest::Backup(bench.backup(&operation, &source, None)?);
    let job = bench.start(&request).await?;
    let before = bench.settle(&job).await?;
    let outcome = bench.provider.cancel(&bench.cx_of(&operation), &job).await?;
    assert_ne!(outcome, CancelOutcome::Requested, "an ended job cannot be asked to stop");
    let after = bench.settle(&job).await?;
    assert_eq!((after.state, after.snapshot), (before.state, before.snapshot));
    let unknown = JobRef::new(bench.provider.id().clone(), JobId::new("fedcba9876543210fedcba9876543210")?);
    let outcome = bench.provider.cancel(&bench.cx, &unknown).await?;
    assert_ne!(outcome, CancelOutcome::Requested, "an unknown job cannot be asked to stop");
    Ok(())
}

/// A job that ended says when its content was read; with early capture it says so before the copy is done.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_job_says_when_its_content_was_captured(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("captured", 9).await?;
    let before = bench.cx.clock().now();
    let request = JobRequest::Backup(bench.backup(&operation("captured", 1)?, &source, None)?);
    let job = bench.start(&request).await?;
    let (mut early, mut seen) = (false, None);
    let status = bench
        .watch(&job, |status| {
            early |= status.captured.is_some() && !status.state.is_terminal();
            if let (Some(first), Some(now)) = (seen, status.captured) {
                assert_eq!(first, now, "a capture window never changes");
            }
            seen = status.captured;
        })
        .await?;
    let window = status.captured;
    let now = bench.cx.clock().now();
    assert!(
        window.is_some_and(|window| before <= window.from && window.from <= window.to && window.to <= now),
        "the capture lies between start and end: {window:?}"
    );
    if bench.provider.capabilities().early_capture {
        assert!(early, "with early capture the point shows while the copy still runs");
    }
    Ok(())
}
