//! Checks of schedules.

use std::time::Duration;

use stillpoint_core::{
    BackupRequest, Blackout, Cadence, ErrorKind, Overlap, Result, Revision, Schedule, ScheduleId,
    ScheduleQuery, ScheduleRecord, ScheduledRun, WhenMissed,
};

use super::harness::Harness;
use super::sample::{at, refusal};

fn schedule(id: &str, workspace: &str, look_at: Option<i64>) -> Result<ScheduleRecord> {
    let request = BackupRequest::new("each-run".parse()?, workspace.parse()?);
    let every = Schedule::new(Cadence::every(Duration::from_secs(3600))?);
    let mut record = ScheduleRecord::new(id.parse()?, every, request, at(0));
    record.look_at = look_at.map(at);
    Ok(record)
}

/// A schedule is written at its revision only, comes back as it was, also after a restart, and is removed for good.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_schedule_is_overwritten_at_its_revision_only(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let mut record = schedule("nightly", "w/✓ 'q'", Some(5))?;
    record.schedule = Schedule::new(Cadence::cron("30 2 * * 1-5")?).in_zone("Europe/Berlin")?;
    record.schedule.jitter = Duration::from_secs(900);
    record.schedule.when_missed = WhenMissed::Skip;
    record.schedule.overlap = Overlap::Replace;
    record.schedule.blackouts = vec![Blackout::daily("08:00".parse()?, "18:30".parse()?)];
    record.schedule.alarm_after = Some(Duration::from_secs(86_400));
    record.last = Some(ScheduledRun::new(at(1), at(2), "op-1".parse()?));
    (record.waiting, record.missed_until, record.stale_since) = (Some(at(3)), Some(at(4)), Some(at(6)));
    assert_eq!(catalog.schedule(&record.id).await?, None);
    let changed = catalog.put_schedule(&record, Some(Revision(1))).await;
    assert_eq!(refusal(changed), Some(ErrorKind::Conflict), "it is not there yet");

    let first = catalog.put_schedule(&record, None).await?;
    assert_eq!(refusal(catalog.put_schedule(&record, None).await), Some(ErrorKind::AlreadyExists));
    let before = record.clone();
    record.schedule.paused = true;
    let second = catalog.put_schedule(&record, Some(first)).await?;
    assert!(second > first);
    let stale = catalog.put_schedule(&before, Some(first)).await;
    assert_eq!(refusal(stale), Some(ErrorKind::Conflict), "somebody wrote it meanwhile");
    drop(catalog);

    let catalog = harness.catalog().await?;
    let stored = catalog.schedule(&record.id).await?;
    assert_eq!(stored.as_ref().map(|stored| (&stored.record, stored.revision)), Some((&record, second)));
    catalog.remove_schedule(&record.id).await?;
    catalog.remove_schedule(&record.id).await?;
    assert_eq!(catalog.schedule(&record.id).await?, None);
    let gone = catalog.put_schedule(&record, Some(second)).await;
    assert_eq!(refusal(gone), Some(ErrorKind::Conflict), "a removed one does not come back by itself");
    Ok(())
}

/// Schedules are listed by id, a part at a time, by workspace and by when they are to be looked at.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn schedules_are_found_by_every_condition(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let all = [("b", "ada", Some(10)), ("a", "ada", None), ("d", "bob", Some(20)), ("c", "bob", Some(30))];
    for (id, workspace, look_at) in all {
        catalog.put_schedule(&schedule(id, workspace, look_at)?, None).await?;
    }
    let mut of_bob = ScheduleQuery::all();
    of_bob.workspace = Some("bob".parse()?);
    let mut of_bob_by = of_bob.clone();
    of_bob_by.look_by = Some(at(99));
    for (query, expected) in [
        (ScheduleQuery::all(), vec!["a", "b", "c", "d"]),
        (of_bob, vec!["c", "d"]),
        (ScheduleQuery::look_by(at(9)), vec![]),
        (ScheduleQuery::look_by(at(10)), vec!["b"]),
        (ScheduleQuery::look_by(at(29)), vec!["b", "d"]),
        (of_bob_by, vec!["c", "d"]),
    ] {
        for size in [1, 3, usize::MAX] {
            let (mut found, mut query) = (Vec::<ScheduleId>::new(), query.clone());
            query.limit = size;
            loop {
                let page = catalog.schedules(&query).await?;
                assert!(page.items.len() <= size);
                found.extend(page.items.into_iter().map(|stored| stored.record.id));
                let Some(next) = page.next else { break };
                query.after = Some(next);
            }
            let found: Vec<_> = found.iter().map(ScheduleId::as_str).collect();
            assert_eq!(found, expected, "{size} at a time of {query:?}");
        }
    }
    Ok(())
}
