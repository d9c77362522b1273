//! What comes back, and what does not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::XattrFlags;
use stillpoint_localfs::{ExtractOptions, Landing};
use stillpoint_repository::{
    BackupSource, Cancellation, ErrorKind, IssueKind, LockMode, NoProgress, RestoreOptions, TransferCounters,
    WriterOptions,
};
use stillpoint_testkit::compare::{Comparison, assert_same};
use stillpoint_testkit::tree::TreeSpec;

use crate::support::{House, names, options};

/// Options under which nothing is withheld, as trees from a seed hold set-id bits.
fn faithful() -> RestoreOptions {
    let mut options = RestoreOptions::new("op");
    options.extract.privileged = true;
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_comes_back_equal_in_content_and_all_metadata() {
    let house = House::new().await;
    let made = TreeSpec::small(11).generate(&house.source()).unwrap();
    fs::set_permissions(house.source(), fs::Permissions::from_mode(0o2750)).unwrap();
    let backup = house.backup().await;
    assert!(backup.issues.is_empty(), "{:?}", backup.issues);
    let summary = house.restore_with(&backup.snapshot, "target", faithful()).await.unwrap();
    assert!(summary.issues.is_empty(), "{:?}", summary.issues);
    assert!(summary.warnings.is_empty(), "{:?}", summary.warnings);
    Comparison::new().with_holes().assert_same(&house.source(), &house.path("target"));
    assert_eq!(summary.hard_links, made.hard_links as u64);
    assert_eq!(summary.symlinks, made.symlinks as u64);
}

#[tokio::test]
async fn a_single_threaded_runtime_is_enough() {
    let house = House::new().await;
    TreeSpec::small(12).generate(&house.source()).unwrap();
    let backup = house.backup().await;
    house.restore_with(&backup.snapshot, "target", faithful()).await.unwrap();
    assert_same(&house.source(), &house.path("target"));
}

/// Names and attributes that take more than a MiB each, which is what a restore holds of them in memory.
#[tokio::test(flavor = "multi_thread")]
async fn more_directories_and_links_than_are_held_in_memory_come_back_whole() {
    let house = House::new().await;
    for outer in 0..65 {
        let above = house.source().join(format!("{outer:0>240}"));
        for inner in 0..65 {
            let directory = above.join(format!("{inner:0>240}"));
            fs::create_dir_all(&directory).unwrap();
            rustix::fs::setxattr(&directory, "user.note", &[b'n'; 240], XattrFlags::empty()).unwrap();
            symlink(format!("../{inner}"), directory.join("link")).unwrap();
            if inner % 8 == 0 {
                fs::write(directory.join("file"), format!("{outer}")).unwrap();
                fs::hard_link(directory.join("file"), house.source().join(format!("{outer}-{inner}")))
                    .unwrap();
            }
        }
        fs::set_permissions(above, fs::Permissions::from_mode(0o711)).unwrap();
    }
    let backup = house.backup().await;
    let summary = house.restore(&backup.snapshot, "target").await;
    assert!(summary.issues.is_empty() && summary.warnings.is_empty(), "{summary:?}");
    assert_eq!((summary.symlinks, summary.hard_links), (65 * 65, 65 * 9));
    assert_same(&house.source(), &house.path("target"));
}

/// 12 MiB that shrink by a quarter.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_le_bytes()
    };
    (0..3 << 20).flat_map(|_| [next()[0], next()[1], next()[2], 0]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_pack_is_fetched_once_even_when_content_repeats() {
    let house = House::new().await;
    for folder in ["first", "second"] {
        fs::create_dir_all(house.source().join(folder).join("small")).unwrap();
        for seed in 0..2 {
            fs::write(house.source().join(folder).join(format!("large-{seed}")), noise(seed)).unwrap();
        }
        for number in 0..200 {
            let path = house.source().join(folder).join(format!("small/{number}"));
            fs::write(path, format!("{folder} {number}")).unwrap();
        }
    }
    let small_packs = WriterOptions::default().with_pack_sizes(4 << 20, 1 << 20);
    let backup = house.backup_with(options(|options| options.writer = small_packs)).await.unwrap();
    let repository = house.reopened().await;
    let packs = repository.list_packs().await.unwrap().len() as u64;
    assert!(packs >= 5, "{packs} packs prove little");
    let before = repository.store().counters();
    let (target, quiet) = (house.path("target"), Arc::new(NoProgress));
    repository.restore(&backup.snapshot, &target, faithful(), quiet, &Cancellation::new()).await.unwrap();
    assert_same(&house.source(), &target);
    let after = repository.store().counters();
    // Beside the packs: the snapshot and one index file, a look around, which in a directory is one for each of five
    // folders, one more at the index, and the lock itself.
    assert!(after.gets - before.gets <= packs + 2, "{before:?} {after:?} for {packs} packs");
    let others = |counters: TransferCounters| counters.lists + counters.puts + counters.deletes;
    assert!(others(after) - others(before) <= 8, "{before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_come_back_and_are_fetched_about_once() {
    let house = House::new().await;
    for (name, seed) in [("one", 1), ("two", 2)] {
        fs::write(house.source().join(name), noise(seed)).unwrap();
    }
    let backup = house.backup().await;
    let summary = house.restore(&backup.snapshot, "target").await;
    assert_same(&house.source(), &house.path("target"));
    assert_eq!(summary.bytes_written, 2 * (12 << 20));
    assert!(summary.bytes_fetched <= backup.written.pack_bytes + (1 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_paths_come_back_alone() {
    let house = House::new().await;
    for path in ["a/b/one", "a/b/two", "a/c/three", "d/four"] {
        let path = house.source().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }
    let backup = house.backup().await;
    let mut options = RestoreOptions::new("op");
    options.include = vec![PathBuf::from("a/b"), PathBuf::from("d/four")];
    let summary = house.restore_with(&backup.snapshot, "target", options).await.unwrap();
    assert_eq!(summary.files_restored, 3);
    assert_eq!(names(&house.path("target/a")), ["b"]);
    assert_eq!(names(&house.path("target")), ["a", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_a_part_leaves_the_directories_that_lead_to_it_as_they_are() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let house = House::new().await;
    for path in ["a/b/one", "a/two", "a/new/deep/three"] {
        let path = house.source().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }
    let mode =
        |path: &str, mode| fs::set_permissions(house.path(path), fs::Permissions::from_mode(mode)).unwrap();
    mode("source/a/new", 0o750);
    let backup = house.backup().await;
    house.restore(&backup.snapshot, "target").await;
    fs::write(house.path("target/a/b/one"), b"changed").unwrap();
    fs::remove_dir_all(house.path("target/a/new")).unwrap();
    for path in ["target", "target/a", "target/a/b"] {
        mode(path, 0o700);
    }
    let mut options = RestoreOptions::new("again");
    options.extract = ExtractOptions::landing(Landing::Replace);
    options.include = vec![PathBuf::from("a/b"), PathBuf::from("a/new/deep")];
    house.restore_with(&backup.snapshot, "target", options).await.unwrap();
    let mode = |path: &str| fs::metadata(house.path(path)).unwrap().mode() & 0o777;
    let was = |path: &str| mode(&format!("source/{path}"));
    assert_eq!(["target", "target/a"].map(mode), [0o700, 0o700], "nobody asked for them");
    assert_eq!([mode("target/a/b"), mode("target/a/new")], [was("a/b"), 0o750]);
    assert_eq!(fs::read(house.path("target/a/b/one")).unwrap(), b"x");
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_refused_untouched() {
    let house = House::new().await;
    fs::write(house.source().join("file"), b"new").unwrap();
    let backup = house.backup().await;
    fs::create_dir(house.path("target")).unwrap();
    fs::write(house.path("target/file"), b"old").unwrap();
    let refused =
        house.restore_with(&backup.snapshot, "target", RestoreOptions::new("op")).await.unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::AlreadyExists);
    assert!(refused.to_string().contains("not empty"), "{refused}");
    assert_eq!(names(&house.path("target")), ["file"]);
    assert!(names(&house.path("repository/locks")).is_empty());
}

#[tokio::test]
async fn merging_keeps_what_differs_and_says_so() {
    let house = House::new().await;
    fs::write(house.source().join("same"), b"same").unwrap();
    fs::write(house.source().join("other"), b"new").unwrap();
    fs::write(house.source().join("missing"), b"missing").unwrap();
    let backup = house.backup().await;
    house.restore(&backup.snapshot, "target").await;
    fs::write(house.path("target/other"), b"edited").unwrap();
    fs::remove_file(house.path("target/missing")).unwrap();
    let mut options = RestoreOptions::new("again");
    options.extract = ExtractOptions::landing(Landing::Merge);
    let summary = house.restore_with(&backup.snapshot, "target", options.clone()).await.unwrap();
    assert_eq!((summary.files_restored, summary.files_unchanged, summary.skipped), (1, 1, 1));
    assert_eq!(summary.issues.items()[0].kind, IssueKind::Conflict);
    assert_eq!(fs::read(house.path("target/other")).unwrap(), b"edited");
    options.extract = ExtractOptions::landing(Landing::Replace);
    let summary = house.restore_with(&backup.snapshot, "target", options).await.unwrap();
    assert_eq!((summary.files_restored, summary.files_unchanged, summary.skipped), (1, 2, 0));
    assert_same(&house.source(), &house.path("target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_pack_costs_the_files_in_it_and_is_listed() {
    let house = House::new().await;
    TreeSpec::small(13).plain().generate(&house.source()).unwrap();
    let backup = house.backup().await;
    let packs = house.repository.list_packs().await.unwrap();
    let (largest, _) = packs.iter().max_by_key(|(_, length)| *length).unwrap();
    let path = house.path("repository/data").join(&largest.to_hex()[..2]).join(largest.to_hex());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let summary = house.restore(&backup.snapshot, "target").await;
    assert_eq!(summary.issues.total(), 1, "{:?}", summary.issues);
    let issue = &summary.issues.items()[0];
    assert_eq!(issue.kind, IssueKind::Damaged);
    assert!(!house.path("target").join(&issue.path).exists());
    fs::remove_file(house.source().join(&issue.path)).unwrap();
    let damaged_folder = stillpoint_testkit::compare::Aspect::ModifiedTime;
    Comparison::new().ignoring(damaged_folder).assert_same(&house.source(), &house.path("target"));
}

#[tokio::test]
async fn the_recorded_path_is_free_to_choose() {
    let house = House::new().await;
    fs::write(house.source().join("file"), b"x").unwrap();
    let source = BackupSource::new(house.source()).stored_as("/home/user").on_host("space-1");
    let backup = house
        .repository
        .backup(&source, Default::default(), Arc::new(NoProgress), &Cancellation::new())
        .await
        .unwrap();
    let snapshot = house.repository.load_snapshot(&backup.snapshot).await.unwrap();
    assert_eq!((snapshot.hostname.as_str(), snapshot.paths[0].as_str()), ("space-1", "/home/user"));
    house.restore(&backup.snapshot, "target").await;
    assert_same(&house.source(), &house.path("target"));
    let inode = |path| fs::metadata(house.path(path)).unwrap().mode();
    assert_eq!(inode("target"), inode("source"));
}

/// A prune without grace deletes under this lock what a restore may be about to read.
#[tokio::test(flavor = "multi_thread")]
async fn no_restore_begins_beside_somebody_who_needs_the_repository_alone() {
    let house = House::new().await;
    fs::write(house.source().join("file"), "x").unwrap();
    let backup = house.backup().await;
    let alone = house.repository.lock(LockMode::Exclusive).await.unwrap();
    let refused = house.restore_with(&backup.snapshot, "target", faithful()).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Locked { .. }), "{refused}");
    alone.release().await.unwrap();
    house.restore_with(&backup.snapshot, "target", faithful()).await.unwrap();
    assert_same(&house.source(), &house.path("target"));
}
