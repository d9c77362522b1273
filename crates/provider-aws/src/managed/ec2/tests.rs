//! The calls against the fake, which holds each of them against the service model.

use serde_json::{Value, json};
use stillpoint_core::{ErrorKind, Result};
use stillpoint_testkit::oracle::{FakeAws, fake_aws};

use super::{Filters, NewVolume};
use crate::connection::Connection;
use crate::managed::clients::Clients;

fn started(scenario: &Value) -> Option<(FakeAws, Clients)> {
    let fake = fake_aws(scenario)?;
    let connection =
        Connection::with_credentials("us-east-1", "test", "test", None, Some(&fake.endpoint())).unwrap();
    let clients = Clients::new(&connection, "us-east-1").unwrap();
    Some((fake, clients))
}

fn run<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn scenario() -> Value {
    let region = json!({
        "volumes": [{"id": "vol-00000000000000001", "size_gib": 100, "zone": "us-east-1b", "blocks": 4,
            "instance": "i-00000000000000001", "tags": {"team*": "ml & co"}}],
        "snapshots": [{"id": "snap-00000000000000001", "size_gib": 8, "blocks": 2, "tags": {"stillpoint:backup": "b-1"}}],
    });
    json!({"start": "now", "accounts": {"111122223333": {"regions": {"us-east-1": region}}}})
}

#[test]
fn volumes_and_snapshots_are_found_with_all_that_is_said_of_them() {
    let Some((fake, clients)) = started(&scenario()) else { return };
    let volumes = run(clients.ec2().volumes(&Filters::new().tag("team*", "ml & co"))).unwrap();
    assert_eq!(volumes.len(), 1);
    let volume = &volumes[0];
    assert_eq!((volume.id.as_str(), volume.size_gib), ("vol-00000000000000001", 100));
    assert_eq!((volume.zone.as_str(), volume.state.as_str()), ("us-east-1b", "in-use"));
    assert_eq!(volume.instances, ["i-00000000000000001"]);
    assert_eq!(volume.tags["team*"], "ml & co");
    assert_eq!(volume.snapshot, None);

    let snapshots = run(clients.ec2().snapshots(&Filters::new().tag("stillpoint:backup", "b-1"))).unwrap();
    assert_eq!(snapshots.len(), 1);
    assert_eq!((snapshots[0].state.as_str(), snapshots[0].owner.as_str()), ("completed", "111122223333"));
    assert_eq!(run(clients.ec2().snapshot("snap-00000000000000001")).unwrap(), snapshots[0]);
    assert_eq!(
        run(clients.ec2().snapshot("snap-0000000000000000f")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(run(clients.ec2().volume("vol-0000000000000000f")).unwrap_err().kind(), ErrorKind::NotFound);
    fake.assert_no_violations();
}

#[test]
fn a_volume_is_born_once_with_its_tags_and_dies_once() {
    let Some((fake, clients)) = started(&scenario()) else { return };
    let new = NewVolume {
        token: "0123456789abcdef0123456789abcdef".to_owned(),
        snapshot: "snap-00000000000000001".to_owned(),
        zone: "us-east-1a".to_owned(),
        size_gib: Some(10),
        volume_type: Some("gp3".to_owned()),
        iops: Some(4000),
        throughput_mibps: Some(250),
        encrypted: Some(true),
        initialization_mibps: Some(100),
        tags: [("keep".to_owned(), "yes".to_owned())].into(),
        ..NewVolume::default()
    };
    let first = run(clients.ec2().create_volume(&new)).unwrap();
    assert_eq!(run(clients.ec2().create_volume(&new)).unwrap().id, first.id);
    let other = NewVolume { size_gib: Some(11), ..new };
    assert_eq!(run(clients.ec2().create_volume(&other)).unwrap_err().kind(), ErrorKind::Conflict);

    let read = run(clients.ec2().volume(&first.id)).unwrap();
    assert_eq!((read.iops, read.throughput_mibps, read.encrypted), (Some(4000), Some(250), true));
    assert_eq!(read.tags["keep"], "yes");
    run(clients.ec2().tag(&first.id, &[("late".to_owned(), String::new())].into())).unwrap();
    assert_eq!(run(clients.ec2().volume(&first.id)).unwrap().tags["late"], "");
    fake.post("advance", &json!({"seconds": 60}));
    assert_eq!(run(clients.ec2().initialized_percent(&first.id)).unwrap(), Some(100));
    assert_eq!(run(clients.ec2().initialized_percent("vol-00000000000000001")).unwrap(), None);

    run(clients.ec2().delete_volume(&first.id)).unwrap();
    assert_eq!(run(clients.ec2().delete_volume(&first.id)).unwrap_err().kind(), ErrorKind::NotFound);
    let used = run(clients.ec2().delete_volume("vol-00000000000000001")).unwrap_err();
    assert_eq!(used.kind(), ErrorKind::Busy);
    fake.assert_no_violations();
}

#[test]
fn zones_subnets_and_the_caller_are_known() {
    let Some((fake, clients)) = started(&scenario()) else { return };
    let zones = run(clients.ec2().zones()).unwrap();
    assert!(zones.contains(&"us-east-1a".to_owned()), "{zones:?}");
    let subnets =
        run(clients.ec2().subnets(&Filters::new().with("availability-zone", ["us-east-1a"]))).unwrap();
    assert_eq!(subnets.len(), 1);
    assert_eq!(subnets[0].zone, "us-east-1a");
    assert_eq!(run(clients.caller()).unwrap().account, "111122223333");
    fake.assert_no_violations();
}

#[test]
fn a_lost_answer_leaves_the_effect_open_only_where_there_may_be_one() {
    let Some((fake, clients)) = started(&scenario()) else { return };
    for operation in ["DescribeVolumes", "DeleteVolume"] {
        fake.post("inject", &json!({"op": operation, "fault": {"kind": "http", "status": 503}}));
    }
    let read = run(clients.ec2().volume("vol-00000000000000001")).unwrap_err();
    assert_eq!((read.kind(), read.effect()), (ErrorKind::Unavailable, stillpoint_core::Effect::NotApplied));
    let write = run(clients.ec2().delete_volume("vol-00000000000000001")).unwrap_err();
    assert_eq!(write.effect(), stillpoint_core::Effect::MaybeApplied);
    fake.assert_no_violations();
}

#[test]
fn pages_are_followed_to_the_end() {
    let Some((fake, clients)) = started(&scenario()) else { return };
    fake.post("inject", &json!({"op": "DescribeVolumes", "fault": {"kind": "empty_page"}}));
    assert_eq!(run(clients.ec2().volumes(&Filters::new())).unwrap().len(), 1);
    fake.assert_no_violations();
}
