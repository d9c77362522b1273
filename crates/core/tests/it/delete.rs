//! A deletion marks its backup only if nobody changed it since it was looked at.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::decide::{Decision, Effect, Event, Inspection, Machine, Outcome, Step, decide};
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{
    BackupRecord, BackupState, Catalog, Component, ComponentRecord, ComponentState, Definition,
    DeleteRequest, DeleteState, Error, ErrorKind, LocalOrchestrator, OperationRecord, OperationState,
    Orchestrator, Request, Revision, SnapshotRef, Timestamp,
};

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn backup() -> BackupRecord {
    let definition = Definition::new("ada".parse().unwrap());
    BackupRecord::new("b-1".parse().unwrap(), "op-0".parse().unwrap(), definition, time(0))
}

fn request() -> Request {
    Request::Delete(DeleteRequest::new(
        "op-1".parse().unwrap(),
        "b-1".parse().unwrap(),
        "ada".parse().unwrap(),
    ))
}

fn inspected(backup: BackupRecord, revision: u64) -> Event {
    let mut found = Inspection::new(Some(backup), Vec::new(), BTreeMap::new());
    found.revision = Some(Revision(revision));
    Event::Done(Step::Inspect, Ok(Outcome::Inspected(Box::new(found))))
}

fn after_inspection(revision: u64) -> Decision {
    let begun = decide(&OperationRecord::submitted(request(), time(0)), &Event::Begun, time(0));
    assert!(matches!(begun.effects[..], [Effect::InspectBackup]), "{:?}", begun.effects);
    decide(&begun.record, &inspected(backup(), revision), time(1))
}

#[test]
fn a_hold_set_after_the_backup_was_looked_at_keeps_it() {
    let looked = after_inspection(3);
    let [Effect::MarkBackup(marked)] = &looked.effects[..] else { panic!("{:?}", looked.effects) };
    assert_eq!((marked.revision, marked.backup.state), (Revision(3), BackupState::Deleting));
    assert!(looked.put_backup.is_none(), "nothing is overwritten without a look at the revision");

    let conflict = Error::new(ErrorKind::Conflict, "changed by somebody else").record();
    let refused = decide(&looked.record, &Event::Done(Step::Mark, Err(conflict)), time(2));
    assert!(refused.effects.is_empty() && !refused.record.state.is_terminal());
    let again = decide(&refused.record, &Event::Tick, time(3600));
    assert!(matches!(again.effects[..], [Effect::InspectBackup]), "{:?}", again.effects);

    let mut held = backup();
    held.held = true;
    let ended = decide(&again.record, &inspected(held, 4), time(3601));
    assert_eq!(ended.record.state, OperationState::Failed);
    assert!(ended.record.error.unwrap().message.contains("held"));
    assert!(ended.put_backup.is_none() && ended.remove_backup.is_none());
}

#[test]
fn a_mark_whose_answer_was_lost_is_recognised() {
    let looked = after_inspection(3);
    let lost = Error::new(ErrorKind::Unavailable, "no reply").maybe_applied().record();
    let again = decide(&looked.record, &Event::Done(Step::Mark, Err(lost)), time(2));
    let mut marked = backup();
    marked.state = BackupState::Deleting;
    let again = decide(&again.record, &Event::Tick, time(3600));
    let found = decide(&again.record, &inspected(marked, 4), time(3601));
    assert!(matches!(found.effects[..], [Effect::MarkBackup(_)]), "{:?}", found.effects);
    let done = decide(&found.record, &Event::Done(Step::Mark, Ok(Outcome::Done)), time(3602));
    assert!(matches!(done.effects[..], [Effect::DeleteRecord(_)]), "{:?}", done.effects);
}

/// What becomes of a deletion once its mark is taken away: whoever saw the mark may have removed the record, so it is written.
fn given_back(unmarking: &Decision, at: i64) -> OperationRecord {
    let unmarked = decide(&unmarking.record, &Event::Done(Step::Mark, Ok(Outcome::Done)), time(at));
    assert!(matches!(unmarked.effects[..], [Effect::WriteRecord(_)]), "{:?}", unmarked.effects);
    let away = Err(Error::new(ErrorKind::Unavailable, "away").record());
    let tried = decide(&unmarked.record, &Event::Done(Step::WriteRecord, away), time(at));
    let again = decide(&tried.record, &Event::Tick, time(at + 100));
    let [Effect::WriteRecord(record)] = &again.effects[..] else { unreachable!("{:?}", again.effects) };
    assert_ne!(record.state, BackupState::Deleting);
    decide(&again.record, &Event::Done(Step::WriteRecord, Ok(Outcome::Done)), time(at + 100)).record
}

#[test]
fn a_deletion_that_is_cancelled_after_a_lost_mark_takes_the_mark_away() {
    for (event, state) in
        [(Event::CancelRequested, OperationState::Cancelled), (Event::Tick, OperationState::Failed)]
    {
        let looked = after_inspection(3);
        let lost = Error::new(ErrorKind::Unavailable, "no reply").maybe_applied().record();
        let unsure = decide(&looked.record, &Event::Done(Step::Mark, Err(lost)), time(2));
        // Cancelled, or past its deadline of twelve hours.
        let stops = decide(&unsure.record, &event, time(13 * 3600));
        assert!(matches!(stops.effects[..], [Effect::InspectBackup]), "{:?}", stops.effects);
        let mut marked = backup();
        marked.state = BackupState::Deleting;
        let found = decide(&stops.record, &inspected(marked, 4), time(13 * 3600));
        let [Effect::MarkBackup(unmarked)] = &found.effects[..] else { panic!("{:?}", found.effects) };
        assert_eq!((unmarked.revision, unmarked.backup.state), (Revision(4), backup().state));
        assert_eq!(given_back(&found, 13 * 3600 + 1).state, state);
    }
}

#[test]
fn an_outage_while_the_mark_is_taken_away_is_waited_out() {
    let looked = after_inspection(3);
    let lost = Error::new(ErrorKind::Unavailable, "no reply").maybe_applied().record();
    let unsure = decide(&looked.record, &Event::Done(Step::Mark, Err(lost.clone())), time(2));
    let stops = decide(&unsure.record, &Event::CancelRequested, time(3));
    let away = decide(&stops.record, &Event::Done(Step::Inspect, Err(lost)), time(4));
    assert!(!away.record.state.is_terminal());
    let again = decide(&away.record, &Event::Tick, time(3600));
    assert!(matches!(again.effects[..], [Effect::InspectBackup]), "{:?}", again.effects);
}

/// A deletion whose only snapshot answers with each of `answers` in turn, and then with the last of them.
fn answered_with(answers: &[stillpoint_core::ErrorRecord]) -> Decision {
    answered_with_every(answers, Duration::from_secs(100), 40)
}

/// The same with `pause` between two answers, for no more than `rounds` of them.
fn answered_with_every(answers: &[stillpoint_core::ErrorRecord], pause: Duration, rounds: i64) -> Decision {
    let mut captured = backup();
    let component =
        Component::new("home".parse().unwrap(), "directory", "s3sync".parse().unwrap(), "/home/ada");
    let mut home = ComponentRecord::new(component, ComponentState::Completed);
    home.snapshot = Some(SnapshotRef::new("s3sync".parse().unwrap(), "s-1".parse().unwrap()));
    captured.components.push(home);
    let begun = decide(&OperationRecord::submitted(request(), time(0)), &Event::Begun, time(0));
    let looked = decide(&begun.record, &inspected(captured, 3), time(1));
    let mut now = decide(&looked.record, &Event::Done(Step::Mark, Ok(Outcome::Done)), time(2));
    let mut at = time(100);
    for round in 0..rounds {
        let index = usize::try_from(round).unwrap().min(answers.len() - 1);
        at = at.after(pause);
        now = decide(&now.record, &Event::Tick, at);
        if !matches!(now.effects[..], [Effect::DeleteSnapshot { .. }]) {
            break;
        }
        let answer = Event::Done(Step::Delete("home".parse().unwrap()), Err(answers[index].clone()));
        now = decide(&now.record, &answer, at);
        if now.record.state.is_terminal() || matches!(now.effects[..], [Effect::InspectBackup]) {
            break;
        }
    }
    now
}

#[test]
fn a_deletion_that_was_only_ever_denied_gives_the_backup_back() {
    let denied = Error::new(ErrorKind::PermissionDenied, "this role may not delete").record();
    let refused = answered_with(&[denied]);
    let [Effect::InspectBackup] = refused.effects[..] else { panic!("{:?}", refused.effects) };
    let mut marked = backup();
    marked.state = BackupState::Deleting;
    let found = decide(&refused.record, &inspected(marked, 4), time(9000));
    let [Effect::MarkBackup(unmarked)] = &found.effects[..] else { panic!("{:?}", found.effects) };
    assert_eq!(unmarked.backup.state, backup().state);
    let ended = given_back(&found, 9001);
    assert_eq!(ended.state, OperationState::Failed);
    assert_eq!(ended.error.unwrap().kind, ErrorKind::PermissionDenied);
}

#[test]
fn a_deletion_that_may_have_begun_keeps_the_mark() {
    let lost = Error::new(ErrorKind::Unavailable, "no reply").record();
    let half = Error::new(ErrorKind::PermissionDenied, "not all of it").maybe_applied().record();
    let denied = Error::new(ErrorKind::PermissionDenied, "this role may not delete").record();
    for answers in [&[lost, denied.clone()][..], &[half, denied]] {
        let ended = answered_with(answers);
        assert_eq!(ended.record.state, OperationState::Failed, "{:?}", ended.effects);
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_backup_survives_a_deletion_through_the_orchestrator() {
    let catalog = Arc::new(MemoryCatalog::new());
    let mut held = backup();
    held.held = true;
    catalog.put_backup(&held, None).await.unwrap();
    let orchestrator = LocalOrchestrator::builder(catalog.clone()).lease_ttl(Duration::from_secs(15)).build();
    orchestrator.submit(request()).await.unwrap();
    let status = orchestrator.wait(&"op-1".parse().unwrap()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert_eq!(catalog.backup(&held.id).await.unwrap().unwrap().backup, held);
}

/// Deletes `found` at a provider that locks it, up to where the mark is taken away or left.
#[expect(clippy::panic, reason = "a failed step fails the test")]
fn refused_by_a_lock(found: BackupRecord) -> Decision {
    let begun = decide(&OperationRecord::submitted(request(), time(0)), &Event::Begun, time(0));
    let looked = decide(&begun.record, &inspected(found, 5), time(1));
    let [Effect::MarkBackup(marked)] = &looked.effects[..] else { panic!("{:?}", looked.effects) };
    let marked = marked.backup.clone();
    assert_eq!(marked.state, BackupState::Deleting);
    let going = decide(&looked.record, &Event::Done(Step::Mark, Ok(Outcome::Done)), time(2));
    let [Effect::DeleteSnapshot { component, .. }] = &going.effects[..] else {
        panic!("{:?}", going.effects)
    };
    let locked = DeleteState::Locked { until: None, reason: "kept by the vault".into() };
    let step = Step::Delete(component.clone());
    let refused = decide(&going.record, &Event::Done(step, Ok(Outcome::Deleted(locked))), time(3));
    assert!(matches!(refused.effects[..], [Effect::InspectBackup]), "{:?}", refused.effects);
    decide(&refused.record, &inspected(marked, 6), time(4))
}

fn with_snapshot() -> BackupRecord {
    let mut backup = backup();
    let home = Component::new("home".parse().unwrap(), "efs", "cloud".parse().unwrap(), "fs-1");
    let mut component = ComponentRecord::new(home, ComponentState::Partial);
    component.snapshot = Some(SnapshotRef::new("cloud".parse().unwrap(), "snap-1".parse().unwrap()));
    backup.components.push(component);
    backup.state = BackupState::Partial;
    backup
}

#[test]
fn a_second_deletion_that_is_refused_brings_back_the_state_before_the_first() {
    // The first one marked it and ended without an answer to its deletions.
    let begun = decide(&OperationRecord::submitted(request(), time(0)), &Event::Begun, time(0));
    let looked = decide(&begun.record, &inspected(with_snapshot(), 3), time(1));
    let [Effect::MarkBackup(first)] = &looked.effects[..] else { panic!("{:?}", looked.effects) };

    let second = refused_by_a_lock(first.backup.clone());
    let [Effect::MarkBackup(unmarked)] = &second.effects[..] else { panic!("{:?}", second.effects) };
    assert_eq!((&unmarked.backup, unmarked.revision), (&with_snapshot(), Revision(6)));
    let ended = given_back(&second, 5);
    assert_eq!(ended.error.unwrap().kind, ErrorKind::PermissionDenied);
}

#[test]
fn a_mark_of_a_version_that_did_not_note_the_state_before_it_stays() {
    let mut marked = with_snapshot();
    marked.state = BackupState::Deleting;
    let text = serde_json::to_string(&marked).unwrap();
    assert!(!text.contains("before_deletion"), "{text}");
    let ended = refused_by_a_lock(serde_json::from_str(&text).unwrap());
    assert!(ended.effects.is_empty());
    assert_eq!(ended.record.state, OperationState::Failed);
}

#[test]
fn a_second_deletion_that_is_cancelled_leaves_the_mark_of_the_first() {
    let mut marked = with_snapshot();
    (marked.state, marked.before_deletion) = (BackupState::Deleting, Some(BackupState::Partial));
    let begun = decide(&OperationRecord::submitted(request(), time(0)), &Event::Begun, time(0));
    let looked = decide(&begun.record, &inspected(marked, 3), time(1));
    let conflict = Error::new(ErrorKind::Conflict, "changed by somebody else").record();
    let again = decide(&looked.record, &Event::Done(Step::Mark, Err(conflict)), time(2));
    let ended = decide(&again.record, &Event::CancelRequested, time(3));
    assert_eq!(ended.record.state, OperationState::Cancelled, "snapshots may be gone: {:?}", ended.effects);
}

#[test]
fn a_second_deletion_that_is_denied_does_not_say_that_the_first_deleted_nothing() {
    let mut marked = with_snapshot();
    (marked.state, marked.before_deletion) = (BackupState::Deleting, Some(BackupState::Partial));
    let begun = decide(&OperationRecord::submitted(request(), time(0)), &Event::Begun, time(0));
    let looked = decide(&begun.record, &inspected(marked, 3), time(1));
    let mut now = decide(&looked.record, &Event::Done(Step::Mark, Ok(Outcome::Done)), time(2));
    let denied = Error::new(ErrorKind::PermissionDenied, "this role may not delete").record();
    for round in 1..20 {
        let answer = Event::Done(Step::Delete("home".parse().unwrap()), Err(denied.clone()));
        now = decide(&now.record, &answer, time(round * 1000));
    }
    assert_eq!(now.record.state, OperationState::Failed, "{:?}", now.effects);
}

#[test]
fn whoever_began_to_read_it_before_it_was_marked_gets_it_back_as_it_was() {
    let looked = after_inspection(3);
    let [Effect::MarkBackup(marked)] = &looked.effects[..] else { panic!("{:?}", looked.effects) };
    let busy = Error::new(ErrorKind::Busy, "restore op-2 of workspace ws-2 reads the backup").record();
    let refused = decide(&looked.record, &Event::Done(Step::Mark, Err(busy)), time(2));
    assert!(matches!(refused.effects[..], [Effect::InspectBackup]), "{:?}", refused.effects);
    let back = decide(&refused.record, &inspected(marked.backup.clone(), 4), time(3));
    let [Effect::MarkBackup(unmarked)] = &back.effects[..] else { panic!("{:?}", back.effects) };
    assert_eq!((unmarked.revision, unmarked.backup.state), (Revision(4), BackupState::Completed));
    let ended = given_back(&back, 4);
    assert_eq!((ended.state, ended.error.unwrap().kind), (OperationState::Failed, ErrorKind::Busy));
}

/// A deletion of one snapshot that the store does not carry out, however often it is asked.
fn kept_from_deleting(error: &stillpoint_core::ErrorRecord, rounds: i64) -> Decision {
    answered_with_every(std::slice::from_ref(error), Duration::from_secs(40), rounds)
}

#[test]
fn a_store_that_does_not_carry_a_deletion_out_is_told_of_once() {
    let away = Error::new(ErrorKind::Unavailable, "the store answered 503").record();
    let tried = kept_from_deleting(&away, 5);
    assert_eq!(tried.record.state, OperationState::Running);
    let [warning] = &tried.record.warnings[..] else { panic!("{:?}", tried.record.warnings) };
    let since = time(140);
    let told = format!(
        "deleting the snapshot of home has failed since {since} and is tried again: the store answered 503"
    );
    assert_eq!(*warning, told);
}

#[test]
fn a_deletion_that_is_not_carried_out_for_an_hour_needs_attention_and_goes_on_when_asked_for_again() {
    let away = Error::new(ErrorKind::Unavailable, "the store answered 503").record();
    let ended = kept_from_deleting(&away, 1000);
    assert_eq!(ended.record.state, OperationState::Failed);
    let error = ended.record.error.clone().unwrap();
    assert_eq!(error.kind, ErrorKind::NeedsAttention);
    for part in ["has failed since", "the store answered 503", "it goes on from here"] {
        assert!(error.message.contains(part), "{error}");
    }
    let spent = ended.record.finished_at.unwrap().since(ended.record.started_at);
    assert!(spent < Duration::from_secs(3900), "{spent:?}");
    assert!(ended.remove_backup.is_none() && ended.put_backup.is_none(), "the mark stays on the backup");

    let mut marked = backup();
    marked.state = BackupState::Deleting;
    let begun = decide(&OperationRecord::submitted(request(), time(9000)), &Event::Begun, time(9000));
    let found = decide(&begun.record, &inspected(marked, 4), time(9001));
    assert!(matches!(found.effects[..], [Effect::MarkBackup(_)]), "{:?}", found.effects);
}

#[test]
fn time_in_which_nobody_tried_a_deletion_is_not_counted_as_trouble_of_the_store() {
    let away = Error::new(ErrorKind::Unavailable, "the store answered 503").record();
    let tried = kept_from_deleting(&away, 3);
    let late = time(5 * 3600);
    let taken = decide(&tried.record, &Event::Recovered, late);
    let answer = Event::Done(Step::Delete("home".parse().unwrap()), Err(away));
    let again = decide(&decide(&taken.record, &Event::Tick, late).record, &answer, late);
    assert_eq!(again.record.state, OperationState::Running, "{:?}", again.record.error);
}

#[test]
fn a_deletion_that_the_store_has_begun_is_no_longer_in_trouble() {
    let away = Error::new(ErrorKind::Unavailable, "the store answered 503").record();
    let tried = kept_from_deleting(&away, 2);
    let trouble = |decision: &Decision| match &decision.record.machine {
        Machine::Delete(delete) => delete.trouble.clone(),
        other => unreachable!("{other:?}"),
    };
    assert!(trouble(&tried).is_some());
    let on_its_way =
        Event::Done(Step::Delete("home".parse().unwrap()), Ok(Outcome::Deleted(DeleteState::Pending)));
    assert_eq!(trouble(&decide(&tried.record, &on_its_way, time(300))), None);
}

#[test]
fn looks_at_a_deletion_under_way_take_no_tries_from_an_error() {
    let answer = |answer| Event::Done(Step::Delete("home".parse().unwrap()), answer);
    for kind in [ErrorKind::RateLimited, ErrorKind::Unexpected] {
        let mut now = kept_from_deleting(&Error::new(ErrorKind::Unavailable, "away").record(), 1);
        for look in 1..=120 {
            now = decide(&now.record, &Event::Tick, time(200 + look * 40));
            assert!(matches!(now.effects[..], [Effect::DeleteSnapshot { .. }]), "{kind:?} {look}");
            let pending = Ok(Outcome::Deleted(DeleteState::Pending));
            now = decide(&now.record, &answer(pending), time(200 + look * 40));
        }
        now = decide(&now.record, &answer(Err(Error::new(kind, "not now").record())), time(5100));
        assert_eq!(now.record.state, OperationState::Running, "{kind:?}: {:?}", now.record.error);
    }
}
