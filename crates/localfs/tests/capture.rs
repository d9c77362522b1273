//! What is seen of a tree, and what is noticed about it.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use stillpoint_localfs::{Error, FileKind, Preset, RuleOrigin, Rules, Selection, Source};
use tempfile::tempdir;

#[test]
fn names_are_raw_bytes_in_byte_order() {
    let folder = tempdir().unwrap();
    let odd: [&[u8]; 6] = [b"\n", b" ", b"-rf", b"B", b"a\x01", b"\xff\xfe"];
    for name in odd {
        fs::write(folder.path().join(OsStr::from_bytes(name)), b"").unwrap();
    }
    let source = Source::open(folder.path()).unwrap();
    let names = source.directory(Path::new("")).unwrap().names().unwrap();
    assert_eq!(names, odd.map(|name| OsStr::from_bytes(name).to_owned()));
}

#[test]
fn every_kind_of_entry_is_told_apart() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), b"12345").unwrap();
    fs::create_dir(at("directory")).unwrap();
    symlink("anywhere", at("link")).unwrap();
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    let source = Source::open(folder.path()).unwrap();
    let directory = source.directory(Path::new("")).unwrap();
    let kinds: Vec<_> = directory.list().unwrap().entries.iter().map(|entry| entry.metadata.kind).collect();
    use FileKind::{Directory, Fifo, File, Socket, Symlink};
    assert_eq!(kinds, [Directory, File, Symlink, Fifo, Socket]);
    assert_eq!(directory.link_target(OsStr::new("link")).unwrap(), "anywhere");
    assert_eq!(directory.entry_extended_attributes(OsStr::new("pipe")).unwrap(), []);
    assert_eq!(directory.entry_extended_attributes(OsStr::new("link")).unwrap(), []);
}

#[test]
fn metadata_agrees_with_the_system() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, b"12345").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
    fs::hard_link(&path, folder.path().join("other")).unwrap();
    let source = Source::open(folder.path()).unwrap();
    let seen = source.directory(Path::new("")).unwrap().entry_metadata(OsStr::new("file")).unwrap();
    let truth = fs::metadata(&path).unwrap();
    assert_eq!(seen.mode, 0o4751);
    assert_eq!((seen.uid, seen.gid, seen.size, seen.links), (truth.uid(), truth.gid(), 5, 2));
    assert_eq!((seen.inode, seen.device), (truth.ino(), truth.dev()));
    assert_eq!(
        (seen.modified.seconds, i64::from(seen.modified.nanoseconds)),
        (truth.mtime(), truth.mtime_nsec())
    );
    assert_eq!(
        (seen.changed.seconds, i64::from(seen.changed.nanoseconds)),
        (truth.ctime(), truth.ctime_nsec())
    );
}

#[test]
fn extended_attributes_of_any_size_are_read() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, b"").unwrap();
    let large = vec![7; 3000];
    setxattr(&path, "user.small", b"x", XattrFlags::empty()).unwrap();
    setxattr(&path, "user.empty", b"", XattrFlags::empty()).unwrap();
    setxattr(&path, "user.large", &large, XattrFlags::empty()).unwrap();
    let source = Source::open(folder.path()).unwrap();
    let file = source.directory(Path::new("")).unwrap().open_file(OsStr::new("file")).unwrap();
    let seen: Vec<_> =
        file.extended_attributes().unwrap().into_iter().map(|entry| (entry.name, entry.value)).collect();
    assert_eq!(
        seen,
        [("user.empty".into(), vec![]), ("user.large".into(), large), ("user.small".into(), b"x".to_vec())]
    );
}

#[test]
fn a_file_that_changes_while_it_is_read_is_noticed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, b"before").unwrap();
    let source = Source::open(folder.path()).unwrap();
    let mut file = source.directory(Path::new("")).unwrap().open_file(OsStr::new("file")).unwrap();
    let mut content = Vec::new();
    file.read_to_end(&mut content).unwrap();
    assert!(!file.changed().unwrap());
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"!").unwrap();
    assert!(file.changed().unwrap());
}

#[test]
fn what_took_the_place_of_a_file_is_not_read() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("secret"), b"secret").unwrap();
    symlink("secret", folder.path().join("link")).unwrap();
    mknodat(CWD, folder.path().join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let source = Source::open(folder.path()).unwrap();
    let directory = source.directory(Path::new("")).unwrap();
    for name in ["link", "pipe"] {
        assert!(matches!(directory.open_file(OsStr::new(name)), Err(Error::Replaced { .. })), "{name}");
    }
}

#[test]
fn a_directory_replaced_by_a_link_is_not_entered() {
    let folder = tempdir().unwrap();
    fs::create_dir_all(folder.path().join("tree/child")).unwrap();
    fs::create_dir(folder.path().join("outside")).unwrap();
    let source = Source::open(&folder.path().join("tree")).unwrap();
    assert!(source.directory(Path::new("child")).is_ok());
    fs::remove_dir(folder.path().join("tree/child")).unwrap();
    symlink("../outside", folder.path().join("tree/child")).unwrap();
    assert!(source.directory(Path::new("child")).is_err());
    assert!(matches!(source.directory(Path::new("../outside")), Err(Error::InvalidName { .. })));
}

#[test]
fn a_source_that_is_missing_or_no_directory_is_refused() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), b"").unwrap();
    assert!(matches!(Source::open(&folder.path().join("file")), Err(Error::NotADirectory { .. })));
    assert!(Source::open(&folder.path().join("missing")).unwrap_err().is_not_found());
}

#[test]
fn what_each_rule_leaves_out_is_counted_in_files_directories_and_bytes() {
    let folder = tempdir().unwrap();
    let write = |name: &str, bytes: usize| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![1; bytes]).unwrap();
    };
    write("keep/a", 1);
    write("cache/one", 10);
    write("cache/deep/two", 20);
    write("a.log", 5);
    write("huge", 1000);
    fs::create_dir(folder.path().join(".stillpoint-restore-x")).unwrap();
    // Where something is mounted, a restore works on the mount.
    fs::create_dir(folder.path().join("keep/.stillpoint-restore-x")).unwrap();
    let mut rules = Rules::new();
    rules.add("/cache").unwrap();
    rules.add("*.log").unwrap();
    rules.add("never").unwrap();
    let source = Source::open(folder.path()).unwrap();
    let selection = Selection::new(&rules).unwrap().files_up_to(999);
    let listing = selection.list(&source, &source.directory(Path::new("")).unwrap()).unwrap();
    let keep = selection.list(&source, &source.directory(Path::new("keep")).unwrap()).unwrap();
    assert_eq!(keep.entries.len(), 1);
    let kept: Vec<_> = listing.entries.iter().map(|entry| entry.name.to_str().unwrap()).collect();
    assert_eq!(kept, ["keep"]);
    let counts: Vec<_> = (selection.report().into_iter())
        .map(|report| (report.pattern, report.files, report.directories, report.bytes))
        .collect();
    assert_eq!(
        counts,
        [
            ("/cache".to_owned(), 2, 2, 30),
            ("*.log".to_owned(), 1, 0, 5),
            ("never".to_owned(), 0, 0, 0),
            ("files over 999 bytes".to_owned(), 1, 0, 1000),
            (".stillpoint-restore-*/".to_owned(), 0, 2, 0),
        ]
    );
    assert_eq!(selection.report()[4].origin, RuleOrigin::UnfinishedRestore);
}

#[test]
fn an_environment_goes_only_where_the_capture_holds_what_brings_it_back() {
    let folder = tempdir().unwrap();
    for (project, lock) in [("a", "uv.lock"), ("b", "uv.lock"), ("c", "requirements.txt")] {
        let environment = folder.path().join(project).join("env");
        fs::create_dir_all(&environment).unwrap();
        fs::write(environment.join("pyvenv.cfg"), "home").unwrap();
        fs::write(folder.path().join(project).join(lock), "what it takes").unwrap();
    }
    fs::write(folder.path().join("c/requirements.txt"), vec![b'x'; 2000]).unwrap();
    let mut rules = Rules::new();
    rules.add_preset(Preset::Environments).unwrap();
    rules.add("/b/*.lock").unwrap();
    let source = Source::open(folder.path()).unwrap();
    let selection = Selection::new(&rules).unwrap().files_up_to(1000);
    let kept = |project: &str| {
        let listing = selection.list(&source, &source.directory(Path::new(project)).unwrap()).unwrap();
        listing.entries.into_iter().map(|entry| entry.name.into_string().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(["a", "b", "c"].map(kept), [vec!["uv.lock"], vec!["env"], vec!["env"]]);
    let report = selection.report();
    assert_eq!(report.iter().map(|rule| rule.directories).sum::<u64>(), 1, "{report:?}");
    assert_eq!(report.iter().map(|rule| rule.files).sum::<u64>(), 3, "{report:?}");
}

#[test]
fn a_project_in_which_an_environment_was_made_in_place_stays() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("requirements.txt"), "torch").unwrap();
    fs::write(folder.path().join("environment.yml"), "name: x").unwrap();
    for path in [
        "service/pyvenv.cfg",
        "service/bin/python",
        "service/main.py",
        "lab/conda-meta/history",
        "lab/notes.ipynb",
        "py311/pyvenv.cfg",
        "py311/lib64/x",
        "py311/.gitignore",
        "mamba/conda-meta/history",
        "mamba/x86_64-conda-linux-gnu/x",
        ".venv/pyvenv.cfg",
        ".venv/kept-by-hand",
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let mut rules = Rules::new();
    rules.add_preset(Preset::Environments).unwrap();
    let source = Source::open(folder.path()).unwrap();
    let listing =
        Selection::new(&rules).unwrap().list(&source, &source.directory(Path::new("")).unwrap()).unwrap();
    let kept: Vec<_> = listing.entries.iter().map(|entry| entry.name.to_str().unwrap()).collect();
    assert_eq!(kept, ["environment.yml", "lab", "requirements.txt", "service"]);
}

#[test]
fn holes_are_told_and_read_as_zeros() {
    use std::io::Read;
    use std::os::unix::fs::FileExt;

    let folder = tempdir().unwrap();
    let path = folder.path().join("sparse");
    let file = fs::File::create(&path).unwrap();
    file.set_len(40 << 20).unwrap();
    let content = vec![7; 3 << 20];
    file.write_all_at(&content, 16 << 20).unwrap();
    let source = Source::open(folder.path()).unwrap();
    let mut file = source.directory(Path::new("")).unwrap().open_file("sparse".as_ref()).unwrap();
    assert_eq!(file.hole(), 16 << 20);
    file.skip_hole(10 << 20);
    assert_eq!(file.hole(), 6 << 20);
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).unwrap();
    let (before, behind) = (vec![0; 6 << 20], vec![0; 21 << 20]);
    assert!(rest == [before, content, behind].concat());
    assert_eq!((file.hole(), file.changed().unwrap()), (0, false));
    fs::File::options().write(true).open(&path).unwrap().write_all_at(b"x", 30 << 20).unwrap();
    assert!(file.changed().unwrap());
}

#[test]
fn a_file_that_grows_faster_than_it_is_read_ends() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, b"begun").unwrap();
    let source = Source::open(folder.path()).unwrap();
    let mut file = source.directory(Path::new("")).unwrap().open_file("log".as_ref()).unwrap();
    assert_eq!(file.why_torn(3), "it changed each of the 3 times it was read");
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    assert_eq!(std::io::copy(&mut file, &mut std::io::sink()).unwrap(), 5 + (64 << 20));
    assert!(file.why_torn(3).starts_with("it grew by more than 64 MiB each of the 3 times"));
}
