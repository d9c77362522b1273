//! What was once wrong and must not become so again.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use stillpoint_localfs::{ExtractOptions, Landing};
use stillpoint_repository::RestoreOptions;
use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_testkit::compare::assert_same;

use crate::support::{House, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_long_lived_process_does_not_count_as_stored_what_was_pruned_meanwhile() {
    let house = House::new().await;
    fs::write(house.source().join("file"), vec![5; 300_000]).unwrap();
    house.backup().await;
    house.repository.index().await.unwrap();
    // Another process deletes everything, as a prune without snapshots does.
    for folder in ["snapshots", "index", "data"] {
        fs::remove_dir_all(house.path("repository").join(folder)).unwrap();
        fs::create_dir(house.path("repository").join(folder)).unwrap();
    }
    let again = house.backup_with(options(|_| {})).await.unwrap();
    assert_eq!(again.written.data_blobs, 1, "the content must be stored once more");
    let report = house.reopened().await.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    house.restore_afresh(&again.snapshot, "target").await;
    assert_same(&house.source(), &house.path("target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn merging_leaves_the_mode_and_time_of_a_directory_that_stands() {
    let house = House::new().await;
    fs::create_dir_all(house.source().join("shared/new")).unwrap();
    fs::write(house.source().join("shared/file"), b"x").unwrap();
    fs::set_permissions(house.source().join("shared"), fs::Permissions::from_mode(0o777)).unwrap();
    let backup = house.backup().await;
    house.restore(&backup.snapshot, "target").await;
    let shared = house.path("target/shared");
    fs::remove_dir(shared.join("new")).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o700)).unwrap();
    let mut merge = RestoreOptions::new("again");
    merge.extract = ExtractOptions::landing(Landing::Merge);
    let summary = house.restore_with(&backup.snapshot, "target", merge).await.unwrap();
    assert!(summary.issues.is_empty(), "{:?}", summary.issues);
    assert!(shared.join("new").is_dir());
    assert_eq!(fs::metadata(&shared).unwrap().mode() & 0o7777, 0o700, "its own mode must stay");
    assert_ne!(
        fs::metadata(&shared).unwrap().mtime_nsec(),
        fs::metadata(house.source().join("shared")).unwrap().mtime_nsec(),
        "its time tells of the entry it just got"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_name_outside_the_target_is_replaced_and_not_adopted() {
    let house = House::new().await;
    fs::write(house.source().join("file"), b"the same content").unwrap();
    let backup = house.backup().await;
    house.restore(&backup.snapshot, "target").await;
    let (inside, outside) = (house.path("target/file"), house.path("outside"));
    fs::hard_link(&inside, &outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::metadata(&outside).unwrap();
    let mut replace = RestoreOptions::new("again");
    replace.extract = ExtractOptions::landing(Landing::Replace);
    house.restore_with(&backup.snapshot, "target", replace).await.unwrap();
    let after = fs::metadata(&outside).unwrap();
    assert_eq!((after.mode(), after.mtime(), after.nlink()), (before.mode(), before.mtime(), 1));
    assert_ne!(fs::metadata(&inside).unwrap().ino(), after.ino());
    assert_same(&house.source(), &house.path("target"));
}
