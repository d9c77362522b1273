//! What this machine remembers of a walk never changes a snapshot, and makes the next one cheap.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use stillpoint_repository::{
    BackupOptions, BackupSource, BackupSummary, CacheFolder, Cancellation, Credentials, ErrorKind, LockMode,
    NoProgress, Origin, Parent, Repository, Store,
};
use stillpoint_testkit::tree::TreeSpec;

use crate::support::PASSWORD;

/// A source, a store in memory, and a cache.
pub(crate) struct Den {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Den {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("source")).unwrap();
        Self { folder, store: Store::memory() }
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// The repository as a new process with the cache sees it.
    pub(crate) async fn open(&self) -> Repository {
        self.open_store(self.store.clone().with_cache(&CacheFolder::new(self.cache()))).await
    }

    /// The repository as a process without a cache sees it.
    pub(crate) async fn open_plain(&self) -> Repository {
        self.open_store(self.store.clone()).await
    }

    async fn open_store(&self, store: Store) -> Repository {
        let credentials = Credentials::machine_key(PASSWORD.to_owned()).unwrap();
        Repository::open_or_init(store, &credentials, Origin::detect()).await.unwrap()
    }

    pub(crate) async fn backup(&self) -> BackupSummary {
        self.backup_in(&self.open().await, Parent::Newest).await
    }

    pub(crate) async fn backup_in(&self, repository: &Repository, parent: Parent) -> BackupSummary {
        let mut options = BackupOptions::default();
        options.parent = parent;
        let source = BackupSource::new(self.source());
        let cancellation = Cancellation::new();
        repository.backup(&source, options, Arc::new(NoProgress), &cancellation).await.unwrap()
    }

    /// The listing that a backup makes which relies on nothing.
    pub(crate) async fn true_tree(&self) -> stillpoint_repository::Id {
        self.backup_in(&self.open_plain().await, Parent::None).await.tree
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in
            fs::read_dir(fs::read_dir(self.cache()).unwrap().next().unwrap().unwrap().path()).unwrap()
        {
            found.push(entry.unwrap().path());
        }
        found.sort();
        found
    }
}

/// Waits until what was just written would show another time of change if it were written again.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(120)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_changes_three_requests_store_nothing_but_the_snapshot() {
    let den = Den::new();
    let made = TreeSpec::small(51).generate(&den.source()).unwrap();
    settle().await;
    let first = den.backup().await;
    den.backup().await;
    let before = den.store.counters();
    let third = den.backup().await;
    let after = den.store.counters();
    assert_eq!((after.puts - before.puts, after.gets - before.gets), (1, 0));
    assert_eq!((after.lists - before.lists, after.deletes - before.deletes), (2, 0));
    assert!(after.bytes_written - before.bytes_written < 2000);
    assert_eq!((third.tree, third.same_as_parent), (first.tree, true));
    assert_eq!((third.files_new, third.files_changed, third.files_unmodified), (0, 0, made.files as u64));
    assert_eq!((third.directories_new, third.directories_changed), (0, 0));
    assert_eq!((third.directories_unmodified, third.bytes_read), (first.directories_new, 0));
    assert_eq!(third.bytes_scanned, first.bytes_scanned);
    assert_eq!(third.tree, den.true_tree().await);
    assert_eq!(den.open_plain().await.snapshots().await.unwrap().readable.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_directory_is_recognised_by_its_inode_and_no_content_is_read() {
    let den = Den::new();
    let source = den.source();
    TreeSpec::small(52).generate(&source.join("one/deep")).unwrap();
    TreeSpec::small(53).generate(&source.join("two")).unwrap();
    settle().await;
    let first = den.backup().await;
    fs::rename(source.join("one/deep"), source.join("two/moved")).unwrap();
    fs::rename(source.join("two"), source.join("three")).unwrap();
    let second = den.backup().await;
    assert_eq!((second.bytes_read, second.files_new, second.files_changed), (0, 0, 0));
    assert_eq!(second.files_unmodified, first.files_new);
    assert_eq!(second.written.data_blobs, 0);
    assert!(second.written.tree_blobs < 6, "{:?}", second.written);
    assert_eq!(second.tree, den.true_tree().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_changed_in_the_tick_in_which_it_was_read_is_read_again() {
    let den = Den::new();
    let path = den.source().join("file");
    for round in 0..20_u8 {
        fs::write(&path, [round; 16]).unwrap();
        den.backup().await;
        // In most rounds this is within the same tick of the file system's clock.
        fs::write(&path, [round + 100; 16]).unwrap();
        let second = den.backup().await;
        assert_eq!(second.tree, den.true_tree().await, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_read_again_and_found_unchanged_counts_as_unmodified_and_needs_no_index() {
    let den = Den::new();
    let path = den.source().join("fresh");
    fs::write(&path, [7; 5000]).unwrap();
    // A time of change just ahead may be that of a change to come.
    let ahead = fs::metadata(&path).unwrap().modified().unwrap() + Duration::from_secs(3600);
    fs::File::options().write(true).open(&path).unwrap().set_modified(ahead).unwrap();
    den.backup().await;
    let before = den.store.counters();
    let second = den.backup().await;
    assert_eq!((second.files_unmodified, second.files_changed), (1, 0));
    assert_eq!((second.bytes_read, second.same_as_parent), (5000, true));
    let after = den.store.counters();
    assert_eq!((after.gets, after.puts), (before.gets, before.puts + 1));
}

type Damage = Box<dyn Fn(&mut Vec<u8>)>;

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_cache_is_rebuilt_and_changes_nothing() {
    let den = Den::new();
    TreeSpec::small(54).generate(&den.source()).unwrap();
    settle().await;
    let first = den.backup().await;
    for file in den.files() {
        let whole = fs::read(&file).unwrap();
        let damages: [Damage; 5] = [
            Box::new(|data| data.truncate(data.len() / 2)),
            Box::new(|data| data.clear()),
            Box::new(|data| data[0] ^= 1),
            Box::new(|data| {
                let middle = data.len() / 2;
                data[middle] ^= 0x40;
            }),
            Box::new(|data| {
                let last = data.len() - 1;
                data[last] ^= 1;
            }),
        ];
        for (number, damage) in damages.iter().enumerate() {
            let mut data = fs::read(&file).unwrap_or_else(|_| whole.clone());
            damage(&mut data);
            fs::write(&file, data).unwrap();
            let again = den.backup().await;
            assert_eq!(again.tree, first.tree, "{file:?} with damage {number}");
            assert_eq!(again.files_new + again.files_changed + again.files_unmodified, first.files_new);
            let next = den.backup().await;
            assert_eq!((next.tree, next.bytes_read), (first.tree, 0), "{file:?} was rebuilt");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_repository_at_the_same_place_is_not_taken_for_the_remembered_one() {
    let den = Den::new();
    TreeSpec::small(55).generate(&den.source()).unwrap();
    settle().await;
    let first = den.backup().await;
    let other = Den { folder: den.folder, store: Store::memory() };
    let anew = other.backup().await;
    assert_eq!((anew.tree, anew.parent, anew.files_unmodified), (first.tree, None, 0));
    assert_eq!(anew.written.data_blobs, first.written.data_blobs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_while_data_is_being_deleted_fails_and_leaves_no_snapshot() {
    let den = Den::new();
    TreeSpec::small(56).generate(&den.source()).unwrap();
    settle().await;
    den.backup().await;
    let repository = den.open_plain().await;
    let lock = repository.lock(LockMode::Exclusive).await.unwrap();
    let source = BackupSource::new(den.source());
    let (ours, cancellation) = (den.open().await, Cancellation::new());
    let run = ours.backup(&source, BackupOptions::default(), Arc::new(NoProgress), &cancellation);
    let refused = run.await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Locked { .. }), "{refused}");
    assert_eq!(repository.snapshots().await.unwrap().readable.len(), 1);
    lock.release().await.unwrap();
    assert!(den.backup().await.same_as_parent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_was_forgotten_is_not_built_on() {
    let den = Den::new();
    TreeSpec::small(57).generate(&den.source()).unwrap();
    settle().await;
    let first = den.backup().await;
    let ours = den.open().await;
    let listed = ours.snapshots().await.unwrap();
    assert_eq!(listed.readable.len(), 1);
    den.open_plain().await.delete_snapshot(&first.snapshot).await.unwrap();
    // The parent is named from memory; only when the snapshot stands is it seen that the parent is gone.
    let again = den.backup_in(&ours, Parent::Snapshot(first.snapshot)).await;
    assert_eq!((again.tree, again.parent, again.same_as_parent), (first.tree, None, false));
    assert_eq!((again.files_new, again.files_unmodified), (first.files_new, 0));
    let left = den.open_plain().await.snapshots().await.unwrap();
    assert_eq!(left.readable.iter().map(|stored| stored.id).collect::<Vec<_>>(), [again.snapshot]);
    fs::write(den.source().join("more"), "more").unwrap();
    den.open_plain().await.delete_snapshot(&again.snapshot).await.unwrap();
    let changed = den.backup_in(&den.open().await, Parent::Newest).await;
    assert_eq!((changed.parent, changed.tree), (None, den.true_tree().await));
}

/// One change of a tree. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Edit {
    Write(u8, u8),
    Append(u8),
    Create(u8, u8),
    Remove(u8),
    RemoveDirectory(u8),
    Rename(u8, u8),
    MoveDirectory(u8, u8),
    Link(u8, u8),
    Chmod(u8, u8),
    Attribute(u8, u8),
    TouchBack(u8, u8),
    Replace(u8, u8),
    FileToDirectory(u8),
    FileToLink(u8, u8),
    Settle,
}

fn edits() -> impl Strategy<Value = Edit> {
    use Edit::{
        Append, Attribute, Chmod, Create, FileToDirectory, FileToLink, Link, MoveDirectory, Remove,
        RemoveDirectory, Rename, Replace, Settle, TouchBack, Write,
    };
    let (a, b) = (any::<u8>(), any::<u8>());
    let two = (a, b);
    prop_oneof![
        two.prop_map(|(a, b)| Write(a, b)),
        a.prop_map(Append),
        two.prop_map(|(a, b)| Create(a, b)),
        a.prop_map(Remove),
        a.prop_map(RemoveDirectory),
        two.prop_map(|(a, b)| Rename(a, b)),
        two.prop_map(|(a, b)| MoveDirectory(a, b)),
        two.prop_map(|(a, b)| Link(a, b)),
        two.prop_map(|(a, b)| Chmod(a, b)),
        two.prop_map(|(a, b)| Attribute(a, b)),
        two.prop_map(|(a, b)| TouchBack(a, b)),
        two.prop_map(|(a, b)| Replace(a, b)),
        a.prop_map(FileToDirectory),
        two.prop_map(|(a, b)| FileToLink(a, b)),
        Just(Settle),
    ]
}

/// Files and directories below `root`, sorted.
fn entries(root: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut files, mut directories) = (Vec::new(), vec![root.to_path_buf()]);
    let mut at = 0;
    while let Some(directory) = directories.get(at).cloned() {
        at += 1;
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    directories.sort();
    (files, directories)
}

fn apply(root: &Path, edit: &Edit) {
    let (files, directories) = entries(root);
    let directory = |number: u8| directories[usize::from(number) % directories.len()].clone();
    // An edit that the tree as it is does not allow, such as moving a directory into itself, changes nothing.
    let _refused: std::io::Result<()> = match *edit {
        Edit::Create(d, value) => fs::write(free(value, &directory(d)), [value; 32]),
        Edit::RemoveDirectory(d) if directory(d) != root => fs::remove_dir_all(directory(d)),
        Edit::MoveDirectory(a, b) if directory(a) != root => fs::rename(directory(a), free(a, &directory(b))),
        Edit::RemoveDirectory(_) | Edit::MoveDirectory(..) => Ok(()),
        Edit::Settle => {
            std::thread::sleep(Duration::from_millis(110));
            Ok(())
        }
        Edit::Write(f, _)
        | Edit::Append(f)
        | Edit::Remove(f)
        | Edit::Rename(f, _)
        | Edit::Link(f, _)
        | Edit::Chmod(f, _)
        | Edit::Attribute(f, _)
        | Edit::TouchBack(f, _)
        | Edit::Replace(f, _)
        | Edit::FileToDirectory(f)
        | Edit::FileToLink(f, _) => match files.get(usize::from(f) % files.len().max(1)) {
            Some(path) => apply_to_file(path, edit, directory),
            None => Ok(()),
        },
    };
}

fn free(number: u8, in_directory: &Path) -> PathBuf {
    in_directory.join(format!("n{number}"))
}

fn apply_to_file(path: &Path, edit: &Edit, directory: impl Fn(u8) -> PathBuf) -> std::io::Result<()> {
    match *edit {
        Edit::Write(_, value) => fs::write(path, [value; 64]),
        Edit::Append(_) => {
            let longer = [fs::read(path)?, vec![1]].concat();
            fs::write(path, longer)
        }
        Edit::Remove(_) => fs::remove_file(path),
        Edit::Rename(f, d) => fs::rename(path, free(f, &directory(d))),
        Edit::Link(f, d) => fs::hard_link(path, free(f ^ 0x55, &directory(d))),
        Edit::Chmod(_, mode) => {
            fs::set_permissions(path, PermissionsExt::from_mode(0o600 | u32::from(mode & 0o77)))
        }
        Edit::Attribute(_, value) => {
            Ok(rustix::fs::setxattr(path, "user.k", &[value], rustix::fs::XattrFlags::empty())?)
        }
        Edit::TouchBack(_, value) => {
            let metadata = fs::metadata(path)?;
            let content = vec![value; usize::try_from(metadata.len()).unwrap()];
            fs::write(path, content)?;
            fs::File::options().write(true).open(path)?.set_modified(metadata.modified()?)
        }
        Edit::Replace(_, value) => {
            let length = usize::try_from(fs::metadata(path)?.len()).unwrap();
            let beside = path.with_extension("new");
            fs::write(&beside, vec![value; length])?;
            fs::rename(beside, path)
        }
        Edit::FileToDirectory(_) => {
            fs::remove_file(path)?;
            fs::create_dir(path)?;
            fs::write(path.join("inside"), "x")
        }
        Edit::FileToLink(_, target) => {
            fs::remove_file(path)?;
            symlink(format!("target {target}"), path)
        }
        Edit::Create(..) | Edit::RemoveDirectory(_) | Edit::MoveDirectory(..) | Edit::Settle => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_backup_that_remembers_makes_the_tree_of_one_that_does_not(
        rounds in proptest::collection::vec(proptest::collection::vec(edits(), 0..6), 2..5),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let den = Den::new();
            for (number, folder) in (0_u8..).zip(["a", "a/b", "c", "c/d/e"]) {
                fs::create_dir_all(den.source().join(folder)).unwrap();
                for file in 0..3 {
                    let content = vec![number * 8 + file; 40];
                    fs::write(den.source().join(folder).join(format!("f{file}")), content).unwrap();
                }
            }
            den.backup().await;
            for round in rounds {
                round.iter().for_each(|edit| apply(&den.source(), edit));
                let remembered = den.backup().await;
                assert_eq!(remembered.tree, den.true_tree().await);
                let (files, directories) = entries(&den.source());
                let counted = remembered.files_new + remembered.files_changed + remembered.files_unmodified;
                assert_eq!(counted, files.len() as u64);
                let counted = remembered.directories_new
                    + remembered.directories_changed
                    + remembered.directories_unmodified;
                assert_eq!(counted, directories.len() as u64);
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backup_could_not_keep_is_told_again_by_the_next_one() {
    let den = Den::new();
    let (file, folder, link) =
        (den.source().join("file"), den.source().join("folder"), den.source().join("link"));
    fs::write(&file, "content").unwrap();
    fs::create_dir(&folder).unwrap();
    symlink("file", &link).unwrap();
    let odd = std::ffi::CString::new(b"user.not text \xff".to_vec()).unwrap();
    for path in [&file, &folder, &den.source()] {
        rustix::fs::setxattr(path, odd.as_c_str(), b"v", rustix::fs::XattrFlags::empty()).unwrap();
    }
    settle().await;
    assert_eq!(den.backup().await.issues.total(), 3);
    assert_eq!(den.backup().await.issues.total(), 3, "with what this machine remembers");
    let plain = den.open_plain().await;
    assert_eq!(
        den.backup_in(&plain, Parent::Newest).await.issues.total(),
        3,
        "from the parent snapshot alone"
    );
    assert!(den.backup_in(&plain, Parent::Newest).await.same_as_parent, "and nothing else is made of it");
}
