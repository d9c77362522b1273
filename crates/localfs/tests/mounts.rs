//! Mount points below the target: what belongs there is placed there, as whole and as safely as elsewhere.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in shared set-up")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};
use stillpoint_localfs::{
    Attributes, ExtractOptions, Extractor, Fate, FileKind, Foresight, Landing, LinkKey, Timestamp,
};
use tempfile::{TempDir, tempdir};

const INSIDE: &str = "STILLPOINT_TEST_OWN_MOUNTS";
const MARKER: &str = ".stillpoint-restore-op";

/// Runs `body` as the test `name` in a mount namespace of its own, in a process of its own.
#[expect(clippy::disallowed_methods, reason = "a test that starts itself again tells itself so")]
fn with_mounts(name: &str, body: impl FnOnce(&TempDir, PathBuf)) {
    if std::env::var_os(INSIDE).is_some() {
        let folder = tempdir().unwrap();
        let target = folder.path().join("target");
        fs::create_dir_all(target.join("data/kept")).unwrap();
        fs::create_dir(target.join("bound")).unwrap();
        fs::create_dir(folder.path().join("elsewhere")).unwrap();
        mount("none", target.join("data"), "tmpfs", MountFlags::empty(), Some(c"size=16m")).unwrap();
        // The same file system, and yet no rename leads there.
        mount_bind(folder.path().join("elsewhere"), target.join("bound")).unwrap();
        return body(&folder, target);
    }
    let as_root: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--map-root-user"] };
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(as_root).arg("--mount").arg(program).args([name, "--exact", "--nocapture"]);
    let output = command.env(INSIDE, "1").output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

fn attributes() -> Attributes {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut attributes = Attributes::new(0o755, uid, gid);
    attributes.modified = Timestamp::new(1_700_000_000, 5);
    attributes
}

fn open(target: &Path, landing: Landing) -> Extractor {
    Extractor::open(target, "op", ExtractOptions::landing(landing)).unwrap()
}

fn write(extractor: &Extractor, path: &str, content: &[u8]) -> stillpoint_localfs::Result<()> {
    let mut file = extractor.create_file(Path::new(path), content.len() as u64)?;
    file.write_at(0, content)?;
    file.park();
    file.finish(&attributes()).map(|_| ())
}

#[test]
fn everything_is_placed_below_mount_points() {
    with_mounts("everything_is_placed_below_mount_points", |_, target| {
        for place in ["data", "bound"] {
            fs::write(target.join(place).join("stands"), b"old").unwrap();
            fs::write(target.join(place).join("second"), b"other").unwrap();
        }
        let extractor = open(&target, Landing::Replace);
        for place in ["data", "bound"] {
            let below = |name: &str| PathBuf::from(format!("{place}/{name}"));
            extractor.create_directory(Path::new(place)).unwrap();
            extractor.create_directory(&below("deep")).unwrap();
            let folder = extractor.folder(&below("deep")).unwrap();
            extractor.write_file(&folder, OsStr::new("small"), b"small", &attributes()).unwrap();
            write(&extractor, &format!("{place}/deep/large"), b"large").unwrap();
            write(&extractor, &format!("{place}/stands"), b"new").unwrap();
            extractor.create_symlink(&below("link"), Path::new("stands"), &attributes()).unwrap();
            extractor.create_special(&below("pipe"), FileKind::Fifo, 0, &attributes()).unwrap();
            let mut file = extractor.create_file(&below("first"), 1).unwrap();
            file.write_at(0, b"1").unwrap();
            let id = file.finish(&attributes()).unwrap();
            extractor.create_hard_link(&below("second"), &below("first"), id).unwrap();
            let apart = extractor.create_hard_link(Path::new("apart"), &below("first"), id).unwrap_err();
            assert!(apart.to_string().contains("something is mounted between them"), "{apart}");
            extractor.set_directory_attributes(&below("deep"), &attributes()).unwrap();
            extractor.set_directory_attributes(Path::new(place), &attributes()).unwrap();
        }
        extractor.finish(Some(&attributes())).unwrap();
        for place in ["data", "bound"].map(|place| target.join(place)) {
            assert!(!place.join(MARKER).exists(), "it leaves nothing behind");
            assert_eq!(
                (fs::metadata(&place).unwrap().mtime(), fs::read_dir(&place).unwrap().count()),
                (1_700_000_000, 6)
            );
            assert_eq!(fs::read(place.join("deep/small")).unwrap(), b"small");
            assert_eq!(fs::read(place.join("deep/large")).unwrap(), b"large");
            assert_eq!(fs::read(place.join("stands")).unwrap(), b"new");
            assert_eq!(fs::metadata(place.join("second")).unwrap().nlink(), 2);
        }
    });
}

#[test]
fn what_a_killed_run_left_on_a_mount_goes_with_the_next_one() {
    with_mounts("what_a_killed_run_left_on_a_mount_goes_with_the_next_one", |_, target| {
        let first = open(&target, Landing::Merge);
        let mut half = first.create_file(Path::new("data/half"), 8).unwrap();
        half.write_at(0, b"half").unwrap();
        assert_eq!(fs::read_dir(target.join("data").join(MARKER)).unwrap().count(), 1);
        let meddling = write(&first, &format!("data/{MARKER}"), b"new").unwrap_err();
        assert!(meddling.to_string().ends_with("already exists"), "{meddling}");
        // A killed process runs no destructors; its locks go with its descriptors.
        let leftover = target.join("data").join(MARKER).join("9");
        drop(half);
        drop(first);
        fs::write(leftover, b"half").unwrap();

        let second = open(&target, Landing::Merge);
        assert!(!target.join("data").join(MARKER).exists());
        write(&second, "data/half", b"whole").unwrap();
        second.finish(None).unwrap();
        assert_eq!(fs::read(target.join("data/half")).unwrap(), b"whole");
        assert_eq!(fs::read_dir(target.join("data")).unwrap().count(), 1);
    });
}

#[test]
fn a_mount_that_takes_nothing_is_told_and_hinders_nothing_else() {
    with_mounts("a_mount_that_takes_nothing_is_told_and_hinders_nothing_else", |_, target| {
        mount_remount(target.join("data"), MountFlags::RDONLY, "").unwrap();
        let extractor = open(&target, Landing::Merge);
        write(&extractor, "file", b"new").unwrap();
        let refusal = write(&extractor, "data/file", b"new").unwrap_err();
        assert!(format!("{refusal:?}").contains("ReadOnlyFilesystem"), "{refusal:?}");
        extractor.finish(None).unwrap();
        assert!(!target.join(MARKER).exists());
    });
}

#[test]
fn a_preview_knows_which_names_no_mount_may_part() {
    with_mounts("a_preview_knows_which_names_no_mount_may_part", |_, target| {
        fs::create_dir(target.join("data").join(MARKER)).unwrap();
        symlink("nowhere", target.join("data/only-here")).unwrap();
        let mut preview = Foresight::open(&target, "op", ExtractOptions::landing(Landing::Merge)).unwrap();
        preview.directory(Path::new("data"), &attributes(), true);
        for path in ["data/first", "data/second", "third"] {
            let link = Some(LinkKey::new(1, 2, &[0; 32]));
            preview.file(Path::new(path), 1, &attributes(), link, |_| Ok(true));
        }
        let preview = preview.finish(None, false).unwrap();
        let fates = [Fate::Created, Fate::Conflict, Fate::Foreign].map(|fate| preview.count(fate));
        assert_eq!(fates, [2, 1, 1], "{:?}", preview.items);
    });
}
