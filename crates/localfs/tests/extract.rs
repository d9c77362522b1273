//! Trees come back as they were, and safely.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in shared set-up")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use stillpoint_localfs::{
    Attributes, ExtendedAttribute, ExtractOptions, Extractor, FileId, FileKind, Source, Timestamp,
    WarningKind,
};
use tempfile::{TempDir, tempdir};

fn open(folder: &TempDir) -> Extractor {
    Extractor::open(&folder.path().join("target"), "op-1", ExtractOptions::default()).unwrap()
}

fn own(mode: u32) -> Attributes {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Attributes::new(mode, uid, gid)
        .with_times(Timestamp::new(-1, 999_999_999), Timestamp::new(1_234_567_890, 123_456_789))
}

fn write(extractor: &Extractor, path: &str, content: &[u8], attributes: &Attributes) -> FileId {
    let mut file = extractor.create_file(Path::new(path), content.len() as u64).unwrap();
    file.write_at(0, content).unwrap();
    file.finish(attributes).unwrap()
}

#[test]
fn files_come_back_with_content_mode_owner_times_and_attributes() {
    let folder = tempdir().unwrap();
    let extractor = open(&folder);
    let acl = [
        2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 4, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255,
        255, 255,
    ];
    let attributes = own(0o640).with_extended(vec![
        ExtendedAttribute::new("system.posix_acl_access", acl),
        ExtendedAttribute::new("user.note", "kept"),
    ]);
    write(&extractor, "file", b"content", &attributes);
    let report = extractor.finish(None).unwrap();
    assert_eq!(report.warnings.items(), []);
    let source = Source::open(&folder.path().join("target")).unwrap();
    let file = source.directory(Path::new("")).unwrap().open_file(OsStr::new("file")).unwrap();
    assert_eq!(Attributes::of(file.metadata(), vec![]), own(0o640));
    // An access list of only the basic entries is kept in the mode, so the system no longer lists it.
    assert_eq!(file.extended_attributes().unwrap(), [ExtendedAttribute::new("user.note", "kept")]);
}

#[test]
fn access_lists_come_back_and_are_not_inherited_by_accident() {
    let folder = tempdir().unwrap();
    let extractor = open(&folder);
    let named_user = acl_with_named_user();
    let listed = own(0o770).with_extended(vec![
        ExtendedAttribute::new("system.posix_acl_access", named_user.clone()),
        ExtendedAttribute::new("system.posix_acl_default", named_user.clone()),
    ]);
    extractor.create_directory(Path::new("shared")).unwrap();
    write(&extractor, "shared/plain", b"", &own(0o600));
    extractor.set_directory_attributes(Path::new("shared"), &listed).unwrap();
    assert_eq!(extractor.finish(None).unwrap().warnings.items(), []);
    let source = Source::open(&folder.path().join("target")).unwrap();
    let shared = source.directory(Path::new("shared")).unwrap();
    assert_eq!(shared.extended_attributes().unwrap(), listed.extended);
    assert_eq!(shared.open_file(OsStr::new("plain")).unwrap().extended_attributes().unwrap(), []);
}

fn acl_with_named_user() -> Vec<u8> {
    let mut acl = vec![2, 0, 0, 0];
    for (tag, permissions, id) in
        [(1_u16, 7_u16, u32::MAX), (2, 7, 12345), (4, 4, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)]
    {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    acl
}

#[test]
fn odd_names_empty_directories_links_and_pipes_come_back() {
    let folder = tempdir().unwrap();
    let extractor = open(&folder);
    let odd = PathBuf::from(OsStr::from_bytes(b"new\nline\xff"));
    extractor.create_directory(&odd).unwrap();
    let id = write(&extractor, "original", b"shared", &own(0o600));
    extractor.create_hard_link(&odd.join("second"), Path::new("original"), id).unwrap();
    extractor.create_special(&odd.join("pipe"), FileKind::Fifo, 0, &own(0o620)).unwrap();
    let target = PathBuf::from(OsStr::from_bytes(b"../\xfe"));
    extractor.create_symlink(&odd.join("link"), &target, &own(0o777)).unwrap();
    extractor.set_directory_attributes(&odd, &own(0o510)).unwrap();
    let report = extractor.finish(Some(&own(0o750))).unwrap();
    assert_eq!(report.warnings.items(), []);

    let root = folder.path().join("target");
    let inode = |path: &Path| fs::symlink_metadata(root.join(path)).unwrap();
    assert_eq!(inode(&odd.join("second")).ino(), inode(Path::new("original")).ino());
    assert_eq!(fs::read_link(root.join(odd.join("link"))).unwrap(), target);
    assert!(inode(&odd.join("pipe")).file_type().is_fifo());
    assert_eq!(inode(&odd.join("pipe")).mode() & 0o7777, 0o620);
    for path in [&odd, &odd.join("pipe"), &odd.join("link"), Path::new("original"), Path::new("")] {
        let metadata = inode(path);
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        assert_eq!(modified, (1_234_567_890, 123_456_789), "{path:?}");
    }
    assert_eq!(inode(&odd).mode() & 0o7777, 0o510);
    assert_eq!(inode(Path::new("")).mode() & 0o7777, 0o750);
    let left: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn content_may_be_written_in_any_order_and_zeros_become_holes() {
    let folder = tempdir().unwrap();
    let extractor = open(&folder);
    let size = 8 << 20;
    let mut file = extractor.create_file(Path::new("sparse"), size).unwrap();
    file.write_at(size - 3, b"end").unwrap();
    file.park();
    file.write_at(0, b"start").unwrap();
    file.write_at(1 << 20, &vec![0; 1 << 20]).unwrap();
    assert!(file.write_at(size - 1, b"xx").is_err());
    file.finish(&own(0o600)).unwrap();
    extractor.finish(None).unwrap();
    let path = folder.path().join("target/sparse");
    let content = fs::read(&path).unwrap();
    assert_eq!(content.len() as u64, size);
    assert!(content.starts_with(b"start") && content.ends_with(b"\0end"));
    assert_eq!(content.iter().filter(|byte| **byte != 0).count(), 8);
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn powers_are_withheld_and_listed_unless_asked_for() {
    for privileged in [false, true] {
        let folder = tempdir().unwrap();
        let mut options = ExtractOptions::default();
        (options.privileged, options.special_files) = (privileged, false);
        let extractor = Extractor::open(&folder.path().join("target"), "op-1", options).unwrap();
        write(&extractor, "suid", b"", &own(0o6755));
        let trusted = own(0o600).with_extended(vec![ExtendedAttribute::new("trusted.x", "1")]);
        write(&extractor, "trusted", b"", &trusted);
        assert!(
            !extractor.create_special(Path::new("null"), FileKind::CharDevice, 259, &own(0o666)).unwrap()
        );
        let kinds: Vec<_> = (extractor.finish(None).unwrap().warnings.into_items().into_iter())
            .map(|warning| warning.kind)
            .collect();
        let mode = fs::metadata(folder.path().join("target/suid")).unwrap().permissions().mode() & 0o7777;
        if privileged {
            assert_eq!(mode, 0o6755);
            assert!(!kinds.contains(&WarningKind::SetIdWithheld), "{kinds:?}");
        } else {
            assert_eq!(mode, 0o755);
            let withheld = WarningKind::AttributeWithheld("trusted.x".into());
            assert_eq!(kinds, [WarningKind::SetIdWithheld, withheld, WarningKind::SpecialFileWithheld]);
        }
    }
}

#[test]
fn attributes_that_cannot_be_set_are_warnings() {
    let folder = tempdir().unwrap();
    let extractor = open(&folder);
    let impossible = own(0o644)
        .with_times(Timestamp::new(0, 1_073_741_823), Timestamp::new(0, 0))
        .with_extended(vec![ExtendedAttribute::new("nonsense", "1")]);
    write(&extractor, "file", b"data", &impossible);
    let warnings = extractor.finish(None).unwrap().warnings;
    let kinds: Vec<_> = warnings.items().iter().map(|warning| warning.kind.clone()).collect();
    assert_eq!(kinds, [WarningKind::AttributeNotSet("nonsense".into()), WarningKind::TimesNotSet]);
    assert!(warnings.items()[0].to_string().starts_with("\"file\": the attribute \"nonsense\""));
    assert_eq!(fs::read(folder.path().join("target/file")).unwrap(), b"data");
}
