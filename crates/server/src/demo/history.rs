//! Invented backups: the past of every workspace, with the troubles that real ones have.

use std::time::Duration;

use stillpoint_core::{
    BackupId, BackupRecord, BackupRequest, BackupState, CaptureWindow, ComponentRecord, ComponentState,
    Consistency, Depth, Issue, OperationId, OperationRecord, OperationState, Request, Result, SnapshotId,
    SnapshotRef, Timestamp,
};

use super::places::{Part, Place};

/// Numbers that look like chance and are the same every time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice for one subject.
    pub(crate) fn of(subject: &str) -> Self {
        Self(
            subject.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            }),
        )
    }

    /// A number from `from` to `to`.
    pub(crate) fn roll(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from + (self.0 >> 33) % (to - from + 1)
    }
}

/// A backup with the operation that made it.
pub(crate) type Made = (BackupRecord, OperationRecord);

/// All backups of `place`, oldest first.
pub(crate) fn of(place: &Place, now: Timestamp) -> Result<Vec<Made>> {
    let mut parent = None;
    let mut made = Vec::new();
    for number in 0..place.backups {
        let backup = one(place, number, now, parent.take())?;
        parent = Some(backup.0.id.clone());
        made.push(backup);
    }
    Ok(made)
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_millis(time.as_millis() - i64::try_from(span.as_millis()).unwrap_or(0))
}

fn one(place: &Place, number: u64, now: Timestamp, parent: Option<BackupId>) -> Result<Made> {
    let mut dice = Dice::of(&format!("{}/{number}", place.id));
    let newer = place.backups - 1 - number;
    let span =
        place.every * u32::try_from(newer).unwrap_or(0) + place.age + Duration::from_secs(dice.roll(0, 540));
    let begun = before(now, span);
    let operation = OperationId::new(format!(
        "{:08x}{:08x}",
        dice.roll(0x1000_0000, 0xffff_ffff),
        dice.roll(0x1000_0000, 0xffff_ffff)
    ))?;
    let back = usize::try_from(newer * 3 / place.backups.max(1)).unwrap_or(0);
    let mut backup =
        BackupRecord::new(BackupId::of(&operation), operation.clone(), place.definition(back)?, begun);
    backup.creator = dice
        .roll(0, place.people.len() as u64 - 1)
        .try_into()
        .ok()
        .and_then(|at: usize| place.people.get(at))
        .map(|who| (*who).to_owned());
    backup.parent = parent;
    let still = begun.after(Duration::from_secs(dice.roll(8, 25)));
    let mut released = still;
    for (part, component) in place.parts.iter().zip(place.components()?) {
        let mut record = ComponentRecord::new(component, ComponentState::Excluded);
        if part.excluded.is_none() {
            capture(&mut record, part, &mut backup, number == 0, still, &mut dice)?;
            released = released.max(record.captured.map_or(still, |window| window.to));
        }
        backup.components.push(record);
    }
    let directory = place.parts.iter().all(|part| part.kind == "directory");
    backup.consistency = if directory { Consistency::Crash } else { Consistency::Application };
    if !directory {
        released = released.after(Duration::from_secs(dice.roll(3, 12)));
        backup.quiesced = Some(CaptureWindow::new(still, released));
        backup.downtime = released.since(still);
    }
    let took = backup.components.iter().filter_map(|record| record.took).max().unwrap_or_default();
    backup.finished_at = still.after(took + Duration::from_secs(dice.roll(5, 40)));
    trouble(place, newer, &mut backup);
    let operation = ended(&backup, operation);
    Ok((backup, operation))
}

/// What a capture of `part` looked like. The first one reads everything, later ones what has changed.
fn capture(
    record: &mut ComponentRecord,
    part: &Part,
    backup: &mut BackupRecord,
    first: bool,
    still: Timestamp,
    dice: &mut Dice,
) -> Result<()> {
    let grown = part.bytes / 1000 * dice.roll(880, 1000);
    let added = if first { grown / 100 * dice.roll(52, 71) } else { grown / 10_000 * dice.roll(8, 190) };
    let seconds = 20 + added / (90 << 20) + part.files / 9_000;
    // Volumes are captured at once and copied later; files are captured while they are read.
    let window = match part.kind {
        "ebs" | "disk" => CaptureWindow::new(
            still.after(Duration::from_secs(2)),
            still.after(Duration::from_secs(3 + dice.roll(1, 9))),
        ),
        "efs" | "file-share" => CaptureWindow::new(
            still.after(Duration::from_secs(4)),
            still.after(Duration::from_secs(60 + seconds / 8)),
        ),
        _ => CaptureWindow::new(still, still.after(Duration::from_secs(seconds))),
    };
    record.state = ComponentState::Completed;
    record.captured = Some(window);
    record.took = Some(Duration::from_secs(seconds));
    record.verified = Some(Depth::Sized);
    let snapshot = SnapshotId::new(format!("{}-{}", part.id, backup.id))?;
    record.snapshot = Some(SnapshotRef::new(part.provider.parse()?, snapshot));
    let counts = [("bytes_scanned", grown), ("bytes_stored", added), ("files_unmodified", part.files)];
    record.counts = counts.map(|(name, value)| (name.to_owned(), value)).into();
    backup.size_bytes += grown;
    backup.added_bytes += added;
    Ok(())
}

/// The troubles, names, holds and ends that some backups have; `newer` counts from the newest.
fn trouble(place: &Place, newer: u64, backup: &mut BackupRecord) {
    let day = Duration::from_secs(86_400);
    match (place.id, newer) {
        ("ml-prod", 3) => {
            backup.state = BackupState::Partial;
            backup.consistency = Consistency::Fuzzy;
            blame(
                backup,
                1,
                ComponentState::Late,
                &[("late", "projects", "the file system was captured 14 min after services had been let go")],
            );
        }
        ("ml-prod", 7) => {
            backup.name = Some("before the upgrade to 2.0.47".into());
            (backup.held, backup.creator) = (true, Some("ada".into()));
        }
        ("ml-prod", 15) => {
            backup.state = BackupState::Damaged;
            blame(
                backup,
                0,
                ComponentState::Damaged,
                &[(
                    "lost",
                    "vol-0a1f4c2d",
                    "a verification found that the recovery point is gone from its vault",
                )],
            );
        }
        ("ml-prod", 18..) => backup.expires_at = Some(backup.created_at.after(14 * day)),
        ("forecasting", 5) => {
            backup.state = BackupState::Partial;
            blame(
                backup,
                1,
                ComponentState::Failed,
                &[(
                    "failed",
                    "projects",
                    "the share's snapshot quota of 200 is used up; delete older snapshots, then back up again",
                )],
            );
        }
        ("forecasting", _) => backup.expires_at = Some(backup.created_at.after(90 * day)),
        ("research-gpu", 2) => backup.name = Some("paper submission · NeurIPS".into()),
        ("ada/notebooks", 1) => {
            backup.state = BackupState::Partial;
            blame(
                backup,
                0,
                ComponentState::Partial,
                &[
                    (
                        "torn",
                        "experiments/run-118/metrics.parquet",
                        "it changed while it was read, three times in a row",
                    ),
                    ("skipped", ".cache/torch/kernels/lock", "permission denied"),
                ],
            );
        }
        ("lin/vision-lab", 4) => backup.state = BackupState::Deleting,
        ("churn-2024", newer) => {
            backup.name = Some(
                if newer == 0 { "final state before decommissioning" } else { "last productive day" }.into(),
            );
            backup.held = true;
        }
        _ => {}
    }
}

fn blame(backup: &mut BackupRecord, component: usize, state: ComponentState, issues: &[(&str, &str, &str)]) {
    if let Some(record) = backup.components.get_mut(component) {
        record.state = state;
        record.issues =
            issues.iter().map(|(kind, item, message)| Issue::new(*kind, *item, *message)).collect();
    }
}

/// The operation that made `backup`, as it ended.
fn ended(backup: &BackupRecord, id: OperationId) -> OperationRecord {
    let mut request = BackupRequest::new(id, backup.workspace.clone());
    request.name.clone_from(&backup.name);
    request.creator.clone_from(&backup.creator);
    let mut operation = OperationRecord::submitted(Request::Backup(request), backup.created_at);
    operation.state = if backup.state == BackupState::Partial {
        OperationState::Partial
    } else {
        OperationState::Completed
    };
    operation.step = "ended".into();
    operation.finished_at = Some(backup.finished_at);
    operation.last_advance = backup.finished_at;
    operation.progress =
        stillpoint_core::Progress::new(backup.size_bytes, 0).of(Some(backup.size_bytes), None);
    operation.issues = backup.issues().cloned().collect();
    operation.backup = Some(backup.id.clone());
    operation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::places::PLACES;

    #[test]
    fn there_are_about_sixty_backups_in_every_state_and_no_two_are_one() {
        let now: Timestamp = "2026-11-26T03:00:00Z".parse().unwrap();
        let all: Vec<_> = PLACES.iter().flat_map(|place| of(place, now).unwrap()).collect();
        assert!((58..=64).contains(&all.len()), "{}", all.len());
        let ids: std::collections::BTreeSet<_> = all.iter().map(|(backup, _)| backup.id.as_str()).collect();
        assert_eq!(ids.len(), all.len());
        for state in
            [BackupState::Completed, BackupState::Partial, BackupState::Damaged, BackupState::Deleting]
        {
            assert!(all.iter().any(|(backup, _)| backup.state == state), "{state:?}");
        }
        assert!(all.iter().all(|(backup, _)| backup.created_at < now && backup.finished_at <= now));
    }
}
