//! What a backup reads, stores and reports.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use stillpoint_localfs::Rules;
use stillpoint_repository::{
    BackupOptions, BackupSource, BackupSummary, BlobKind, Cancellation, ErrorKind, IssueKind, NoProgress,
    Parent, Progress,
};
use stillpoint_testkit::tree::{Edits, TreeSpec};

use crate::support::{House, names, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_without_changes_reads_no_content_and_adds_next_to_nothing() {
    let house = House::new().await;
    let made = TreeSpec::small(1).generate(&house.source()).unwrap();
    house.settle().await;
    let first = house.backup().await;
    assert_eq!((first.files_new, first.files_unmodified), (made.files as u64, 0));
    assert!(first.issues.is_empty(), "{:?}", first.issues);
    let second = house.backup().await;
    assert_eq!((second.files_new, second.files_changed, second.files_unmodified), (0, 0, made.files as u64));
    assert_eq!((second.directories_new, second.directories_changed), (0, 0));
    assert_eq!(second.bytes_read, 0);
    assert_eq!(second.written.plaintext_bytes, 0);
    assert_eq!(second.tree, first.tree);
    assert_eq!(second.parent, Some(first.snapshot));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_changed_files_are_read() {
    let house = House::new().await;
    let made = TreeSpec::small(2).plain().generate(&house.source()).unwrap();
    house.settle().await;
    house.backup().await;
    let edited = Edits { rename: 0, chmod: 0, ..Edits::few(3) }.apply(&house.source()).unwrap();
    let second = house.backup().await;
    assert_eq!(second.files_new, edited.added.len() as u64);
    assert_eq!(second.files_changed, edited.changed.len() as u64);
    let touched: u64 =
        edited.added.iter().chain(&edited.changed).map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(second.bytes_read, touched);
    assert_eq!(second.files_unmodified, (made.files - edited.removed.len() - edited.changed.len()) as u64);
    let restored = house.restore(&second.snapshot, "target").await;
    assert!(restored.issues.is_empty());
    stillpoint_testkit::compare::assert_same(&house.source(), &house.path("target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_content_is_stored_once_and_without_a_parent_nothing_is_stored_again() {
    let house = House::new().await;
    let content = vec![7_u8; 300_000];
    for name in ["a", "b", "c"] {
        fs::write(house.source().join(name), &content).unwrap();
    }
    let first = house.backup().await;
    assert_eq!((first.written.data_blobs, first.bytes_read), (1, 900_000));
    let again = house.backup_with(options(|options| options.parent = Parent::None)).await.unwrap();
    assert_eq!((again.written.data_blobs, again.bytes_read), (0, 900_000));
    assert_eq!(again.parent, None);
    assert_eq!(again.tree, first.tree);
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_do_not_depend_on_the_number_of_workers() {
    let house = House::new().await;
    TreeSpec::small(4).generate(&house.source()).unwrap();
    fs::write(house.source().join("large"), stillpoint_noise(9 << 20)).unwrap();
    let mut trees = Vec::new();
    for workers in [1, 2, 8] {
        let chosen = options(|options| (options.parent, options.workers) = (Parent::None, Some(workers)));
        trees.push(house.backup_with(chosen).await.unwrap().tree);
    }
    assert!(trees.iter().all(|tree| *tree == trees[0]));
}

fn stillpoint_noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(step).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_leave_out_is_reported_and_not_stored() {
    let house = House::new().await;
    fs::create_dir(house.source().join("cache")).unwrap();
    fs::write(house.source().join("cache/a"), [1; 10]).unwrap();
    fs::write(house.source().join("b.log"), [1; 20]).unwrap();
    fs::write(house.source().join("kept"), [1; 30]).unwrap();
    let mut rules = Rules::new();
    rules.add("/cache/").unwrap();
    rules.add("*.log").unwrap();
    let summary = house.backup_with(options(|options| options.rules = rules)).await.unwrap();
    let left_out: Vec<_> =
        summary.rules.iter().map(|rule| (rule.pattern.as_str(), rule.files, rule.bytes)).collect();
    assert_eq!(left_out[..2], [("/cache/", 1, 10), ("*.log", 1, 20)]);
    assert_eq!((summary.files_new, summary.bytes_scanned), (1, 30));
    house.restore(&summary.snapshot, "target").await;
    assert_eq!(names(&house.path("target")), ["kept"]);
}

/// Appends to a file each time it is about to be read, so that it never holds still.
#[derive(Debug)]
struct Meddler(std::path::PathBuf);

impl Progress for Meddler {
    fn advanced(&self, _: u64) {
        fs::OpenOptions::new().append(true).open(&self.0).unwrap().write_all(b"more").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_once_is_read_again() {
    let house = House::new().await;
    let path = house.source().join("busy");
    fs::write(&path, b"start").unwrap();
    let source = BackupSource::new(house.source());
    let meddler = Arc::new(Meddler(path));
    let summary = house
        .repository
        .backup(&source, BackupOptions::default(), meddler, &Cancellation::new())
        .await
        .unwrap();
    assert_eq!((summary.files_torn, summary.issues.total()), (0, 0));
    house.restore(&summary.snapshot, "target").await;
    assert_eq!(fs::read(house.path("target/busy")).unwrap(), b"startmore");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_holds_still_is_listed_as_torn() {
    let house = House::new().await;
    let path = house.source().join("busy");
    fs::write(&path, vec![1; 20 << 20]).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let summary = std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            let mut at = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::os::unix::fs::FileExt::write_all_at(&file, &[2], at % (20 << 20)).unwrap();
                at += 4099;
            }
        });
        let source = BackupSource::new(house.source());
        let cancellation = Cancellation::new();
        let backup =
            house.repository.backup(&source, BackupOptions::default(), Arc::new(NoProgress), &cancellation);
        let summary = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(backup));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        summary.unwrap()
    });
    assert_eq!(summary.files_torn, 1);
    let issue = &summary.issues.items()[0];
    assert_eq!((issue.kind, issue.path.to_str()), (IssueKind::Torn, Some("busy")));
}

/// Puts something else in a file's place just before it is opened, and removes another.
#[derive(Debug)]
struct Thief(std::path::PathBuf);

impl Progress for Thief {
    fn started(&self, path: &Path) {
        match path.to_str() {
            Some("swapped") => {
                fs::remove_file(self.0.join(path)).unwrap();
                std::os::unix::fs::symlink("/etc/shadow", self.0.join(path)).unwrap();
            }
            Some("vanishing") => fs::remove_file(self.0.join(path)).unwrap(),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cannot_be_read_is_listed_and_the_rest_is_stored() {
    let house = House::new().await;
    for name in ["kept", "swapped", "vanishing"] {
        fs::write(house.source().join(name), name).unwrap();
    }
    let source = BackupSource::new(house.source());
    let thief = Arc::new(Thief(house.source()));
    let cancellation = Cancellation::new();
    let backup = house.repository.backup(&source, BackupOptions::default(), thief, &cancellation);
    let summary = backup.await.unwrap();
    assert_eq!((summary.files_new, summary.skipped, summary.issues.total()), (1, 1, 1));
    let issue = &summary.issues.items()[0];
    assert_eq!((issue.kind, issue.path.to_str()), (IssueKind::Unreadable, Some("swapped")));
    house.restore(&summary.snapshot, "target").await;
    assert_eq!(names(&house.path("target")), ["kept"]);
}

#[tokio::test]
async fn a_source_that_is_missing_fails_and_leaves_no_lock() {
    let house = House::new().await;
    let source = BackupSource::new(house.path("missing"));
    let failed = house
        .repository
        .backup(&source, BackupOptions::default(), Arc::new(NoProgress), &Cancellation::new())
        .await;
    assert_eq!(failed.unwrap_err().kind(), &ErrorKind::NotFound);
    assert!(names(&house.path("repository/locks")).is_empty());
    assert!(house.repository.snapshots().await.unwrap().readable.is_empty());
}

#[tokio::test]
async fn a_damaged_parent_costs_reading_and_nothing_else() {
    let house = House::new().await;
    TreeSpec::small(5).plain().generate(&house.source()).unwrap();
    let first = house.backup().await;
    let index = house.repository.index().await.unwrap();
    let pack = index.locate(BlobKind::Tree, &first.tree).unwrap().pack.to_hex();
    let tree_pack = house.path("repository/data").join(&pack[..2]).join(&pack);
    let whole = fs::read(&tree_pack).unwrap();
    fs::write(&tree_pack, &whole[..whole.len() / 2]).unwrap();
    let second = house.backup().await;
    assert_eq!(second.bytes_read, second.bytes_scanned);
    assert_eq!(second.written.data_blobs, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_are_stored_as_the_zeros_that_they_are_and_are_not_read() {
    let house = House::new().await;
    let sparse = fs::File::create(house.source().join("sparse")).unwrap();
    sparse.set_len(96 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &[7; 100_000], (50 << 20) + 1).unwrap();
    let first = house.backup().await;
    assert_eq!(first.bytes_scanned, 96 << 20);
    assert!(first.bytes_read < 8 << 20, "{first:?}");
    let content = fs::read(house.source().join("sparse")).unwrap();
    fs::write(house.source().join("written"), content).unwrap();
    let second = house.backup().await;
    assert_eq!((second.bytes_read, second.written.data_blobs), (96 << 20, 0), "it is the same content");
    house.restore(&second.snapshot, "target").await;
    stillpoint_testkit::compare::assert_same(&house.source(), &house.path("target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_whose_listing_is_too_long_is_left_out_and_said() {
    let house = House::new().await;
    fs::create_dir_all(house.source().join("huge/below")).unwrap();
    fs::write(house.source().join("huge/below/file"), "x").unwrap();
    (0..20).for_each(|number| fs::write(house.source().join(format!("huge/{number}")), "x").unwrap());
    fs::write(house.source().join("file"), "kept").unwrap();
    let cramped = || options(|options| options.listing_bytes_max = 3000);
    let summary = house.backup_with(cramped()).await.unwrap();
    assert_eq!((summary.skipped, summary.bytes_read), (1, 4), "nothing of it is read");
    let issue = &summary.issues.items()[0];
    assert_eq!((issue.path.as_path(), issue.kind), (Path::new("huge"), IssueKind::Unsupported));
    house.restore(&summary.snapshot, "target").await;
    assert_eq!(names(&house.path("target")), ["file"]);
    let whole = house.backup().await;
    assert!(whole.issues.is_empty());
    fs::write(house.source().join("more"), "so that the root is listed anew").unwrap();
    let too_small = options(|options| options.listing_bytes_max = 30);
    let refused = house.backup_with(too_small).await.unwrap_err();
    assert!(refused.to_string().contains("source"), "the root cannot be left out: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_lost_all_its_files_is_no_good_backup_until_somebody_says_so() {
    let house = House::new().await;
    let tagged = |may_be_empty| {
        options(|options| {
            options.tag_if_incomplete = Some("incomplete".to_owned());
            options.may_be_empty = may_be_empty;
        })
    };
    let emptied = |summary: &BackupSummary| {
        summary.issues.items().iter().map(|issue| issue.kind).collect::<Vec<_>>() == [IssueKind::Emptied]
    };
    let empty = house.backup_with(tagged(false)).await.unwrap();
    assert!(empty.issues.is_empty(), "a source may be empty from the start");
    fs::write(house.source().join("file"), "x").unwrap();
    assert!(house.backup_with(tagged(false)).await.unwrap().issues.is_empty());
    fs::remove_file(house.source().join("file")).unwrap();
    fs::create_dir(house.source().join("lost+found")).unwrap();
    for _ in 0..2 {
        let summary = house.backup_with(tagged(false)).await.unwrap();
        assert!(emptied(&summary), "{:?}", summary.issues);
        let stored = house.repository.load_snapshot(&summary.snapshot).await.unwrap();
        assert_eq!(stored.tags, ["incomplete"]);
    }
    assert!(house.backup_with(tagged(true)).await.unwrap().issues.is_empty());
    assert!(house.backup_with(tagged(false)).await.unwrap().issues.is_empty(), "that was a good one");
}
