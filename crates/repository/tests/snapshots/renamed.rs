//! Directories and files that are renamed, moved, replaced or removed after they were listed and before they are read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stillpoint_localfs::Rules;
use stillpoint_repository::{BackupOptions, BackupSource, BackupSummary, Cancellation, IssueKind, Progress};
use stillpoint_testkit::compare::Comparison;
use stillpoint_testkit::oracle;

use crate::support::{House, PASSWORD, names, options};

/// What happens to the source as a file of it begins to be read.
#[derive(Debug)]
struct When {
    begins: &'static str,
    source: PathBuf,
    happens: fn(&Path),
}

impl Progress for When {
    fn started(&self, path: &Path) {
        if path == Path::new(self.begins) {
            (self.happens)(&self.source);
        }
    }
}

/// Backs up `first`, `a/1`, `big/2`, `big/sub/deep/3` and `z/4`, in this order.
async fn backed_up(house: &House, begins: &'static str, happens: fn(&Path), rules: &[&str]) -> BackupSummary {
    let source = house.source();
    for (path, content) in
        [("first", "0"), ("a/1", "1"), ("big/2", "2"), ("big/sub/deep/3", "3"), ("z/4", "4")]
    {
        fs::create_dir_all(source.join(path).parent().unwrap()).unwrap();
        fs::write(source.join(path), content).unwrap();
    }
    let mut chosen = Rules::new();
    for rule in rules {
        chosen.add(rule).unwrap();
    }
    let options: BackupOptions = options(|options| (options.workers, options.rules) = (Some(1), chosen));
    let progress = Arc::new(When { begins, source: source.clone(), happens });
    let (source, cancellation) = (BackupSource::new(source), Cancellation::new());
    let backup = house.repository.backup(&source, options, progress, &cancellation);
    backup.await.unwrap()
}

async fn assert_whole(house: &House, backup: &BackupSummary) {
    assert!(backup.issues.is_empty() && backup.warnings.is_empty(), "{backup:?}");
    house.restore_afresh(&backup.snapshot, "whole").await;
    Comparison::new().assert_same(&house.source(), &house.path("whole"));
    if let Some(restic) = oracle::restic() {
        restic.repository(house.path("repository").display().to_string(), PASSWORD).check_read_data();
    }
}

/// As [`assert_whole`], where the root itself changed after it was listed.
async fn assert_but_root(house: &House, backup: &BackupSummary) {
    assert!(backup.issues.is_empty() && backup.warnings.is_empty(), "{backup:?}");
    house.restore_afresh(&backup.snapshot, "but-root").await;
    Comparison::new().ignoring_root().assert_same(&house.source(), &house.path("but-root"));
    assert_whole(house, &house.backup().await).await;
}

fn rename(source: &Path, from: &str, to: &str) {
    fs::rename(source.join(from), source.join(to)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_renamed_before_its_turn_is_stored_under_its_new_name() {
    for to in ["0-before-all", "big-2026", "zz-behind-all"] {
        let house = House::new().await;
        let happens: fn(&Path) = match to {
            "0-before-all" => |source| rename(source, "big", "0-before-all"),
            "big-2026" => |source| rename(source, "big", "big-2026"),
            _ => |source| rename(source, "big", "zz-behind-all"),
        };
        let backup = backed_up(&house, "first", happens, &[]).await;
        assert!(backup.issues.is_empty() && backup.warnings.is_empty(), "{backup:?}");
        house.restore_afresh(&backup.snapshot, "target").await;
        assert_eq!(fs::read(house.path("target").join(to).join("sub/deep/3")).unwrap(), b"3");
        assert!(!house.path("target/big").exists());
        if let Some(restic) = oracle::restic() {
            restic.repository(house.path("repository").display().to_string(), PASSWORD).check_read_data();
        }
        let next = house.backup().await;
        assert_whole(&house, &next).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_below_a_directory_that_was_renamed_meanwhile_is_stored() {
    let house = House::new().await;
    let happens = |source: &Path| {
        rename(source, "big/sub", "big/other");
        rename(source, "big", "renamed");
    };
    let backup = backed_up(&house, "big/2", happens, &[]).await;
    assert!(backup.issues.is_empty() && backup.warnings.is_empty(), "{backup:?}");
    house.restore(&backup.snapshot, "target").await;
    // As it was called when it was listed; what was listed later, as it was called then.
    assert_eq!(fs::read(house.path("target/big/other/deep/3")).unwrap(), b"3");
    assert_eq!(names(&house.path("target")), ["a", "big", "first", "z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_renamed_to_make_way_for_another_is_stored_beside_it() {
    let house = House::new().await;
    let happens = |source: &Path| {
        rename(source, "big", "big-old");
        fs::create_dir(source.join("big")).unwrap();
        fs::write(source.join("big/new"), "new").unwrap();
    };
    let backup = backed_up(&house, "first", happens, &[]).await;
    house.restore(&backup.snapshot, "target").await;
    assert!(backup.issues.is_empty() && backup.warnings.is_empty(), "{backup:?}");
    assert_eq!(fs::read(house.path("target/big/new")).unwrap(), b"new");
    assert_eq!(fs::read(house.path("target/big-old/sub/deep/3")).unwrap(), b"3");
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_that_swap_their_names_are_both_stored() {
    let house = House::new().await;
    let happens = |source: &Path| {
        rename(source, "big", "tmp");
        rename(source, "z", "big");
        rename(source, "tmp", "z");
    };
    let backup = backed_up(&house, "first", happens, &[]).await;
    house.restore(&backup.snapshot, "target").await;
    assert!(backup.issues.is_empty() && backup.warnings.is_empty(), "{backup:?}");
    assert_eq!(fs::read(house.path("target/z/sub/deep/3")).unwrap(), b"3");
    assert_eq!(fs::read(house.path("target/big/4")).unwrap(), b"4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_gone_is_told_and_leaves_the_backup_complete() {
    for happens in
        [(|source: &Path| fs::remove_dir_all(source.join("big")).unwrap()) as fn(&Path), |source| {
            rename(source, "big", "a/big")
        }]
    {
        let house = House::new().await;
        let backup = backed_up(&house, "a/1", happens, &[]).await;
        assert!(backup.issues.is_empty(), "{backup:?}");
        let told: Vec<_> =
            backup.warnings.items().iter().map(|told| (told.kind, told.path.to_str())).collect();
        assert_eq!(told, [(IssueKind::Vanished, Some("big"))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_directory_that_is_gone_is_told_once() {
    let house = House::new().await;
    let happens = |source: &Path| fs::remove_dir_all(source.join("big")).unwrap();
    let backup = backed_up(&house, "big/2", happens, &[]).await;
    let told: Vec<_> = backup.warnings.items().iter().map(|told| told.path.to_str()).collect();
    assert_eq!((told, backup.issues.total()), (vec![Some("big")], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_renamed_to_a_name_that_was_read_already_makes_the_backup_partial() {
    let house = House::new().await;
    let happens = |source: &Path| {
        fs::remove_dir_all(source.join("a")).unwrap();
        rename(source, "big", "a");
    };
    let backup = backed_up(&house, "z/4", |_| {}, &[]).await;
    assert!(backup.issues.is_empty());
    fs::remove_dir_all(house.source()).unwrap();
    fs::create_dir(house.source()).unwrap();
    let backup = backed_up(&house, "a/1", happens, &[]).await;
    let told: Vec<_> = backup.issues.items().iter().map(|told| (told.kind, told.path.to_str())).collect();
    assert_eq!(told, [(IssueKind::Vanished, Some("big"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_renamed_to_a_name_that_is_left_out_is_left_out_and_counted() {
    let house = House::new().await;
    let backup = backed_up(&house, "first", |source| rename(source, "big", "trash"), &["/trash/"]).await;
    assert!(backup.issues.is_empty() && backup.warnings.is_empty(), "{backup:?}");
    assert_eq!((backup.rules[0].files, backup.rules[0].directories), (2, 3));
    house.restore(&backup.snapshot, "target").await;
    assert_eq!(names(&house.path("target")), ["a", "first", "z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_renamed_before_its_turn_is_stored_under_its_new_name() {
    for happens in [
        (|source: &Path| rename(source, "second", "another")) as fn(&Path),
        |source| rename(source, "second", "zz"),
        // As logs are: what was written is called otherwise, and a new one takes its name.
        |source| {
            rename(source, "second", "second.1");
            fs::write(source.join("second"), "new").unwrap();
        },
    ] {
        let house = House::new().await;
        fs::write(house.source().join("second"), "content").unwrap();
        let backup = backed_up(&house, "first", happens, &[]).await;
        assert_but_root(&house, &backup).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_took_another_ones_name_is_told_and_leaves_the_backup_complete() {
    for happens in [
        (|source: &Path| fs::remove_file(source.join("second")).unwrap()) as fn(&Path),
        |source| rename(source, "second", "a/second"),
        |source| rename(source, "second", "early"),
    ] {
        let house = House::new().await;
        for name in ["early", "second"] {
            fs::write(house.source().join(name), "content").unwrap();
        }
        let backup = backed_up(&house, "first", happens, &[]).await;
        let told: Vec<_> =
            backup.warnings.items().iter().map(|told| (told.kind, told.path.to_str())).collect();
        assert_eq!((told, backup.issues.total()), (vec![(IssueKind::Vanished, Some("second"))], 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_saved_over_by_renaming_is_told_nothing_of() {
    let house = House::new().await;
    fs::write(house.source().join("second"), "content").unwrap();
    let happens = |source: &Path| {
        fs::write(source.join("fresh"), "newer").unwrap();
        rename(source, "fresh", "second");
    };
    let backup = backed_up(&house, "first", happens, &[]).await;
    assert_but_root(&house, &backup).await;
}
