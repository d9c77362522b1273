//! Stock restic and rustic agree with us about the same snapshot.

use stillpoint_testkit::compare::{Aspect, Comparison};
use stillpoint_testkit::oracle;
use stillpoint_testkit::tree::{Edits, TreeSpec};

use crate::support::{House, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn restic_restores_the_same_tree_from_our_snapshot() {
    let Some(restic) = oracle::restic() else { return };
    let house = House::new().await;
    TreeSpec::small(31).restic_safe().generate(&house.source()).unwrap();
    house.backup().await;
    Edits::few(32).apply(&house.source()).unwrap();
    let backup = house.backup().await;
    let theirs = restic.repository(house.path("repository").display().to_string(), PASSWORD);
    theirs.check_read_data();
    let inner = format!("{}:{}", backup.snapshot, house.source().display());
    if theirs
        .try_run(&["restore", &inner, "--target", &house.path("theirs").display().to_string()])
        .status
        .success()
    {
        Comparison::new().ignoring_root().assert_same(&house.source(), &house.path("theirs"));
    } else {
        // Before version 0.15 only whole snapshots can be restored.
        theirs.restore(&backup.snapshot.to_hex(), &house.path("theirs"));
        let below = house.source().strip_prefix("/").unwrap().to_path_buf();
        Comparison::new().ignoring_root().assert_same(&house.source(), &house.path("theirs").join(below));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn we_restore_what_restic_backed_up_and_build_on_it() {
    let Some(restic) = oracle::restic() else { return };
    let house = House::new().await;
    let made = TreeSpec::small(33).restic_safe().generate(&house.source()).unwrap();
    let theirs = restic.repository(house.path("repository").display().to_string(), PASSWORD);
    house.settle().await;
    theirs.run(&["backup", &house.source().display().to_string()]);
    let fresh = house.reopened().await;
    let snapshots = fresh.snapshots().await.unwrap().readable;
    let mut options = stillpoint_repository::RestoreOptions::new("op");
    options.extract.privileged = true;
    let summary = fresh
        .restore(
            &snapshots[0].id,
            &house.path("ours"),
            options,
            std::sync::Arc::new(stillpoint_repository::NoProgress),
            &stillpoint_repository::Cancellation::new(),
        )
        .await
        .unwrap();
    assert!(summary.issues.is_empty(), "{:?}", summary.issues);
    Comparison::new().ignoring(Aspect::Holes).assert_same(&house.source(), &house.path("ours"));
    let source = stillpoint_repository::BackupSource::new(house.source());
    let built_on = fresh
        .backup(
            &source,
            stillpoint_repository::BackupOptions::default(),
            std::sync::Arc::new(stillpoint_repository::NoProgress),
            &stillpoint_repository::Cancellation::new(),
        )
        .await
        .unwrap();
    assert_eq!(built_on.files_unmodified, made.files as u64);
    assert_eq!(built_on.bytes_read, 0);
    theirs.check_read_data();
}

#[tokio::test(flavor = "multi_thread")]
async fn rustic_checks_our_repository_and_restores_the_same_tree() {
    let Some(rustic) = oracle::rustic() else { return };
    let house = House::new().await;
    TreeSpec::small(35).restic_safe().generate(&house.source()).unwrap();
    house.backup().await;
    Edits::few(36).apply(&house.source()).unwrap();
    let backup = house.backup().await;
    rustic.check_read_data(&house.path("repository"), PASSWORD);
    let inner = format!("{}:{}", backup.snapshot, house.source().display());
    rustic.restore(&house.path("repository"), PASSWORD, &inner, &house.path("theirs"));
    Comparison::new().ignoring_root().assert_same(&house.source(), &house.path("theirs"));
}
