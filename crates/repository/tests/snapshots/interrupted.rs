//! Backups and restores that are stopped half-way are taken up again.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{
    BackupOptions, BackupSource, Cancellation, ErrorKind, LockMode, NoProgress, RestoreOptions, WriterOptions,
};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::oracle;
use stillpoint_testkit::tree::{Texture, TreeSpec, write_file};

use crate::support::{CancelAfter, House, PASSWORD, names, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_leaves_no_snapshot_and_no_lock() {
    let house = House::new().await;
    TreeSpec::small(21).generate(&house.source()).unwrap();
    let cancellation = Cancellation::new();
    let source = BackupSource::new(house.source());
    let progress = CancelAfter::new(1_000_000, &cancellation);
    let stopped = house.repository.backup(&source, BackupOptions::default(), progress, &cancellation).await;
    assert_eq!(stopped.unwrap_err().kind(), &ErrorKind::Cancelled);
    assert!(names(&house.path("repository/locks")).is_empty());
    assert!(names(&house.path("repository/snapshots")).is_empty());
    let summary = house.backup().await;
    assert!(summary.issues.is_empty());
    house.restore(&summary.snapshot, "target").await;
    stillpoint_testkit::compare::Comparison::new()
        .ignoring(stillpoint_testkit::compare::Aspect::Mode)
        .assert_same(&house.source(), &house.path("target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_first_backup_keeps_what_it_had_sealed() {
    let house = House::new().await;
    for number in 0..18 {
        write_file(&house.source().join(format!("{number:02}")), number, Texture::Random, 10 << 20).unwrap();
    }
    let small_packs =
        || options(|options| options.writer = WriterOptions::default().with_pack_sizes(8 << 20, 1 << 20));
    let cancellation = Cancellation::new();
    let source = BackupSource::new(house.source());
    let progress = CancelAfter::new(165 << 20, &cancellation);
    let stopped = house.repository.backup(&source, small_packs(), progress, &cancellation).await;
    assert_eq!(stopped.unwrap_err().kind(), &ErrorKind::Cancelled);
    let packs = names(&house.path("repository/data")).len();
    assert!(packs > 0);

    let fresh = house.reopened().await;
    let second =
        fresh.backup(&source, small_packs(), Arc::new(NoProgress), &Cancellation::new()).await.unwrap();
    assert_eq!(second.bytes_read, 180 << 20);
    assert!(
        second.written.plaintext_bytes < 70 << 20,
        "{} bytes stored again",
        second.written.plaintext_bytes
    );
    let target = house.path("target");
    let options = RestoreOptions::new("op");
    let restored =
        fresh.restore(&second.snapshot, &target, options, Arc::new(NoProgress), &Cancellation::new()).await;
    assert!(restored.unwrap().issues.is_empty());
    assert_same(&house.source(), &target);
}

/// What a backup leaves that was killed after it had stored `keep` packs of content: those, no index and no snapshot.
fn kill(house: &House, keep: usize) -> Vec<PathBuf> {
    for folder in ["index", "snapshots"] {
        fs::remove_dir_all(house.path("repository").join(folder)).unwrap();
    }
    let mut packs: Vec<PathBuf> = names(&house.path("repository/data"))
        .iter()
        .flat_map(|folder| fs::read_dir(house.path("repository/data").join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    packs.sort_by_key(|pack| std::cmp::Reverse(fs::metadata(pack).unwrap().len()));
    for pack in packs.split_off(keep) {
        fs::remove_file(pack).unwrap();
    }
    packs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_first_backup_is_taken_up_where_it_stopped() {
    let house = House::new().await;
    for number in 0..12 {
        write_file(&house.source().join(format!("{number:02}")), number, Texture::Random, 2 << 20).unwrap();
    }
    let small_packs =
        || options(|options| options.writer = WriterOptions::default().with_pack_sizes(4 << 20, 1 << 20));
    let whole = house.backup_with(small_packs()).await.unwrap().written;
    let packs = kill(&house, 4);
    let stored: u64 = packs.iter().map(|pack| fs::metadata(pack).unwrap().len()).sum();
    // One of them is damaged where its header lies, and is passed over.
    let damaged = fs::read(&packs[0]).unwrap();
    fs::write(&packs[0], [&damaged[..damaged.len() - 30], &[0; 26], &damaged[damaged.len() - 4..]].concat())
        .unwrap();
    let lost = damaged.len() as u64;

    let fresh = house.reopened().await;
    let left_behind = house.repository.lock(LockMode::Shared).await.unwrap();
    let source = BackupSource::new(house.source());
    let second =
        fresh.backup(&source, small_packs(), Arc::new(NoProgress), &Cancellation::new()).await.unwrap();
    left_behind.release().await.unwrap();
    let saved = whole.pack_bytes - second.written.pack_bytes;
    assert!(saved.abs_diff(stored - lost) < 10_000, "{saved} bytes saved of {stored} with {lost} lost");
    fs::write(&packs[0], damaged).unwrap();
    if let Some(restic) = oracle::restic() {
        restic.repository(house.path("repository").display().to_string(), PASSWORD).check_read_data();
    }
    house.restore(&second.snapshot, "target").await;
    assert_same(&house.source(), &house.path("target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_is_taken_up_whether_its_lock_is_there_or_not() {
    let house = House::new().await;
    write_file(&house.source().join("file"), 1, Texture::Random, 100_000).unwrap();
    let lists = || house.repository.store().counters().lists;
    let opened = lists();
    let packs = house.backup().await.written.packs;
    let alone = lists() - opened;
    for locked in [true, false] {
        kill(&house, 1);
        let left_behind = house.repository.lock(LockMode::Shared).await.unwrap();
        let unlocked =
            if locked { Some(left_behind) } else { left_behind.release().await.map(|()| None).unwrap() };
        let before = lists();
        let packs_again = house.backup().await.written.packs;
        // It lists the marks of prunes, whose packs it must not take up.
        assert_eq!((lists() - before, packs, packs_again), (alone + 1, 2, 1), "locked: {locked}");
        if let Some(lock) = unlocked {
            lock.release().await.unwrap();
        }
    }
}

/// Its header may be whole where its content is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_a_killed_run_left_is_taken_up_only_if_every_byte_is_what_its_name_says() {
    let house = House::new().await;
    for number in 0..6 {
        write_file(&house.source().join(number.to_string()), number, Texture::Random, 2 << 20).unwrap();
    }
    let small_packs =
        || options(|options| options.writer = WriterOptions::default().with_pack_sizes(4 << 20, 1 << 20));
    let whole = house.backup_with(small_packs()).await.unwrap().written;
    let packs = kill(&house, 2);
    let mut damaged = fs::read(&packs[0]).unwrap();
    damaged[300] ^= 1;
    fs::write(&packs[0], &damaged).unwrap();

    let fresh = house.reopened().await;
    let (source, progress) = (BackupSource::new(house.source()), Arc::new(NoProgress));
    let reads = fresh.store().counters().gets;
    let second = fresh.backup(&source, small_packs(), progress, &Cancellation::new()).await.unwrap();
    let saved = whole.pack_bytes - second.written.pack_bytes;
    let adopted = fs::metadata(&packs[1]).unwrap().len();
    assert!(saved.abs_diff(adopted) < 10_000, "{saved} bytes saved, {adopted} were whole");
    assert_eq!(fresh.store().counters().gets - reads, 2, "each pack is read once");
    assert!(fs::read(&packs[0]).unwrap() == damaged, "it is left alone");
    house.restore(&second.snapshot, "target").await;
    assert_same(&house.source(), &house.path("target"));
    let checked = fresh.with_fresh_index().check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(checked.is_sound(), "{checked:?}");
    assert_eq!(checked.unused_packs, 1, "nothing counts on it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_restore_is_completed_by_the_same_call() {
    let house = House::new().await;
    TreeSpec::small(22).generate(&house.source()).unwrap();
    let backup = house.backup().await;
    let mut options = RestoreOptions::new("restore-7");
    options.extract.privileged = true;
    let mut taken_up = 0;
    for bytes in [1, 200_000, 1_500_000, 2_500_000] {
        let cancellation = Cancellation::new();
        let progress = CancelAfter::new(bytes, &cancellation);
        let target = house.path("target");
        let stopped = house
            .repository
            .restore(&backup.snapshot, &target, options.clone(), progress, &cancellation)
            .await;
        assert_eq!(stopped.unwrap_err().kind(), &ErrorKind::Cancelled);
        assert!(target.join(".stillpoint-restore-restore-7").exists());
        taken_up += 1;
    }
    assert_eq!(taken_up, 4);
    let other =
        house.restore_with(&backup.snapshot, "target", RestoreOptions::new("other")).await.unwrap_err();
    assert_eq!(other.kind(), &ErrorKind::AlreadyExists);
    let summary = house.restore_with(&backup.snapshot, "target", options).await.unwrap();
    assert!(summary.resumed && summary.files_unchanged > 0 && summary.files_restored > 0, "{summary:?}");
    assert!(summary.issues.is_empty(), "{:?}", summary.issues);
    assert_same(&house.source(), &house.path("target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_whose_end_was_not_recorded_may_be_continued() {
    let house = House::new().await;
    TreeSpec::small(23).generate(&house.source()).unwrap();
    let backup = house.backup().await;
    let mut options = RestoreOptions::new("op");
    options.extract.privileged = true;
    let first = house.restore_with(&backup.snapshot, "target", options.clone()).await.unwrap();
    options.extract.landing = stillpoint_localfs::Landing::Continue;
    let again = house.restore_with(&backup.snapshot, "target", options).await.unwrap();
    assert_eq!((again.files_restored, again.files_unchanged), (0, first.files_restored));
    assert!(again.issues.is_empty(), "{:?}", again.issues);
    assert_same(&house.source(), &house.path("target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_damaged_between_two_runs_is_written_again() {
    let house = House::new().await;
    fs::write(house.source().join("first"), vec![1; 100_000]).unwrap();
    fs::write(house.source().join("second"), vec![2; 100_000]).unwrap();
    let backup = house.backup().await;
    house.restore(&backup.snapshot, "target").await;
    // As after a power failure: the names are there, the size and time too, some content is not.
    fs::create_dir(house.path("target/.stillpoint-restore-op")).unwrap();
    let damaged = house.path("target/first");
    let time = fs::metadata(&damaged).unwrap().modified().unwrap();
    fs::write(&damaged, vec![0; 100_000]).unwrap();
    fs::File::options().write(true).open(&damaged).unwrap().set_modified(time).unwrap();
    let summary = house.restore(&backup.snapshot, "target").await;
    assert_eq!((summary.files_restored, summary.files_unchanged), (1, 1));
    assert_eq!((summary.warnings.total(), summary.issues.total()), (0, 0));
    assert_same(&house.source(), &house.path("target"));
}
