//! Stores that keep what they are asked to delete: versions, retention locks, missing rights.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use stillpoint_repository::{ErrorKind, PruneOptions, PruneState, Store, StoreSettings};
use stillpoint_testkit::oracle;
use stillpoint_testkit::s3::Server;

use crate::mortal::Mortal;
use crate::support::{House, copied, files_in};

async fn deleted_backup(store: Store) -> House {
    let house = House::on(store).await;
    house.write("file", 1, 100_000);
    let gone = house.backup().await;
    house.write("file", 2, 100_000);
    house.backup().await;
    house.repository.delete_snapshot(&gone).await.unwrap();
    house
}

#[tokio::test]
async fn packs_that_the_store_keeps_are_reported_and_tried_again() {
    let objects = Arc::new(InMemory::new());
    let house = deleted_backup(Mortal::refusing(&objects, "data/")).await;
    let report = house.prune(Duration::ZERO).await;
    assert_eq!((report.deleted_packs, report.retained.len()), (0, 2), "{report:?}");
    let allowed = house.repository.on_copy(Mortal::refusing(&objects, "nothing/"));
    let report = allowed.prune(&PruneOptions::with_grace(Duration::ZERO)).await.unwrap();
    assert_eq!((report.deleted_packs, report.retained.len()), (2, 0), "{report:?}");
    house.assert_sound(1).await;
}

#[tokio::test]
async fn an_index_that_the_store_keeps_keeps_its_packs() {
    let objects = Arc::new(InMemory::new());
    let house = deleted_backup(Mortal::refusing(&objects, "index/")).await;
    let packs = house.repository.list_packs().await.unwrap().len();
    let refused = house.repository.prune(&PruneOptions::with_grace(Duration::ZERO)).await.unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::PermissionDenied);
    assert!(refused.to_string().contains("retention lock"), "{refused}");
    assert_eq!(house.repository.list_packs().await.unwrap().len(), packs);
    house.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_with_versions_and_object_lock_is_told_of_and_keeps_every_byte() {
    let Some(moto) = oracle::moto() else { return };
    // Not by a default retention: moto asks for another header then than Amazon does.
    moto.python("s3.create_bucket(Bucket='locked', ObjectLockEnabledForBucket=True)");
    let settings = StoreSettings::new(moto.env());
    let house = deleted_backup(Store::from_url("s3://locked/team", &settings).unwrap()).await;
    moto.python(
        "until = datetime.datetime.now() + datetime.timedelta(days=30)
for one in s3.list_object_versions(Bucket='locked', Prefix='team/data/')['Versions']:
    s3.put_object_retention(Bucket='locked', Key=one['Key'], VersionId=one['VersionId'],
        Retention={'Mode': 'COMPLIANCE', 'RetainUntilDate': until})",
    );
    let report = house.prune(Duration::ZERO).await;
    assert!(report.versioned && report.state == PruneState::Freed, "{report:?}");
    assert_eq!((report.deleted_packs, report.retained.len()), (2, 0));
    house.assert_sound(1).await;
    let versions = moto.python(
        "found = s3.list_object_versions(Bucket='locked', Prefix='team/data/')
print(len(found['Versions']), len(found['DeleteMarkers']))",
    );
    assert_eq!(versions.trim(), "4 2", "the old versions are there, under marks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_versions_is_not_mistaken_for_one_with_them() {
    let Some(moto) = oracle::moto() else { return };
    moto.python("s3.create_bucket(Bucket='plain')");
    let settings = StoreSettings::new(moto.env());
    let house = deleted_backup(Store::from_url("s3://plain/team", &settings).unwrap()).await;
    let report = house.prune(Duration::ZERO).await;
    assert!(!report.versioned && report.deleted_packs == 2, "{report:?}");
    house.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_blob_storage_keeps_a_repository_and_tells_what_it_will_not_delete() {
    let Some(azurite) = oracle::azurite() else { return };
    azurite.create_container("backups");
    let settings = StoreSettings::new(azurite.env());
    let store = || Store::from_url("az://backups/team", &settings).unwrap();
    let house = deleted_backup(store()).await;
    // A lease and a snapshot keep a blob, as a legal hold and an immutability policy do, which the emulator lacks.
    let packs: Vec<String> = all_of(&azurite.list("backups"), "team/data/");
    azurite.lease(&format!("backups/{}", packs[0]));
    packs[1..].iter().for_each(|pack| azurite.snapshot(&format!("backups/{pack}")));
    let report = house.prune(Duration::ZERO).await;
    assert!(!report.versioned, "{report:?}");
    assert_eq!((report.deleted_packs, report.retained.len()), (0, 2), "{report:?}");
    let kept = house.backup().await;
    assert_eq!(house.content(&kept).await, files_in(&house.source()));

    // What was taken on the one cloud comes back from the other, both ways: a copy of a store is that store.
    let amazon = Server::start_in_memory().unwrap();
    let amazon =
        |prefix: &str| Store::from_url(&amazon.url(prefix), &StoreSettings::new(amazon.env())).unwrap();
    let there = house.repository.on_copy(amazon("copied"));
    assert!(copied(&store(), &amazon("copied")).await > 4);
    house.write("later", 3, 50_000);
    let house = House { repository: there, ..house };
    assert_eq!(house.content(&kept).await.len(), 1, "a snapshot of Azure comes back from Amazon");
    let report = house.prune(Duration::ZERO).await;
    assert_eq!((report.deleted_packs, report.retained.len()), (2, 0), "nothing keeps them there: {report:?}");
    let later = house.backup().await;
    azurite.create_container("copied");
    let back = || Store::from_url("az://copied", &settings).unwrap();
    copied(&amazon("copied"), &back()).await;
    let house = House { repository: house.repository.on_copy(back()), ..house };
    assert_eq!(house.content(&later).await, files_in(&house.source()), "and one of Amazon from Azure");
    house.assert_sound(3).await;
}

/// The names of a listing that begin so.
fn all_of(listing: &str, beginning: &str) -> Vec<String> {
    let names = listing.split("<Name>").skip(1).filter_map(|rest| rest.split("</Name>").next());
    names.filter(|name| name.starts_with(beginning)).map(str::to_owned).collect()
}
