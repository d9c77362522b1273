//! What was restored is not thrown away because the control plane is out of reach.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step fails the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use stillpoint_core::decide::{Decision, Effect, Event, Inspection, Outcome, Step, decide};
use stillpoint_core::*;

const HOUR: i64 = 3600;

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn id() -> ComponentId {
    "db".parse().unwrap()
}

fn backup() -> BackupRecord {
    let definition = Definition::new("ada".parse().unwrap());
    let mut backup =
        BackupRecord::new("b-1".parse().unwrap(), "op-0".parse().unwrap(), definition, time(-100));
    let disk = Component::new(id(), "disk", "cloud".parse().unwrap(), "vol-1");
    let mut component = ComponentRecord::new(disk, ComponentState::Completed);
    component.snapshot = Some(SnapshotRef::new("cloud".parse().unwrap(), "snap-1".parse().unwrap()));
    backup.components.push(component);
    backup
}

/// A restore within ten hours whose only volume is there, and is to be attached.
fn attaching() -> Decision {
    let target: WorkspaceId = "ada-2".parse().unwrap();
    let mut request = RestoreRequest::new(
        "op-1".parse().unwrap(),
        "b-1".parse().unwrap(),
        target.clone(),
        "hooks",
        Settings::new(),
    );
    request.timeout = Some(Duration::from_secs(10 * 3600));
    let mut now =
        decide(&OperationRecord::submitted(Request::Restore(request), time(0)), &Event::Begun, time(0));
    for at in 1..20 {
        let outcome = match now.effects.first().unwrap_or_else(|| panic!("{:?}", now.record)) {
            Effect::InspectBackup => {
                Outcome::Inspected(Box::new(Inspection::new(Some(backup()), Vec::new(), BTreeMap::new())))
            }
            Effect::Provision(_) => {
                let made = Provisioned::new(target.clone()).with_destination(id(), Settings::new());
                Outcome::Provisioned(Box::new(made))
            }
            Effect::Start(_) => {
                Outcome::Started(JobRef::new("cloud".parse().unwrap(), "job-1".parse().unwrap()))
            }
            Effect::Poll { .. } => {
                let mut status = JobStatus::new(JobState::Succeeded);
                status.restored = Some(RestoredResource::new("cloud".parse().unwrap(), id(), "vol-2"));
                Outcome::Polled(Box::new(status))
            }
            Effect::FinishRestore(_) => Outcome::Finished(Readiness::Initialized),
            Effect::Attach { .. } => return now,
            other => panic!("{other:?}"),
        };
        let step = now.effects[0].step();
        now = decide(&now.record, &Event::Done(step, Ok(outcome)), time(at));
    }
    panic!("{:?}", now.record)
}

/// It cannot be attached, every two minutes from `from` until `to`.
fn away(mut now: Decision, from: i64, to: i64) -> Decision {
    let away = Error::new(ErrorKind::Unavailable, "call me again later").record();
    let mut at = from;
    while at < to && now.effects.iter().any(|effect| matches!(effect, Effect::Attach { .. })) {
        now = decide(&now.record, &Event::Done(Step::Attach, Err(away.clone())), time(at));
        at += 120;
        now = decide(&now.record, &Event::Tick, time(at));
    }
    now
}

#[test]
fn an_outage_of_the_control_plane_is_waited_out_until_the_deadline() {
    let tried = away(attaching(), 100, 9 * HOUR);
    assert!(matches!(tried.effects[..], [Effect::Attach { .. }]), "{:?}", tried.record.error);
    let [warning] = &tried.record.warnings[..] else { panic!("{:?}", tried.record.warnings) };
    assert!(warning.contains("call me again later"), "{warning}");
    let attached = decide(&tried.record, &Event::Done(Step::Attach, Ok(Outcome::Done)), time(9 * HOUR));
    assert!(matches!(attached.effects[..], [Effect::Activate(_)]), "{:?}", attached.effects);

    let given_up = away(tried, 9 * HOUR, 11 * HOUR);
    assert!(
        given_up.effects.iter().all(|effect| !matches!(effect, Effect::Attach { .. })),
        "nothing is tried without end: {:?}",
        given_up.effects
    );
}
