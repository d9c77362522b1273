//! Checks of the backup records kept beside the data.

use stillpoint_core::{
    BackupId, BackupRecord, ComponentRecord, ComponentState, Definition, ErrorKind, RECORD_FORMAT, Result,
};

use super::bench::{Bench, operation, refusal};
use super::harness::Harness;

/// With the capability a record comes back as it was put, is overwritten by a newer one and removed once and for
/// all; without it each of the three calls says `Unsupported`.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn records_are_kept_as_the_capability_says(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("recorded", 60).await?;
    let operation = operation("recorded", 1)?;
    let snapshot = bench.capture(&operation, &source, None).await?;
    let id = BackupId::of(&operation);
    let definition = Definition::new(bench.workspace(&operation)?);
    let mut record = BackupRecord::new(id.clone(), operation, definition, bench.cx.clock().now());
    let mut component = ComponentRecord::new(source, ComponentState::Completed);
    component.snapshot = Some(snapshot);
    record.components.push(component);
    if !bench.provider.capabilities().holds_records {
        let put = refusal(&bench.provider.put_record(&bench.cx, &record).await);
        let list = refusal(&bench.provider.records(&bench.cx).await);
        let delete = refusal(&bench.provider.delete_record(&bench.cx, &id).await);
        assert_eq!([put, list, delete], [Some(ErrorKind::Unsupported); 3]);
        return Ok(());
    }
    bench.provider.put_record(&bench.cx, &record).await?;
    bench.provider.put_record(&bench.cx, &record).await?;
    assert_eq!(kept(&bench, &id).await?, [record.clone()], "a repeat is no second record");
    record.name = Some("renamed".into());
    bench.provider.put_record(&bench.cx, &record).await?;
    let restarted = bench.restarted().await?;
    let found = kept(&restarted, &id).await?;
    assert_eq!(found, [record], "the newer record is the record");
    assert!(found.iter().all(|record| record.format == RECORD_FORMAT));
    restarted.provider.delete_record(&restarted.cx, &id).await?;
    restarted.provider.delete_record(&restarted.cx, &id).await?;
    assert_eq!(kept(&bench, &id).await?, []);
    Ok(())
}

async fn kept(bench: &Bench<'_>, id: &BackupId) -> Result<Vec<BackupRecord>> {
    let all = bench.provider.records(&bench.cx).await?;
    Ok(all.readable.into_iter().filter(|record| record.id == *id).collect())
}
