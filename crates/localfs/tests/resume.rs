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

/// Merges into a target in which something stands, as far as having made one directory.
fn merge(folder: &TempDir, directory: &str) -> bool {
    let options = ExtractOptions::landing(Landing::Merge);
    let merging = Extractor::open(&target(folder), "op", options).unwrap();
    merging.create_directory(Path::new(directory)).unwrap()
}

#[test]
fn a_note_that_was_cut_short_swallows_no_later_one() {
    let folder = tempdir().unwrap();
    fs::create_dir_all(target(&folder).join("stands")).unwrap();
    let journal = target(&folder).join(".stillpoint-restore-op/journal");
    assert!(merge(&folder, "first"));
    for torn in ["+sec", "75", "+"] {
        let mut bytes = fs::read(&journal).unwrap();
        bytes.extend(torn.as_bytes());
        fs::write(&journal, bytes).unwrap();
        assert!(merge(&folder, &format!("after {torn}")));
    }
    for made in ["first", "after +sec", "after 75", "after +"] {
        assert!(merge(&folder, made), "{made}: its attributes are the restore's to set");
    }
    assert!(!merge(&folder, "stands"));
}

#[test]
fn a_first_note_that_was_cut_short_is_written_again() {
    let folder = tempdir().unwrap();
    let marker = target(&folder).join(".stillpoint-restore-op");
    fs::create_dir_all(&marker).unwrap();
    fs::write(marker.join("journal"), "+").unwrap();
    assert!(merge(&folder, "first"));
    assert_eq!(fs::read(marker.join("journal")).unwrap(), b"+\0");
}

/// Mounts a small file system at `mount`, which only root may: an ordinary user's run proves the rest.
fn mount_small(mount: &Path, options: &std::ffi::CStr) -> bool {
    fs::create_dir(mount).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    let mounted = rustix::mount::mount("none", mount, "tmpfs", flags, Some(options)).is_ok();
    assert!(mounted || !rustix::process::geteuid().is_root());
    mounted
}

fn unmount(mount: &Path) {
    rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH).unwrap();
}

/// Makes directories until no more can be made, and answers the name of the first that was not.
fn refused_directory(extractor: &Extractor) -> String {
    let mut names = (100..).map(|number| format!("{number}{}", "n".repeat(200)));
    names.find(|name| extractor.create_directory(Path::new(name)).is_err()).unwrap()
}

#[test]
fn a_directory_is_noted_before_it_is_made() {
    let folder = tempdir().unwrap();
    if !mount_small(&target(&folder), c"nr_inodes=10") {
        return;
    }
    fs::create_dir(target(&folder).join("stands")).unwrap();
    let options = ExtractOptions::landing(Landing::Merge);
    let name = refused_directory(&Extractor::open(&target(&folder), "op", options).unwrap());
    for standing in fs::read_dir(target(&folder)).unwrap() {
        drop(fs::remove_dir(standing.unwrap().path()));
    }
    fs::create_dir(target(&folder).join("stands")).unwrap();
    fs::create_dir(target(&folder).join(&name)).unwrap();
    let ours = merge(&folder, &name);
    unmount(&target(&folder));
    assert!(ours);
}

#[test]
fn a_note_that_a_full_disk_cut_short_swallows_no_later_one() {
    let folder = tempdir().unwrap();
    if !mount_small(&target(&folder), c"size=256k") {
        return;
    }
    fs::create_dir(target(&folder).join("stands")).unwrap();
    let filler = target(&folder).join("filler");
    let merging = Extractor::open(&target(&folder), "op", ExtractOptions::landing(Landing::Merge)).unwrap();
    merging.create_directory(Path::new("first")).unwrap();
    fs::write(&filler, vec![1; 1 << 20]).unwrap_err();
    refused_directory(&merging);
    fs::remove_file(filler).unwrap();
    merging.create_directory(Path::new("later")).unwrap();
    drop(merging);
    let ours = merge(&folder, "later");
    unmount(&target(&folder));
    assert!(ours);
}

#[test]
fn a_full_disk_is_told_apart_and_leaves_nothing_half_done() {
    let folder = tempdir().unwrap();
    let mount = target(&folder);
    if !mount_small(&mount, c"size=256k") {
        return;
    }
    let extractor = open(&folder, "op").unwrap();
    let mut file = extractor.create_file(Path::new("large"), 1 << 20).unwrap();
    let error = file.write_at(0, &vec![1; 1 << 20]).unwrap_err();
    drop(file);
    let left = fs::read_dir(mount.join(".stillpoint-restore-op")).unwrap().count();
    drop(extractor);
    unmount(&mount);
    assert!(error.is_storage_full(), "{error}");
    assert_eq!(left, 1, "the journal");
}
