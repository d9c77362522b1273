//! A restore that was interrupted is completed by the next run, and others keep out.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in shared set-up")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, setxattr};
use stillpoint_localfs::{Attributes, Error, ExtractOptions, Extractor, Landing, WarningKind};
use tempfile::{TempDir, tempdir};

fn target(folder: &TempDir) -> PathBuf {
    folder.path().join("target")
}

fn open(folder: &TempDir, id: &str) -> stillpoint_localfs::Result<Extractor> {
    Extractor::open(&target(folder), id, ExtractOptions::default())
}

fn attributes() -> Attributes {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Attributes::new(0o555, uid, gid)
}

fn write(extractor: &Extractor, path: &str, content: &[u8]) {
    let mut file = extractor.create_file(Path::new(path), content.len() as u64).unwrap();
    file.write_at(0, content).unwrap();
    file.finish(&attributes()).unwrap();
}

#[test]
fn a_run_in_progress_shows_no_half_file_and_keeps_a_second_run_out() {
    let folder = tempdir().unwrap();
    let first = open(&folder, "op").unwrap();
    assert!(!first.resumed());
    first.create_directory(Path::new("folder")).unwrap();
    write(&first, "folder/done", b"done");
    first.set_directory_attributes(Path::new("folder"), &attributes()).unwrap();
    let mut half = first.create_file(Path::new("folder/half"), 8).unwrap();
    half.write_at(0, b"half").unwrap();
    half.park();
    // A killed process runs no destructors; the lock goes with its descriptors.
    std::mem::forget(half);
    let marker = target(&folder).join(".stillpoint-restore-op");
    assert_eq!(fs::read_dir(&marker).unwrap().count(), 2, "the half file and the journal");
    assert!(!target(&folder).join("folder/half").exists());
    assert!(matches!(open(&folder, "op"), Err(Error::TargetBusy { .. })));
}

#[test]
fn the_next_run_removes_leftovers_and_completes_the_target() {
    let folder = tempdir().unwrap();
    let marker = target(&folder).join(".stillpoint-restore-op");
    fs::create_dir_all(&marker).unwrap();
    fs::write(marker.join("0"), b"half").unwrap();
    fs::create_dir(target(&folder).join("folder")).unwrap();
    fs::write(target(&folder).join("folder/done"), b"done").unwrap();
    fs::write(target(&folder).join("folder/edited"), b"edited").unwrap();
    let second = open(&folder, "op").unwrap();
    assert!(second.resumed());
    assert!(!marker.join("0").exists());
    second.create_directory(Path::new("folder")).unwrap();
    assert_eq!(second.existing(Path::new("folder/done")).unwrap().unwrap().size, 4);
    assert_eq!(second.existing(Path::new("folder/missing")).unwrap(), None);
    let mut differing = second.create_file(Path::new("folder/edited"), 0).unwrap();
    differing.write_at(0, b"").unwrap();
    assert!(matches!(differing.finish(&attributes()), Err(Error::AlreadyExists { .. })));
    let report = second.finish(Some(&attributes())).unwrap();
    assert_eq!(report.warnings.items(), []);
    assert_eq!(fs::read(target(&folder).join("folder/edited")).unwrap(), b"edited");
    assert!(!marker.exists());
}

#[test]
fn a_run_killed_between_marker_and_attributes_is_taken_over_too() {
    let folder = tempdir().unwrap();
    fs::create_dir(target(&folder)).unwrap();
    fs::write(target(&folder).join("file"), b"").unwrap();
    setxattr(target(&folder), "user.stillpoint.restore", b"op", XattrFlags::empty()).unwrap();
    assert!(matches!(open(&folder, "other"), Err(Error::TargetNotEmpty { .. })));
    let again = open(&folder, "op").unwrap();
    assert!(again.resumed());
    again.finish(Some(&attributes())).unwrap();
    let mut list = [0; 256];
    assert_eq!(rustix::fs::listxattr(target(&folder), &mut list[..]).unwrap(), 0);
}

#[test]
fn a_finished_restore_may_be_continued_without_changing_what_stands() {
    let folder = tempdir().unwrap();
    let first = open(&folder, "op").unwrap();
    write(&first, "file", b"restored");
    first.finish(Some(&attributes())).unwrap();
    fs::set_permissions(target(&folder), fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_file(target(&folder).join("file")).unwrap();
    fs::write(target(&folder).join("file"), b"edited").unwrap();
    fs::set_permissions(target(&folder), fs::Permissions::from_mode(0o555)).unwrap();
    assert!(matches!(open(&folder, "op"), Err(Error::TargetNotEmpty { .. })));
    let options = ExtractOptions::landing(Landing::Continue);
    let again = Extractor::open(&target(&folder), "op", options).unwrap();
    assert!(!again.resumed());
    let refused = again.create_file(Path::new("file"), 0).unwrap().finish(&attributes());
    assert!(matches!(refused, Err(Error::AlreadyExists { .. })));
    again.finish(Some(&attributes())).unwrap();
    assert_eq!(fs::read(target(&folder).join("file")).unwrap(), b"edited");
}

#[test]
fn targets_that_are_not_ours_are_refused_and_left_alone() {
    let folder = tempdir().unwrap();
    fs::create_dir(target(&folder)).unwrap();
    fs::write(target(&folder).join("precious"), b"precious").unwrap();
    assert!(matches!(open(&folder, "op"), Err(Error::TargetNotEmpty { .. })));
    assert_eq!(fs::read_dir(target(&folder)).unwrap().count(), 1);

    let held = tempdir().unwrap();
    fs::create_dir_all(target(&held).join(".stillpoint-restore-first")).unwrap();
    for landing in [Landing::EmptyTarget, Landing::Merge, Landing::Replace] {
        let refused = Extractor::open(&target(&held), "second", ExtractOptions::landing(landing));
        assert!(matches!(refused, Err(Error::TargetHeld { id, .. }) if id == "first"));
    }
    assert_eq!(fs::read_dir(target(&held)).unwrap().count(), 1);

    let file = tempdir().unwrap();
    fs::write(target(&file), b"").unwrap();
    assert!(matches!(open(&file, "op"), Err(Error::NotADirectory { .. })));
    for id in ["", "a/b", "..\n", &"x".repeat(201)] {
        assert!(matches!(open(&folder, id), Err(Error::InvalidRestoreId { .. })), "{id:?}");
    }
}

#[test]
fn merging_keeps_and_replacing_overwrites_what_exists() {
    for landing in [Landing::Merge, Landing::Replace] {
        let folder = tempdir().unwrap();
        fs::create_dir_all(target(&folder).join("folder")).unwrap();
        fs::write(target(&folder).join("folder/file"), b"old").unwrap();
        let extractor = Extractor::open(&target(&folder), "op", ExtractOptions::landing(landing)).unwrap();
        extractor.create_directory(Path::new("folder")).unwrap();
        let mut file = extractor.create_file(Path::new("folder/file"), 3).unwrap();
        file.write_at(0, b"new").unwrap();
        let outcome = file.finish(&attributes());
        let over_folder = extractor.create_file(Path::new("folder"), 0).unwrap().finish(&attributes());
        assert!(matches!(over_folder, Err(Error::AlreadyExists { .. })));
        let expected: &[u8] = if landing == Landing::Replace {
            outcome.unwrap();
            b"new"
        } else {
            assert!(matches!(outcome, Err(Error::AlreadyExists { .. })));
            b"old"
        };
        extractor.finish(None).unwrap();
        assert_eq!(fs::read(target(&folder).join("folder/file")).unwrap(), expected);
        assert_eq!(fs::read_dir(target(&folder)).unwrap().count(), 1);
    }
}

#[test]
fn a_directory_that_is_kept_can_be_written_into_until_the_end_and_has_its_mode_again_then() {
    let folder = tempdir().unwrap();
    let kept = target(&folder).join("kept");
    fs::create_dir_all(&kept).unwrap();
    let mode = || fs::metadata(&kept).unwrap().permissions().mode() & 0o7777;
    for gone in [false, true] {
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o555)).unwrap();
        let options = ExtractOptions::landing(Landing::Merge);
        let merging = Extractor::open(&target(&folder), "op", options).unwrap();
        assert!(
            !merging.create_directory(Path::new("kept")).unwrap(),
            "its attributes are not the restore's"
        );
        assert_eq!(mode(), 0o755);
        write(&merging, if gone { "kept/second" } else { "kept/first" }, b"new");
        if gone {
            fs::rename(&kept, folder.path().join("elsewhere")).unwrap();
        }
        let report = merging.finish(None).unwrap();
        let kinds: Vec<_> = report.warnings.items().iter().map(|warning| warning.kind.clone()).collect();
        if gone {
            assert_eq!(kinds, [WarningKind::ModeNotSet], "nobody else tells of it");
        } else {
            assert_eq!((kinds.len(), mode()), (0, 0o555));
        }
    }
}

#[test]
fn a_full_disk_is_told_apart_and_leaves_nothing_half_done() {
    let folder = tempdir().unwrap();
    let mount = target(&folder);
    fs::create_dir(&mount).unwrap();
    if rustix::mount::mount("none", &mount, "tmpfs", rustix::mount::MountFlags::empty(), Some(c"size=256k"))
        .is_err()
    {
        // Only root may mount; an ordinary user's run proves the rest.
        assert!(!rustix::process::geteuid().is_root());
        return;
    }
    let extractor = open(&folder, "op").unwrap();
    let mut file = extractor.create_file(Path::new("large"), 1 << 20).unwrap();
    let error = file.write_at(0, &vec![1; 1 << 20]).unwrap_err();
    drop(file);
    let left = fs::read_dir(mount.join(".stillpoint-restore-op")).unwrap().count();
    drop(extractor);
    rustix::mount::unmount(&mount, rustix::mount::UnmountFlags::DETACH).unwrap();
    assert!(error.is_storage_full(), "{error}");
    assert_eq!(left, 1, "the journal");
}
