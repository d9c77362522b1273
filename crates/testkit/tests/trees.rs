//! Trees, edits and comparisons.
#![expect(clippy::unwrap_used, reason = "a failed assumption ends the test")]

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use stillpoint_testkit::compare::{Aspect, Comparison, assert_same, compare, digest};
use stillpoint_testkit::tree::{Edits, TreeSpec, odd_names};

fn aspects(left: &Path, right: &Path) -> Vec<(String, Aspect)> {
    let found = Comparison::new().with_holes().run(left, right).unwrap();
    found.into_iter().map(|found| (found.path.to_string_lossy().into_owned(), found.aspect)).collect()
}

/// Two equal trees whose second one is then changed at `path` by `change`.
fn after(path: &str, change: impl FnOnce(&Path)) -> Vec<(String, Aspect)> {
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [left.path(), right.path()] {
        TreeSpec::small(3).plain().generate(dir).unwrap();
        fs::write(dir.join("file"), "content").unwrap();
        fs::write(dir.join("twin"), "content").unwrap();
        symlink("file", dir.join("link")).unwrap();
        for name in ["file", "twin"] {
            File::open(dir.join(name)).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        }
    }
    change(&right.path().join(path));
    let mut found = aspects(left.path(), right.path());
    found.retain(|(path, aspect)| !(path.is_empty() || path == "link" && *aspect == Aspect::ModifiedTime));
    found
}

#[test]
fn a_seed_makes_the_same_tree_each_time() {
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = TreeSpec::small(11).generate(left.path()).unwrap();
    let second = TreeSpec::small(11).generate(right.path()).unwrap();
    assert_eq!(first, second);
    assert!(first.hard_links > 0 && first.symlinks > 0 && first.fifos > 0 && first.dirs > 4);
    assert_same(left.path(), right.path());
    assert_eq!(digest(left.path()).unwrap(), digest(right.path()).unwrap());
}

#[test]
fn another_seed_makes_another_tree() {
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    TreeSpec::small(11).generate(left.path()).unwrap();
    TreeSpec::small(12).generate(right.path()).unwrap();
    assert!(compare(left.path(), right.path()).unwrap().len() > 100);
    assert_ne!(digest(left.path()).unwrap(), digest(right.path()).unwrap());
}

#[test]
fn odd_names_are_all_different_and_legal() {
    let dir = tempfile::tempdir().unwrap();
    for name in odd_names() {
        File::create_new(dir.path().join(name)).unwrap();
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), odd_names().len());
}

#[test]
fn edits_are_found_where_they_were_made() {
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    TreeSpec::small(5).generate(left.path()).unwrap();
    TreeSpec::small(5).generate(right.path()).unwrap();
    let edited = Edits::few(6).apply(right.path()).unwrap();
    let found = compare(left.path(), right.path()).unwrap();
    let count = |aspect| found.iter().filter(|found| found.aspect == aspect).count();
    assert_eq!(count(Aspect::Presence), edited.added.len() + edited.removed.len());
    assert_eq!(count(Aspect::Mode), edited.chmodded.len());
    for path in &edited.changed {
        let path = path.strip_prefix(right.path()).unwrap();
        assert!(
            found
                .iter()
                .any(|found| found.path == path && matches!(found.aspect, Aspect::Content | Aspect::Size)),
            "{path:?} was changed and not found"
        );
    }
}

#[test]
fn one_changed_byte_at_equal_size_and_time_is_found() {
    let found = after("file", |path| {
        fs::write(path, "Content").unwrap();
        File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    });
    assert_eq!(found, [("file".to_owned(), Aspect::Content)]);
}

#[test]
fn one_nanosecond_is_found() {
    let found = after("file", |path| {
        let moment = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1);
        File::open(path).unwrap().set_modified(moment).unwrap();
    });
    assert_eq!(found, [("file".to_owned(), Aspect::ModifiedTime)]);
}

#[test]
fn a_set_group_id_bit_is_found() {
    let found = after("file", |path| fs::set_permissions(path, fs::Permissions::from_mode(0o2644)).unwrap());
    assert_eq!(found, [("file".to_owned(), Aspect::Mode)]);
}

#[test]
fn another_link_target_is_found() {
    let found = after("link", |path| {
        fs::remove_file(path).unwrap();
        symlink("twin", path).unwrap();
    });
    assert_eq!(found, [("link".to_owned(), Aspect::Content)]);
}

#[test]
fn a_hard_link_turned_into_a_copy_is_found_on_every_path_of_its_group() {
    let found = after("twin", |path| {
        fs::remove_file(path).unwrap();
        fs::hard_link(path.with_file_name("file"), path).unwrap();
    });
    let expected = ["file", "twin"].map(|path| (path.to_owned(), Aspect::HardLinks));
    assert_eq!(found, expected);
}

#[test]
fn filled_holes_are_found_when_asked_for() {
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [left.path(), right.path()] {
        let mut file = File::create_new(dir.join("image")).unwrap();
        file.seek(SeekFrom::Start(3 << 20)).unwrap();
        file.write_all(b"end").unwrap();
    }
    let mut filled = File::options().write(true).open(right.path().join("image")).unwrap();
    filled.write_all(&vec![0; 3 << 20]).unwrap();
    filled.sync_all().unwrap();
    let found = aspects(left.path(), right.path());
    assert!(found.contains(&("image".to_owned(), Aspect::Holes)), "{found:?}");
    let loose = Comparison::new().ignoring(Aspect::ModifiedTime).run(left.path(), right.path()).unwrap();
    assert_eq!(loose, []);
}

#[test]
fn the_root_directory_itself_is_compared() {
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [left.path(), right.path()] {
        File::open(dir).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    fs::set_permissions(right.path(), fs::Permissions::from_mode(0o711)).unwrap();
    assert_eq!(aspects(left.path(), right.path()), [(String::new(), Aspect::Mode)]);
    assert_eq!(Comparison::new().ignoring_root().run(left.path(), right.path()).unwrap(), []);
}
