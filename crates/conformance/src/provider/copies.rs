//! Checks of copies.

use stillpoint_core::{
    BackupId, Component, CopyJob, Depth, ErrorKind, JobKey, JobRequest, JobState, OperationId, Result,
    Settings, SnapshotRef,
};

use super::bench::{Bench, operation, refusal, stuck};
use super::harness::Harness;

fn copy_of(
    bench: &Bench<'_>,
    by: &OperationId,
    snapshot: &SnapshotRef,
    source: &Component,
) -> Result<JobRequest> {
    let key = JobKey::new(by.clone(), source.id.clone(), 1);
    let mut job = CopyJob::new(key, bench.provider.id().clone(), BackupId::of(by), snapshot.clone());
    job.workspace = Some(bench.workspace(by)?);
    job.component = Some(source.clone());
    job.created_at = bench.cx.clock().now();
    job.destination = Settings::from([("vault".to_owned(), "elsewhere".into())]);
    Ok(JobRequest::Copy(job))
}

/// A copy is a snapshot of its own: it carries its own mark, the same key makes it once, and it stays when the original
/// is deleted. Without [`Capabilities::copies`](stillpoint_core::Capabilities::copies) its start is `Unsupported`.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_copy_is_made_as_the_capability_says(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("copied", 30).await?;
    let original = bench.capture(&operation("copied", 1)?, &source, None).await?;
    let by = operation("copied", 2)?;
    let request = copy_of(&bench, &by, &original, &source)?;
    if !bench.provider.capabilities().copies {
        assert_eq!(refusal(&bench.start(&request).await), Some(ErrorKind::Unsupported));
        return Ok(());
    }
    let job = bench.start(&request).await?;
    assert_eq!(bench.start(&request).await?, job, "the same key is one copy");
    let status = bench.settle(&job).await?;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    let copy = status.snapshot.ok_or_else(|| stuck("a succeeded copy must name its snapshot"))?;
    assert_ne!(copy, original, "a copy is a snapshot of its own");
    let restarted = bench.restarted().await?;
    assert_eq!(restarted.start(&request).await?, job, "the same key is one copy in the next process, too");
    let opened = restarted.provider.open(&restarted.cx, &copy).await?;
    let info = opened.describe(&restarted.cx).await?;
    let marks = (info.operation.as_ref(), info.backup.as_ref(), info.component.as_ref());
    assert_eq!(marks, (Some(&by), Some(&BackupId::of(&by)), Some(&source.id)));
    restarted.delete(&original).await?;
    assert!(opened.verify(&restarted.cx, Depth::Sized).await?.is_good(), "it outlives its original");
    restarted.bring_back(&operation("copied", 3)?, &copy, &source).await?;
    let gone = restarted.start(&copy_of(&bench, &operation("copied", 4)?, &original, &source)?).await;
    let ended = match gone {
        Ok(job) => restarted.settle(&job).await,
        Err(error) => Err(error),
    };
    assert!(super::bench::job_refusal(&ended).is_some(), "what is gone cannot be copied: {ended:?}");
    Ok(())
}
