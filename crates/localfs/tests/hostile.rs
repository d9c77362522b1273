//! Nothing a snapshot or another local user does leads a restore outside its target.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in shared set-up")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use stillpoint_localfs::{Attributes, Error, ExtractOptions, Extractor, FileKind, Landing};
use tempfile::{TempDir, tempdir};

/// A target next to a directory that must never change.
struct Arena {
    folder: TempDir,
}

impl Arena {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/canary"), b"alive").unwrap();
        Self { folder }
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    fn extractor(&self, landing: Landing) -> Extractor {
        Extractor::open(&self.target(), "op", ExtractOptions::landing(landing)).unwrap()
    }

    fn assert_unharmed(&self) {
        let names: Vec<_> =
            fs::read_dir(self.outside()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["canary"]);
        let canary = fs::metadata(self.outside().join("canary")).unwrap();
        assert_eq!((canary.mode() & 0o7777, canary.nlink()), (0o644, 1));
        assert_eq!(fs::read(self.outside().join("canary")).unwrap(), b"alive");
        let mut around: Vec<_> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        around.sort();
        assert_eq!(around, ["outside", "target"]);
    }
}

fn attributes() -> Attributes {
    Attributes::new(0o777, 0, 0)
}

/// Tries every way of creating `path` and says whether all were refused.
fn all_refused(extractor: &Extractor, path: &Path) -> bool {
    let file = extractor.create_file(path, 0).and_then(|file| file.finish(&attributes()));
    [
        file.is_err(),
        extractor.create_directory(path).is_err(),
        extractor.create_symlink(path, Path::new("x"), &attributes()).is_err(),
        extractor.create_special(path, FileKind::Fifo, 0, &attributes()).is_err(),
    ]
    .iter()
    .all(|refused| *refused)
}

#[test]
fn names_that_are_not_names_are_refused() {
    let arena = Arena::new();
    let extractor = arena.extractor(Landing::EmptyTarget);
    let long = "x".repeat(256);
    let deep = vec!["d"; 5000].join("/");
    let hostile: [&[u8]; 14] = [
        b"",
        b".",
        b"..",
        b"/",
        b"/etc/passwd",
        b"../outside/canary",
        b"a/../../outside/new",
        b"a/./b",
        b"a//b",
        b"a/",
        b"nul\0byte",
        b".stillpoint-restore-op",
        long.as_bytes(),
        deep.as_bytes(),
    ];
    for name in hostile {
        let shown = String::from_utf8_lossy(&name[..name.len().min(40)]).into_owned();
        assert!(all_refused(&extractor, Path::new(OsStr::from_bytes(name))), "{shown}");
    }
    extractor.finish(None).unwrap();
    assert_eq!(fs::read_dir(arena.target()).unwrap().count(), 0);
    arena.assert_unharmed();
}

#[test]
fn no_parent_may_be_a_link() {
    let arena = Arena::new();
    let extractor = arena.extractor(Landing::EmptyTarget);
    extractor.create_symlink(Path::new("escape"), &arena.outside(), &attributes()).unwrap();
    extractor.create_symlink(Path::new("up"), Path::new(".."), &attributes()).unwrap();
    for path in ["escape/new", "up/outside/new", "up/new"] {
        assert!(all_refused(&extractor, Path::new(path)), "{path}");
    }
    assert!(extractor.set_directory_attributes(Path::new("escape"), &attributes()).is_err());
    assert!(extractor.open_existing(Path::new("escape/canary")).is_err());
    assert!(extractor.existing(Path::new("escape/canary")).is_err());
    arena.assert_unharmed();
}

#[test]
fn nothing_is_written_through_a_link_that_stands_at_the_final_name() {
    for landing in [Landing::Merge, Landing::Replace] {
        let arena = Arena::new();
        fs::create_dir(arena.target()).unwrap();
        symlink(arena.outside().join("canary"), arena.target().join("file")).unwrap();
        symlink(arena.outside(), arena.target().join("folder")).unwrap();
        let extractor = arena.extractor(landing);
        let mut file = extractor.create_file(Path::new("file"), 4).unwrap();
        file.write_at(0, b"evil").unwrap();
        assert_eq!(file.finish(&attributes()).is_ok(), landing == Landing::Replace);
        assert!(matches!(extractor.create_directory(Path::new("folder")), Err(Error::AlreadyExists { .. })));
        arena.assert_unharmed();
    }
}

#[test]
fn hard_links_are_made_only_to_files_of_this_run() {
    let arena = Arena::new();
    let extractor = arena.extractor(Landing::EmptyTarget);
    let id = extractor.create_file(Path::new("mine"), 0).unwrap().finish(&attributes()).unwrap();
    symlink(arena.outside().join("canary"), arena.target().join("link")).unwrap();
    fs::write(arena.target().join("planted"), b"").unwrap();
    for original in ["link", "planted", "missing", "../outside/canary"] {
        assert!(extractor.create_hard_link(Path::new("new"), Path::new(original), id).is_err(), "{original}");
    }
    fs::rename(arena.target().join("planted"), arena.target().join("mine")).unwrap();
    assert!(matches!(
        extractor.create_hard_link(Path::new("new"), Path::new("mine"), id),
        Err(Error::Replaced { .. })
    ));
    arena.assert_unharmed();
}

#[test]
fn swapping_directories_for_links_meanwhile_does_not_lead_outside() {
    let arena = Arena::new();
    let extractor = arena.extractor(Landing::EmptyTarget);
    extractor.create_directory(Path::new("swapped")).unwrap();
    symlink(arena.outside(), arena.target().join("bait")).unwrap();
    let done = AtomicBool::new(false);
    let (swapped, bait, spare) =
        (arena.target().join("swapped"), arena.target().join("bait"), arena.target().join("spare"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for (from, to) in
                    [(&swapped, &spare), (&bait, &swapped), (&swapped, &bait), (&spare, &swapped)]
                {
                    fs::rename(from, to).unwrap();
                }
            }
        });
        let mut refused = 0;
        for number in 0..500 {
            let path = PathBuf::from(format!("swapped/{number}"));
            let outcome = extractor.create_file(&path, 0).and_then(|file| file.finish(&attributes()));
            let linked = extractor.create_symlink(&path.with_extension("l"), Path::new("x"), &attributes());
            let changed = extractor.set_directory_attributes(Path::new("swapped"), &attributes());
            refused +=
                [outcome.is_err(), linked.is_err(), changed.is_err()].iter().filter(|bad| **bad).count();
        }
        done.store(true, Ordering::Relaxed);
        assert!(refused > 0, "the race was never run");
    });
    arena.assert_unharmed();
}

#[test]
fn two_entries_of_one_name_are_not_both_restored() {
    let arena = Arena::new();
    let extractor = arena.extractor(Landing::EmptyTarget);
    extractor.create_directory(Path::new("a")).unwrap();
    assert!(all_refused(&extractor, Path::new("a")));
    let id = extractor.create_file(Path::new("b"), 0).unwrap().finish(&attributes()).unwrap();
    assert!(all_refused(&extractor, Path::new("b")));
    extractor.create_directory(Path::new("a/c")).unwrap();
    assert!(extractor.create_hard_link(Path::new("a/c"), Path::new("b"), id).is_err());
}
