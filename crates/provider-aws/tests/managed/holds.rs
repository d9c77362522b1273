//! Holds on the fake AWS: what AWS would delete by itself stays while it is held.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::sync::Arc;
use std::time::Duration;

use crate::fake::{FILE_SYSTEM, VOLUME, World, component};
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{
    BackupRecord, Catalog, ComponentRecord, ComponentState, Definition, ErrorKind, Provider, SnapshotQuery,
    hold,
};

const DAY: f64 = 24.0 * 3600.0;

/// A catalogued backup of both kinds, which AWS deletes after ten days.
async fn backup(world: &Arc<World>, catalog: &MemoryCatalog) -> BackupRecord {
    let retain = Duration::from_secs(10 * 24 * 3600);
    let definition = Definition::new("team/ml-1".parse().unwrap());
    let mut record =
        BackupRecord::new("b-1".parse().unwrap(), "op-1".parse().unwrap(), definition, world.now());
    record.expires_at = Some(world.now().after(retain));
    for (id, kind, resource) in [("db", "ebs", VOLUME), ("projects", "efs", FILE_SYSTEM)] {
        let component = component(id, kind, resource);
        let mut job = world.backup("op-1", &component);
        job.retain = Some(retain);
        let mut captured = ComponentRecord::new(component, ComponentState::Completed);
        captured.snapshot = world.run(&world.provider(), job).await.snapshot;
        record.components.push(captured);
    }
    catalog.put_backup(&record, None).await.unwrap();
    record
}

async fn points(world: &Arc<World>) -> usize {
    world.provider().snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap().len()
}

#[tokio::test]
async fn what_is_held_outlives_the_retention_that_aws_was_told_and_ends_with_the_hold() {
    let Some(world) = World::named("workspace") else { return };
    let catalog = MemoryCatalog::new();
    let record = backup(&world, &catalog).await;
    let providers: [Arc<dyn Provider>; 1] = [Arc::new(world.provider())];
    for _again in 0..2 {
        assert!(hold(&world.cx(), &catalog, &providers, &record.id, true).await.unwrap().held);
    }
    world.advance(30.0 * DAY);
    assert_eq!(points(&world).await, 2, "they are held");
    assert!(!hold(&world.cx(), &catalog, &providers, &record.id, false).await.unwrap().held);
    world.advance(1.0);
    assert_eq!(points(&world).await, 0, "their own retention has ended");
}

#[tokio::test]
async fn what_nobody_holds_is_deleted_by_aws_itself() {
    let Some(world) = World::named("workspace") else { return };
    let record = backup(&world, &MemoryCatalog::new()).await;
    world.advance(30.0 * DAY);
    assert_eq!(points(&world).await, 0);
    let gone = record.components[0].snapshot.as_ref().unwrap();
    let error = world.provider().keep(&world.cx(), gone, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}
