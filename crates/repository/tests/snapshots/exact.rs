//! What a faithful copy owes, one aspect at a time: every row that design and feature list name.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, mknodat, setxattr, utimensat,
};
use stillpoint_localfs::Rules;
use stillpoint_repository::{
    BackupOptions, BackupSource, BackupSummary, Cancellation, IssueKind, NoProgress, RestoreOptions,
    RestoreSummary,
};
use stillpoint_testkit::compare::Comparison;
use stillpoint_testkit::oracle;

use crate::support::{House, PASSWORD, names, options};

/// Backs the source up and restores it to `target`; nothing may be left out, warned of or different.
async fn there_and_back(house: &House) -> (BackupSummary, RestoreSummary) {
    let backup = house.backup().await;
    assert!(backup.issues.is_empty(), "{:?}", backup.issues);
    let mut options = RestoreOptions::new("op");
    options.extract.privileged = true;
    options.extract.special_files = true;
    let restore = house.restore_with(&backup.snapshot, "target", options).await.unwrap();
    assert!(restore.issues.is_empty() && restore.warnings.is_empty(), "{restore:?}");
    Comparison::new().with_holes().assert_same(&house.source(), &house.path("target"));
    (backup, restore)
}

fn set_times(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_of_a_file_and_of_a_directory_comes_back() {
    let house = House::new().await;
    for mode in (0..0o10000).step_by(if root() { 1 } else { 64 }).filter(|mode| root() || mode & 0o400 != 0) {
        let file = house.source().join(format!("file-{mode:04o}"));
        File::create(&file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    }
    for mode in [0o000, 0o111, 0o500, 0o700, 0o755, 0o777, 0o1777, 0o2775, 0o4711, 0o7000] {
        if root() || mode & 0o500 == 0o500 {
            let directory = house.source().join(format!("dir-{mode:04o}"));
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("inside"), b"x").unwrap();
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
    there_and_back(&house).await;
    let seen = |name: &str| fs::symlink_metadata(house.path("target").join(name)).unwrap().mode() & 0o7777;
    assert_eq!((seen("file-0640"), seen("file-4755")), (0o640, 0o4755));
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_come_back_by_number_also_of_links_and_unknown_users() {
    let house = House::new().await;
    let at = |name: &str| house.source().join(name);
    fs::write(at("file"), b"x").unwrap();
    fs::create_dir(at("dir")).unwrap();
    symlink("file", at("link")).unwrap();
    if root() {
        // The highest number is no user but the word for "leave it".
        for (name, uid, gid) in
            [("file", 4_000_000_000, 3), ("dir", 12345, u32::MAX - 1), ("link", 65534, 99)]
        {
            lchown(at(name), Some(uid), Some(gid)).unwrap();
        }
    }
    there_and_back(&house).await;
    let seen = fs::symlink_metadata(house.path("target/link")).unwrap();
    let expected = fs::symlink_metadata(at("link")).unwrap();
    assert_eq!((seen.uid(), seen.gid()), (expected.uid(), expected.gid()));
}

#[tokio::test(flavor = "multi_thread")]
async fn times_come_back_to_the_nanosecond_before_1970_and_far_ahead() {
    let house = House::new().await;
    let moments = [
        (0, 0),
        (0, 1),
        (-1, 999_999_999),
        (-86_400 * 365, 500),
        (1_700_000_000, 123_456_789),
        (i64::from(i32::MAX) + 1, 1),
        (8_000_000_000, 999_999_999),
    ];
    for (number, (seconds, nanoseconds)) in moments.into_iter().enumerate() {
        let file = house.source().join(format!("file-{number}"));
        fs::write(&file, b"x").unwrap();
        let link = house.source().join(format!("link-{number}"));
        symlink("x", &link).unwrap();
        let directory = house.source().join(format!("dir-{number}"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("inside"), b"makes the directory younger").unwrap();
        for path in [&file, &link, &directory] {
            set_times(path, seconds, nanoseconds);
        }
    }
    set_times(&house.source(), 1_234_567_890, 987_654_321);
    there_and_back(&house).await;
    let seen = fs::metadata(house.path("target/dir-3")).unwrap();
    let wanted = fs::metadata(house.source().join("dir-3")).unwrap();
    assert_eq!((seen.mtime(), seen.mtime_nsec()), (wanted.mtime(), wanted.mtime_nsec()));
    assert!(seen.mtime() < 0, "this file system does not keep times before 1970");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_come_back_as_links_dangling_long_and_not_text() {
    let house = House::new().await;
    let long = "l/".repeat(2047);
    let targets: [&[u8]; 8] = [
        b"nowhere/at/all",
        b"../../../../etc/passwd",
        b"/absolute/and/dangling",
        b".",
        b"link-4",
        long.as_bytes(),
        b"\xff\xfe not text \n",
        b" ",
    ];
    for (number, target) in targets.iter().enumerate() {
        symlink(OsStr::from_bytes(target), house.source().join(format!("link-{number}"))).unwrap();
    }
    let (backup, restore) = there_and_back(&house).await;
    assert_eq!((restore.symlinks, backup.bytes_read), (targets.len() as u64, 0));
    for (number, target) in targets.iter().enumerate() {
        let seen = fs::read_link(house.path("target").join(format!("link-{number}"))).unwrap();
        assert_eq!(seen.as_os_str().as_bytes(), *target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_links_join_the_same_names_across_directories() {
    let house = House::new().await;
    let at = |name: &str| house.source().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::create_dir_all(at("z")).unwrap();
    fs::write(at("z/original"), vec![3; 200_000]).unwrap();
    fs::hard_link(at("z/original"), at("a/b/second")).unwrap();
    fs::hard_link(at("z/original"), at("third")).unwrap();
    fs::write(at("empty"), b"").unwrap();
    fs::hard_link(at("empty"), at("a/empty")).unwrap();
    let (backup, restore) = there_and_back(&house).await;
    assert_eq!((backup.written.data_blobs, restore.hard_links), (1, 3));
    let inode = |name: &str| fs::metadata(house.path("target").join(name)).unwrap().ino();
    assert_eq!(inode("z/original"), inode("third"));
    assert_ne!(inode("empty"), inode("third"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_link_whose_other_names_are_left_out_is_whole_by_itself() {
    let house = House::new().await;
    let at = |name: &str| house.source().join(name);
    fs::create_dir(at("cache")).unwrap();
    fs::write(at("cache/first"), b"content of the file").unwrap();
    fs::hard_link(at("cache/first"), at("kept")).unwrap();
    fs::hard_link(at("cache/first"), at("kept-too")).unwrap();
    let mut rules = Rules::new();
    rules.add("/cache/").unwrap();
    let backup = house.backup_with(options(|options| options.rules = rules)).await.unwrap();
    let restore = house.restore(&backup.snapshot, "target").await;
    assert!(restore.issues.is_empty(), "{:?}", restore.issues);
    assert_eq!(names(&house.path("target")), ["kept", "kept-too"]);
    assert_eq!(fs::read(house.path("target/kept")).unwrap(), b"content of the file");
    let inode = |name: &str| fs::metadata(house.path("target").join(name)).unwrap().ino();
    assert_eq!(inode("kept"), inode("kept-too"));
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_directories_come_back() {
    let house = House::new().await;
    fs::create_dir_all(house.source().join("outputs/run 1/logs")).unwrap();
    fs::create_dir_all(house.source().join("outputs/run 2")).unwrap();
    there_and_back(&house).await;
    assert!(house.path("target/outputs/run 2").is_dir());
    let empty = House::new().await;
    there_and_back(&empty).await;
    assert_eq!(names(&empty.path("target")), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn extended_attributes_of_files_and_directories_come_back_in_every_byte() {
    let house = House::new().await;
    let file = house.source().join("file");
    let directory = house.source().join("dir");
    fs::write(&file, b"x").unwrap();
    fs::create_dir(&directory).unwrap();
    let every: Vec<u8> = (0..=255).collect();
    let large = vec![9; 2000];
    for path in [&file, &directory, &house.source()] {
        for (name, value) in [("user.empty", &b""[..]), ("user.every", &every), ("user.large", &large)] {
            setxattr(path, name, value, XattrFlags::empty()).unwrap();
        }
    }
    there_and_back(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extended_attribute_whose_name_is_no_text_is_listed_and_never_renamed() {
    let house = House::new().await;
    let file = house.source().join("file");
    fs::write(&file, b"x").unwrap();
    let odd = CString::new(b"user.not text \xff".to_vec()).unwrap();
    setxattr(&file, odd.as_c_str(), b"v", XattrFlags::empty()).unwrap();
    setxattr(&file, "user.text", b"v", XattrFlags::empty()).unwrap();
    let backup = house.backup().await;
    let issue = &backup.issues.items()[0];
    assert_eq!(
        (issue.kind, issue.path.to_str(), backup.issues.total()),
        (IssueKind::Unsupported, Some("file"), 1)
    );
    house.restore(&backup.snapshot, "target").await;
    let mut names = vec![0; 1000];
    let length = rustix::fs::listxattr(house.path("target/file"), &mut names).unwrap();
    assert_eq!(names[..length], *b"user.text\0");
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lists_come_back_the_default_ones_of_directories_too() {
    let house = House::new().await;
    let file = house.source().join("file");
    let directory = house.source().join("dir");
    fs::write(&file, b"x").unwrap();
    fs::create_dir(&directory).unwrap();
    // Version 2; tag, permissions and id of: owner, user 1234, group, mask, others.
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in
        [(1, 7, u32::MAX), (2, 5, 1234), (4, 4, u32::MAX), (16, 5, u32::MAX), (32, 0, u32::MAX)]
    {
        list.extend(u16::to_le_bytes(tag).iter().chain(&u16::to_le_bytes(permissions)));
        list.extend(u32::to_le_bytes(id));
    }
    setxattr(&file, "system.posix_acl_access", &list, XattrFlags::empty()).unwrap();
    setxattr(&directory, "system.posix_acl_access", &list, XattrFlags::empty()).unwrap();
    setxattr(&directory, "system.posix_acl_default", &list, XattrFlags::empty()).unwrap();
    fs::write(directory.join("inherits"), b"x").unwrap();
    there_and_back(&house).await;
    let mut seen = vec![0; 200];
    let length =
        rustix::fs::getxattr(house.path("target/dir"), "system.posix_acl_default", &mut seen).unwrap();
    assert_eq!(seen[..length], list);
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_stay_holes_and_cost_nothing_in_the_store() {
    let house = House::new().await;
    let file = File::create(house.source().join("disk.img")).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(b"at the start", 0).unwrap();
    file.write_all_at(b"in the middle", 33 << 20).unwrap();
    let hollow = File::create(house.source().join("only a hole")).unwrap();
    hollow.set_len(9 << 20).unwrap();
    let (backup, _) = there_and_back(&house).await;
    let allocated = fs::metadata(house.path("target/disk.img")).unwrap().blocks() * 512;
    assert!(allocated < 16 << 20, "{allocated} bytes are allocated");
    assert!(backup.written.pack_bytes < 1 << 20, "{} bytes are stored", backup.written.pack_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_bytes_may_be_a_name() {
    let house = House::new().await;
    for byte in (1..=255_u8).filter(|byte| *byte != b'/' && *byte != b'.') {
        fs::write(house.source().join(OsString::from_vec(vec![byte])), [byte]).unwrap();
        let directory = house.source().join(OsString::from_vec(vec![b'd', byte, 0xff, byte]));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("inside"), [byte]).unwrap();
    }
    fs::write(house.source().join("x".repeat(255)), b"long").unwrap();
    fs::write(house.source().join("\u{e4}"), b"composed").unwrap();
    fs::write(house.source().join("a\u{308}"), b"decomposed").unwrap();
    for name in ["...", "-rf", "~", "con", "A", "a", "%2e%2e"] {
        fs::write(house.source().join(format!("{name} ")), name).unwrap();
    }
    there_and_back(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn special_files_come_back_as_what_they_are() {
    let house = House::new().await;
    let at = |name: &str| house.source().join(name);
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    if root() {
        let device = rustix::fs::makedev(1, 3);
        mknodat(CWD, at("null"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), device).unwrap();
        mknodat(
            CWD,
            at("disk"),
            FileType::BlockDevice,
            Mode::from_raw_mode(0o660),
            rustix::fs::makedev(259, 70_000),
        )
        .unwrap();
    }
    there_and_back(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_the_format_cannot_write_is_told_and_costs_nothing_else() {
    let house = House::new().await;
    // Only some file systems keep such times; this one is in memory.
    let (odd, target) =
        (tempfile::tempdir_in("/dev/shm").unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    fs::create_dir(odd.path().join("deep")).unwrap();
    for name in ["deep/late", "early", "usual"] {
        fs::write(odd.path().join(name), name).unwrap();
    }
    for (name, seconds) in
        [("early", -99_000_000_000), ("usual", 253_402_300_799), ("deep/late", 300_000_000_000)]
    {
        set_times(&odd.path().join(name), seconds, 7);
        assert_eq!(fs::metadata(odd.path().join(name)).unwrap().mtime(), seconds);
    }
    set_times(&odd.path().join("deep"), 1_000_000_000_000, 0);
    set_times(odd.path(), 1_000_000_000_000, 0);
    house.settle().await;
    for again in [false, true] {
        let (source, options, progress) =
            (BackupSource::new(odd.path()), BackupOptions::default(), Arc::new(NoProgress));
        let backup = house.repository.backup(&source, options, progress, &Cancellation::new()).await.unwrap();
        assert!(backup.issues.is_empty(), "{:?}", backup.issues);
        let mut told: Vec<_> =
            backup.warnings.items().iter().map(|warning| warning.path.to_str().unwrap()).collect();
        told.sort_unstable();
        assert_eq!(told, ["", "deep", "deep/late", "early"]);
        assert!(backup.warnings.items().iter().all(|warning| warning.kind == IssueKind::Inexact));
        assert_eq!((backup.same_as_parent, backup.files_unmodified), (again, if again { 3 } else { 0 }));
        if again {
            house.restore(&backup.snapshot, target.path().to_str().unwrap()).await;
        }
    }
    let restored =
        ["early", "usual", "deep/late"].map(|name| fs::metadata(target.path().join(name)).unwrap().mtime());
    assert_eq!(restored, [-62_167_219_200, 253_402_300_799, 253_402_300_799]);
    let Some(restic) = oracle::restic() else { return };
    restic.repository(house.path("repository").display().to_string(), PASSWORD).check_read_data();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_size_around_the_edges_of_chunks_come_back() {
    let house = House::new().await;
    let edges = [0_usize, 1, 2, 255, 4095, 4096, 4097, 512 << 10, 1 << 20, 4 << 20, (4 << 20) + 1, 9 << 20];
    for edge in edges {
        for size in [edge.saturating_sub(1), edge, edge + 1] {
            let content: Vec<u8> =
                (0..size).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
            fs::write(house.source().join(format!("{size}")), content).unwrap();
        }
    }
    there_and_back(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_mounted_below_is_left_out_and_counted_unless_asked_for() {
    let house = House::new().await;
    let mounted = house.source().join("mounted");
    fs::create_dir(&mounted).unwrap();
    fs::write(house.source().join("own"), b"own").unwrap();
    let Some(_mount) = Mount::tmpfs(&mounted) else { return };
    fs::write(mounted.join("foreign"), b"foreign").unwrap();
    let stays = house.backup_with(options(|options| options.one_file_system = true)).await.unwrap();
    assert_eq!((stays.files_new, stays.bytes_read), (1, 3));
    assert!(stays.rules.iter().any(|rule| rule.directories == 1), "{:?}", stays.rules);
    house.restore(&stays.snapshot, "target").await;
    assert_eq!(names(&house.path("target")), ["mounted", "own"]);
    assert_eq!(names(&house.path("target/mounted")), [""; 0]);
    let crosses = house.backup_with(options(|options| options.one_file_system = false)).await.unwrap();
    house.restore_afresh(&crosses.snapshot, "all").await;
    assert_eq!(fs::read(house.path("all/mounted/foreign")).unwrap(), b"foreign");
}

/// A small file system in memory, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None` where mounting is not allowed, which is a failure where tests must not be skipped.
    fn tmpfs(at: &Path) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).output();
        if done.is_ok_and(|done| done.status.success()) {
            return Some(Self(at.to_owned()));
        }
        let ci = std::env::vars_os().any(|(name, value)| name == "CI" && !value.is_empty());
        assert!(!ci, "nothing can be mounted here, and this test must not be skipped");
        println!("SKIPPED: nothing can be mounted here");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}
