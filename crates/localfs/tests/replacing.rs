//! What a restore that replaces leaves alone: what somebody changed after it began.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in shared set-up")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use stillpoint_localfs::{
    Attributes, Error, ExtractOptions, Extractor, Fate, Foresight, Landing, Result, Standing, Timestamp,
};
use tempfile::{TempDir, tempdir};

fn place() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let target = folder.path().join("target");
    fs::create_dir(&target).unwrap();
    (folder, target)
}

fn open(target: &Path) -> Extractor {
    Extractor::open(target, "op", ExtractOptions::landing(Landing::Replace)).unwrap()
}

fn attributes() -> Attributes {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Attributes::new(0o644, uid, gid)
}

/// Restores one file as a data plane does.
fn restore(extractor: &Extractor, path: &str, content: &[u8]) -> Result<bool> {
    let (path, size) = (Path::new(path), content.len() as u64);
    let is_right = |file: &mut stillpoint_localfs::OpenFile| {
        let mut found = Vec::new();
        std::io::Read::read_to_end(file, &mut found).unwrap();
        Ok(found == content)
    };
    if extractor.file_stands(path, size, &attributes(), is_right)? != Standing::Free {
        return Ok(false);
    }
    let mut file = extractor.create_file(path, size)?;
    file.write_at(0, content)?;
    file.finish(&attributes()).map(|_| true)
}

/// Writes until the file system's clock has moved on.
fn write_later(path: &Path, content: &str, than: &Path) {
    let moment = |path: &Path| fs::metadata(path).map(|found| (found.ctime(), found.ctime_nsec())).unwrap();
    while fs::write(path, content).is_ok() && moment(path) <= moment(than) {}
}

fn marker(target: &Path) -> PathBuf {
    target.join(".stillpoint-restore-op/journal")
}

#[test]
fn what_changes_after_the_restore_began_stays_also_in_a_later_run() {
    let (_folder, target) = place();
    for name in ["first", "second", "third", "link"] {
        fs::write(target.join(name), "old").unwrap();
    }
    let first = open(&target);
    assert!(restore(&first, "first", b"new").unwrap());
    write_later(&target.join("second"), "of the user", &marker(&target));
    assert!(matches!(restore(&first, "second", b"new"), Err(Error::WrittenSince { .. })));
    drop(first);
    write_later(&target.join("first"), "edited", &marker(&target));
    // Moved to its place, it has the time of content that it had elsewhere.
    fs::write(target.join("elsewhere"), "moved in").unwrap();
    fs::File::open(target.join("elsewhere")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    fs::rename(target.join("elsewhere"), target.join("third")).unwrap();

    let again = open(&target);
    for name in ["first", "second", "third"] {
        assert!(matches!(restore(&again, name, b"new"), Err(Error::WrittenSince { .. })), "{name}");
    }
    assert!(restore(&again, "link", b"new").unwrap());
    // What was looked at in time and changed while its content came.
    let mut late = again.create_file(Path::new("link"), 3).unwrap();
    late.write_at(0, b"NEW").unwrap();
    write_later(&target.join("link"), "just now", &marker(&target));
    assert!(matches!(late.finish(&attributes()), Err(Error::WrittenSince { .. })));
    again.finish(None).unwrap();
    // Another restore begins later.
    let another = open(&target);
    for name in ["first", "second", "third", "link"] {
        assert!(restore(&another, name, b"new").unwrap(), "{name}");
    }
}

#[test]
fn what_the_restore_itself_did_is_nobodys_change() {
    let (_folder, target) = place();
    for name in ["one", "own"] {
        fs::write(target.join(name), "old").unwrap();
    }
    for name in ["two", "three"] {
        fs::hard_link(target.join("one"), target.join(name)).unwrap();
    }
    symlink("old", target.join("symlink")).unwrap();
    let first = open(&target);
    let run = |extractor: &Extractor, names: &[&str]| {
        names.iter().map(|name| restore(extractor, name, b"new").unwrap()).collect::<Vec<_>>()
    };
    // Each name that goes changes the inode that the others lead to.
    assert_eq!(run(&first, &["one", "two"]), [true, true]);
    // The attributes of a link that cannot be set, as another user's, are none of those that stand.
    let foreign = Attributes::new(0o777, 12345, 12345);
    first.create_symlink(Path::new("symlink"), Path::new("new"), &foreign).unwrap();
    drop(first);
    let again = open(&target);
    assert_eq!(run(&again, &["one", "two", "three"]), [false, false, true], "the rest goes on");
    let wanted = Attributes::new(0o777, 54321, 54321);
    let stands = again.link_stands(Path::new("symlink"), Path::new("new"), &wanted).unwrap();
    assert!(stands, "it gets what it lacks where it stands");
    again.finish(None).unwrap();
}

#[test]
fn the_caller_may_say_since_when_a_copy_of_what_stood_is_safe() {
    let (_folder, target) = place();
    fs::write(target.join("file"), "old").unwrap();
    let changed = fs::metadata(target.join("file")).unwrap();
    let mut options = ExtractOptions::landing(Landing::Replace);
    let since = Timestamp::new(changed.ctime(), u32::try_from(changed.ctime_nsec()).unwrap());
    options.unchanged_since = Some(Timestamp::new(since.seconds - 1, since.nanoseconds));
    let fate = |options: &ExtractOptions| {
        let mut look = Foresight::open(&target, "op", options.clone()).unwrap();
        look.file(Path::new("file"), 3, &attributes(), None, |_| Ok(false));
        look.finish(None, true).unwrap()
    };
    assert_eq!(fate(&options).count(Fate::Conflict), 1);
    let early = Extractor::open(&target, "op", options.clone()).unwrap();
    assert!(matches!(restore(&early, "file", b"new"), Err(Error::WrittenSince { .. })));
    drop(early);
    options.unchanged_since = Some(since);
    assert_eq!(fate(&options).count(Fate::Replaced), 1);
    let late = Extractor::open(&target, "op", options).unwrap();
    assert!(restore(&late, "file", b"new").unwrap());
}
